/**
 * Values of every type and encoding travel as files and as DUMP payloads between this server, redis-server
 * 7.0 and valkey-server 8.0, both ways; the digests of all data must be equal on both sides.
 */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Prng } from '../../server/structures/prng.ts';
import { everyType } from '../support/every-type.ts';
import { RawConnection, type Word } from '../support/raw-connection.ts';
import { type ServerKind, ServerProcess } from '../support/server-process.ts';

const random = new Prng(Number(process.env['SEED'] ?? 7));

interface Peer {
  readonly kind: ServerKind;
  /** RDB version that it reads. */
  readonly version: string;
}

const peers: readonly Peer[] = [
  { kind: 'redis-server', version: '10' },
  { kind: 'valkey-server', version: '11' },
];

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'rdb-interop-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const commands = everyType(random);

async function fill(server: ServerProcess): Promise<string[]> {
  const connection = await RawConnection.open(server.port);
  const keys = new Set<string>();
  for (const command of commands) {
    const reply = (await connection.call(command)).toString('latin1', 0, 200);
    expect(reply[0], `${command[0]} ${command[1]}: ${reply}`).not.toBe('-');
    const key = command[0] === 'XGROUP' ? command[2] : command[0] === 'XREADGROUP' ? 'stream' : command[1];
    keys.add(String(key));
  }
  // A second database.
  await connection.call(['SELECT', '5']);
  await connection.call(['RPUSH', 'elsewhere', '1', '2', '3']);
  connection.close();
  return [...keys];
}

async function ask(server: ServerProcess, command: readonly Word[]): Promise<Buffer> {
  const connection = await RawConnection.open(server.port);
  const reply = await connection.call(command);
  connection.close();
  return reply;
}

/** The bytes of a bulk reply. */
function bulk(reply: Buffer): Buffer {
  return reply.subarray(reply.indexOf('\n') + 1, reply.length - 2);
}

async function encodings(server: ServerProcess, keys: readonly string[]): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const key of keys) found[key] = bulk(await ask(server, ['OBJECT', 'ENCODING', key])).toString();
  return found;
}

/** Sorted sets with scores that Redis 7.0 takes into the digest with digits of its own. */
const fractional = ['zset', 'zset:fraction'];

/** Compares these as replies, and deletes them. */
async function compareFractional(one: ServerProcess, other: ServerProcess): Promise<void> {
  for (const key of fractional) {
    const replies = await Promise.all(
      [one, other].map((server) => ask(server, ['ZRANGE', key, '0', '-1', 'WITHSCORES'])),
    );
    // 7.0 prints 17 digits, later ones as few as say the same number.
    const scores = replies.map((reply) =>
      String(reply)
        .split('\r\n')
        .filter((line) => !line.startsWith('$'))
        .map((line) => (line.trim() === '' || Number.isNaN(Number(line)) ? line : Number(line))),
    );
    expect(scores[1], key).toEqual(scores[0]);
    for (const server of [one, other]) await ask(server, ['DEL', key]);
  }
}

const argv = ['--save', '', '--enable-debug-command', 'yes'];

function start(kind: ServerKind, version: string, ...more: string[]): Promise<ServerProcess> {
  const own = kind === 'redwarden-server' ? ['--rdb-version', version] : [];
  return ServerProcess.start(kind, [...argv, ...own, ...more]);
}

/** Saves what `from` holds and starts a server of `kind` with that file. */
async function carried(from: ServerProcess, kind: ServerKind, version: string): Promise<ServerProcess> {
  expect((await ask(from, ['SAVE'])).toString()).toBe('+OK\r\n');
  const file = path.join(folder, 'dump.rdb');
  copyFileSync(path.join(from.directory, 'dump.rdb'), file);
  return start(kind, version, '--dir', folder);
}

for (const { kind, version } of peers) {
  describe(`RDB between redwarden-server and ${kind}`, () => {
    it('files travel there and back with equal digests and encodings', async () => {
      for (const [first, second] of [
        [kind, 'redwarden-server'],
        ['redwarden-server', kind],
      ] as const) {
        const from = await start(first, version);
        const keys = await fill(from);
        const to = await carried(from, second, version);
        if (kind === 'redis-server') await compareFractional(from, to);
        const digests = await Promise.all([from, to].map((server) => ask(server, ['DEBUG', 'DIGEST'])));
        expect(String(digests[1]), `${first} to ${second}\n${to.output}`).toBe(String(digests[0]));
        if (kind === 'valkey-server') expect(await encodings(to, keys)).toEqual(await encodings(from, keys));
        await to.stop();
        await from.stop();
      }
    }, 60_000);

    it('payloads of DUMP travel there and back', async () => {
      const theirs = await start(kind, version);
      const ours = await start('redwarden-server', version);
      const keys = await fill(theirs);
      await fill(ours);
      for (const server of [theirs, ours]) await ask(server, ['CONFIG', 'SET', 'rdbcompression', 'no']);
      for (const key of keys) {
        const theirPayload = bulk(await ask(theirs, ['DUMP', key]));
        const ourPayload = bulk(await ask(ours, ['DUMP', key]));
        for (const [server, payload] of [
          [ours, theirPayload],
          [theirs, ourPayload],
        ] as const) {
          const reply = await ask(server, ['RESTORE', `copy:${key}`, '0', payload]);
          expect(String(reply), `${key}\n${server.output.slice(-500)}`).toBe('+OK\r\n');
        }
        const value = async (server: ServerProcess): Promise<string> =>
          String(await ask(server, ['DEBUG', 'DIGEST-VALUE', `copy:${key}`]));
        if (!fractional.includes(key) || kind === 'valkey-server') {
          expect(await value(ours), key).toBe(await value(theirs));
        }
      }
      await theirs.stop();
      await ours.stop();
    }, 60_000);
  });
}
