/**
 * RDB files in every version that this server writes: what they begin with, who loads them, what comes back,
 * what a version cannot hold; attributes of the last access and header fields, from and to redis-server 7.0
 * and valkey-server 8.0.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Prng } from '../../server/structures/prng.ts';
import { debianProgram } from '../support/debian-programs.ts';
import { everyType } from '../support/every-type.ts';
import { RawConnection, type Word } from '../support/raw-connection.ts';
import { type ServerKind, ServerProcess } from '../support/server-process.ts';

const argv = ['--save', '', '--enable-debug-command', 'yes'];
const library = "#!lua name=lib\nredis.register_function('answer', function() return 42 end)";

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'rdb-versions-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function ask(server: ServerProcess, command: readonly Word[]): Promise<string> {
  const connection = await RawConnection.open(server.port);
  const reply = await connection.call(command);
  connection.close();
  return String(reply);
}

async function fill(server: ServerProcess, commands: readonly (readonly Word[])[]): Promise<void> {
  const connection = await RawConnection.open(server.port);
  for (const command of commands) {
    const reply = (await connection.call(command)).toString('latin1', 0, 200);
    expect(reply[0], `${command[0]} ${command[1]}: ${reply}`).not.toBe('-');
  }
  connection.close();
}

/** Saves, and starts a server of `kind` with that file. */
async function carried(from: ServerProcess, kind: ServerKind, ...more: string[]): Promise<ServerProcess> {
  expect(await ask(from, ['SAVE'])).toBe('+OK\r\n');
  copyFileSync(path.join(from.directory, 'dump.rdb'), path.join(folder, 'dump.rdb'));
  return ServerProcess.start(kind, [...argv, '--dir', folder, ...more]);
}

function file(server: ServerProcess): Buffer {
  return readFileSync(path.join(server.directory, 'dump.rdb'));
}

describe('rdb-version', () => {
  for (const [version, head] of [
    ['10', 'REDIS0010'],
    ['11', 'REDIS0011'],
    ['12', 'REDIS0012'],
    ['80', 'VALKEY080'],
  ] as const) {
    it(`${version} brings back every type, functions and databases`, async () => {
      const from = await ServerProcess.start('redwarden-server', [...argv, '--rdb-version', version]);
      await fill(from, [...everyType(new Prng(3)), ['FUNCTION', 'LOAD', library]]);
      if (Number(version) >= 12) {
        await fill(from, [
          ['HSET', 'hash:fields', 'a', '1', 'b', '2', 'c', '3'],
          ['HPEXPIREAT', 'hash:fields', '4000000000123', 'FIELDS', '2', 'a', 'b'],
        ]);
      }
      await fill(from, [
        ['SELECT', '7'],
        ['SET', 'elsewhere', '1'],
      ]);
      const to = await carried(from, 'redwarden-server', '--rdb-version', version);
      expect(file(from).toString('latin1', 0, 9)).toBe(head);
      expect(await ask(to, ['DEBUG', 'DIGEST'])).toBe(await ask(from, ['DEBUG', 'DIGEST']));
      expect(await ask(to, ['FCALL', 'answer', '0'])).toBe(':42\r\n');
      const fields = ['HPEXPIRETIME', 'hash:fields', 'FIELDS', '3', 'a', 'b', 'c'];
      expect(await ask(to, fields)).toBe(await ask(from, fields));
      await to.stop();
      await from.stop();
    }, 60_000);
  }

  it('10 refuses fields that expire by the name of their key; 11 gives way to 12', async () => {
    const server = await ServerProcess.start('redwarden-server', [...argv, '--rdb-version', '10']);
    await fill(server, [
      ['HSET', 'the:key', 'a', '1'],
      ['HPEXPIREAT', 'the:key', '4000000000123', 'FIELDS', '1', 'a'],
    ]);
    expect(await ask(server, ['SAVE'])).toMatch(/^-ERR/);
    expect(server.output).toMatch(/Key 'the:key' has fields that expire, which RDB version 10 cannot hold/);
    expect(await ask(server, ['CONFIG', 'SET', 'rdb-version', '11'])).toBe('+OK\r\n');
    expect(await ask(server, ['SAVE'])).toBe('+OK\r\n');
    expect(file(server).toString('latin1', 0, 9)).toBe('REDIS0012');
    for (const wrong of ['9', '13', '79', '81'])
      expect(await ask(server, ['CONFIG', 'SET', 'rdb-version', wrong])).toMatch(/^-ERR/);
    await server.stop();
  }, 60_000);

  it('files pass the checkers of Redis and Valkey, with the header fields of theirs in their order', async () => {
    const names = ['redis-ver', 'redis-bits', 'ctime', 'used-mem', 'aof-base'];
    for (const [version, peer, checker] of [
      ['10', 'redis-server', 'redis-check-rdb'],
      ['11', 'valkey-server', 'valkey-check-rdb'],
    ] as const) {
      const server = await ServerProcess.start('redwarden-server', [...argv, '--rdb-version', version]);
      await fill(server, [...everyType(new Prng(4)), ['FUNCTION', 'LOAD', library]]);
      expect(await ask(server, ['SAVE'])).toBe('+OK\r\n');
      const found = await debianProgram(peer, () => {});
      const program = path.join(path.dirname(found.path), checker);
      const env = { ...process.env, ...found.env };
      const said = spawnSync(program, [path.join(server.directory, 'dump.rdb')], { encoding: 'latin1', env });
      expect(said.stdout, said.stderr).toContain('RDB looks OK');
      const fields = [...said.stdout.matchAll(/AUX FIELD (\S+) =/g)].map((match) => match[1]);
      expect(fields.filter((name) => !name?.startsWith('repl-'))).toEqual(names);
      expect(fields.at(-1)).toBe('aof-base');
      await server.stop();
    }
  }, 60_000);

  it('rdbchecksum no leaves zeros, which everybody takes for none', async () => {
    const from = await ServerProcess.start('redwarden-server', [
      ...argv,
      '--rdb-version',
      '10',
      '--rdbchecksum',
      'no',
      '--rdb-save-incremental-fsync',
      'no',
    ]);
    await fill(from, [['SET', 'a', '1']]);
    for (const kind of ['redis-server', 'redwarden-server'] as const) {
      const to = await carried(from, kind);
      expect(
        file(from)
          .subarray(-8)
          .every((byte) => byte === 0),
      ).toBe(true);
      expect(await ask(to, ['GET', 'a'])).toBe('$1\r\n1\r\n');
      await to.stop();
    }
    await from.stop();
  }, 60_000);
});

describe('attributes of the last access', () => {
  for (const peer of ['redis-server', 'valkey-server'] as const) {
    it(`idle seconds and LFU counters travel to and from ${peer}`, async () => {
      for (const [first, second] of [
        ['redwarden-server', peer],
        [peer, 'redwarden-server'],
      ] as const) {
        for (const [policy, option, value, question] of [
          ['allkeys-lru', 'IDLETIME', '1000', 'IDLETIME'],
          ['allkeys-lfu', 'FREQ', '99', 'FREQ'],
        ] as const) {
          const own = (kind: ServerKind): string[] => [
            '--maxmemory-policy',
            policy,
            ...(kind === 'redwarden-server' ? ['--rdb-version', '10'] : []),
          ];
          const from = await ServerProcess.start(first, [...argv, ...own(first)]);
          await fill(from, [['SET', 'seed', 'a']]);
          const connection = await RawConnection.open(from.port);
          const dump = await connection.call(['DUMP', 'seed']);
          const bulk = dump.subarray(dump.indexOf('\n') + 1, dump.length - 2);
          const reply = await connection.call(['RESTORE', 'key', '0', bulk, option, value]);
          expect(String(reply)).toBe('+OK\r\n');
          connection.close();
          const to = await carried(from, second, ...own(second));
          const found = Number((await ask(to, ['OBJECT', question, 'key'])).slice(1));
          expect(found, `${first} to ${second}`).toBeGreaterThanOrEqual(Number(value) - 1);
          expect(found, `${first} to ${second}`).toBeLessThanOrEqual(Number(value) + 60);
          await to.stop();
          await from.stop();
        }
      }
    }, 60_000);
  }
});
