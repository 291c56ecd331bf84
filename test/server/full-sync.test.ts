/** Full syncs over slow lines, through files, and what a replica shows meanwhile; with real servers. */
import { existsSync, mkdirSync, readdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { RespError } from '../../server/wire/reply-parser.ts';
import { waitUntil } from '../support/wait-until.ts';
import { CuttablePath, type Engine, hasRedis, ServerProcess } from './replication-harness.ts';

const running: ServerProcess[] = [];
const paths: CuttablePath[] = [];
const MEGABYTE = 1024 * 1024;

async function start(engine: Engine, ...options: string[]): Promise<ServerProcess> {
  const server = await ServerProcess.start(engine, '--enable-debug-command', 'local', ...options);
  running.push(server);
  return server;
}

/** `count` keys of `size` bytes that do not compress to nothing. */
async function populate(server: ServerProcess, count: number, size: number): Promise<void> {
  expect(await server.call('DEBUG', 'POPULATE', count, 'key', size)).toBe('OK');
}

async function slowPath(server: ServerProcess, bytesPerSecond: number): Promise<CuttablePath> {
  const path = await CuttablePath.to(server.port);
  path.bytesPerSecond = bytesPerSecond;
  paths.push(path);
  return path;
}

/** The same data on both ends. */
async function same(replica: ServerProcess, primary: ServerProcess): Promise<void> {
  await replica.caughtUpWith(primary);
  expect(await replica.call('DEBUG', 'DIGEST')).toBe(await primary.call('DEBUG', 'DIGEST'));
}

function spillFiles(server: ServerProcess): string[] {
  return readdirSync(server.folder).filter((name) => name.startsWith('temp-'));
}

afterEach(async () => {
  for (const path of paths.splice(0)) path.close();
  await Promise.all(running.splice(0).map((server) => server.remove()));
});

describe('FullSync', () => {
  for (const engine of hasRedis ? (['ours', 'redis'] as const) : (['ours'] as const)) {
    it(`to ${engine} over a slow line ends at the first attempt while the data changes`, async () => {
      // More than may wait in memory for a slow disk, less than what waits for the slow line.
      const limit = ['--client-output-buffer-limit', 'replica 64mb 56mb 2'];
      const primary = await start('ours', '--repl-backlog-size', '16kb', '--rdbcompression', 'no', ...limit);
      await populate(primary, 4000, 10_000);
      const replica = await start(engine);
      await replica.follow(await slowPath(primary, 12 * MEGABYTE));
      const big = 'x'.repeat(MEGABYTE);
      let spilled = 0;
      for (let i = 0; i < 50; i++) {
        await primary.call('SET', `key:${i}`, big);
        await primary.call('SET', `other:${i % 3}`, `${i}${big}`);
        spilled = Math.max(spilled, await primary.count('replication', 'repl_spilled_bytes'));
        if (i % 7 === 0) await new Promise((resolve) => setTimeout(resolve, 50));
      }
      expect(spilled).toBeGreaterThan(10 * MEGABYTE);
      expect(spillFiles(primary)).toEqual([]);
      await waitUntil('the link', 60_000, async () =>
        (await replica.info('replication', 'master_link_status')) === 'up' ? true : undefined,
      );
      await waitUntil('the rest of the stream', 60_000, async () =>
        (await replica.info('replication', 'slave_repl_offset')) ===
        (await primary.info('replication', 'master_repl_offset'))
          ? true
          : undefined,
      );
      await same(replica, primary);
      expect(await primary.count('stats', 'sync_full')).toBe(1);
      await waitUntil('the disk to be given back', 10_000, async () => {
        await primary.call('SET', 'more', big);
        return (await primary.count('replication', 'repl_spilled_bytes')) === 0 ? true : undefined;
      });
    }, 100_000);
  }

  for (const [replicaEngine, primaryEngine] of [
    ['ours', 'ours'],
    ['ours', 'redis'],
    ['redis', 'ours'],
    ['ours', 'valkey'],
    ['valkey', 'ours'],
  ] as const) {
    it.skipIf(!hasRedis)(`goes through a file: ${replicaEngine} from ${primaryEngine}`, async () => {
      const primary = await start(primaryEngine, '--repl-diskless-sync', 'no');
      await populate(primary, 500, 1000);
      const replica = await start(replicaEngine);
      const path = await slowPath(primary, 2 * MEGABYTE);
      await replica.follow(path);
      for (let i = 0; i < 200; i++) await primary.call('INCR', `counter${i % 9}`);
      await same(replica, primary);
      expect(existsSync(join(primary.folder, 'dump.rdb'))).toBe(true);
      expect(existsSync(join(replica.folder, 'dump.rdb'))).toBe(true);
      expect(await primary.count('stats', 'sync_full')).toBe(1);
    });
  }

  it('leaves no file behind with rdb-del-sync-files', async () => {
    const primary = await start('ours', '--repl-diskless-sync', 'no', '--rdb-del-sync-files', 'yes');
    const replica = await start('ours', '--rdb-del-sync-files', 'yes');
    await populate(primary, 100, 100);
    await replica.follow(primary);
    await same(replica, primary);
    expect([readdirSync(primary.folder), readdirSync(replica.folder)]).toEqual([[], []]);
  });

  it('starts before repl-diskless-sync-delay when repl-diskless-sync-max-replicas wait', async () => {
    const delay = ['--repl-diskless-sync-delay', '1000', '--repl-diskless-sync-max-replicas', '2'];
    const primary = await start('ours', ...delay);
    const [one, other] = [await start('ours'), await start('ours')];
    await one.follow(primary);
    await waitUntil('the first to wait', 10_000, async () =>
      (await primary.info('replication', 'slave0')).includes('state=wait_bgsave') ? true : undefined,
    );
    await other.follow(primary);
    await same(one, primary);
    await same(other, primary);
  });

  it('shows LOADING as repl-diskless-load has it, and serves the old data otherwise', async () => {
    const primary = await start('ours', '--rdbcompression', 'no');
    await populate(primary, 300, 10_000);
    for (const [mode, loading, served] of [
      ['disabled', '0', 'old'],
      ['on-empty-db', '0', 'old'],
      ['swapdb', '1', null],
      ['flush-before-load', '1', null],
    ] as const) {
      const replica = await start('ours', '--repl-diskless-load', mode);
      await replica.call('SET', 'mine', 'old');
      await primary.call('CONFIG', 'SET', 'rdb-key-save-delay', 10_000);
      await replica.follow(primary);
      await waitUntil(`the transfer of ${mode}`, 10_000, async () =>
        (await replica.count('replication', 'master_sync_read_bytes')) > 0 ? true : undefined,
      );
      expect([mode, await replica.info('persistence', 'loading')]).toEqual([mode, loading]);
      const answer = await replica.call('GET', 'mine');
      if (served === null) expect(answer).toBeInstanceOf(RespError);
      else expect(answer).toBe(served);
      await replica.call('REPLICAOF', 'NO', 'ONE');
      // The command is refused while nothing can be served; then the primary ends the transfer.
      await primary.call('CLIENT', 'KILL', 'TYPE', 'replica');
      await waitUntil(`the end of ${mode}`, 10_000, async () =>
        (await replica.info('persistence', 'loading')) === '0' ? true : undefined,
      );
      const kept = mode === 'flush-before-load' ? null : 'old';
      expect([mode, await replica.call('GET', 'mine')]).toEqual([mode, kept]);
      await primary.call('CONFIG', 'SET', 'rdb-key-save-delay', 0);
      await replica.remove();
    }
  });

  it('keeps the old data when the RDB file cannot be put in its place, and says so', async () => {
    const [primary, replica] = [await start('ours'), await start('ours')];
    await primary.call('SET', 'theirs', 'new');
    await replica.call('SET', 'mine', 'old');
    const place = join(replica.folder, 'dump.rdb');
    mkdirSync(place);
    await replica.follow(primary);
    await waitUntil('the failure', 10_000, async () =>
      replica.log.includes('Failed trying to rename the temp DB into dump.rdb') ? true : undefined,
    );
    expect(await replica.call('GET', 'mine')).toBe('old');
    expect(spillFiles(replica)).toEqual([]);
    rmdirSync(place);
    await waitUntil('the next attempt', 30_000, async () =>
      (await replica.call('GET', 'theirs')) === 'new' ? true : undefined,
    );
  }, 60_000);

  it('drops a replica that asks for replies on its link, and lets it touch no data', async () => {
    const primary = await start('ours');
    const link = await primary.another();
    await link.call(['PSYNC', '?', -1], { deadlineMs: 5000 });
    const reply = await link.call(['SET', 'a', 'b'], { deadlineMs: 5000 });
    expect(reply).toMatchObject({ kind: expect.anything() });
    link.close();
    expect(await primary.call('GET', 'a')).toBeNull();
    expect(primary.log).toContain("Replica generated a reply to command 'set', disconnecting it: ");
  });
});
