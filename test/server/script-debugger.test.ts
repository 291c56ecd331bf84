/** SCRIPT DEBUG SYNC: a script runs line by line under its client's control; others are told BUSY. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { RawConnection } from '../support/raw-connection.ts';
import { ServerProcess } from '../support/server-process.ts';

const SCRIPT = `local a = {1,2,x='y'}
local n = 5
redis.call('set','k',n)
redis.debug(a, n)
redis.breakpoint()
return redis.call('get','k')`;

let server: ServerProcess;
let client: RawConnection;
let other: RawConnection;

beforeAll(async () => {
  server = await ServerProcess.start('redwarden-server', ['--save', '', '--busy-reply-threshold', '100']);
  other = await RawConnection.open(server.port);
}, 60_000);

afterAll(async () => {
  client?.close();
  other?.close();
  await server?.stop();
});

/** The lines of an array of statuses, or another reply as it is. */
async function say(...words: string[]): Promise<string[] | string> {
  const reply = (await client.call(words)).toString();
  if (!reply.startsWith('*')) return reply;
  const lines = reply.split('\r\n').slice(1, -1);
  return lines.map((line) => line.slice(1));
}

async function begin(script = SCRIPT): Promise<string[] | string> {
  client = await RawConnection.open(server.port);
  expect(await say('SCRIPT', 'DEBUG', 'SYNC')).toBe('+OK\r\n');
  return say('EVAL', script, '0');
}

it('steps, shows variables, runs code and commands, stops at breakpoints and answers in the end', async () => {
  expect(await begin()).toEqual(['* Stopped at 1, stop reason = step over', "-> 1   local a = {1,2,x='y'}"]);
  expect((await other.call(['PING'])).toString()).toMatch(/^-BUSY/);
  expect(await say('print')).toEqual(['No local variables in the current context.']);
  expect(await say('n')).toEqual(['* Stopped at 2, stop reason = step over', '-> 2   local n = 5']);
  expect(await say('step')).toEqual([
    '* Stopped at 3, stop reason = step over',
    "-> 3   redis.call('set','k',n)",
  ]);
  expect(await say('print', 'a')).toEqual(['<value> {[1]=1; [2]=2; ["x"]="y"}']);
  expect(await say('p', 'none')).toEqual(['No such variable.']);
  expect(await say('eval', '3', '*', '4')).toEqual(['<retval> 12']);
  expect(await say('e', 'error("x")')).toEqual(['<error> ldb_eval:1: x']);
  expect(await say('redis', 'get', 'k')).toEqual(['<redis> get k', '<reply> NULL']);
  expect(await say('trace')).toEqual(['In top level:', "-> 3   redis.call('set','k',n)"]);
  expect(await say('break', '6', '99')).toEqual([
    '   5   redis.breakpoint()',
    "  #6   return redis.call('get','k')",
    'Wrong line number.',
  ]);
  expect(await say('list', '2', '0')).toEqual(['   2   local n = 5']);
  expect(await say('nonsense')).toEqual([
    '<error> Unknown Lua debugger command or wrong number of arguments.',
  ]);
  expect(await say('n')).toEqual([
    '<redis> set k 5',
    '<reply> "+OK"',
    '* Stopped at 4, stop reason = step over',
    '-> 4   redis.debug(a, n)',
  ]);
  expect(await say('continue')).toEqual([
    '<debug> line 4: {[1]=1; [2]=2; ["x"]="y"}, 5',
    '* Stopped at 6, stop reason = redis.breakpoint() called',
    "->#6   return redis.call('get','k')",
  ]);
  expect(await say('continue')).toEqual(['<endsession>']);
  expect((await other.call(['GET', 'k'])).toString()).toBe('$1\r\n5\r\n');
});

it('abort ends the script with an error', async () => {
  await begin();
  expect(await say('abort')).toEqual(['<endsession>']);
  expect((await other.call(['PING'])).toString()).toBe('+PONG\r\n');
});

it('a client that goes leaves the script to itself, which can be killed', async () => {
  expect(await begin('while true do end')).toHaveLength(2);
  client.close();
  for (;;) {
    const reply = (await other.call(['SCRIPT', 'KILL'])).toString();
    if (reply.startsWith('-NOTBUSY')) break;
    expect(reply).toBe('+OK\r\n');
  }
  expect((await other.call(['PING'])).toString()).toBe('+PONG\r\n');
});

it('EVALSHA is refused, and YES, for it needs a fork', async () => {
  client = await RawConnection.open(server.port);
  expect(await say('SCRIPT', 'DEBUG', 'YES')).toMatch(/^-ERR SCRIPT DEBUG YES needs a fork/);
  await say('SCRIPT', 'DEBUG', 'SYNC');
  expect(await say('EVALSHA', 'a'.repeat(40), '0')).toMatch(/^-ERR Please use EVAL instead of EVALSHA/);
  await say('SCRIPT', 'DEBUG', 'NO');
  expect(await say('EVAL', 'return 1', '0')).toBe(':1\r\n');
});
