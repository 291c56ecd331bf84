/* What the files of the interpreter share. */
#ifndef INTERPRETER_H
#define INTERPRETER_H

#include <stddef.h>
#include <stdint.h>

#include "lua.h"

#define HOST(name) __attribute__((import_module("host"), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name)))

/* Suspends. */
HOST("wait") int hostWait(void);
/* It goes on: GO_ON, KILLED, or what the debugger asks for with a word at input(). */
HOST("resumed") int hostResumed(void);

enum { GO_ON, LATE, KILLED, EVALUATE, PRINT, TRACE };

typedef struct {
  char *bytes;
  size_t size, used;
} Buffer;

void put(Buffer *buffer, const char *bytes, size_t length);
char *inputAddress(size_t size);
int raise(lua_State *L, const char *text);
void debugHook(lua_State *L, lua_Debug *place);
int sayDebugged(lua_State *L);

#endif
