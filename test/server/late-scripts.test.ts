/**
 * A script that is late: others are told BUSY, it can be killed unless it has written, and what it does stays
 * one change for readers, files and replicas.
 */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { encodeCommand, RawConnection } from '../support/raw-connection.ts';
import { ServerProcess } from '../support/server-process.ts';
import { waitUntil as waitFor } from '../support/wait-until.ts';

const waitMsMax = 20_000;
const argv = [
  '--save',
  '',
  '--enable-debug-command',
  'yes',
  '--busy-reply-threshold',
  '50',
  '--repl-diskless-sync-delay',
  '0',
];
const LOOP = 'while true do end';
const BUSY = '-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.\r\n';

let server: ServerProcess;
let replica: ServerProcess;
let caller: RawConnection;
let other: RawConnection;
let onReplica: RawConnection;

beforeAll(async () => {
  server = await ServerProcess.start('redwarden-server', [...argv, '--appendonly', 'yes']);
  replica = await ServerProcess.start('redwarden-server', argv);
  caller = await RawConnection.open(server.port);
  other = await RawConnection.open(server.port);
  onReplica = await RawConnection.open(replica.port);
}, 60_000);

afterAll(async () => {
  for (const connection of [caller, other, onReplica]) connection?.close();
  await Promise.all([server?.stop(), replica?.stop()]);
});

const say = async (connection: RawConnection, ...words: string[]): Promise<string> =>
  (await connection.call(words)).toString();

/** Waits for what `probe` says yes to. */
async function waitUntil(probe: () => Promise<boolean>, what = 'the server says so'): Promise<void> {
  await waitFor(what, waitMsMax, async () => ((await probe()) ? true : undefined), 20);
}

/** Starts a script and waits until others are told BUSY; the script's reply. */
async function late(
  start: readonly string[],
  connection = caller,
  watcher = other,
): Promise<{ reply: Promise<string> }> {
  const reply = connection.call(start).then(String);
  await waitUntil(async () => (await say(watcher, 'PING')).startsWith('-BUSY'));
  return { reply };
}

it('others are told BUSY, also on a new connection, until SCRIPT KILL', async () => {
  const { reply } = await late(['EVAL', LOOP, '0']);
  const fresh = await RawConnection.open(server.port);
  expect(await say(fresh, 'GET', 'k')).toBe(BUSY);
  expect(await say(fresh, 'FUNCTION', 'KILL')).toBe(BUSY);
  expect(await say(fresh, 'SHUTDOWN')).toBe(BUSY);
  expect(await say(fresh, 'SCRIPT', 'KILL')).toBe('+OK\r\n');
  expect(await reply).toMatch(
    /^-ERR Script killed by user with SCRIPT KILL\. script: [0-9a-f]{40}, on @user/,
  );
  expect(await say(fresh, 'SCRIPT', 'KILL')).toBe('-NOTBUSY No scripts in execution right now.\r\n');
  expect(await say(caller, 'PING')).toBe('+PONG\r\n');
  fresh.close();
});

it('FUNCTION STATS shows a late function, FUNCTION KILL ends it', async () => {
  await say(other, 'FUNCTION', 'LOAD', `#!lua name=l\nredis.register_function('f', function() ${LOOP} end)`);
  const { reply } = await late(['FCALL', 'f', '0']);
  expect(await say(other, 'FUNCTION', 'STATS')).toContain('$4\r\nname\r\n$1\r\nf\r\n');
  expect(await say(other, 'SCRIPT', 'KILL')).toContain('-BUSY');
  expect(await say(other, 'FUNCTION', 'KILL')).toBe('+OK\r\n');
  expect(await reply).toContain('Script killed by user with FUNCTION KILL.');
});

const WRITES = `redis.call('SET','t',redis.call('TIME')[1]) redis.call('SET','soon','v','PX',60)
  redis.call('RPUSH','list','a') for i=1,tonumber(ARGV[1]) do redis.call('GET','t') end
  redis.call('RPUSH','list','b') return redis.call('GET','soon')`;

it('what it writes is one change: nobody sees a part, waits, keys and files included', async () => {
  const waiter = await RawConnection.open(server.port);
  const popped = waiter.call(['BLPOP', 'list', '0']).then(String);
  await waitUntil(async () => (await say(other, 'INFO', 'clients')).includes('blocked_clients:1'));
  const { reply } = await late(['EVAL', WRITES, '0', '300000']);
  expect(await say(other, 'SCRIPT', 'KILL')).toMatch(/^-UNKILLABLE Sorry the script already executed/);
  // Its key was to expire long ago; its time stood still.
  expect(await reply).toBe('$1\r\nv\r\n');
  expect(await popped).toBe('*2\r\n$4\r\nlist\r\n$1\r\na\r\n');
  expect(await say(other, 'LRANGE', 'list', '0', '-1')).toBe('*1\r\n$1\r\nb\r\n');
  waiter.close();
  const folder = path.join(server.directory, 'appendonlydir');
  const file = readdirSync(folder).find((name) => name.endsWith('.incr.aof')) ?? '';
  const commands = readFileSync(path.join(folder, file), 'latin1').toUpperCase();
  const unit = commands.slice(commands.lastIndexOf('MULTI'));
  expect(unit).toMatch(/^MULTI.*\nSET.*\nSET.*\nRPUSH.*\nRPUSH.*\nEXEC.*\nLPOP/s);
});

it('a transaction goes on behind it, its replies whole', async () => {
  for (const words of [
    ['MULTI'],
    ['SET', 'x', '1'],
    ['EVAL', LOOP, '0'],
    ['INCR', 'x'],
    ['EVAL', LOOP, '0'],
  ]) {
    await caller.call(words);
  }
  const { reply } = await late(['EXEC']);
  expect(await say(other, 'SCRIPT', 'KILL')).toBe('+OK\r\n');
  await waitUntil(async () => (await say(other, 'SCRIPT', 'KILL')) === '+OK\r\n');
  expect(await reply).toMatch(
    /^\*4\r\n\+OK\r\n-ERR Script killed[^\r]*\r\n:2\r\n-ERR Script killed[^\r]*\r\n$/,
  );
  expect(await say(other, 'GET', 'x')).toBe('$1\r\n2\r\n');
});

it('EXEC of others is refused as a whole, MULTI and what follows too', async () => {
  await say(other, 'MULTI');
  await say(other, 'SET', 'y', '1');
  const third = await RawConnection.open(server.port);
  const { reply } = await late(['EVAL', LOOP, '0'], caller, third);
  expect(await say(other, 'EXEC')).toMatch(/^-EXECABORT Transaction discarded because of: BUSY/);
  expect(await say(third, 'MULTI')).toBe('+OK\r\n');
  expect(await say(third, 'SET', 'y', '1')).toBe(BUSY);
  expect(await say(third, 'EXEC')).toMatch(/^-EXECABORT/);
  await say(third, 'SCRIPT', 'KILL');
  await reply;
  expect(await say(third, 'EXISTS', 'y')).toBe(':0\r\n');
  third.close();
});

it('a client that wants no replies gets none of it, and its calls are in the slow log with their time', async () => {
  const quiet = await RawConnection.open(server.port);
  const requests = [
    ['CLIENT', 'REPLY', 'OFF'],
    ['EVAL', 'for i=1,300000 do redis.call("PING") end return "said"', '0'],
    ['CLIENT', 'REPLY', 'ON'],
  ];
  const answers = await quiet.send(Buffer.concat(requests.map(encodeCommand)), 1);
  expect(String(answers[0])).toBe('+OK\r\n');
  const [, entry = ''] = (await say(other, 'SLOWLOG', 'GET', '1')).split(/:\d{10}\r\n:/);
  expect(Number.parseInt(entry, 10)).toBeGreaterThanOrEqual(50_000);
  expect(entry).toContain('for i=1,300000');
  quiet.close();
});

it('who called it may go: it runs on until it is killed', async () => {
  const gone = await RawConnection.open(server.port);
  const { reply } = await late(['EVAL', LOOP, '0'], gone);
  reply.catch(() => {});
  gone.close();
  expect(await say(other, 'PING')).toBe(BUSY);
  expect(await say(other, 'SCRIPT', 'KILL')).toBe('+OK\r\n');
  await waitUntil(async () => (await say(other, 'PING')) === '+PONG\r\n');
});

it('a replica that attaches meanwhile copies all of its changes or none', async () => {
  const { reply } = await late(['EVAL', WRITES, '0', '300000']);
  await say(onReplica, 'REPLICAOF', '127.0.0.1', String(server.port));
  await reply;
  await say(other, 'SET', 'after', 'it');
  await waitUntil(async () => (await say(onReplica, 'GET', 'after')) === '$2\r\nit\r\n');
  const list = await say(other, 'LRANGE', 'list', '0', '-1');
  expect(await say(onReplica, 'LRANGE', 'list', '0', '-1')).toBe(list);
});

it('a replica applies nothing while a script of its own is late, and all of it later', async () => {
  const third = await RawConnection.open(replica.port);
  const { reply } = await late(['EVAL', LOOP, '0'], onReplica, third);
  await say(other, 'SET', 'meanwhile', '1');
  expect(await say(third, 'GET', 'meanwhile')).toBe(BUSY);
  await say(third, 'SCRIPT', 'KILL');
  await reply;
  await waitUntil(async () => (await say(third, 'GET', 'meanwhile')) === '$1\r\n1\r\n');
  third.close();
});

it('DEBUG LOADAOF tells replicas nothing: their data stands as it was', async () => {
  await say(other, 'SET', 'counted', '1');
  await say(other, 'BGREWRITEAOF');
  await waitUntil(async () =>
    (await say(other, 'INFO', 'persistence')).includes('aof_rewrite_in_progress:0'),
  );
  await say(other, 'EVAL', "redis.call('INCR','counted') return redis.call('INCR','counted')", '0');
  const offset = async (): Promise<string> =>
    /repl_offset:\d+/.exec(await say(other, 'INFO', 'replication'))?.[0] ?? '';
  const before = await offset();
  expect(await say(other, 'DEBUG', 'LOADAOF')).toBe('+OK\r\n');
  expect(await offset()).toBe(before);
  await say(other, 'SET', 'after', 'again');
  await waitUntil(async () => (await say(onReplica, 'GET', 'after')).includes('again'));
  expect(await say(onReplica, 'GET', 'counted')).toBe('$1\r\n3\r\n');
});

it('SHUTDOWN NOSAVE in its middle leaves nothing of it behind', async () => {
  const options = [...argv, '--appendonly', 'yes', '--appendfsync', 'always'];
  const ended = await ServerProcess.start('redwarden-server', options);
  const [first, second] = [await RawConnection.open(ended.port), await RawConnection.open(ended.port)];
  await say(first, 'SET', 'before', '1');
  const endless =
    "redis.call('SET','in','1') redis.call('INCR','n') while true do redis.call('INCR','n') end";
  const { reply } = await late(['EVAL', endless, '0'], first, second);
  reply.catch(() => {});
  const incr = path.join(ended.directory, 'appendonlydir');
  const file = readdirSync(incr).find((one) => one.endsWith('.incr.aof')) ?? '';
  await waitUntil(async () => readFileSync(path.join(incr, file), 'latin1').includes('MULTI'));
  second.call(['SHUTDOWN', 'NOSAVE']).catch(() => {});
  const folder = mkdtempSync(path.join(tmpdir(), 'redwarden-late-'));
  await waitUntil(async () => (await RawConnection.open(ended.port).catch(() => null)) === null);
  cpSync(ended.directory, folder, { recursive: true });
  await ended.stop();
  const again = await ServerProcess.start('redwarden-server', [...options, '--dir', folder]);
  const third = await RawConnection.open(again.port);
  expect(await say(third, 'MGET', 'before', 'in', 'n')).toBe('*3\r\n$1\r\n1\r\n$-1\r\n$-1\r\n');
  third.close();
  await again.stop();
  rmSync(folder, { recursive: true, force: true });
}, 40_000);

it('a slow script of an append-only file leaves the server to answer LOADING, and all behind it is loaded', async () => {
  const script = "redis.call('SET','slow','y') for i=1,300000 do redis.call('PING') end";
  const words = (...all: string[]): string =>
    `*${all.length}\r\n${all.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`;
  const file = [
    words('EVAL', script, '0'),
    words('MULTI'),
    words('EVAL', script, '0'),
    words('SET', 'inside', '1'),
    words('EXEC'),
    words('SET', 'behind', '1'),
  ].join('');
  const loading = await ServerProcess.start('redwarden-server', [
    ...argv,
    '--appendonly',
    'yes',
    '--aof-use-rdb-preamble',
    'no',
  ]);
  const folder = path.join(loading.directory, 'appendonlydir');
  const name = readdirSync(folder).find((one) => one.endsWith('.incr.aof')) ?? '';
  writeFileSync(path.join(folder, name), file);
  const connection = await RawConnection.open(loading.port);
  const watcher = await RawConnection.open(loading.port);
  const loaded = connection.call(['DEBUG', 'LOADAOF']).then(String);
  await waitUntil(async () => (await say(watcher, 'PING')).startsWith('-LOADING'));
  expect(await loaded).toBe('+OK\r\n');
  expect(await say(watcher, 'MGET', 'slow', 'inside', 'behind')).toBe(
    '*3\r\n$1\r\ny\r\n$1\r\n1\r\n$1\r\n1\r\n',
  );
  connection.close();
  watcher.close();
  await loading.stop();
}, 30_000);
