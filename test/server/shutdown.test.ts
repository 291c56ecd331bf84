/** SHUTDOWN and the signals on the built server: what is saved, what keeps it up, what may be seen. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { hasRedwarden, newFolder, removeFolders, ServerProcess } from './persistence-harness.ts';

const running: ServerProcess[] = [];
afterEach(async () => {
  for (const server of running.splice(0)) if (server.child.exitCode === null) await server.stop('SIGKILL');
});
afterAll(removeFolders);

async function start(folder: string, ...options: string[]): Promise<ServerProcess> {
  const server = await ServerProcess.redwarden(folder, '--enable-debug-command', 'yes', ...options);
  running.push(server);
  return server;
}

async function until(what: string, check: () => Promise<boolean> | boolean): Promise<void> {
  const endMs = Date.now() + 15_000;
  while (!(await check())) {
    if (Date.now() > endMs) throw new Error(`not within 15 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function said(server: ServerProcess, what: RegExp): Promise<void> {
  return until(String(what), () => what.test(server.output));
}

function exitOf(server: ServerProcess): Promise<number | null> {
  return new Promise((resolve) => server.child.once('exit', (code) => resolve(code)));
}

/** The reply, errors as their text. */
async function reply(server: ServerProcess, ...words: string[]): Promise<unknown> {
  try {
    return await server.call(...words);
  } catch (error) {
    return (error as Error).message;
  }
}

/** Files but those of the dataset. */
const leftovers = (folder: string): string[] => readdirSync(folder).filter((name) => name !== 'dump.rdb');

describe.skipIf(!hasRedwarden)('the end of the server', () => {
  it('SIGTERM saves when there are save points and leaves nothing but the file', async () => {
    const folder = newFolder();
    const server = await start(folder, '--save', '3600 100000');
    await server.call('SET', 'marker', 'value');
    const ended = exitOf(server);
    server.child.kill('SIGTERM');
    expect(await ended).toBe(0);
    expect(readFileSync(join(folder, 'dump.rdb')).includes('marker')).toBe(true);
    expect(leftovers(folder)).toEqual([]);
    await said(server, /Received SIGTERM scheduling shutdown/);
    await said(server, /Saving the final RDB snapshot before exiting\.\s.*DB saved on disk/);
  });

  it('SHUTDOWN answers an error when the file cannot be put in its place, and serves on', async () => {
    const folder = newFolder();
    const server = await start(folder, '--save', '3600 100000');
    await server.call('SET', 'marker', 'value');
    mkdirSync(join(folder, 'dump.rdb'));
    expect(await reply(server, 'SHUTDOWN')).toBe('ERR Errors trying to SHUTDOWN. Check logs.');
    await said(server, /Error moving temp DB file temp-\d+\.rdb on the final destination dump\.rdb/);
    await said(server, /Error trying to save the DB, can't exit\./);
    expect(leftovers(folder)).toEqual([]);
    // A last save that failed keeps nobody from writing.
    expect(await server.call('SET', 'marker', 'other')).toBe('OK');
    const ended = exitOf(server);
    server.call('SHUTDOWN', 'FORCE').catch(() => undefined);
    expect(await ended).toBe(0);
    await said(server, /Error trying to save the DB\. Exit anyway\./);
  });

  it('a second SIGINT ends it within the last save, without a temporary file', async () => {
    const folder = newFolder();
    const server = await start(folder, '--save', '3600 100000');
    await server.call('DEBUG', 'POPULATE', '50');
    await server.call('CONFIG', 'SET', 'rdb-key-save-delay', '200000');
    const temporary = join(folder, `temp-${server.child.pid}.rdb`);
    const ended = exitOf(server);
    server.child.kill('SIGINT');
    await until('the temporary file', () => existsSync(temporary));
    server.child.kill('SIGINT');
    expect(await ended).toBe(1);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('refuses to end while the first append-only file is written, and ends by itself afterwards', async () => {
    const folder = newFolder();
    const server = await start(folder);
    await server.call('DEBUG', 'POPULATE', '10');
    await server.call('CONFIG', 'SET', 'rdb-key-save-delay', '100000');
    await server.call('CONFIG', 'SET', 'appendonly', 'yes');
    expect(await reply(server, 'SHUTDOWN')).toBe('ERR Errors trying to SHUTDOWN. Check logs.');
    await said(server, /Writing initial AOF, can't exit\./);
    const ended = exitOf(server);
    server.child.kill('SIGTERM');
    expect(await ended).toBe(0);
    rmSync(join(folder, 'dump.rdb'), { force: true });
    const again = await start(folder, '--appendonly', 'yes');
    expect(await again.call('DBSIZE')).toBe(10);
  });

  it('answers what SHUTDOWN does not take', async () => {
    const server = await start(newFolder());
    expect(await reply(server, 'SHUTDOWN', 'ABORT')).toBe('ERR No shutdown in progress.');
    expect(await reply(server, 'SHUTDOWN', 'ABORT', 'NOW')).toBe('ERR syntax error');
    expect(await reply(server, 'SHUTDOWN', 'SAVE', 'NOSAVE')).toBe('ERR syntax error');
    expect(await reply(server, 'SHUTDOWN', 'NEVER')).toBe('ERR syntax error');
  });
});

describe.skipIf(!hasRedwarden)('what stands for the child of a save', () => {
  it('is named by the log and the file, and ends the save when it is killed', async () => {
    const folder = newFolder();
    const server = await start(folder, '--save', '3600 100000');
    await server.call('DEBUG', 'POPULATE', '100');
    await server.call('CONFIG', 'SET', 'rdb-key-save-delay', '1000000');
    expect(await server.call('BGSAVE')).toBe('Background saving started');
    await until('the log', () => server.output.includes('Background saving started'));
    const pid = Number(/Background saving started by pid (\d+)/.exec(server.output)?.[1]);
    expect(pid).not.toBe(server.child.pid);
    expect(existsSync(join(folder, `temp-${pid}.rdb`))).toBe(true);
    process.kill(pid, 'SIGKILL');
    await until('MISCONF', async () => String(await reply(server, 'SET', 'a', 'b')).startsWith('MISCONF'));
    await said(server, /Background saving terminated by signal 9/);
    expect(leftovers(folder)).toEqual([]);
  });

  it('BGSAVE CANCEL is no failure', async () => {
    const folder = newFolder();
    const server = await start(folder, '--save', '3600 100000');
    await server.call('DEBUG', 'POPULATE', '100');
    await server.call('CONFIG', 'SET', 'rdb-key-save-delay', '1000000');
    const nothing = 'ERR Background saving is currently not in progress or scheduled';
    expect(await reply(server, 'BGSAVE', 'CANCEL')).toBe(nothing);
    await server.call('BGSAVE');
    expect(await server.call('BGSAVE', 'CANCEL')).toBe('Background saving cancelled');
    expect(leftovers(folder)).toEqual([]);
    expect(await server.call('SET', 'a', 'b')).toBe('OK');
    expect(await reply(server, 'BGSAVE', 'CANCEL')).toBe(nothing);
  });
});
