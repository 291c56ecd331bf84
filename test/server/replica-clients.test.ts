/** What clients of a replica are told: where the primary is, and what has expired. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { RawConnection } from '../support/raw-connection.ts';
import { ServerProcess } from '../support/server-process.ts';

const syncMsMax = 20_000;
const READ_ONLY = "-READONLY You can't write against a read only replica.\r\n";
let primary: ServerProcess;
let replica: ServerProcess;
let toPrimary: RawConnection;
let toReplica: RawConnection;

beforeAll(async () => {
  const debug = ['--enable-debug-command', 'yes', '--repl-diskless-sync-delay', '0'];
  primary = await ServerProcess.start('redwarden-server', debug);
  replica = await ServerProcess.start('redwarden-server', debug);
  toPrimary = await RawConnection.open(primary.port);
  toReplica = await RawConnection.open(replica.port);
  await toPrimary.call(['SET', 'k', 'v']);
  await toReplica.call(['REPLICAOF', '127.0.0.1', String(primary.port)]);
  const limit = performance.now() + syncMsMax;
  while (!String(await toReplica.call(['INFO', 'replication'])).includes('master_link_status:up')) {
    if (performance.now() > limit) throw new Error('the replica does not follow');
    await sleep(50);
  }
}, 60_000);

afterAll(async () => {
  for (const connection of [toPrimary, toReplica]) connection?.close();
  for (const server of [replica, primary]) await server?.stop();
});

it('a client that understands REDIRECT is sent to the primary, unless it reads and said READONLY', async () => {
  const client = await RawConnection.open(replica.port);
  const call = async (...words: readonly string[]): Promise<string> => String(await client.call(words));
  const redirect = `-REDIRECT 127.0.0.1:${primary.port}\r\n`;
  expect(await call('SET', 'k', 'w')).toBe(READ_ONLY);
  expect(await call('CLIENT', 'CAPA', 'redirect')).toBe('+OK\r\n');
  expect(await call('SET', 'k', 'w')).toBe(redirect);
  expect(await call('GET', 'k')).toBe(redirect);
  expect(await call('PING')).toBe('+PONG\r\n');
  await call('MULTI');
  expect(await call('SET', 'k', 'w')).toBe(redirect);
  expect(await call('EXEC')).toMatch(/^-EXECABORT /);
  expect(await call('READONLY')).toBe('+OK\r\n');
  expect(await call('GET', 'k')).toBe('$1\r\nv\r\n');
  expect(await call('SET', 'k', 'w')).toBe(redirect);
  expect(await call('READWRITE')).toBe('+OK\r\n');
  expect(await call('GET', 'k')).toBe(redirect);
  client.close();
});

it('a write on a writable replica finds no expired key, and nothing of it is left in what it writes', async () => {
  await toPrimary.call(['DEBUG', 'SET-ACTIVE-EXPIRE', '0']);
  await toPrimary.call(['SET', 'short', '5', 'PX', '10']);
  const seen = async (): Promise<string> =>
    `${await toReplica.call(['DBSIZE'])}${await toReplica.call(['EXISTS', 'short'])}`;
  await expect.poll(seen, { timeout: syncMsMax }).toBe(':2\r\n:0\r\n');
  await toReplica.call(['CONFIG', 'SET', 'replica-read-only', 'no']);
  expect(String(await toReplica.call(['INCR', 'short']))).toBe(':1\r\n');
  expect(String(await toReplica.call(['TTL', 'short']))).toBe(':-1\r\n');
  await toReplica.call(['CONFIG', 'SET', 'replica-read-only', 'yes']);
});

it('an RDB of functions alone has no keys', async () => {
  const tool = await RawConnection.open(primary.port);
  expect(String(await tool.call(['REPLCONF', 'rdb-filter-only', 'functions']))).toBe('+OK\r\n');
  expect(String(await tool.call(['REPLCONF', 'rdb-filter-only', 'keys']))).toBe(
    '-ERR Unsupported rdb-filter-only option: keys\r\n',
  );
  tool.close();
});

const reply = async (connection: RawConnection, ...words: readonly string[]): Promise<string> =>
  String(await connection.call(words));

/** The line of the link to the primary in CLIENT LIST, empty when there is none. */
async function primaryLine(...filter: readonly string[]): Promise<string> {
  const lines = await reply(toReplica, 'CLIENT', 'LIST', ...filter);
  return lines.split('\n').find((line) => line.includes(' flags=M ')) ?? '';
}

it('CLIENT LIST names the link to the primary, and only once', async () => {
  const line = await primaryLine();
  expect(line).toMatch(/^id=\d+ addr=127\.0\.0\.1:\d+ laddr=127\.0\.0\.1:\d+ /);
  expect(line).toContain(` addr=127.0.0.1:${primary.port} `);
  expect(line).toContain(' user=(superuser) ');
  const all = (await reply(toReplica, 'CLIENT', 'LIST')).split('\n');
  expect(all.filter((one) => one.includes(' flags=M '))).toHaveLength(1);
  expect(await primaryLine('TYPE', 'master')).not.toBe('');
  expect(await primaryLine('TYPE', 'normal')).toBe('');
  expect(await reply(toPrimary, 'CLIENT', 'LIST', 'TYPE', 'primary')).toBe('$0\r\n\r\n');
});

it.each(['master', 'primary', 'id'])(
  'CLIENT KILL by %s ends the link, which comes back as another',
  async (by) => {
    const idOf = (line: string): string => /^id=(\d+)/.exec(line)?.[1] ?? '';
    let before = '';
    await expect.poll(async () => (before = idOf(await primaryLine())), { timeout: syncMsMax }).not.toBe('');
    const filter = by === 'id' ? ['ID', before] : ['TYPE', by];
    expect(await reply(toReplica, 'CLIENT', 'KILL', ...filter)).toBe(':1\r\n');
    const another = async (): Promise<boolean> => !['', before].includes(idOf(await primaryLine()));
    await expect.poll(another, { timeout: syncMsMax }).toBe(true);
  },
);
