/**
 * What the Lua of the package does otherwise than Redis, put right in front of the scripts that use it.
 *
 * The prelude stands on the script's first line, so that lines keep their numbers; scripts that do not name
 * what it mends (most of them) run as they are, for every script is compiled each time it runs.
 */

/** Calls of the host that are no commands: the first word, which no command can have. */
export const HOST_SET_REPL = '\u0001set_repl';
export const HOST_MAY_RUN = '\u0001acl_check_cmd';
/** Whether the last reply was the null of RESP 3, which the package takes for false. */
export const HOST_WAS_NULL = '\u0001was_null';
export const HOST_LOG = '\u0001log';

interface Mend {
  /** What a script that needs it contains. */
  readonly sign: RegExp;
  readonly code: string;
}

const RAISE = 'local function raise(m) error("ERR "..m,0) end ';

/** Functions of the table `redis` that the package lacks or does halfway. */
const apiCode = [
  'local redis=(function(redis) local call,error,select,type,tostring,concat=',
  'redis.call,error,select,type,tostring,table.concat ',
  RAISE,
  'local api={} ',
  'function api.set_repl(...) if select("#",...)~=1 then ',
  'raise("redis.set_repl() requires one argument.") end ',
  'local n=... if type(n)~="number" or n<0 or n>3 then ',
  'raise("Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.") end ',
  `call("${escaped(HOST_SET_REPL)}",n) end `,
  `function api.acl_check_cmd(...) if select("#",...)==0 then `,
  'raise("Please specify at least one argument for this redis.acl_check_cmd() call") end ',
  `local r=call("${escaped(HOST_MAY_RUN)}",...) if r==-1 then `,
  'raise("Invalid command passed to server.acl_check_cmd()") end return r==1 end ',
  'function api.log(...) local n=select("#",...) if n<2 then ',
  'raise("redis.log() requires two arguments or more.") end ',
  'local level=... if type(level)~="number" then ',
  'raise("First argument must be a number (log level).") end ',
  'if level<0 or level>3 then raise("Invalid debug level.") end ',
  'local t={} for i=2,n do local v=select(i,...) ',
  'if type(v)=="string" or type(v)=="number" then t[#t+1]=tostring(v) end end ',
  `call("${escaped(HOST_LOG)}",level,concat(t," ")) end `,
  'function api.sha1hex(...) if select("#",...)~=1 then raise("wrong number of arguments") end ',
  'return redis.sha1hex(...) end ',
  'function api.setresp(...) if select("#",...)~=1 then ',
  'raise("redis.setresp() requires one argument.") end ',
  'local n=... if n~=2 and n~=3 then raise("RESP version must be 2 or 3.") end redis.setresp(n) ',
  'local function mended(f) return function(...) local r=f(...) ',
  `if r==false and call("${escaped(HOST_WAS_NULL)}")==1 then return nil end return r end end `,
  'api.call,api.pcall=nil,nil if n==3 then api.call,api.pcall=mended(redis.call),mended(redis.pcall) end end ',
  'function api.error_reply(...) local m=... if select("#",...)~=1 or type(m)~="string" then ',
  'return {err="ERR wrong number or type of arguments"} end ',
  'if string.sub(m,1,1)=="-" then m=string.sub(m,2) end ',
  'if m=="" then m="ERR" elseif not string.find(m," ",1,true) then m="ERR "..m end return {err=m} end ',
  'function api.status_reply(...) local m=... if select("#",...)~=1 or type(m)~="string" then ',
  'return {err="ERR wrong number or type of arguments"} end return {ok=m} end ',
  'return setmetatable({},{__index=setmetatable(api,{__index=redis}),__newindex=function() ',
  'error("Attempt to modify a readonly table",2) end}) end)(redis) local server=redis ',
].join('');

/** An error may be a table; the package knows only those that are text. */
const errorCode = [
  'local error=(function(error,type) return function(e,level) ',
  'if type(e)=="table" and type(e.err)=="string" then error(e.err,0) end ',
  'if type(e)=="string" then error(e,(level or 1)==0 and 0 or (level or 1)+1) end ',
  'error(e) end end)(error,type) ',
].join('');

/**
 * What `pcall` caught is text, as people expect who know Redis before 7, and names no marker of the package.
 */
const pcallCode = [
  'local pcall=(function(pcall,type,gsub) ',
  'local function mended(ok,e,...) if not ok and type(e)=="string" then ',
  'e=gsub(e,"__RLUA_E__:global%-read:(.*)","Script attempted to access nonexistent global variable \'%1\'") ',
  'e=gsub(e,"__RLUA_E__:command%-arg%-type","ERR Command arguments must be strings or integers") ',
  'e=gsub(e,"^user_script:%d+: __command__:","") e=gsub(e,"^__command__:","") end return ok,e,... end ',
  'return function(...) return mended(pcall(...)) end end)(pcall,type,string.gsub) ',
].join('');

/**
 * What a script returns is looked at first: a table that contains itself would be written for ever,
 * metatables must not be asked, functions are nothing, and a table that stands for a type of RESP 3 is taken
 * for an array unless the script has chosen RESP 3.
 */
const returnCode = [
  'return (function(type,next,rawget,setresp) local path={} local whole,typed local function copied(v,depth) ',
  'local t=type(v) if t=="function" or t=="userdata" or t=="thread" then return false end ',
  'if t~="table" then return v end if path[v] or depth>1000 then whole=false return nil end path[v]=true local r={} ',
  'if type(rawget(v,"err"))=="string" then r.err=rawget(v,"err") ',
  'elseif type(rawget(v,"ok"))=="string" then r.ok=rawget(v,"ok") ',
  'elseif type(rawget(v,"double"))=="number" then r.double=rawget(v,"double") typed=true ',
  'elseif type(rawget(v,"map"))=="table" then typed=true r.map={} ',
  'for k,x in next,rawget(v,"map") do r.map[copied(k,depth+1)]=copied(x,depth+1) if not whole then break end end ',
  'elseif type(rawget(v,"set"))=="table" then typed=true r.set={} ',
  'for k in next,rawget(v,"set") do r.set[copied(k,depth+1)]=true if not whole then break end end ',
  'elseif type(rawget(v,"big_number"))=="string" then r.big_number=rawget(v,"big_number") typed=true ',
  'elseif type(rawget(v,"verbatim_string"))=="table" then local s=rawget(v,"verbatim_string") typed=true ',
  'r.verbatim_string={format=rawget(s,"format"),string=rawget(s,"string")} ',
  'else local i=1 while whole do local x=rawget(v,i) if x==nil then break end r[i]=copied(x,depth+1) i=i+1 end end ',
  'path[v]=nil return r end return function(v) whole=true local r=copied(v,0) ',
  'if not whole then return {err="ERR reached lua stack limit"} end if typed then setresp(3) end return r end end)',
  '(type,next,rawget,redis.setresp)((function(...) ',
].join('');

const RETURN_END = '\nend)())';

/**
 * Numbers among the words of a command are written with all their digits; the package keeps 14. An error is
 * raised with a mark, and with its place, which otherwise would be the prelude's line.
 */
const numberCode = [
  'local redis=(function(redis) local type,select,error,format,tonumber,unpack=',
  'type,select,error,string.format,tonumber,unpack local pcall=redis.pcall ',
  'local function words(...) local n=select("#",...) local t for i=1,n do ',
  'local v=select(i,...) if type(v)=="number" then t=t or {...} local d=format("%.17g",v) ',
  'if v==v and v>-1e308*10 and v<1e308*10 then for p=14,16 do local s=format("%."..p.."g",v) ',
  'if tonumber(s)==v then d=s break end end end ',
  'if v%1==0 and v>-9.3e18 and v<9.3e18 then d=format("%.0f",v) end t[i]=d end end ',
  'if t then return unpack(t,1,n) end return ... end ',
  'local api={} function api.pcall(...) return pcall(words(...)) end ',
  'function api.call(...) local r=pcall(words(...)) ',
  'if type(r)=="table" and r.err then error("__command__:"..r.err,2) end return r end ',
  'return setmetatable({},{__index=setmetatable(api,{__index=redis}),__newindex=function() ',
  'error("Attempt to modify a readonly table",2) end}) end)(redis) local server=redis ',
].join('');

/** Whoever computes, reads numbers or keeps what a command answered may have long numbers. */
const NUMBERS = new RegExp(
  [
    'tonumber|cjson|cmsgpack|struct|math\\.|\\d{15}|\\d[eE][\\d+-]',
    '[\\w)\\]]\\s*[*+/%^]\\s*[\\w(]|[\\w)\\]]\\s*-\\s*[\\w(]',
    '[^=~<>]=\\s*(?:redis|server)\\s*\\.|call\\s*\\([^)]*call\\s*\\(',
  ].join('|'),
);

/** Comments and quoted text. */
const WORDS_FOR_PEOPLE = /--[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/g;

const mends: readonly Mend[] = [
  {
    sign: new RegExp(
      [
        'set_repl|acl_check_cmd|(?:redis|server)\\s*\\.\\s*(?:log|setresp)\\b',
        'sha1hex(?!\\s*\\(?\\s*[\'"\\w])',
        'error_reply(?!\\s*\\(?\\s*[\'"][A-Z][A-Z0-9]* [^\'"]*[\'"]\\s*\\))',
        'status_reply(?!\\s*\\(?\\s*[\'"])',
      ].join('|'),
    ),
    code: apiCode,
  },
  { sign: /\berror\s*\(?\s*[^\s("'[]/, code: errorCode },
  { sign: /(?:^|[^.\w])pcall/, code: pcallCode },
];

/** Only a script that puts something into a table can make one that contains itself. */
const PUTS_INTO_TABLE = /\]\s*=[^=]|\.\s*\w+\s*=[^=]|rawset|insert|metatable|loadstring|\bload\b/;
const MAKES_TABLE = /\{/;
const NAMES_TYPE = /\b(?:map|set|double|big_number|verbatim_string)\s*=[^=]/;

/** What is no value stands for nothing in an array; the table of all globals has such things. */
const NO_VALUES = /[{,]\s*function\b|\b_G\b/;

/**
 * The code as it is compiled: what it needs in front of it, then `before`, then the code, then `after`. What
 * it returns is only looked at when `looksAtValue`.
 */
export function withPrelude(code: Buffer, before = '', after = '', looksAtValue = true): Buffer {
  const text = code.latin1Slice();
  let head = '';
  let tail = after;
  if (NUMBERS.test(text.replace(WORDS_FOR_PEOPLE, ' "" '))) head += numberCode;
  for (const mend of mends) if (mend.sign.test(text)) head += mend.code;
  const unusual = NAMES_TYPE.test(text) || NO_VALUES.test(text);
  if (looksAtValue && (unusual || (MAKES_TABLE.test(text) && PUTS_INTO_TABLE.test(text)))) {
    head += returnCode;
    tail += RETURN_END;
  }
  head += before;
  if (head === '') return code;
  return Buffer.concat([Buffer.from(head), code, Buffer.from(tail)]);
}

/** Control characters as Lua writes them. */
function escaped(text: string): string {
  return text.replace('\u0001', '\\001');
}
