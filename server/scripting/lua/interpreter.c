/*
 * Redis' Lua 5.1 as a WebAssembly module: what stands between the interpreter and lua-machine.ts.
 *
 *   lua-machine.ts                              this file
 *   writes words at input(), calls run(ref) --> KEYS and ARGV are made, the compiled function is called
 *   runs the command, copies its reply      <-- host.call: the words as canonical RESP, where `facts` says
 *   copies the reply, or the error's words  <-- run returns; they are at facts[OUT], facts[OUT_LENGTH] bytes
 *
 * One interpreter a module. `run` is entered by a promising export: the count hook asks host.tick and
 * suspends by host.wait when the script is late. No call out of here may end by a longjmp over a frame of JavaScript:
 * the host never calls back into what can raise an error.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "interpreter.h"
#include "lauxlib.h"
#include "lua.h"
#include "lualib.h"

/* Runs the command whose words stand in `facts`; the length of its reply, which is at facts[REPLY]. */
HOST("call") int hostCall(void);
/* Whether the user may run that command; -1: there is none. */
HOST("mayRun") int hostMayRun(void);
/* What the count hook does: GO_ON, LATE or KILLED. */
HOST("tick") int hostTick(void);
/* redis.breakpoint(): whether a debugger stops at the next line. */
HOST("breakpoint") int hostBreakpoint(void);
HOST("log") void hostLog(int level, const char *text, size_t length);
HOST("setProtocol") void hostSetProtocol(int version);
HOST("setReplication") void hostSetReplication(int targets);
/* Writes 40 hex digits. */
HOST("sha1") void hostSha1(const char *bytes, size_t length, char *out);
/* Writes the shortest text of a double, fewer than NUMBER_BYTES; its length. */
HOST("formatDouble") int hostFormatDouble(double value, char *out);
/* Microseconds of processor time. */
HOST("clock") double hostClock(void);

/* Places in `facts`, shared with lua-machine.ts. */
enum { BYTES, BYTES_END, WORD_COUNT, STARTS, LENGTHS, PLACES, REPLY, REPLY_SIZE, OUT, OUT_LENGTH, STATE, LINE,
       SOURCE, SOURCE_LENGTH, ERRORS, FIRST_ERROR, FACTS };

/* facts[STATE]. */
enum { RUNNING, VALUE, FAILURE };

/* Bits of `mode`. */
enum { CLIENT_SPEAKS_3 = 1, IS_FUNCTION = 2, IS_WATCHED = 4, IS_DEBUGGED = 8 };

#define HOOK_INSTRUCTIONS 10000
#define STEPS_PERIOD 50
#define NUMBER_BYTES 64
#define KEPT_BYTES (1024 * 1024)
/* The stack of a promising export is a megabyte. */
#define DEPTH_MAX 1500
#define SOURCE_BYTES 256

int luaopen_cjson(lua_State *L);
int luaopen_struct(lua_State *L);
int luaopen_cmsgpack(lua_State *L);
int luaopen_bit(lua_State *L);

static int32_t facts[FACTS];
static lua_State *state;
static int scriptProtocol = 2;
static int clientProtocol = 2;
static int isFunction;
static int isLoading;
static int isDebugged;
static char source[SOURCE_BYTES];

/* One unit for the compiler, so that what is short is put where it is called. */
#include "buffers.c"
#include "values.c"
#include "api.c"

/* ---- The sandbox ---- */

static int absentGlobal(lua_State *L) {
  const char *name = lua_tostring(L, 2);
  if (name == NULL) name = "?";
  return luaL_error(L, "Script attempted to access nonexistent global variable '%s'", name);
}

/* Asking the table on the stack for what it has not is an error. */
static void refuseAbsent(lua_State *L) {
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, absentGlobal);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
}

/* The table on the stack, and all that it reaches, can be read only. */
static void lock(lua_State *L) {
  if (lua_isreadonlytable(L, -1)) return;
  lua_enablereadonlytable(L, -1, 1);
  luaL_checkstack(L, 4, "locking");
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    if (lua_istable(L, -1)) lock(L);
  }
  if (lua_getmetatable(L, -1)) {
    lock(L);
    lua_pop(L, 1);
  }
}

static void open(lua_State *L, const char *name, lua_CFunction opener) {
  lua_pushcfunction(L, opener);
  lua_pushstring(L, name);
  lua_call(L, 1, 0);
}

static void setNumber(lua_State *L, const char *name, int value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}

static void setText(lua_State *L, const char *name, const char *value) {
  lua_pushstring(L, value);
  lua_setfield(L, -2, name);
}

/* What the API has also while a library is loaded. */
static void addLogAndVersion(lua_State *L) {
  lua_pushcfunction(L, redisLog);
  lua_setfield(L, -2, "log");
  setNumber(L, "LOG_DEBUG", 0);
  setNumber(L, "LOG_VERBOSE", 1);
  setNumber(L, "LOG_NOTICE", 2);
  setNumber(L, "LOG_WARNING", 3);
  setText(L, "REDIS_VERSION", LUA_REDIS_VERSION);
  setNumber(L, "REDIS_VERSION_NUM", LUA_REDIS_VERSION_NUMBER);
}

static const luaL_Reg api[] = {
    {"call", redisCall},           {"pcall", redisPcall},
    {"setresp", redisSetResp},     {"sha1hex", redisSha1},
    {"error_reply", redisErrorReply}, {"status_reply", redisStatusReply},
    {"set_repl", redisSetRepl},    {"acl_check_cmd", redisAclCheck},
    {NULL, NULL},
};

static const luaL_Reg evalApi[] = {
    {"replicate_commands", redisReplicateCommands},
    {"breakpoint", redisBreakpoint},
    {"debug", redisDebug},
    {NULL, NULL},
};

static void addFunctions(lua_State *L, const luaL_Reg *functions) {
  for (; functions->name != NULL; functions++) {
    lua_pushcfunction(L, functions->func);
    lua_setfield(L, -2, functions->name);
  }
}

static void addApi(lua_State *L, int forFunctions) {
  lua_newtable(L);
  addFunctions(L, api);
  if (!forFunctions) addFunctions(L, evalApi);
  addLogAndVersion(L);
  setNumber(L, "REPL_NONE", 0);
  setNumber(L, "REPL_AOF", 1);
  setNumber(L, "REPL_SLAVE", 2);
  setNumber(L, "REPL_REPLICA", 2);
  setNumber(L, "REPL_ALL", 3);
  lua_pushvalue(L, -1);
  lua_setglobal(L, "redis");
  lua_setglobal(L, "server");
}

static void addGlobals(lua_State *L, int forFunctions) {
  static const char *const absent[] = {"print", "dofile", "loadfile", "debug"};
  open(L, "", luaopen_base);
  open(L, LUA_TABLIBNAME, luaopen_table);
  open(L, LUA_STRLIBNAME, luaopen_string);
  open(L, LUA_MATHLIBNAME, luaopen_math);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, osClock);
  lua_setfield(L, -2, "clock");
  lua_setglobal(L, "os");
  open(L, "cjson", luaopen_cjson);
  open(L, "struct", luaopen_struct);
  open(L, "cmsgpack", luaopen_cmsgpack);
  open(L, "bit", luaopen_bit);
  for (size_t at = 0; at < sizeof(absent) / sizeof(*absent); at++) {
    lua_pushnil(L);
    lua_setglobal(L, absent[at]);
  }
  lua_pushcfunction(L, textPcall);
  lua_setglobal(L, "pcall");
  lua_getglobal(L, "math");
  lua_pushcfunction(L, mathRandom);
  lua_setfield(L, -2, "random");
  lua_pushcfunction(L, mathRandomSeed);
  lua_setfield(L, -2, "randomseed");
  lua_pop(L, 1);
  addApi(L, forFunctions);
  if (forFunctions) return;
  lua_pushcfunction(L, describeError);
  lua_setglobal(L, "__redis__err__handler");
  lua_pushcfunction(L, describeError);
  lua_setglobal(L, "__server__err__handler");
}

#include "libraries.c"

/* ---- Running ---- */

static void countHook(lua_State *L, lua_Debug *unused) {
  (void)unused;
  int answer = hostTick();
  if (answer == LATE) {
    hostWait();
    answer = hostResumed();
  }
  if (answer != KILLED) return;
  /* From now on at every line, lest pcall keep the script alive. */
  lua_sethook(L, countHook, LUA_MASKLINE, 0);
  raise(L, isLoading ? "FUNCTION LOAD timeout"
                     : isFunction ? "Script killed by user with FUNCTION KILL." : "Script killed by user with SCRIPT KILL.");
}

static int end(lua_State *L) {
  (void)L;
  __builtin_trap();
}

EXPORT("open") void openState(int forFunctions) {
  state = lua_open();
  lua_State *L = state;
  lua_atpanic(L, end);
  addGlobals(L, forFunctions);
  /* Metatables that values of a type share are as good as globals. */
  lua_pushliteral(L, "");
  lua_getmetatable(L, -1);
  lock(L);
  lua_pop(L, 2);
  lua_pushvalue(L, LUA_GLOBALSINDEX);
  refuseAbsent(L);
  lock(L);
  lua_pop(L, 1);
  if (forFunctions) prepareLibraries(L);
  placesReserved(64);
  reserveReply(4096);
  facts[SOURCE] = (int32_t)source;
}

static int failWithText(lua_State *L) {
  size_t length;
  const char *text = lua_tolstring(L, -1, &length);
  out.used = 0;
  put(&out, text, length);
  lua_pop(L, 1);
  facts[OUT] = (int32_t)out.bytes;
  facts[OUT_LENGTH] = out.used;
  return -1;
}

/* Compiles input[0, length); what refers to the function, or -1 and the compiler's words. */
EXPORT("compile") int compile(size_t length) {
  shrink(&out);
  if (luaL_loadbuffer(state, input.bytes, length, "@user_script")) return failWithText(state);
  return luaL_ref(state, LUA_REGISTRYINDEX);
}

EXPORT("release") void release(int ref) { luaL_unref(state, LUA_REGISTRYINDEX, ref); }

/* Compiles and runs a library; VALUE and what it registered, FAILURE and why, or -1 and the compiler's words. */
EXPORT("loadLibrary") int loadLibrary(size_t length) {
  lua_State *L = state;
  shrink(&out);
  facts[ERRORS] = 0;
  showGlobals(L, LIBRARY_GLOBALS);
  int result = luaL_loadbuffer(L, input.bytes, length, "@user_function") ? failWithText(L) : VALUE;
  if (result == VALUE) {
    isLoading = 1;
    lua_sethook(L, countHook, LUA_MASKCOUNT, HOOK_INSTRUCTIONS);
    int failed = lua_pcall(L, 0, 0, 0);
    lua_sethook(L, NULL, 0, 0);
    if (failed) {
      for (size_t at = 0; at < out.used;) {
        int32_t head[4];
        memcpy(head, out.bytes + at, sizeof(head));
        release(head[0]);
        at += sizeof(head) + head[2] + (head[3] < 0 ? 0 : head[3]);
      }
      result = fail(L);
    }
    isLoading = 0;
  }
  facts[OUT] = (int32_t)out.bytes;
  facts[OUT_LENGTH] = out.used;
  showGlobals(L, ALL_GLOBALS);
  return result;
}

static void pushWords(lua_State *L, const int32_t *sizes, const char **at, int count) {
  lua_createtable(L, count, 0);
  for (int word = 0; word < count; word++) {
    lua_pushlstring(L, *at, sizes[word]);
    lua_rawseti(L, -2, word + 1);
    *at += sizes[word];
  }
}

static void collectNowAndThen(lua_State *L) {
  static int runs;
  if (++runs < STEPS_PERIOD) return;
  runs = 0;
  lua_gc(L, LUA_GCSTEP, STEPS_PERIOD);
}

/*
 * Calls a compiled function. At input(): the lengths of the words, 4 bytes each, then the words; the first
 * `keyCount` are keys.
 */
EXPORT("run") int run(int ref, int wordCount, int keyCount, int mode) {
  lua_State *L = state;
  shrink(&out);
  facts[STATE] = RUNNING;
  facts[ERRORS] = 0;
  scriptProtocol = 2;
  clientProtocol = (mode & CLIENT_SPEAKS_3) != 0 ? 3 : 2;
  isFunction = (mode & IS_FUNCTION) != 0;
  depth = 0;
  const int32_t *sizes = (const int32_t *)input.bytes;
  const char *at = input.bytes + wordCount * sizeof(int32_t);
  lua_pushcfunction(L, describeError);
  lua_rawgeti(L, LUA_REGISTRYINDEX, ref);
  pushWords(L, sizes, &at, keyCount);
  pushWords(L, sizes + keyCount, &at, wordCount - keyCount);
  if (!isFunction) {
    lua_enablereadonlytable(L, LUA_GLOBALSINDEX, 0);
    lua_setglobal(L, "ARGV");
    lua_setglobal(L, "KEYS");
    lua_enablereadonlytable(L, LUA_GLOBALSINDEX, 1);
  }
  isDebugged = (mode & IS_DEBUGGED) != 0;
  if (isDebugged) lua_sethook(L, debugHook, LUA_MASKLINE | LUA_MASKCOUNT, HOOK_INSTRUCTIONS);
  else if ((mode & IS_WATCHED) != 0) lua_sethook(L, countHook, LUA_MASKCOUNT, HOOK_INSTRUCTIONS);
  int failed = isFunction ? lua_pcall(L, 2, 1, -4) : lua_pcall(L, 0, 1, -2);
  if ((mode & (IS_WATCHED | IS_DEBUGGED)) != 0) lua_sethook(L, NULL, 0, 0);
  if (failed) fail(L);
  else {
    putValue(L);
    facts[OUT] = (int32_t)out.bytes;
    facts[OUT_LENGTH] = out.used;
    facts[STATE] = VALUE;
  }
  lua_settop(L, 0);
  if (input.size > KEPT_BYTES) shrink(&input);
  if (reply.size > KEPT_BYTES) {
    shrink(&reply);
    reserveReply(4096);
  }
  collectNowAndThen(L);
  return facts[STATE];
}

/* Bytes that the interpreter's values take. */
EXPORT("usedBytes") int usedBytes(void) {
  return lua_gc(state, LUA_GCCOUNT, 0) * 1024 + lua_gc(state, LUA_GCCOUNTB, 0);
}

EXPORT("collect") void collect(void) { lua_gc(state, LUA_GCCOLLECT, 0); }
