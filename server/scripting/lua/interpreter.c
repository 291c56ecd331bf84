/*
 * Redis' Lua 5.1 as a WebAssembly module: what stands between the interpreter and lua-machine.ts.
 *
 *   lua-machine.ts                              this file
 *   writes words at input(), calls run(ref) --> KEYS and ARGV are made, the compiled function is called
 *   runs the command, copies its reply      <-- host.call: the words as canonical RESP, their places in `facts`
 *   copies the reply, or the error's words  <-- run returns; value or message at facts[OUT], facts[OUT_LENGTH]
 *
 * One interpreter a module. `run` is entered by a promising export: the count hook asks host.tick and suspends
 * by host.wait when the script is late. No call out of here may end by a longjmp over a frame of JavaScript:
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
enum { BYTES, BYTES_END, WORD_COUNT, STARTS, LENGTHS, PLACES, REPLY, REPLY_SIZE, OUT, OUT_LENGTH, STATE, LINE, SOURCE,
       SOURCE_LENGTH, ERRORS, FIRST_ERROR, FACTS };

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

/* ---- Buffers ---- */

static Buffer input, request, reply, out;
static int32_t *starts, *lengths;
static int placesMax;

/* Makes room; without memory the module ends, and with it all that the host keeps of it. */
static char *reserve(Buffer *buffer, size_t more) {
  if (buffer->used + more > buffer->size) {
    size_t size = buffer->size * 2 > buffer->used + more ? buffer->size * 2 : buffer->used + more + 1024;
    buffer->bytes = realloc(buffer->bytes, size);
    if (buffer->bytes == NULL) __builtin_trap();
    buffer->size = size;
  }
  return buffer->bytes + buffer->used;
}

static void shrink(Buffer *buffer) {
  buffer->used = 0;
  if (buffer->size <= KEPT_BYTES) return;
  free(buffer->bytes);
  buffer->bytes = NULL;
  buffer->size = 0;
}

void put(Buffer *buffer, const char *bytes, size_t length) {
  memcpy(reserve(buffer, length), bytes, length);
  buffer->used += length;
}

static int digitsOf(int64_t value, char *to) {
  char text[24];
  int at = sizeof(text);
  uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
  do text[--at] = '0' + rest % 10;
  while ((rest /= 10) != 0);
  if (value < 0) text[--at] = '-';
  memcpy(to, text + at, sizeof(text) - at);
  return sizeof(text) - at;
}

/* A type byte, a number, the end of the line. */
static void putHead(Buffer *buffer, char type, int64_t value) {
  char *to = reserve(buffer, 32);
  *to = type;
  int length = 1 + digitsOf(value, to + 1);
  to[length] = '\r';
  to[length + 1] = '\n';
  buffer->used += length + 2;
}

static void putLineEnd(Buffer *buffer) { put(buffer, "\r\n", 2); }

static void putBulk(Buffer *buffer, const char *bytes, size_t length) {
  putHead(buffer, '$', length);
  put(buffer, bytes, length);
  putLineEnd(buffer);
}

/* One line; what would end it becomes a space. */
static void putLine(Buffer *buffer, char type, const char *text, size_t length) {
  char *to = reserve(buffer, length + 3);
  *to = type;
  for (size_t at = 0; at < length; at++) {
    to[at + 1] = text[at] == '\r' || text[at] == '\n' ? ' ' : text[at];
  }
  buffer->used += length + 1;
  putLineEnd(buffer);
}

EXPORT("facts") int32_t *factsAddress(void) { return facts; }

EXPORT("input") char *inputAddress(size_t size) {
  input.used = 0;
  return reserve(&input, size);
}

/* Room for a reply of `size` bytes. */
EXPORT("reserveReply") void reserveReply(size_t size) {
  reply.used = 0;
  facts[REPLY] = (int32_t)reserve(&reply, size);
  facts[REPLY_SIZE] = reply.size;
}

/* ---- Errors ---- */

/* Pushes {err = "CODE words"}. Text without a leading `-` gets the code ERR. */
static int pushError(lua_State *L, const char *text) {
  lua_createtable(L, 0, 3);
  size_t length = strlen(text);
  while (length > 0 && (text[length - 1] == '\r' || text[length - 1] == '\n')) length--;
  if (*text == '-') {
    const char *space = strchr(text, ' ');
    if (space != NULL) lua_pushlstring(L, text + 1, length - 1);
    else {
      lua_pushliteral(L, "ERR ");
      lua_pushlstring(L, text + 1, length - 1);
      lua_concat(L, 2);
    }
  } else {
    lua_pushliteral(L, "ERR ");
    lua_pushlstring(L, text, length);
    lua_concat(L, 2);
  }
  lua_setfield(L, -2, "err");
  return 1;
}

int raise(lua_State *L, const char *text) {
  pushError(L, text);
  return lua_error(L);
}

/* The handler of errors: a table with the words, the place and the line; a function of C has its caller's. */
static int describeError(lua_State *L) {
  lua_Debug place;
  int known = lua_getstack(L, 1, &place) && lua_getinfo(L, "nSl", &place);
  if (known && *place.what == 'C') known = lua_getstack(L, 2, &place) && lua_getinfo(L, "nSl", &place);
  lua_settop(L, 1);
  if (!lua_istable(L, 1)) {
    lua_createtable(L, 0, 3);
    lua_pushliteral(L, "ERR ");
    lua_getglobal(L, "tostring");
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    lua_concat(L, 2);
    lua_setfield(L, -2, "err");
  }
  if (known) {
    lua_pushstring(L, place.source);
    lua_setfield(L, -2, "source");
    lua_pushinteger(L, place.currentline);
    lua_setfield(L, -2, "line");
  }
  return 1;
}

/* Field of the table at `index`, without asking its metatable. */
static int rawField(lua_State *L, int index, const char *name) {
  lua_pushstring(L, name);
  lua_rawget(L, index < 0 ? index - 1 : index);
  return lua_type(L, -1);
}

/* An error that no command has answered, and that is not counted yet; its words are at `at` of `out`. */
static void noteError(lua_State *L, size_t at) {
  int counted = rawField(L, -1, "ignore_error_stats_update") == LUA_TBOOLEAN && lua_toboolean(L, -1);
  lua_pop(L, 1);
  if (!counted && facts[ERRORS]++ == 0) facts[FIRST_ERROR] = at;
}

/* The error on the stack as the failure of this run. */
static int fail(lua_State *L) {
  facts[STATE] = FAILURE;
  facts[LINE] = facts[SOURCE_LENGTH] = 0;
  out.used = 0;
  size_t length;
  const char *text;
  if (!lua_istable(L, -1)) {
    text = lua_tolstring(L, -1, &length);
    if (text == NULL) text = "execution failure", length = strlen(text);
    if (!isLoading) put(&out, "ERR Error running script: ", 26);
    else put(&out, "ERR ", 4);
    put(&out, text, length > 1000 ? 1000 : length);
    facts[ERRORS] = 1;
  } else {
    if (rawField(L, -1, "err") == LUA_TSTRING || lua_type(L, -1) == LUA_TNUMBER) {
      text = lua_tolstring(L, -1, &length);
      put(&out, text, length);
    } else put(&out, "ERR execution failure", 21);
    lua_pop(L, 1);
    noteError(L, 0);
    int hasLine = rawField(L, -1, "line") == LUA_TNUMBER;
    if (hasLine) facts[LINE] = (int32_t)lua_tonumber(L, -1);
    lua_pop(L, 1);
    if (hasLine && rawField(L, -1, "source") == LUA_TSTRING) {
      text = lua_tolstring(L, -1, &length);
      if (length > SOURCE_BYTES) length = SOURCE_BYTES;
      memcpy(source, text, length);
      facts[SOURCE_LENGTH] = length;
      lua_pop(L, 1);
    } else if (hasLine) lua_pop(L, 1);
  }
  lua_pop(L, 1);
  facts[OUT] = (int32_t)out.bytes;
  facts[OUT_LENGTH] = out.used;
  return FAILURE;
}

/* ---- Replies of commands become values ---- */

typedef struct {
  const char *at;
} Reader;

static int64_t readNumber(Reader *reader) {
  int negative = *reader->at == '-';
  if (negative || *reader->at == '+') reader->at++;
  uint64_t value = 0;
  while (*reader->at != '\r') value = value * 10 + (*reader->at++ - '0');
  reader->at += 2;
  return negative ? (int64_t)(0 - value) : (int64_t)value;
}

/* The rest of the line; its length. */
static size_t readLine(Reader *reader, const char **line) {
  *line = reader->at;
  const char *end = reader->at;
  while (*end != '\r') end++;
  reader->at = end + 2;
  return end - *line;
}

static void pushReply(lua_State *L, Reader *reader);

static void pushNamed(lua_State *L, const char *name, const char *text, size_t length) {
  lua_createtable(L, 0, 1);
  lua_pushlstring(L, text, length);
  lua_setfield(L, -2, name);
}

static double doubleOf(const char *text, size_t length) {
  char number[NUMBER_BYTES * 8];
  if (length >= sizeof(number)) length = sizeof(number) - 1;
  memcpy(number, text, length);
  number[length] = 0;
  if (strcmp(number, "inf") == 0) return HUGE_VAL;
  if (strcmp(number, "-inf") == 0) return -HUGE_VAL;
  return strtod(number, NULL);
}

static void pushLine(lua_State *L, char type, const char *line, size_t length) {
  switch (type) {
    case '+':
      pushNamed(L, "ok", line, length);
      break;
    case '-':
      pushNamed(L, "err", line, length);
      lua_pushboolean(L, 1);
      lua_setfield(L, -2, "ignore_error_stats_update");
      break;
    case '#':
      lua_pushboolean(L, *line == 't');
      break;
    case ',':
      lua_createtable(L, 0, 1);
      lua_pushnumber(L, doubleOf(line, length));
      lua_setfield(L, -2, "double");
      break;
    case '(':
      pushNamed(L, "big_number", line, length);
      break;
    default:
      lua_pushnil(L);
  }
}

static void pushArray(lua_State *L, Reader *reader, int64_t count) {
  lua_createtable(L, count, 0);
  for (int64_t item = 1; item <= count; item++) {
    pushReply(L, reader);
    lua_rawseti(L, -2, item);
  }
}

/* Sets and maps: a table within a table. */
static void pushKeyed(lua_State *L, Reader *reader, const char *name, int64_t count, int isMap) {
  lua_createtable(L, 0, 1);
  lua_createtable(L, 0, count);
  for (int64_t item = 0; item < count; item++) {
    pushReply(L, reader);
    if (isMap) pushReply(L, reader);
    else lua_pushboolean(L, 1);
    lua_rawset(L, -3);
  }
  lua_setfield(L, -2, name);
}

static void pushVerbatim(lua_State *L, const char *text, size_t length) {
  lua_createtable(L, 0, 1);
  lua_createtable(L, 0, 2);
  lua_pushlstring(L, text + 4, length - 4);
  lua_setfield(L, -2, "string");
  lua_pushlstring(L, text, 3);
  lua_setfield(L, -2, "format");
  lua_setfield(L, -2, "verbatim_string");
}

static void pushReply(lua_State *L, Reader *reader) {
  if (!lua_checkstack(L, 6)) luaL_error(L, "the reply is nested too deep");
  char type = *reader->at++;
  const char *line;
  int64_t number;
  switch (type) {
    case ':':
      lua_pushnumber(L, (lua_Number)readNumber(reader));
      return;
    case '$':
    case '=':
      number = readNumber(reader);
      if (number < 0) {
        lua_pushboolean(L, 0);
        return;
      }
      if (type == '$') lua_pushlstring(L, reader->at, number);
      else pushVerbatim(L, reader->at, number);
      reader->at += number + 2;
      return;
    case '*':
    case '>':
      number = readNumber(reader);
      if (number < 0) lua_pushboolean(L, 0);
      else pushArray(L, reader, number);
      return;
    case '%':
      pushKeyed(L, reader, "map", readNumber(reader), 1);
      return;
    case '~':
      pushKeyed(L, reader, "set", readNumber(reader), 0);
      return;
    case '|':
      /* Attributes are not shown to scripts. */
      number = readNumber(reader);
      for (int64_t item = 0; item < number * 2; item++) {
        pushReply(L, reader);
        lua_pop(L, 1);
      }
      pushReply(L, reader);
      return;
    default: {
      size_t length = readLine(reader, &line);
      pushLine(L, type, line, length);
    }
  }
}

/* ---- Values become replies ---- */

static void putValue(lua_State *L);

/* How deep tables are within each other at `putValue`: what a table that contains itself is written to. */
static int depth;

static void putDouble(double value) {
  char text[NUMBER_BYTES];
  int length = hostFormatDouble(value, text);
  if (clientProtocol == 3) putLine(&out, ',', text, length);
  else putBulk(&out, text, length);
}

static void putNull(void) {
  if (clientProtocol == 3) put(&out, "_\r\n", 3);
  else put(&out, "$-1\r\n", 5);
}

static void putBoolean(int value) {
  if (scriptProtocol == 2) {
    if (value) put(&out, ":1\r\n", 4);
    else putNull();
  } else if (clientProtocol == 3) put(&out, value ? "#t\r\n" : "#f\r\n", 4);
  else put(&out, value ? ":1\r\n" : ":0\r\n", 4);
}

static void putInteger(lua_Number value) {
  int fits = value > -9223372036854775808.0 && value < 9223372036854775808.0;
  putHead(&out, ':', fits ? (int64_t)value : INT64_MIN);
}

static void putVerbatim(const char *format, const char *text, size_t length) {
  if (clientProtocol == 2) {
    putBulk(&out, text, length);
    return;
  }
  putHead(&out, '=', length + 4);
  char kind[4] = {'t', 'x', 't', ':'};
  for (int at = 0; at < 3 && format[at] != 0; at++) kind[at] = format[at];
  put(&out, kind, 4);
  put(&out, text, length);
  putLineEnd(&out);
}

/* The pairs of the table on the stack: as a map, or their keys as a set. */
static void putPairs(lua_State *L, int isMap) {
  int count = 0;
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) count++;
  if (clientProtocol == 3) putHead(&out, isMap ? '%' : '~', count);
  else putHead(&out, '*', isMap ? count * 2 : count);
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    lua_pushvalue(L, -2);
    putValue(L);
    if (isMap) putValue(L);
    else lua_pop(L, 1);
  }
}

static void putArray(lua_State *L) {
  int count = 0;
  for (;; count++) {
    lua_rawgeti(L, -1, count + 1);
    int isEnd = lua_isnil(L, -1);
    lua_pop(L, 1);
    if (isEnd) break;
  }
  putHead(&out, '*', count);
  for (int item = 1; item <= count; item++) {
    lua_rawgeti(L, -1, item);
    putValue(L);
  }
}

static int putVerbatimTable(lua_State *L) {
  int isText = rawField(L, -1, "format") == LUA_TSTRING && rawField(L, -2, "string") == LUA_TSTRING;
  if (isText) {
    size_t length;
    const char *text = lua_tolstring(L, -1, &length);
    putVerbatim(lua_tostring(L, -2), text, length);
  }
  return isText;
}

/* A table with one of the names that stand for a type; 0: it is an array. The stack grows by what was looked at. */
static int putTyped(lua_State *L) {
  size_t length;
  const char *text;
  int top = lua_gettop(L);
  if (rawField(L, top, "err") == LUA_TSTRING) {
    text = lua_tolstring(L, -1, &length);
    size_t at = out.used;
    lua_pushvalue(L, top);
    noteError(L, at + 1);
    putLine(&out, '-', text, strlen(text));
    return 1;
  }
  if (rawField(L, top, "ok") == LUA_TSTRING) {
    text = lua_tolstring(L, -1, &length);
    putLine(&out, '+', text, strlen(text));
    return 1;
  }
  lua_settop(L, top);
  if (rawField(L, top, "double") == LUA_TNUMBER) {
    putDouble(lua_tonumber(L, -1));
    return 1;
  }
  if (rawField(L, top, "big_number") == LUA_TSTRING) {
    text = lua_tolstring(L, -1, &length);
    if (clientProtocol == 3) putLine(&out, '(', text, length);
    else {
      putHead(&out, '$', length);
      size_t at = out.used;
      putLine(&out, ' ', text, length);
      memmove(out.bytes + at, out.bytes + at + 1, out.used - at - 1);
      out.used--;
    }
    return 1;
  }
  lua_settop(L, top);
  if (rawField(L, top, "verbatim_string") == LUA_TTABLE && putVerbatimTable(L)) return 1;
  lua_settop(L, top);
  if (rawField(L, top, "map") == LUA_TTABLE) {
    putPairs(L, 1);
    return 1;
  }
  if (rawField(L, top, "set") == LUA_TTABLE) {
    putPairs(L, 0);
    return 1;
  }
  lua_settop(L, top);
  return 0;
}

/* The value on the stack as a reply; takes it off. */
static void putValue(lua_State *L) {
  if (depth == DEPTH_MAX || !lua_checkstack(L, 8)) {
    if (facts[ERRORS]++ == 0) facts[FIRST_ERROR] = out.used + 1;
    putLine(&out, '-', "ERR reached lua stack limit", 27);
    lua_pop(L, 1);
    return;
  }
  depth++;
  int top = lua_gettop(L);
  size_t length;
  switch (lua_type(L, -1)) {
    case LUA_TSTRING: {
      const char *text = lua_tolstring(L, -1, &length);
      putBulk(&out, text, length);
      break;
    }
    case LUA_TBOOLEAN:
      putBoolean(lua_toboolean(L, -1));
      break;
    case LUA_TNUMBER:
      putInteger(lua_tonumber(L, -1));
      break;
    case LUA_TTABLE:
      if (!putTyped(L)) putArray(L);
      break;
    default:
      putNull();
  }
  lua_settop(L, top - 1);
  depth--;
}

/* ---- redis.call and its kin ---- */

static int placesReserved(int count) {
  if (count <= placesMax) return 1;
  starts = realloc(starts, count * sizeof(int32_t));
  lengths = realloc(lengths, count * sizeof(int32_t));
  if (starts == NULL || lengths == NULL) __builtin_trap();
  placesMax = count;
  facts[STARTS] = (int32_t)starts;
  facts[LENGTHS] = (int32_t)lengths;
  facts[PLACES] = count;
  return 1;
}

/* The arguments on the stack as a command; what is wrong with them, or NULL. */
static const char *takeWords(lua_State *L) {
  int count = lua_gettop(L);
  if (count == 0) return "Please specify at least one argument for this call";
  placesReserved(count);
  shrink(&request);
  putHead(&request, '*', count);
  for (int word = 0; word < count; word++) {
    char number[NUMBER_BYTES];
    const char *text = number;
    size_t length;
    if (lua_type(L, word + 1) == LUA_TNUMBER) {
      lua_Number value = lua_tonumber(L, word + 1);
      int isWhole = value > -4.6e18 && value < 4.6e18 && (lua_Number)(int64_t)value == value;
      length = isWhole ? digitsOf((int64_t)value, number) : hostFormatDouble(value, number);
    } else {
      text = lua_tolstring(L, word + 1, &length);
      if (text == NULL) return "Command arguments must be strings or integers";
    }
    putHead(&request, '$', length);
    starts[word] = (int32_t)request.used;
    lengths[word] = length;
    put(&request, text, length);
    putLineEnd(&request);
  }
  for (int word = 0; word < count; word++) starts[word] += (int32_t)request.bytes;
  facts[BYTES] = (int32_t)request.bytes;
  facts[BYTES_END] = (int32_t)request.bytes + request.used;
  facts[WORD_COUNT] = count;
  return NULL;
}

static int callCommand(lua_State *L, int raises) {
  const char *problem = takeWords(L);
  if (problem != NULL) {
    pushError(L, problem);
    return raises ? lua_error(L) : 1;
  }
  lua_settop(L, 0);
  hostCall();
  Reader reader = {(const char *)facts[REPLY]};
  int failed = *reader.at == '-';
  pushReply(L, &reader);
  return raises && failed ? lua_error(L) : 1;
}

static int redisCall(lua_State *L) { return callCommand(L, 1); }

static int redisPcall(lua_State *L) { return callCommand(L, 0); }

static int redisAclCheck(lua_State *L) {
  const char *problem = takeWords(L);
  if (problem != NULL) return raise(L, problem);
  int answer = hostMayRun();
  if (answer < 0) return raise(L, "Invalid command passed to server.acl_check_cmd()");
  lua_pushboolean(L, answer);
  return 1;
}

static int redisSha1(lua_State *L) {
  if (lua_gettop(L) != 1) return raise(L, "wrong number of arguments");
  size_t length = 0;
  const char *text = lua_tolstring(L, 1, &length);
  char hex[40];
  hostSha1(text, length, hex);
  lua_pushlstring(L, hex, sizeof(hex));
  return 1;
}

static int redisErrorReply(lua_State *L) {
  if (lua_gettop(L) != 1 || lua_type(L, 1) != LUA_TSTRING) return pushError(L, "wrong number or type of arguments");
  const char *text = lua_tostring(L, 1);
  if (*text != '-') {
    lua_pushliteral(L, "-");
    lua_pushvalue(L, 1);
    lua_concat(L, 2);
    text = lua_tostring(L, -1);
  }
  return pushError(L, text);
}

static int redisStatusReply(lua_State *L) {
  if (lua_gettop(L) != 1 || lua_type(L, 1) != LUA_TSTRING) return pushError(L, "wrong number or type of arguments");
  lua_createtable(L, 0, 1);
  lua_pushvalue(L, 1);
  lua_setfield(L, -2, "ok");
  return 1;
}

static int redisLog(lua_State *L) {
  int count = lua_gettop(L);
  if (count < 2) return raise(L, "server.log() requires two arguments or more.");
  if (!lua_isnumber(L, 1)) return raise(L, "First argument must be a number (log level).");
  int level = (int)lua_tonumber(L, 1);
  if (level < 0 || level > 3) return raise(L, "Invalid log level.");
  luaL_Buffer text;
  luaL_buffinit(L, &text);
  for (int word = 2; word <= count; word++) {
    if (lua_tostring(L, word) == NULL) continue;
    if (word > 2) luaL_addchar(&text, ' ');
    lua_pushvalue(L, word);
    luaL_addvalue(&text);
  }
  luaL_pushresult(&text);
  size_t length;
  const char *bytes = lua_tolstring(L, -1, &length);
  hostLog(level, bytes, length);
  return 0;
}

static int redisSetResp(lua_State *L) {
  if (lua_gettop(L) != 1) return raise(L, "server.setresp() requires one argument.");
  int version = (int)lua_tonumber(L, 1);
  if (version != 2 && version != 3) return raise(L, "RESP version must be 2 or 3.");
  scriptProtocol = version;
  hostSetProtocol(version);
  return 0;
}

static int redisSetRepl(lua_State *L) {
  if (lua_gettop(L) != 1) return raise(L, "server.set_repl() requires one argument.");
  int targets = (int)lua_tonumber(L, 1);
  if ((targets & ~3) != 0) {
    return raise(L, "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.");
  }
  hostSetReplication(targets);
  return 0;
}

static int redisReplicateCommands(lua_State *L) {
  lua_pushboolean(L, 1);
  return 1;
}

static int redisBreakpoint(lua_State *L) {
  lua_pushboolean(L, isDebugged && hostBreakpoint());
  return 1;
}

static int redisDebug(lua_State *L) { return isDebugged ? sayDebugged(L) : 0; }

/* What pcall caught is the error's text, as before Redis 7. */
static int textPcall(lua_State *L) {
  int count = lua_gettop(L);
  luaL_checkany(L, 1);
  int failed = lua_pcall(L, count - 1, LUA_MULTRET, 0);
  if (failed && lua_istable(L, -1)) {
    if (rawField(L, -1, "err") == LUA_TSTRING) lua_replace(L, -2);
    else lua_pop(L, 1);
  }
  lua_pushboolean(L, !failed);
  lua_insert(L, 1);
  return lua_gettop(L);
}

/* ---- math.random: 48 bits of a linear congruence, the same on every machine ---- */

#define RANDOM_FACTOR 0x5DEECE66Dull
#define RANDOM_BITS 48

static uint64_t randomState = 0x1234ABCD330Eull;

static int mathRandom(lua_State *L) {
  randomState = (randomState * RANDOM_FACTOR + 0xB) & ((1ull << RANDOM_BITS) - 1);
  int32_t drawn = (int32_t)(randomState >> 17);
  lua_Number part = (lua_Number)(drawn % INT32_MAX) / (lua_Number)INT32_MAX;
  int first = 1, last;
  switch (lua_gettop(L)) {
    case 0:
      lua_pushnumber(L, part);
      return 1;
    case 1:
      last = luaL_checkint(L, 1);
      luaL_argcheck(L, 1 <= last, 1, "interval is empty");
      lua_pushnumber(L, floor(part * last) + 1);
      return 1;
    case 2:
      first = luaL_checkint(L, 1);
      last = luaL_checkint(L, 2);
      luaL_argcheck(L, first <= last, 2, "interval is empty");
      lua_pushnumber(L, floor(part * ((lua_Number)last - first + 1)) + first);
      return 1;
    default:
      return luaL_error(L, "wrong number of arguments");
  }
}

static int mathRandomSeed(lua_State *L) {
  randomState = ((uint64_t)(uint32_t)luaL_checkint(L, 1) << 16) | 0x330E;
  return 0;
}

/* All that Redis leaves of the library `os`: seconds of processor time. */
static int osClock(lua_State *L) {
  lua_pushnumber(L, hostClock() / 1e6);
  return 1;
}

/* ---- The sandbox ---- */

static int absentGlobal(lua_State *L) {
  const char *name = lua_tostring(L, 2);
  return luaL_error(L, "Script attempted to access nonexistent global variable '%s'", name == NULL ? "?" : name);
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

/* ---- Libraries of functions ---- */

static int registerFunction(lua_State *L);

#define LIBRARY_GLOBALS "library_globals"
#define ALL_GLOBALS "all_globals"

/* Functions see the locked globals through a table that cannot be written; while loading it shows few. */
static void prepareLibraries(lua_State *L) {
  lua_newtable(L);
  lua_newtable(L);
  lua_pushcfunction(L, registerFunction);
  lua_setfield(L, -2, "register_function");
  addLogAndVersion(L);
  refuseAbsent(L);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "redis");
  lua_setfield(L, -2, "server");
  refuseAbsent(L);
  lock(L);
  lua_setfield(L, LUA_REGISTRYINDEX, LIBRARY_GLOBALS);

  lua_pushvalue(L, LUA_GLOBALSINDEX);
  lua_setfield(L, LUA_REGISTRYINDEX, ALL_GLOBALS);
  lua_newtable(L);
  lua_newtable(L);
  lua_pushvalue(L, LUA_GLOBALSINDEX);
  lua_setfield(L, -2, "__index");
  lua_enablereadonlytable(L, -1, 1);
  lua_setmetatable(L, -2);
  lua_enablereadonlytable(L, -1, 1);
  lua_replace(L, LUA_GLOBALSINDEX);
}

static void showGlobals(lua_State *L, const char *which) {
  lua_getmetatable(L, LUA_GLOBALSINDEX);
  lua_enablereadonlytable(L, -1, 0);
  lua_getfield(L, LUA_REGISTRYINDEX, which);
  lua_setfield(L, -2, "__index");
  lua_enablereadonlytable(L, -1, 1);
  lua_pop(L, 1);
}

/* Bits as script.ts has them. */
static int flagOf(const char *name) {
  static const char *const names[] = {"no-writes", "allow-oom", "allow-stale", "no-cluster", "allow-cross-slot-keys"};
  for (int bit = 0; bit < 5; bit++) {
    if (strcasecmp(names[bit], name) == 0) return 1 << bit;
  }
  return 0;
}

/* The flags in the list on the stack; -1 when one is unknown. */
static int readFlags(lua_State *L) {
  int flags = 0;
  for (int item = 1;; item++) {
    lua_rawgeti(L, -1, item);
    if (lua_isnil(L, -1)) break;
    int flag = lua_isstring(L, -1) ? flagOf(lua_tostring(L, -1)) : 0;
    lua_pop(L, 1);
    if (flag == 0) return -1;
    flags |= flag;
  }
  lua_pop(L, 1);
  return flags;
}

/* Stack positions of what registers a function, 0 where it was not given. */
typedef struct {
  int name, description, callback, flags;
} Registration;

/* Takes the value on the stack for the argument called `key`; what is wrong with it. */
static const char *takeNamed(lua_State *L, const char *key, Registration *taken) {
  int top = lua_gettop(L);
  if (strcasecmp(key, "function_name") == 0) {
    if (!lua_isstring(L, top)) return "function_name argument given to server.register_function must be a string";
    lua_replace(L, taken->name = 2);
  } else if (strcasecmp(key, "description") == 0) {
    if (!lua_isstring(L, top)) return "description argument given to server.register_function must be a string";
    lua_replace(L, taken->description = 3);
  } else if (strcasecmp(key, "callback") == 0) {
    if (!lua_isfunction(L, top)) return "callback argument given to server.register_function must be a function";
    lua_replace(L, taken->callback = 4);
  } else if (strcasecmp(key, "flags") == 0) {
    if (!lua_istable(L, top)) {
      return "flags argument to server.register_function must be a table representing function flags";
    }
    taken->flags = readFlags(L);
    if (taken->flags < 0) return "unknown flag given";
    lua_pop(L, 1);
  } else return "unknown argument given to server.register_function";
  return NULL;
}

static const char *takeTable(lua_State *L, Registration *taken) {
  if (!lua_istable(L, 1)) {
    return "calling server.register_function with a single argument is only applicable to Lua table (representing "
           "named arguments).";
  }
  lua_settop(L, 4);
  lua_pushnil(L);
  while (lua_next(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING) {
      return "named argument key given to server.register_function is not a string";
    }
    const char *problem = takeNamed(L, lua_tostring(L, -2), taken);
    if (problem != NULL) return problem;
  }
  if (!taken->name) return "server.register_function must get a function name argument";
  if (!taken->callback) return "server.register_function must get a callback argument";
  return NULL;
}

static const char *takeRegistration(lua_State *L, Registration *taken) {
  int count = lua_gettop(L);
  if (count < 1 || count > 2) return "wrong number of arguments to server.register_function";
  if (count == 1) return takeTable(L, taken);
  if (!lua_isstring(L, 1)) return "first argument to server.register_function must be a string";
  if (!lua_isfunction(L, 2)) return "second argument to server.register_function must be a function";
  taken->name = 1;
  taken->callback = 2;
  return NULL;
}

/* Writes | ref | flags | length of name | length of description, -1: none | name | description |. */
static int registerFunction(lua_State *L) {
  if (!isLoading) return raise(L, "server.register_function can only be called on FUNCTION LOAD command");
  Registration taken = {0, 0, 0, 0};
  const char *problem = takeRegistration(L, &taken);
  if (problem != NULL) return raise(L, problem);
  size_t nameLength, descriptionLength = 0;
  const char *name = lua_tolstring(L, taken.name, &nameLength);
  const char *description = taken.description ? lua_tolstring(L, taken.description, &descriptionLength) : NULL;
  lua_pushvalue(L, taken.callback);
  int32_t head[4] = {luaL_ref(L, LUA_REGISTRYINDEX), taken.flags, nameLength,
                     description == NULL ? -1 : (int32_t)descriptionLength};
  put(&out, (const char *)head, sizeof(head));
  put(&out, name, nameLength);
  if (description != NULL) put(&out, description, descriptionLength);
  return 0;
}

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
