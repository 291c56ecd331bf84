/**
 * Append-only files with values of every type, bases written as commands or as RDB, loaded by this server and
 * by valkey-server: the digests must be equal. The same the other way round.
 */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Prng } from '../../server/structures/prng.ts';
import { everyType } from '../support/every-type.ts';
import { RawConnection, type Word } from '../support/raw-connection.ts';
import { type ServerKind, ServerProcess } from '../support/server-process.ts';
import { waitUntil } from '../support/wait-until.ts';

// Copies are made of files in use: no write may wait for an fsync.
const argv = ['--save', '', '--enable-debug-command', 'yes', '--appendonly', 'yes', '--appendfsync', 'no'];
const commands = everyType(new Prng(Number(process.env['SEED'] ?? 5)));
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'aof-interop-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function ask(server: ServerProcess, command: readonly Word[]): Promise<string> {
  const connection = await RawConnection.open(server.port);
  const reply = String(await connection.call(command));
  connection.close();
  return reply;
}

async function fill(server: ServerProcess): Promise<void> {
  const connection = await RawConnection.open(server.port);
  for (const command of commands) await connection.call(command);
  connection.close();
}

async function rewritten(server: ServerProcess): Promise<void> {
  await ask(server, ['BGREWRITEAOF']);
  await waitUntil('the rewrite has ended', 20_000, async () => {
    const info = await ask(server, ['INFO', 'persistence']);
    const ended = /aof_rewrite_in_progress:0/.test(info) && /aof_rewrite_scheduled:0/.test(info);
    return ended || undefined;
  });
  expect(await ask(server, ['INFO', 'persistence'])).toMatch(/aof_last_bgrewrite_status:ok/);
}

/** A server of `kind` that has loaded what `from` appended. */
async function carried(from: ServerProcess, kind: ServerKind): Promise<ServerProcess> {
  const target = mkdtempSync(path.join(folder, 'aof-'));
  cpSync(path.join(from.directory, 'appendonlydir'), path.join(target, 'appendonlydir'), { recursive: true });
  return ServerProcess.start(kind, [...argv, '--dir', target]);
}

describe('append-only files with every type', () => {
  for (const [first, second] of [
    ['redwarden-server', 'redwarden-server'],
    ['redwarden-server', 'valkey-server'],
    ['valkey-server', 'redwarden-server'],
  ] as const) {
    for (const preamble of ['no', 'yes']) {
      it(`travel from ${first} to ${second}, RDB preamble: ${preamble}`, async () => {
        const from = await ServerProcess.start(first, [...argv, '--aof-use-rdb-preamble', preamble]);
        await fill(from);
        const whole = await carried(from, second);
        const digest = await ask(from, ['DEBUG', 'DIGEST']);
        expect(await ask(whole, ['DEBUG', 'DIGEST']), `as appended\n${whole.output}`).toBe(digest);
        await whole.stop();
        await rewritten(from);
        await ask(from, ['RPUSH', 'after', 'the', 'rewrite']);
        const base = await carried(from, second);
        const later = await ask(from, ['DEBUG', 'DIGEST']);
        expect(await ask(base, ['DEBUG', 'DIGEST']), `rewritten\n${base.output}`).toBe(later);
        await base.stop();
        await from.stop();
      }, 60_000);
    }
  }
});
