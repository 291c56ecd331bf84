/* Replies of commands become values, values become replies. Part of interpreter.c. */

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

/* A table with one of the names that stand for a type; 0: it is an array. What was looked at stays above it. */
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
