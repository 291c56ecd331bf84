/** The commands of persistence on the built server. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { hasRedwarden, newFolder, removeFolders, ServerProcess } from './persistence-harness.ts';

const running: ServerProcess[] = [];
afterEach(async () => {
  for (const server of running.splice(0)) await server.stop('SIGKILL');
});
afterAll(removeFolders);

async function start(folder: string, ...options: string[]): Promise<ServerProcess> {
  const server = await ServerProcess.redwarden(folder, '--enable-debug-command', 'yes', ...options);
  running.push(server);
  return server;
}

async function field(server: ServerProcess, name: string): Promise<string> {
  const info = String(await server.call('INFO', 'persistence'));
  return new RegExp(`^${name}:(.*)\r?$`, 'm').exec(info)?.[1]?.trim() ?? 'absent';
}

async function untilField(server: ServerProcess, name: string, value: string): Promise<void> {
  const endMs = Date.now() + 15_000;
  while ((await field(server, name)) !== value) {
    if (Date.now() > endMs) throw new Error(`${name} does not become ${value}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The reply, errors as their text. */
async function reply(server: ServerProcess, ...words: string[]): Promise<unknown> {
  try {
    return await server.call(...words);
  } catch (error) {
    return (error as Error).message;
  }
}

describe.skipIf(!hasRedwarden)('saving', () => {
  it('answers BGSAVE, BGREWRITEAOF, SAVE and LASTSAVE as Redis does while a save runs', async () => {
    const server = await start(newFolder());
    await server.call('DEBUG', 'POPULATE', '3000');
    await server.call('CONFIG', 'SET', 'rdb-key-save-delay', '300');
    expect(await server.call('BGSAVE')).toBe('Background saving started');
    expect(await field(server, 'rdb_bgsave_in_progress')).toBe('1');
    expect(await reply(server, 'BGSAVE')).toBe('ERR Background save already in progress');
    expect(await reply(server, 'SAVE')).toBe('ERR Background save already in progress');
    expect(await reply(server, 'BGSAVE', 'NEVER')).toBe('ERR syntax error');
    expect(await reply(server, 'BGREWRITEAOF')).toBe('Background append only file rewriting scheduled');
    expect(await field(server, 'aof_rewrite_scheduled')).toBe('1');
    await server.call('CONFIG', 'SET', 'rdb-key-save-delay', '0');
    await untilField(server, 'rdb_bgsave_in_progress', '0');
    expect(await field(server, 'rdb_last_bgsave_status')).toBe('ok');
    await untilField(server, 'aof_rewrites', '1');
    expect(Number(await server.call('LASTSAVE'))).toBeGreaterThan(Date.now() / 1000 - 60);
    expect(await server.call('SAVE')).toBe('OK');
  });

  it('schedules BGSAVE behind a rewrite when asked to', async () => {
    const server = await start(newFolder(), '--appendonly', 'yes');
    await server.call('DEBUG', 'POPULATE', '3000');
    await server.call('CONFIG', 'SET', 'rdb-key-save-delay', '300');
    expect(await server.call('BGREWRITEAOF')).toBe('Background append only file rewriting started');
    expect(await reply(server, 'BGREWRITEAOF')).toMatch(/rewriting already in progress/);
    expect(await reply(server, 'BGSAVE')).toMatch(/^ERR Another child process is active \(AOF\?\)/);
    expect(await server.call('BGSAVE', 'SCHEDULE')).toBe('Background saving scheduled');
    await server.call('CONFIG', 'SET', 'rdb-key-save-delay', '0');
    await untilField(server, 'aof_rewrite_in_progress', '0');
    await untilField(server, 'rdb_saves', '1');
  });

  it('gives up a save on FLUSHALL, and makes the file empty where save points are set', async () => {
    const folder = newFolder();
    const server = await start(folder);
    await server.call('DEBUG', 'POPULATE', '3000');
    await server.call('CONFIG', 'SET', 'rdb-key-save-delay', '300');
    await server.call('BGSAVE');
    await server.call('FLUSHALL');
    await untilField(server, 'rdb_bgsave_in_progress', '0');
    expect(existsSync(join(folder, 'dump.rdb'))).toBe(false);
    await server.call('CONFIG', 'SET', 'save', '3600 1', 'rdb-key-save-delay', '0');
    await server.call('SET', 'marker', 'b');
    await server.call('FLUSHALL');
    expect(readFileSync(join(folder, 'dump.rdb')).includes('marker')).toBe(false);
    expect(await server.call('DBSIZE')).toBe(0);
  });

  it('refuses writes after a failed save until one succeeds', async () => {
    const folder = newFolder();
    const server = await start(folder, '--save', '3600 100000', '--enable-protected-configs', 'yes');
    await server.call('CONFIG', 'SET', 'dir', '/proc');
    expect(await reply(server, 'SAVE')).toBe('ERR');
    // As in Redis only a failure in the background counts.
    expect(await field(server, 'rdb_last_bgsave_status')).toBe('ok');
    expect(await reply(server, 'BGSAVE')).toBe('Background saving started');
    await untilField(server, 'rdb_last_bgsave_status', 'err');
    expect(await reply(server, 'SET', 'a', 'b')).toMatch(
      /^MISCONF Redis is configured to save RDB snapshots/,
    );
    expect(await reply(server, 'GET', 'a')).toBe(null);
    await server.call('CONFIG', 'SET', 'dir', folder);
    expect(await server.call('SAVE')).toBe('OK');
    expect(await server.call('SET', 'a', 'b')).toBe('OK');
  });

  it('loads again what it saved or appended', async () => {
    const server = await start(newFolder(), '--appendonly', 'yes');
    for (let k = 0; k < 100; k += 1) await server.call('SET', `key:${k}`, 'x'.repeat(k * 10), 'EX', '1000');
    const digest = await server.call('DEBUG', 'DIGEST');
    expect(await server.call('DEBUG', 'RELOAD')).toBe('OK');
    expect(await server.call('DEBUG', 'DIGEST')).toBe(digest);
    expect(await server.call('DEBUG', 'LOADAOF')).toBe('OK');
    expect(await server.call('DEBUG', 'DIGEST')).toBe(digest);
    await server.call('DEL', 'key:1');
    expect(await server.call('DEBUG', 'LOADAOF')).toBe('OK');
    expect(await server.call('DBSIZE')).toBe(99);
  });

  it('merges what a file has with what is there, as DEBUG RELOAD is told', async () => {
    const failed = 'Error trying to load the RDB dump, check server logs.';
    const server = await start(newFolder());
    const texts = async (...words: string[]): Promise<string> => String(await server.call(...words));
    const all = (): Promise<string> => texts('MGET', 'filed', 'both', 'new');
    await server.call('MSET', 'filed', '1', 'both', '1');
    await server.call('RPUSH', 'list', 'a', 'b');
    await server.call('SAVE');
    await server.call('DEL', 'filed');
    await server.call('MSET', 'both', '2', 'new', '2');
    await expect(server.call('DEBUG', 'RELOAD', 'NOSAVE', 'NOFLUSH')).rejects.toThrow(failed);
    expect(await texts('MGET', 'both', 'new')).toBe('2,2');
    expect(await server.call('DEBUG', 'RELOAD', 'NOSAVE', 'noflush', 'merge')).toBe('OK');
    expect(await all()).toBe('1,1,2');
    expect(await texts('LRANGE', 'list', '0', '-1')).toBe('a,b');
    expect(await server.call('DBSIZE')).toBe(4);
    expect(await server.call('DEBUG', 'RELOAD', 'NOSAVE')).toBe('OK');
    expect(await all()).toBe('1,1,');
    await expect(server.call('DEBUG', 'RELOAD', 'NOFLUSH')).rejects.toThrow(failed);
    expect(await server.call('DBSIZE')).toBe(3);
    expect(await server.call('DEBUG', 'RELOAD', 'NOFLUSH', 'MERGE')).toBe('OK');
    await expect(server.call('DEBUG', 'RELOAD', 'NOTHING')).rejects.toThrow(
      'DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.',
    );
    expect(await server.call('DBSIZE')).toBe(3);
  });

  it('turns the append-only file on and off under writes without losing any', async () => {
    const folder = newFolder();
    const server = await start(folder);
    let written = 0;
    let going = true;
    const writer = (async () => {
      while (going) {
        await server.call('SET', `key:${written}`, `${written}`);
        written += 1;
      }
    })();
    for (const value of ['yes', 'no', 'yes']) {
      await server.call('CONFIG', 'SET', 'appendonly', value);
      await untilField(server, 'aof_enabled', value === 'yes' ? '1' : '0');
      await untilField(server, 'aof_rewrite_in_progress', '0');
    }
    going = false;
    await writer;
    await server.stop();
    running.length = 0;
    const again = await start(folder, '--appendonly', 'yes');
    expect(await again.call('DBSIZE')).toBe(written);
  });
});
