/**
 * Libraries of functions outlive a reload, reach replicas, and travel between this server and valkey-server.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { RawConnection } from '../support/raw-connection.ts';
import { ServerProcess } from '../support/server-process.ts';

const argv = ['--save', '', '--enable-debug-command', 'yes', '--repl-diskless-sync-delay', '0'];
const LIBRARY =
  "#!lua name=lib\nredis.register_function('answer', function(KEYS, ARGV) return {KEYS[1], ARGV[1]} end)";
const ANSWER = '*2\r\n$1\r\nk\r\n$1\r\nv\r\n';

let servers: ServerProcess[] = [];
let ours: RawConnection;
let replica: RawConnection;
let theirs: RawConnection;

beforeAll(async () => {
  servers = [
    await ServerProcess.start('redwarden-server', argv),
    await ServerProcess.start('redwarden-server', argv),
    await ServerProcess.start('valkey-server', argv),
  ];
  [ours, replica, theirs] = (await Promise.all(servers.map(({ port }) => RawConnection.open(port)))) as [
    RawConnection,
    RawConnection,
    RawConnection,
  ];
}, 300_000);

afterAll(async () => {
  for (const connection of [ours, replica, theirs]) connection?.close();
  await Promise.all(servers.map((server) => server.stop()));
});

const called = async (connection: RawConnection): Promise<string> =>
  (await connection.call(['FCALL', 'answer', '1', 'k', 'v'])).toString();

/** The bytes of a bulk reply. */
function bulk(reply: Buffer): Buffer {
  return reply.subarray(reply.indexOf('\n') + 1, -2);
}

it('outlive DEBUG RELOAD', async () => {
  expect((await ours.call(['FUNCTION', 'LOAD', LIBRARY])).toString()).toBe('$3\r\nlib\r\n');
  expect((await ours.call(['DEBUG', 'RELOAD'])).toString()).toBe('+OK\r\n');
  expect(await called(ours)).toBe(ANSWER);
});

it('travel by FUNCTION DUMP and RESTORE', async () => {
  const payload = bulk(await ours.call(['FUNCTION', 'DUMP']));
  expect((await theirs.call(['FUNCTION', 'RESTORE', payload])).toString()).toBe('+OK\r\n');
  expect(await called(theirs)).toBe(ANSWER);
  const back = bulk(await theirs.call(['FUNCTION', 'DUMP']));
  await ours.call(['FUNCTION', 'FLUSH']);
  expect(await called(ours)).toBe('-ERR Function not found\r\n');
  expect((await ours.call(['FUNCTION', 'RESTORE', back])).toString()).toBe('+OK\r\n');
  expect(await called(ours)).toBe(ANSWER);
  back[back.length - 1] = (back[back.length - 1] ?? 0) ^ 1;
  expect((await ours.call(['FUNCTION', 'RESTORE', back, 'REPLACE'])).toString()).toBe(
    '-ERR DUMP payload version or checksum are wrong\r\n',
  );
});

it('reach replicas by the full sync and by the stream', async () => {
  await replica.call(['REPLICAOF', '127.0.0.1', String(servers[0]?.port)]);
  await expect
    .poll(() => replica.call(['FUNCTION', 'LIST']).then(String), { timeout: 20_000 })
    .toContain('answer');
  await ours.call(['FUNCTION', 'LOAD', LIBRARY.replace('name=lib', 'name=more').replace('answer', 'more')]);
  await expect
    .poll(() => replica.call(['FUNCTION', 'LIST']).then(String), { timeout: 20_000 })
    .toContain('more');
  await ours.call(['FUNCTION', 'DELETE', 'lib']);
  await expect
    .poll(() => replica.call(['FUNCTION', 'LIST']).then(String), { timeout: 20_000 })
    .not.toContain('answer');
}, 60_000);
