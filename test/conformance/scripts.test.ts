/** The same scripts to this server and to valkey-server: replies must be equal, and the data after them. */
import { expect, it } from 'vitest';
import { RawConnection } from '../support/raw-connection.ts';
import { PEER, serverPair } from './server-pair.ts';

const argv = ['--save', '', '--enable-debug-command', 'yes'];
const pair = serverPair(argv);

/** Scripts without keys, one a line. */
const scripts = `
return 1
return {1,2,'a',nil,3}
return redis.call('set','a','b')
return redis.call('get','a')
return redis.call('get','nokey')
return redis.call('incr','a')
return redis.pcall('incr','a')
local ok,e=pcall(redis.call,'incr','a') return e
return foo
local ok,e=pcall(function() return foo end) return e
foo=1
redis.call=1
error('x')
error({err='MY err'})
return {err='My err'}
return {ok='fine'}
return redis.error_reply('My Err')
return redis.error_reply('-ERR x')
return redis.error_reply('FOO')
return redis.error_reply()
return redis.status_reply('FOO')
return redis.call('nosuch')
return redis.call('get')
return redis.call('multi')
return redis.call({})
return end
return redis.sha1hex('')
return redis.sha1hex()
redis.set_repl(redis.REPL_NONE) return redis.call('set','x','y')
redis.set_repl(99)
return redis.setresp(4)
return 3.99
return -3.99
return 1e30
return true
return false
redis.setresp(3) return true
redis.setresp(3) return redis.call('config','get','maxmemory')
return redis.call('config','get','maxmemory')
redis.setresp(3) return {double=3.5}
return {double=3.5}
return {map={a=1}}
return {big_number='123456789012345678901234567890'}
return {verbatim_string={format='txt',string='abc'}}
return _G
return redis.call
return {1,function() end,3}
return setmetatable({1,2},{__index=function() error('no') end})
local a={1} return {a,a}
local t={} for i=1,10 do t[i]={i,{}} end return t
return cjson.encode({1,2,{a=1}})
return cjson.decode('[1,[2,3],"x"]')
return cmsgpack.unpack(cmsgpack.pack({1,'a',{2}}))
return bit.tohex(255)
return struct.pack('>I2',258)
return redis.call('select',3)
return redis.call('ping').ok
return {redis.REPL_ALL, redis.LOG_WARNING}
return tostring(redis.acl_check_cmd('get','x'))
local x = redis.pcall('nosuch') return x.err
return redis.replicate_commands()
return tostring(1e15)..tostring(0.1)
redis.call('set','n',9007199254740991) return redis.call('get','n')
redis.call('set','n',1700000000*1000000+123456) return redis.call('get','n')
redis.call('set','n',10/3) return redis.call('get','n')
redis.call('set','n',0.1+0.2) return redis.call('get','n')
return redis.call('mget','a','n','nokey')
return {redis.call('set','a',1), redis.call('incrby','a',5), redis.call('get','a')}
for i=1,20 do redis.call('rpush','list',i) end return redis.call('lrange','list',0,-1)
return redis.call('blpop','nolist',0)
return #redis.call('keys','*')
return type(redis.call('type','list'))
return string.format('%5.2f|%s|%q', 1/3, 'x', 'a"b')
return select('#', unpack({1,2,3}))
return table.concat({1,2,3},',')
return loadstring('return 5')()
return pcall(error)
return redis.REPL_SLAVE
return {KEYS[1], ARGV[1], #KEYS, #ARGV}
`
  .trim()
  .split('\n');

/** Other commands, one a line; words by spaces. */
const commands = `
EVAL return\u00a01 a
EVAL return\u00a01 3 a
EVAL return\u00a01 -1
EVAL return\u00a01
EVAL_RO return\u00a0redis.call('set','a','b') 0
EVAL_RO return\u00a0redis.call('get','a') 0
SCRIPT LOAD return\u00a07
SCRIPT LOAD return\u00a0end
EVALSHA 8d8e0e7a1e4f5fb0e4c1cb2d9b9dd2cb0c6f1c8c
SCRIPT EXISTS 56b2f6ee1cdd95bdcb66e3a0cb2b4f0a3e2b5c6d nope
SCRIPT FLUSH foo
SCRIPT FLUSH SYNC x
SCRIPT FLUSH ASYNC
SCRIPT KILL
SCRIPT NOPE
SCRIPT
EVAL #!lua\u00a0flags=no-writes\nreturn\u00a0redis.call('set','a','b') 0
EVAL #!lua\u00a0flags=bad\nreturn\u00a01 0
EVAL #!lua\u00a0name=x\nreturn\u00a01 0
EVAL #!lua 0
EVAL #!lua\nreturn\u00a0{KEYS[1],ARGV[1]} 1 k v
`
  .trim()
  .split('\n');

it(`scripts answer as those of ${PEER}`, { timeout: 120_000 }, async () => {
  for (const protocol of ['2', '3']) {
    const our = await RawConnection.open(pair.ours.port);
    const their = await RawConnection.open(pair.theirs.port);
    await Promise.all([our.call(['HELLO', protocol]), their.call(['HELLO', protocol])]);
    const all = [
      ...scripts.map((script) => ['EVAL', script, '1', 'k', 'v']),
      ...commands.map((line) =>
        line.split(' ').map((word) => word.replaceAll('\u00a0', ' ').replaceAll('\\n', '\n')),
      ),
    ];
    for (const words of all) {
      const [left, right] = await Promise.all([our.call(words), their.call(words)]);
      expect
        .soft(left.toString('latin1'), `RESP ${protocol}: ${words.join(' ')}`)
        .toBe(right.toString('latin1'));
    }
    const [left, right] = await Promise.all([our.call(['DEBUG', 'DIGEST']), their.call(['DEBUG', 'DIGEST'])]);
    expect(left.toString(), 'digest').toBe(right.toString());
    our.close();
    their.close();
  }
});
