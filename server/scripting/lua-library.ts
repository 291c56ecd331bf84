/**
 * Libraries in an interpreter that keeps nothing: a library is run each time one of its functions is called,
 * and when it is loaded, to see what it registers. The code in front of it collects the functions; the code
 * behind it describes them or calls one. Variables of a library therefore begin anew with every call.
 */
import type { LibraryFunction } from './library.ts';
import { withPrelude } from './lua-prelude.ts';
import { flagOf } from './script.ts';

const BEFORE = [
  'local redis,__library=(function(redis) local type,error,next,tostring,setmetatable,format,concat,lower=',
  'type,error,next,tostring,setmetatable,string.format,table.concat,string.lower ',
  'local loading,list,byname=true,{},{} ',
  'local function raise(m) error("ERR "..m,0) end ',
  'local function checked(t) if type(t)~="table" then raise("calling server.register_function with a single ',
  'argument is only applicable to Lua table (representing named arguments).") end ',
  'local name,description,callback,flags for k,v in next,t do ',
  'if type(k)~="string" then raise("named argument key given to server.register_function is not a string") end ',
  'local key=lower(k) if key=="function_name" then name=v if type(v)~="string" then ',
  'raise("function_name argument given to server.register_function must be a string") end ',
  'elseif key=="description" then description=v if type(v)~="string" then ',
  'raise("description argument given to server.register_function must be a string") end ',
  'elseif key=="callback" then callback=v if type(v)~="function" then ',
  'raise("callback argument given to server.register_function must be a function") end ',
  'elseif key=="flags" then flags={} if type(v)~="table" then raise("flags argument to server.register_function ',
  'must be a table representing function flags") end for i=1,#v do if type(v[i])~="string" then ',
  'raise("unknown flag given") end flags[i]=v[i] end flags=concat(flags,",") ',
  'else raise("unknown argument given to server.register_function") end end ',
  'if not name then raise("server.register_function must get a function name argument") end ',
  'if not callback then raise("server.register_function must get a callback argument") end ',
  'return name,callback,description,flags end ',
  'local function register(...) if not loading then ',
  'raise("server.register_function can only be called on FUNCTION LOAD command") end local n=select("#",...) if n<1 or n>2 then ',
  'raise("wrong number of arguments to server.register_function") end ',
  'local name,callback,description,flags if n==1 then name,callback,description,flags=checked((...)) ',
  'else name,callback=... if type(name)~="string" then ',
  'raise("first argument to server.register_function must be a string") end ',
  'if type(callback)~="function" then raise("second argument to server.register_function must be a function") end end ',
  'byname[name]=callback list[#list+1]={name,flags or "",description} end ',
  'local atload={register_function=register,log=redis.log,LOG_DEBUG=0,LOG_VERBOSE=1,LOG_NOTICE=2,LOG_WARNING=3,',
  'REDIS_VERSION=redis.REDIS_VERSION,REDIS_VERSION_NUM=redis.REDIS_VERSION_NUM} ',
  'local api=setmetatable({},{__newindex=function() error("Attempt to modify a readonly table",2) end,',
  '__index=function(_,k) if loading then local v=atload[k] if v==nil then ',
  'error("Script attempted to access nonexistent global variable \'"..tostring(k).."\'",2) end return v end ',
  'return redis[k] end}) ',
  'local function one(s) return format("%d:",#s)..s end ',
  'local library={} function library.describe() local r={} for i=1,#list do local f=list[i] ',
  'r[i]=one(f[1])..one(f[2])..one(f[3] and "1"..f[3] or "0") end return concat(r) end ',
  'function library.get(name) loading=false return byname[name] end return api,library end)(redis) ',
  'local server=redis ',
].join('');

/** Globals that a library cannot reach while it is loaded. */
const LATER = (
  'assert bit cjson cmsgpack collectgarbage coroutine error gcinfo getmetatable ipairs load loadstring math next os ' +
  'pairs pcall rawequal rawget rawset select setmetatable string struct table tonumber tostring type unpack ' +
  'xpcall'
).split(' ');

const WITHOUT_GLOBALS = [
  'local __absent=(function(setmetatable,error) return function(name) local function absent() ',
  'error("Script attempted to access nonexistent global variable \'"..name.."\'",2) end ',
  'return setmetatable({},{__index=absent,__newindex=absent,__call=absent}) end end)(setmetatable,error) ',
  `local ${LATER.join(',')}=${LATER.map((name) => `__absent("${name}")`).join(',')} `,
].join('');

/** An assignment to the table of the API, which is a global for the library. */
const API_ASSIGNED = /(^|[^.\w])(?<!local\s+)(redis|server)(?=\s*=[^=])/g;

/** Code that answers the descriptions of the functions which the library registers. */
export function describingCode(code: Buffer): Buffer {
  const before = `${BEFORE}${WITHOUT_GLOBALS}local __body=function(...) `;
  return withPrelude(guarded(code), before, '\nend __body() return __library.describe()', false);
}

/** Code that calls one function of the library with KEYS and ARGV. The name has no quotes. */
export function callingCode(code: Buffer, functionName: string): Buffer {
  return withPrelude(
    guarded(code),
    `${BEFORE}local __body=function(...) `,
    `\nend __body() return __library.get("${functionName}")(KEYS,ARGV)`,
    true,
  );
}

/** Reads what `describingCode` answered; a string is the error's text. */
export function readDescription(text: string): LibraryFunction[] | string {
  const words: string[] = [];
  for (let at = 0; at < text.length; ) {
    const colon = text.indexOf(':', at);
    const length = Number(text.slice(at, colon));
    words.push(text.slice(colon + 1, colon + 1 + length));
    at = colon + 1 + length;
  }
  const functions: LibraryFunction[] = [];
  for (let index = 0; index + 2 < words.length; index += 3) {
    const [name = '', flagNames = '', description = ''] = words.slice(index, index + 3);
    let flags = 0;
    for (const flagName of flagNames === '' ? [] : flagNames.split(',')) {
      const flag = flagOf(flagName.toLowerCase());
      if (flag === undefined) return 'Error registering functions: ERR unknown flag given';
      flags |= flag;
    }
    functions.push({ name, description: description.startsWith('1') ? description.slice(1) : null, flags });
  }
  return functions;
}

function guarded(code: Buffer): Buffer {
  const text = code.latin1Slice();
  return API_ASSIGNED.test(text) ? Buffer.from(text.replace(API_ASSIGNED, '$1_G.$2'), 'latin1') : code;
}
