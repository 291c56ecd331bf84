/* Libraries of functions: what they see while they are loaded, what they register. Part of interpreter.c. */

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
  static const char *const names[] = {"no-writes", "allow-oom", "allow-stale", "no-cluster",
                                      "allow-cross-slot-keys"};
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
    if (!lua_isstring(L, top)) {
      return "function_name argument given to server.register_function must be a string";
    }
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
