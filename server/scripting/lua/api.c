/* The table `redis`, pcall and math.random. Part of interpreter.c. */

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

static int isOneText(lua_State *L) { return lua_gettop(L) == 1 && lua_type(L, 1) == LUA_TSTRING; }

static int redisErrorReply(lua_State *L) {
  if (!isOneText(L)) return pushError(L, "wrong number or type of arguments");
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
  if (!isOneText(L)) return pushError(L, "wrong number or type of arguments");
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
