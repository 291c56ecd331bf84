/*
 * The debugger's half inside the interpreter: a hook at every line asks the host whether to stop, and carries
 * out what cannot be done from outside: looking at variables, running a piece of code, showing the stack.
 */
#include <stdio.h>
#include <string.h>

#include "interpreter.h"
#include "lauxlib.h"

/* Whether the script stops at this line; `isCount`: asked because it has run for long. */
HOST("line") int hostLine(int line, int isCount);
/* One line for who debugs. */
HOST("say") void hostSay(const char *text, size_t length);
/* A line of the source with the marks of the debugger. */
HOST("sayLine") void hostSayLine(int line);

#define DEPTH_MAX 10
#define SCRIPT_NAME "user_script"

static Buffer text;

static void put_(const char *bytes) { put(&text, bytes, strlen(bytes)); }

static void say(void) {
  hostSay(text.bytes, text.used);
  text.used = 0;
}

static void putQuoted(const char *bytes, size_t length) {
  char escape[8];
  put_("\"");
  for (size_t at = 0; at < length; at++) {
    unsigned char byte = bytes[at];
    if (byte == '"' || byte == '\\') snprintf(escape, sizeof(escape), "\\%c", byte);
    else if (byte == '\n') strcpy(escape, "\\n");
    else if (byte == '\r') strcpy(escape, "\\r");
    else if (byte == '\t') strcpy(escape, "\\t");
    else if (byte >= 32 && byte < 127) snprintf(escape, sizeof(escape), "%c", byte);
    else snprintf(escape, sizeof(escape), "\\x%02x", byte);
    put_(escape);
  }
  put_("\"");
}

static void putShown(lua_State *L, int depth);

/* The table on the stack: its values when its keys are 1, 2, …, else keys and values. */
static void putTable(lua_State *L, int depth) {
  int isArray = 1, expected = 1, count = 0;
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1), expected++) {
    if (lua_type(L, -2) != LUA_TNUMBER || lua_tonumber(L, -2) != expected) isArray = 0;
  }
  put_("{");
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    if (count++ > 0) put_("; ");
    if (!isArray) {
      put_("[");
      lua_pushvalue(L, -2);
      putShown(L, depth);
      lua_pop(L, 1);
      put_("]=");
    }
    putShown(L, depth);
  }
  put_("}");
}

/* The value on the stack as people read it; leaves it there. */
static void putShown(lua_State *L, int depth) {
  char word[64];
  size_t length;
  if (depth == DEPTH_MAX || !lua_checkstack(L, 6)) {
    put_("<max recursion level reached! Nested table?>");
    return;
  }
  switch (lua_type(L, -1)) {
    case LUA_TSTRING: {
      const char *bytes = lua_tolstring(L, -1, &length);
      putQuoted(bytes, length);
      break;
    }
    case LUA_TBOOLEAN:
      put_(lua_toboolean(L, -1) ? "true" : "false");
      break;
    case LUA_TNUMBER:
      snprintf(word, sizeof(word), "%g", (double)lua_tonumber(L, -1));
      put_(word);
      break;
    case LUA_TNIL:
      put_("nil");
      break;
    case LUA_TTABLE:
      putTable(L, depth + 1);
      break;
    default:
      snprintf(word, sizeof(word), "\"%s@%p\"", luaL_typename(L, -1), lua_topointer(L, -1));
      put_(word);
  }
}

static void sayValue(lua_State *L, const char *prefix) {
  put_(prefix);
  putShown(L, 0);
  say();
}

/* The variable of that name in the nearest call that has it; KEYS and ARGV too. */
static void printOne(lua_State *L, const char *wanted) {
  lua_Debug place;
  for (int level = 0; lua_getstack(L, level, &place); level++) {
    const char *name;
    for (int local = 1; (name = lua_getlocal(L, &place, local)) != NULL; local++) {
      int found = strcmp(name, wanted) == 0;
      if (found) sayValue(L, "<value> ");
      lua_pop(L, 1);
      if (found) return;
    }
  }
  if (strcmp(wanted, "KEYS") != 0 && strcmp(wanted, "ARGV") != 0) {
    put_("No such variable.");
    say();
    return;
  }
  lua_getglobal(L, wanted);
  sayValue(L, "<value> ");
  lua_pop(L, 1);
}

static void printAll(lua_State *L) {
  lua_Debug place;
  int count = 0;
  const char *name;
  if (lua_getstack(L, 0, &place)) {
    for (int local = 1; (name = lua_getlocal(L, &place, local)) != NULL; local++) {
      if (strstr(name, "(*temporary)") == NULL) {
        char prefix[160];
        snprintf(prefix, sizeof(prefix), "<value> %.128s = ", name);
        sayValue(L, prefix);
        count++;
      }
      lua_pop(L, 1);
    }
  }
  if (count > 0) return;
  put_("No local variables in the current context.");
  say();
}

static void trace(lua_State *L) {
  lua_Debug place;
  for (int level = 0; lua_getstack(L, level, &place); level++) {
    lua_getinfo(L, "Snl", &place);
    if (strstr(place.short_src, SCRIPT_NAME) == NULL) continue;
    put_(level == 0 ? "In " : "From ");
    put_(place.name != NULL ? place.name : "top level");
    put_(":");
    say();
    hostSayLine(place.currentline);
  }
}

/* Runs code, as an expression when it is one. */
static void evaluate(lua_State *L, const char *code) {
  lua_pushliteral(L, "return ");
  lua_pushstring(L, code);
  lua_concat(L, 2);
  size_t length;
  const char *expression = lua_tolstring(L, -1, &length);
  int problem = luaL_loadbuffer(L, expression, length, "@ldb_eval");
  lua_remove(L, -2);
  if (problem) {
    lua_pop(L, 1);
    problem = luaL_loadbuffer(L, code, strlen(code), "@ldb_eval");
  }
  if (problem || lua_pcall(L, 0, 1, 0)) {
    if (lua_istable(L, -1)) lua_getfield(L, -1, "err");
    else lua_pushvalue(L, -1);
    put_("<error> ");
    put_(lua_isstring(L, -1) ? lua_tostring(L, -1) : "an error that is no text");
    say();
    lua_pop(L, 2);
    return;
  }
  sayValue(L, "<retval> ");
  lua_pop(L, 1);
}

void debugHook(lua_State *L, lua_Debug *place) {
  lua_getinfo(L, "Sl", place);
  if (strstr(place->short_src, SCRIPT_NAME) == NULL) return;
  if (!hostLine(place->currentline, place->event == LUA_HOOKCOUNT)) return;
  for (;;) {
    hostWait();
    int asked = hostResumed();
    const char *word = inputAddress(0);
    if (asked == GO_ON) return;
    if (asked == KILLED) raise(L, "script aborted for user request");
    else if (asked == EVALUATE) evaluate(L, word);
    else if (asked == TRACE) trace(L);
    else if (*word == 0) printAll(L);
    else printOne(L, word);
  }
}

/* redis.debug(…): the values, for who debugs. */
int sayDebugged(lua_State *L) {
  lua_Debug place;
  char prefix[48];
  int line = 0;
  if (lua_getstack(L, 1, &place) && lua_getinfo(L, "l", &place)) line = place.currentline;
  snprintf(prefix, sizeof(prefix), "<debug> line %d: ", line);
  put_(prefix);
  int count = lua_gettop(L);
  for (int word = 1; word <= count; word++) {
    if (word > 1) put_(", ");
    lua_pushvalue(L, word);
    putShown(L, 0);
    lua_pop(L, 1);
  }
  say();
  return 0;
}
