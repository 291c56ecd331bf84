/* Memory that grows, RESP written into it, errors as the host gets them. Part of interpreter.c. */

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
