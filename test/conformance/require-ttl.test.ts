/** `require-ttl`: which writes leave a matching key without a time to live, and are refused. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { RawConnection } from '../support/raw-connection.ts';
import { ServerProcess } from '../support/server-process.ts';

let server: ServerProcess;
let client: RawConnection;

async function call(command: string): Promise<string> {
  return (await client.call(command.split(' '))).toString('latin1').trimEnd();
}

beforeAll(async () => {
  server = await ServerProcess.start('redwarden-server', [
    '--save',
    '',
    '--require-ttl',
    'session:* cache:?',
  ]);
  client = await RawConnection.open(server.port);
}, 60_000);

afterAll(async () => {
  client?.close();
  await server?.stop();
});

beforeEach(async () => {
  await call('CONFIG SET require-ttl ');
  await call('FLUSHALL');
  await call('SET plain 1');
  await call('SET session:bare 1');
  await call('SET session:timed 1 EX 1000');
  await call('SADD set 1');
  await client.call(['CONFIG', 'SET', 'require-ttl', 'session:* cache:?']);
});

describe('require-ttl', () => {
  it.each([
    'SET session:new 1',
    'SET session:timed 1',
    'SET session:bare 1 KEEPTTL',
    'SET session:new EX IFEQ EX',
    'SETNX session:new 1',
    'GETSET session:timed 1',
    'MSET other 1 session:new 1',
    'MSETEX 1 session:new 1',
    'INCR session:new',
    'APPEND session:bare x',
    'LPUSH session:list x',
    'HSET cache:1 field value',
    'SUNIONSTORE cache:1 set',
    'SORT set STORE cache:1',
    'BITOP NOT cache:1 plain',
    'RENAME plain session:new',
    'COPY plain session:new',
    'PERSIST session:timed',
    'GETEX session:timed PERSIST',
  ])('refuses %s', async (command) => {
    expect(await call(command)).toMatch(/^-TTLREQUIRED the key '(session|cache):/);
    expect(await call('TTL session:timed')).toMatch(/^:(1000|999)$/);
  });

  it.each([
    'SET session:new 1 EX 100',
    'SET session:timed 1 KEEPTTL',
    'SETEX session:new 100 1',
    'SETNX session:timed 1',
    'MSETEX 1 session:new 1 PX 100000',
    'INCR session:timed',
    'APPEND session:timed x',
    'GETEX session:bare EX 10',
    'EXPIRE session:bare 10',
    'PERSIST session:bare',
    'RENAME session:timed session:other',
    'COPY session:timed cache:1',
    'COPY nothing cache:1',
    'DEL session:bare',
    'GETDEL session:bare',
    'SET cache:12 1',
    'SUNIONSTORE other set session:nothing',
    'GET session:bare',
  ])('lets %s through', async (command) => {
    expect(await call(command)).not.toMatch(/^-/);
  });

  it('holds within transactions and scripts', async () => {
    await call('MULTI');
    expect(await call('SET session:new 1')).toBe('+QUEUED');
    await call('SET plain 2');
    expect(await call('EXEC')).toMatch(/^\*2\r\n-TTLREQUIRED [^\r]*\r\n\+OK$/);
    const script = ['EVAL', "return redis.call('SET', KEYS[1], '1')", '1', 'session:new'];
    expect((await client.call(script)).toString()).toMatch(/^-TTLREQUIRED/);
    expect(await call('EXISTS session:new')).toBe(':0');
  });
});
