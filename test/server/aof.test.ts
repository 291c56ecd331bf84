/** The append-only file as a user meets it: the built server, its checker, redis-server on the same files. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  hasRedis,
  hasRedwarden,
  newFolder,
  removeFolders,
  ServerProcess,
  until,
} from './persistence-harness.ts';

const AOF = ['--appendonly', 'yes', '--auto-aof-rewrite-percentage', '0', '--enable-debug-command', 'yes'];
const CHECKER = new URL('../../server/bin/redwarden-check-aof', import.meta.url).pathname;
let folder = '';
let running: ServerProcess[] = [];

beforeEach(() => {
  folder = newFolder();
});
afterEach(async () => {
  for (const server of running.splice(0)) if (server.child.exitCode === null) await server.stop('SIGKILL');
});
afterAll(removeFolders);

async function start(...options: string[]): Promise<ServerProcess> {
  const server = await ServerProcess.redwarden(folder, ...AOF, ...options);
  running.push(server);
  return server;
}

async function stop(server: ServerProcess): Promise<void> {
  await server.stop();
  running = running.filter((other) => other !== server);
}

async function field(server: ServerProcess, name: string): Promise<string> {
  const info = String(await server.call('INFO', 'persistence'));
  return new RegExp(`\n${name}:(.*)\r`).exec(info)?.[1] ?? '';
}

async function rewritten(server: ServerProcess): Promise<void> {
  await server.call('BGREWRITEAOF');
  const endMs = Date.now() + 10_000;
  while ((await field(server, 'aof_rewrite_in_progress')) !== '0') {
    if (Date.now() > endMs) throw new Error(`the rewrite does not end\n${server.output}`);
  }
  expect(await field(server, 'aof_last_bgrewrite_status')).toBe('ok');
}

const place = (name: string): string => join(folder, 'appendonlydir', name);

const command = (...words: string[]): string =>
  `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`;

/** Append-only files made by hand. */
function put(files: Readonly<Record<string, string | Buffer>>): void {
  mkdirSync(join(folder, 'appendonlydir'), { recursive: true });
  for (const [name, content] of Object.entries(files)) writeFileSync(place(name), content);
}

const ONE = { 'appendonly.aof.manifest': 'file appendonly.aof.1.incr.aof seq 1 type i\n' };

describe.skipIf(!hasRedwarden)('the append-only file', () => {
  it('goes back to a moment: timestamps, the checker, a restart', async () => {
    const server = await start('--aof-timestamp-enabled', 'yes', '--aof-use-rdb-preamble', 'no');
    await server.call('SET', 'first', '1');
    await rewritten(server);
    expect(readFileSync(place('appendonly.aof.2.base.aof'), 'latin1')).toMatch(
      /^#TS:\d{10}\r\n\*2\r\n\$6\r\nSELECT/,
    );
    await server.call('SET', 'second', '2');
    const second = Math.floor(Date.now() / 1000);
    await until(() => Math.floor(Date.now() / 1000) > second + 1);
    await server.call('SET', 'third', '3');
    await stop(server);
    const argv = ['--truncate-to-timestamp', String(second + 1), place('appendonly.aof.manifest')];
    const { stdout, status } = spawnSync(CHECKER, argv, { encoding: 'latin1' });
    expect(stdout).toMatch(/Successfully truncated AOF appendonly.aof.2.incr.aof to timestamp/);
    expect(status).toBe(0);
    const again = await start();
    expect(await again.call('MGET', 'first', 'second', 'third')).toEqual(
      expect.arrayContaining([expect.anything(), expect.anything(), null]),
    );
  }, 30_000);

  it('says LOADING while a late script of a file runs, and runs it to its end', async () => {
    const script = "redis.call('set', KEYS[1], 'y') for i = 1, 3000000 do end return 1";
    const server = await start('--busy-reply-threshold', '1');
    await stop(server);
    put({
      ...ONE,
      'appendonly.aof.1.incr.aof': command('eval', script, '1', 'x') + command('SET', 'z', '1'),
    });
    const again = await start('--busy-reply-threshold', '1');
    expect(await again.call('GET', 'x')).toBe('y');
    expect(await again.call('GET', 'z')).toBe('1');
    expect(again.output).toMatch(/Slow script detected/);
  }, 30_000);

  it('takes over the file of an older version with its RDB, and a rewrite makes files of today of it', async () => {
    const first = await ServerProcess.redwarden(folder, '--dbfilename', 'appendonly.aof');
    running.push(first);
    await first.call('SET', 'old', '1');
    await first.call('SAVE');
    await stop(first);
    const file = join(folder, 'appendonly.aof');
    writeFileSync(file, command('SET', 'tail', '2'), { flag: 'a' });
    const server = await start();
    expect(await server.call('DBSIZE')).toBe(2);
    expect(existsSync(file)).toBe(false);
    expect(server.output).toMatch(/Reading RDB preamble from AOF file/);
    expect(server.output).toMatch(/Reading the remaining AOF tail/);
    await rewritten(server);
    await until(() => !readdirSync(join(folder, 'appendonlydir')).includes('appendonly.aof'));
    await stop(server);
    const again = await start();
    expect(await again.call('DBSIZE')).toBe(2);
  }, 30_000);

  it('refuses an unknown command and a wrong number of words by file and by text', async () => {
    for (const [bad, text] of [
      [command('bla', 'foo'), "unknown command 'bla'"],
      [command('get'), "wrong number of arguments for 'get' command"],
    ] as const) {
      put({ ...ONE, 'appendonly.aof.1.incr.aof': command('SET', 'a', '1') + bad });
      await expect(start()).rejects.toThrow(
        new RegExp(`Error reading the append only file appendonly.aof.1.incr.aof, error: .*${text}`),
      );
    }
  }, 30_000);

  it('refuses a torn file that is not the last one, and leaves it as it is', async () => {
    const torn = command('SET', 'a', '1').slice(0, -3);
    put({
      'appendonly.aof.manifest':
        'file appendonly.aof.1.incr.aof seq 1 type i\nfile appendonly.aof.2.incr.aof seq 2 type i\n',
      'appendonly.aof.1.incr.aof': torn,
      'appendonly.aof.2.incr.aof': command('SET', 'b', '1'),
    });
    await expect(start()).rejects.toThrow(/Unexpected end of file.*the truncated file is not the last file/);
    expect(statSync(place('appendonly.aof.1.incr.aof')).size).toBe(torn.length);
  }, 30_000);

  it('notes in LATENCY what the disk took', async () => {
    const server = await start('--latency-monitor-threshold', '1', '--appendfsync', 'always');
    for (let round = 0; round < 20; round += 1) await server.call('SET', 'key', 'x'.repeat(1_000_000));
    const latest = JSON.stringify(await server.call('LATENCY', 'LATEST'), (_, value) =>
      value?.type === 'Buffer' ? Buffer.from(value.data).toString() : value,
    );
    expect(latest).toMatch(/aof-(fsync-always|write)/);
  }, 60_000);

  it('waits for the disk before a rewrite, not in it, when much is to be synced', async () => {
    const server = await start('--appendfsync', 'no');
    for (let round = 0; round < 4; round += 1)
      await server.call('SET', `key:${round}`, 'x'.repeat(1_000_000));
    expect(await server.call('BGREWRITEAOF')).toBe('Background append only file rewriting started');
    await expect(server.call('BGREWRITEAOF')).rejects.toThrow(/already in progress/);
    await server.call('SET', 'late', '1');
    await until(() => /Background AOF rewrite finished successfully/.test(server.output));
    await server.call('CONFIG', 'SET', 'appendonly', 'no');
    await server.call('DEBUG', 'LOADAOF');
    expect(await server.call('DBSIZE')).toBe(5);
  }, 30_000);

  it('waits after three rewrites that failed, but not for somebody who asks', async () => {
    const server = await start('--auto-aof-rewrite-min-size', '1kb');
    await server.call('SET', 'key', 'value');
    // What the base is to be called is taken by a folder: the rename fails.
    for (let failure = 1; failure <= 3; failure += 1) {
      mkdirSync(place(`appendonly.aof.2.base.rdb`), { recursive: true });
      await server.call('BGREWRITEAOF');
      const endMs = Date.now() + 10_000;
      while ((await field(server, 'aof_rewrites_consecutive_failures')) !== String(failure)) {
        if (Date.now() > endMs) throw new Error(`no failure ${failure}\n${server.output}`);
      }
    }
    await server.call('CONFIG', 'SET', 'auto-aof-rewrite-percentage', '1');
    await server.call('SET', 'key', 'x'.repeat(5000));
    await until(() => /triggered the limit, will retry in 1 minutes/.test(server.output));
    expect(await field(server, 'aof_rewrite_in_progress')).toBe('0');
    await server.call('CONFIG', 'SET', 'auto-aof-rewrite-percentage', '0');
    spawnSync('rmdir', [place('appendonly.aof.2.base.rdb')]);
    await rewritten(server);
    expect(await field(server, 'aof_rewrites_consecutive_failures')).toBe('0');
  }, 60_000);

  it.skipIf(!hasRedis)(
    'is read by redis-server after rewrites, with names that need quotes',
    async () => {
      const name = ' file seq é.aof ';
      const server = await start('--appendfilename', name, '--rdb-version', '10');
      await server.call('SET', 'a', '1');
      await rewritten(server);
      await server.call('SET', 'b', '2');
      await stop(server);
      expect(readFileSync(place(`${name}.manifest`), 'latin1')).toMatch(
        /^file " file seq \\xc3\\xa9.aof .2.base.rdb"/,
      );
      const redis = await ServerProcess.redis(folder, '--appendonly', 'yes', '--appendfilename', name);
      running.push(redis);
      expect(await redis.call('DBSIZE')).toBe(2);
      await redis.call('BGREWRITEAOF');
      await redis.call('SET', 'c', '3');
      await until(() => /Background AOF rewrite finished successfully/.test(redis.output));
      await stop(redis);
      const again = await start('--appendfilename', name);
      expect(await again.call('DBSIZE')).toBe(3);
    },
    30_000,
  );
});
