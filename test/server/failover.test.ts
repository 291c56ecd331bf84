/** FAILOVER, WAITAOF and restarts between our server, Redis 7.0 and Valkey 8: nothing is copied twice. */
import { afterEach, describe, expect, it } from 'vitest';
import { waitUntil } from '../support/wait-until.ts';
import { type Engine, hasRedis, ServerProcess } from './replication-harness.ts';

const DEADLINE_MS = 20_000;
const KEYS = 50;

const running: ServerProcess[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.remove()));
});

async function start(engine: Engine, ...options: string[]): Promise<ServerProcess> {
  const server = await ServerProcess.start(engine, ...options);
  running.push(server);
  return server;
}

async function fill(server: ServerProcess, prefix: string): Promise<void> {
  for (let i = 0; i < KEYS; i++) await server.call('SET', `${prefix}${i}`, `value ${i}`);
}

async function same(replica: ServerProcess, primary: ServerProcess): Promise<void> {
  await replica.caughtUpWith(primary);
  expect(await replica.dump()).toEqual(await primary.dump());
}

async function hasRole(server: ServerProcess, role: 'master' | 'slave'): Promise<void> {
  await waitUntil(`${server.engine} as ${role}`, DEADLINE_MS, async () =>
    (await server.info('replication', 'role')) === role &&
    (await server.info('replication', 'master_failover_state')) === 'no-failover'
      ? true
      : undefined,
  );
}

/** Hands the role from one to the other. */
async function failOver(from: ServerProcess, to: ServerProcess): Promise<void> {
  await waitUntil('FAILOVER', DEADLINE_MS, async () =>
    (await from.call('FAILOVER', 'TO', '127.0.0.1', to.port)) === 'OK' ? true : undefined,
  );
  await hasRole(from, 'slave');
  await hasRole(to, 'master');
}

/** Ends it as an operator does: replicas get all, the last position is noted. */
async function restart(server: ServerProcess): Promise<void> {
  await server.stop('SIGTERM');
  await server.run();
}

const PAIRS: readonly (readonly [Engine, Engine])[] = [
  ['ours', 'ours'],
  ['ours', 'redis'],
  ['redis', 'ours'],
  ['ours', 'valkey'],
  ['valkey', 'ours'],
];

describe.skipIf(!hasRedis)('FAILOVER across servers', () => {
  for (const [first, second] of PAIRS) {
    it(`moves the role from ${first} to ${second} and back with partial resyncs only`, async () => {
      const primary = await start(first);
      const replica = await start(second);
      await replica.follow(primary);
      await fill(primary, 'before');
      await same(replica, primary);
      await failOver(primary, replica);
      await fill(replica, 'after');
      await same(primary, replica);
      await failOver(replica, primary);
      await fill(primary, 'again');
      await same(replica, primary);
      const full = [await primary.count('stats', 'sync_full'), await replica.count('stats', 'sync_full')];
      expect(full).toEqual([1, 0]);
    });
  }

  it('holds writes meanwhile, gives up at the timeout, and lets them go on', async () => {
    const primary = await start('ours');
    const replica = await start('ours');
    await replica.follow(primary);
    await same(replica, primary);
    // It takes nothing from the stream and acknowledges nothing new.
    await replica.call('CLIENT', 'PAUSE', 60_000);
    await primary.call('SET', 'a', '1');
    expect(await primary.call('FAILOVER', 'TIMEOUT', 800)).toBe('OK');
    expect(await primary.info('replication', 'master_failover_state')).toBe('waiting-for-sync');
    expect(await primary.call('GET', 'a')).toBe('1');
    expect(await primary.call('REPLICAOF', 'NO', 'ONE')).toMatchObject({
      message: 'ERR REPLICAOF not allowed while failing over.',
    });
    expect(await primary.call('SET', 'b', '2')).toBe('OK');
    expect(await primary.info('replication', 'master_failover_state')).toBe('no-failover');
    expect(primary.log).toMatch(/FAILOVER to any replica aborted: Replica never caught up before timeout/);
    expect(await primary.call('FAILOVER', 'ABORT')).toMatchObject({
      message: 'ERR No failover in progress.',
    });
    await replica.call('CLIENT', 'UNPAUSE');
    await same(replica, primary);
  });
});

describe.skipIf(!hasRedis)('WAITAOF across servers', () => {
  for (const [first, second] of [
    ['ours', 'ours'],
    ['ours', 'valkey'],
    ['valkey', 'ours'],
  ] as const) {
    it(`counts the append-only files of ${first} and its replica ${second}`, async () => {
      const primary = await start(first, '--appendonly', 'yes');
      const replica = await start(second, '--appendonly', 'yes');
      await replica.follow(primary);
      await same(replica, primary);
      await primary.call('SET', 'a', '1');
      expect(await primary.call('WAITAOF', 1, 1, 8000)).toEqual([1, 1]);
      await primary.call('MULTI');
      await primary.call('SET', 'b', '1');
      await primary.call('SET', 'c', '1');
      await primary.call('EXEC');
      expect(await primary.call('WAITAOF', 1, 1, 8000)).toEqual([1, 1]);
      await replica.call('CONFIG', 'SET', 'appendonly', 'no');
      await primary.call('SET', 'd', '1');
      expect(await primary.call('WAITAOF', 1, 1, 1500)).toEqual([1, 0]);
    });
  }
});

describe.skipIf(!hasRedis)('A planned restart', () => {
  const forms: readonly (readonly [string, readonly string[]])[] = [
    ['an append-only file', ['--appendonly', 'yes']],
    ['an RDB', ['--save', '3600 1']],
  ];
  for (const [form, options] of forms) {
    it(`of a replica with ${form} continues where it was`, async () => {
      const primary = await start('ours');
      const replica = await start('ours', ...options, '--replicaof', `127.0.0.1 ${primary.port}`);
      await fill(primary, 'a');
      await same(replica, primary);
      await replica.stop('SIGTERM');
      await fill(primary, 'while away');
      await replica.run();
      await same(replica, primary);
      expect(await primary.count('stats', 'sync_full')).toBe(1);
      expect(await primary.count('stats', 'sync_partial_ok')).toBe(1);
    });

    for (const engine of ['ours', 'redis'] as const) {
      it(`of a primary with ${form} lets its replica (${engine}) continue`, async () => {
        const primary = await start('ours', ...options);
        const replica = await start(engine);
        await replica.follow(primary);
        await fill(primary, 'a');
        await same(replica, primary);
        await restart(primary);
        await fill(primary, 'new life');
        await same(replica, primary);
        expect(await primary.count('stats', 'sync_full')).toBe(0);
        expect(await primary.count('stats', 'sync_partial_ok')).toBe(1);
      });
    }

    it(`with ${form} after a failover continues in the new primary's history`, async () => {
      const primary = await start('ours', ...options);
      const replica = await start('ours', ...options);
      await replica.follow(primary);
      await fill(primary, 'a');
      await same(replica, primary);
      await failOver(primary, replica);
      await primary.stop('SIGTERM');
      await fill(replica, 'while away');
      await primary.run();
      await primary.follow(replica);
      await same(primary, replica);
      expect(await replica.count('stats', 'sync_full')).toBe(0);
    });
  }
});

describe('Keys that expire while their primary restarts', () => {
  it('go from the replicas that continue, too', async () => {
    const primary = await start('ours', '--save', '3600 1', '--enable-debug-command', 'yes');
    const replica = await start('ours');
    await replica.follow(primary);
    await fill(primary, 'stays');
    expect(await primary.call('DEBUG', 'SET-ACTIVE-EXPIRE', '0')).toBe('OK');
    for (let i = 0; i < KEYS; i++) await primary.call('SET', `goes${i}`, 'x', 'PX', '30');
    await replica.caughtUpWith(primary);
    await restart(primary);
    await replica.caughtUpWith(primary);
    expect(await primary.count('persistence', 'rdb_last_load_keys_expired')).toBe(KEYS);
    expect(await primary.count('stats', 'sync_partial_ok')).toBe(1);
    expect([await primary.call('DBSIZE'), await replica.call('DBSIZE')]).toEqual([KEYS, KEYS]);
  });
});

describe.skipIf(!hasRedis)('A chain of replicas', () => {
  it('keeps the id and the offsets of the primary at its top, through cuts in the middle', async () => {
    const top = await start('ours');
    const middle = await start('ours');
    const end = await start('redis');
    await middle.follow(top);
    await same(middle, top);
    await end.follow(middle);
    await fill(top, 'a');
    await same(end, top);
    await middle.call('CLIENT', 'KILL', 'TYPE', 'primary');
    await fill(top, 'b');
    await same(end, top);
    const ids = await Promise.all([top, middle, end].map((one) => one.info('replication', 'master_replid')));
    expect(new Set(ids).size).toBe(1);
    expect(await top.count('stats', 'sync_full')).toBe(1);
    expect(await middle.count('stats', 'sync_full')).toBe(1);
  });
});
