/** Full and partial resync between our server and the machine's redis-server, both ways and in chains. */
import { afterEach, describe, expect, it } from 'vitest';
import { Prng } from '../../server/structures/prng.ts';
import { waitUntil } from '../support/wait-until.ts';
import { CuttablePath, type Engine, hasRedis, ServerProcess } from './replication-harness.ts';

const running: ServerProcess[] = [];
const paths: CuttablePath[] = [];

async function start(engine: Engine, ...options: string[]): Promise<ServerProcess> {
  const server = await ServerProcess.start(engine, ...options);
  running.push(server);
  return server;
}

async function pathTo(server: ServerProcess): Promise<CuttablePath> {
  const path = await CuttablePath.to(server.port);
  paths.push(path);
  return path;
}

/** Keys of every form a string can have, some that expire, in two databases. */
async function fill(server: ServerProcess, prefix: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await server.call('SET', `${prefix}${i}`, `value ${i}`);
  await server.call('SET', `${prefix}int`, '12345');
  await server.call('SET', `${prefix}negative`, '-9223372036854775808');
  await server.call('SET', `${prefix}long`, 'abc'.repeat(20_000));
  await server.call('SET', `${prefix}empty`, '');
  await server.call('SET', `${prefix}expiring`, 'x', 'EX', 1000);
  await server.call('INCRBY', `${prefix}count`, 7);
  await server.call('APPEND', `${prefix}0`, '!');
  await server.call('SELECT', 2);
  await server.call('SET', `${prefix}two`, 'in database 2');
  await server.call('SELECT', 0);
  await server.call('MULTI');
  await server.call('SET', `${prefix}m1`, '1');
  await server.call('INCR', `${prefix}m1`);
  await server.call('EXEC');
  await server.call('PUBLISH', 'channel', 'a message travels in the stream too');
}

async function same(replica: ServerProcess, primary: ServerProcess): Promise<void> {
  await replica.caughtUpWith(primary);
  expect(await replica.dump()).toEqual(await primary.dump());
}

const DIRECTIONS: readonly (readonly [Engine, Engine])[] = [
  ['ours', 'ours'],
  ['ours', 'redis'],
  ['redis', 'ours'],
  ['ours', 'valkey'],
  ['valkey', 'ours'],
];

afterEach(async () => {
  for (const path of paths.splice(0)) path.close();
  await Promise.all(running.splice(0).map((server) => server.remove()));
});

describe.skipIf(!hasRedis)('Replication across servers', () => {
  for (const [replicaEngine, primaryEngine] of DIRECTIONS) {
    it(`brings ${replicaEngine} up to ${primaryEngine}, and again after cuts`, async () => {
      const primary = await start(primaryEngine);
      const replica = await start(replicaEngine);
      await fill(primary, 'before', 200);
      await replica.call('SET', 'old', 'goes away');
      const path = await pathTo(primary);
      await replica.follow(path);
      await same(replica, primary);
      await fill(primary, 'stream', 50);
      await same(replica, primary);
      expect(await primary.count('stats', 'sync_full')).toBe(1);

      for (let round = 1; round <= 3; round++) {
        path.blocked = true;
        path.cut();
        await fill(primary, `missed${round}`, 20);
        path.blocked = false;
        await same(replica, primary);
      }
      expect(await primary.count('stats', 'sync_full')).toBe(1);
      expect(await primary.count('stats', 'sync_partial_ok')).toBeGreaterThanOrEqual(3);
      expect(replica.log).toMatch(/Successful partial resynchronization with (master|primary)\./);
      expect(await replica.call('SET', 'a', 'b')).toMatchObject({
        message: expect.stringContaining('READONLY'),
      });
      expect(await primary.call('ROLE')).toMatchObject([
        'master',
        expect.anything(),
        [['127.0.0.1', String(replica.port), expect.anything()]],
      ]);
    });
  }

  it('converges when links are cut at random under writes, in full and in partial resyncs', async () => {
    const random = new Prng(Number(process.env['SEED'] ?? Date.now() % 1_000_000));
    console.log(`random cuts, seed ${random.seed}`);
    const primary = await start('ours', '--repl-backlog-size', '100kb');
    for (let i = 0; i < 1000; i++) await primary.call('SET', `key${i}`, `${i}`.repeat(100));
    await primary.call('CONFIG', 'SET', 'rdb-key-save-delay', 100);
    const replicas = [await start('ours'), await start('redis')];
    const cuts = await Promise.all(replicas.map(() => pathTo(primary)));
    for (const [index, replica] of replicas.entries()) await replica.follow(cuts[index] as CuttablePath);
    for (let i = 0; i < 6000; i++) {
      // The first third meets full syncs, the rest streams.
      if (i === 2000) for (const replica of replicas) await same(replica, primary);
      const key = `key${random.below(1000)}`;
      if (random.below(40) === 0) await primary.call('SET', key, 'x'.repeat(random.below(20_000)));
      else if (random.below(3) === 0) await primary.call('INCR', 'counter');
      else await primary.call('APPEND', key, `${i};`);
      if (random.below(150) === 0) cuts[random.below(2)]?.cut();
    }
    for (const replica of replicas) await same(replica, primary);
    expect(await primary.count('stats', 'sync_partial_ok')).toBeGreaterThan(0);
  });

  it('resyncs fully when the backlog no longer holds what the replica lacks', async () => {
    const primary = await start('ours', '--repl-backlog-size', '16kb');
    const replica = await start('ours');
    const path = await pathTo(primary);
    await replica.follow(path);
    await fill(primary, 'a', 10);
    await same(replica, primary);
    path.blocked = true;
    path.cut();
    for (let i = 0; i < 10; i++) await primary.call('SET', `big${i}`, 'x'.repeat(50_000));
    path.blocked = false;
    await same(replica, primary);
    expect(await primary.count('stats', 'sync_full')).toBe(2);
  });

  for (const [first, second, third] of [
    ['redis', 'ours', 'redis'],
    ['ours', 'redis', 'ours'],
    ['ours', 'ours', 'ours'],
    ['valkey', 'ours', 'valkey'],
    ['ours', 'valkey', 'ours'],
  ] as const) {
    it(`passes the stream on: ${first} -> ${second} -> ${third}; promotion keeps the history`, async () => {
      const [a, b, c] = [await start(first), await start(second), await start(third)];
      await fill(a, 'k', 50);
      await b.follow(a);
      await same(b, a);
      await c.follow(b);
      await same(c, b);
      await fill(a, 'more', 20);
      await same(b, a);
      await same(c, b);
      expect(await c.info('replication', 'master_replid')).toBe(await a.info('replication', 'master_replid'));

      const fullBefore = await b.count('stats', 'sync_full');
      await b.call('REPLICAOF', 'NO', 'ONE');
      await fill(b, 'promoted', 20);
      await same(c, b);
      await a.follow(b);
      await same(a, b);
      expect(await b.count('stats', 'sync_full')).toBe(fullBefore);
      expect(await b.info('replication', 'master_replid2')).not.toBe('0'.repeat(40));
      expect(await a.info('replication', 'role')).toBe('slave');
    });
  }

  it('serves several replicas of both engines with a snapshot under writes', async () => {
    const primary = await start('ours');
    for (let i = 0; i < 3000; i++) await primary.call('SET', `key${i}`, `${i}`.repeat(200));
    const replicas = [await start('redis'), await start('ours'), await start('redis')];
    await Promise.all(replicas.map((replica) => replica.follow(primary)));
    for (let i = 0; i < 3000; i++) {
      await primary.call('INCR', 'counter');
      await primary.call('APPEND', `key${(i * 7) % 3000}`, 'changed');
    }
    for (const replica of replicas) await same(replica, primary);
  });

  it('keeps a slow full sync right while keys change, go and come, and everything is flushed', async () => {
    const primary = await start('ours');
    for (let i = 0; i < 2000; i++) await primary.call('SET', `key${i}`, `${i}`.repeat(50));
    await primary.call('CONFIG', 'SET', 'rdb-key-save-delay', 500);
    const replicas = [await start('redis'), await start('ours')];
    await Promise.all(replicas.map((replica) => replica.follow(primary)));
    for (let i = 0; i < 1500; i++) {
      const key = `key${(i * 7) % 2500}`;
      if (i % 3 === 0) await primary.call('DEL', key);
      else await primary.call('APPEND', key, `,${i}`);
    }
    await primary.call('FLUSHALL');
    for (let i = 0; i < 300; i++) await primary.call('INCR', `key${i}`);
    for (const replica of replicas) await same(replica, primary);
    // FLUSHALL ends a full sync under way, as in Redis: what it sends is gone.
    expect(await primary.count('stats', 'sync_full')).toBe(4);
  });

  it('carries values of many megabytes in the RDB and in the stream', async () => {
    const primary = await start('ours');
    const replicas = [await start('redis'), await start('ours')];
    const large = 'megabyte'.repeat(131_072);
    await primary.call('SET', 'in the RDB', large.repeat(3));
    for (const replica of replicas) await replica.follow(primary);
    for (const replica of replicas) await same(replica, primary);
    await primary.call('SET', 'in the stream', large.repeat(5));
    await primary.call('SETRANGE', 'in the RDB', 2_000_000, 'changed');
    for (const replica of replicas) await same(replica, primary);
    expect(await primary.count('stats', 'sync_full')).toBe(2);
  });

  it('keeps the append-only file of a replica whole through full sync and stream', async () => {
    const primary = await start('ours');
    const replica = await start('ours', '--appendonly', 'yes', '--appendfsync', 'always');
    await replica.call('SET', 'old', 'goes away');
    await fill(primary, 'synced', 100);
    await replica.follow(primary);
    await same(replica, primary);
    await fill(primary, 'streamed', 100);
    await same(replica, primary);
    const before = await replica.dump();
    await replica.stop('SIGKILL');
    await replica.run();
    expect(await replica.dump()).toEqual(before);
  });

  it('expires keys on the replica only when the primary says so', async () => {
    const primary = await start('ours');
    const replica = await start('ours');
    await replica.follow(primary);
    await same(replica, primary);
    await primary.call('SET', 'short', 'x', 'PX', 50);
    await waitUntil('the key to go', 5000, async () =>
      (await primary.call('DBSIZE')) === 0 && (await replica.call('DBSIZE')) === 0 ? true : undefined,
    );
    await same(replica, primary);
  });

  it('lets the stream stand still while writes are paused: transactions wait, expired keys stay', async () => {
    const primary = await start('ours');
    const replica = await start('ours');
    await replica.follow(primary);
    await same(replica, primary);
    const other = await primary.another();
    await other.call(['MULTI'], { deadlineMs: 5000 });
    await other.call(['SET', 'held', '1'], { deadlineMs: 5000 });
    await primary.call('SET', 'short', 'x', 'PX', 30);
    await primary.call('CLIENT', 'PAUSE', 60_000, 'WRITE');
    const before = await primary.info('replication', 'master_repl_offset');
    const held = other.call(['EXEC'], { deadlineMs: 10_000 });
    await waitUntil('the key to expire', 5000, async () =>
      (await primary.call('GET', 'short')) === null ? true : undefined,
    );
    expect(await primary.call('GET', 'held')).toBeNull();
    expect(await primary.info('replication', 'master_repl_offset')).toBe(before);
    await primary.call('CLIENT', 'UNPAUSE');
    expect(await held).toEqual(['OK']);
    other.close();
    await waitUntil('the expired key to go', 5000, async () =>
      (await replica.call('DBSIZE')) === 1 ? true : undefined,
    );
    await same(replica, primary);
  });

  it('answers WAIT by what replicas acknowledged', async () => {
    const primary = await start('ours');
    expect(await primary.call('WAIT', 0, 100)).toBe(0);
    expect(await primary.call('WAIT', 1, 50)).toBe(0);
    const replicas = [await start('redis'), await start('ours')];
    for (const replica of replicas) {
      await replica.follow(primary);
      await same(replica, primary);
    }
    await primary.call('SET', 'a', '1');
    expect(await primary.call('WAIT', 2, 5000)).toBe(2);
    expect(await primary.call('WAIT', 3, 50)).toBe(2);
    expect(await replicas[1]?.call('WAIT', 1, 1)).toMatchObject({
      message: expect.stringContaining('WAIT cannot be used with replica instances'),
    });
  });

  it('refuses by name what it cannot hold, keeps what it has, and takes it once it can', async () => {
    const primary = await start('redis');
    const replica = await start('ours');
    await replica.call('SET', 'old', 'kept');
    const longName = 'n'.repeat(1_200_000);
    await primary.call('SET', longName, '1');
    await replica.follow(primary);
    await waitUntil(
      'the refusal',
      5000,
      async () => replica.log.includes('A key is longer than 1048575 bytes') || undefined,
    );
    expect(await replica.call('GET', 'old')).toBe('kept');
    await primary.call('DEL', longName);
    await primary.call('SET', 'a string', 'fits');
    await replica.call('REPLICAOF', 'NO', 'ONE');
    await replica.follow(primary);
    await same(replica, primary);
    await primary.call('SET', longName, '1');
    await waitUntil('the word about it', 5000, async () =>
      replica.log.includes('== CRITICAL ==') ? true : undefined,
    );
    expect(replica.log).toMatch(/key is longer than 1048575 bytes/);
  });

  it('authenticates with masteruser and masterauth, and says why when it is refused', async () => {
    const primary = await start('ours', '--requirepass', 'secret');
    await primary.call('AUTH', 'secret');
    await primary.call('SET', 'a', '1');
    const replica = await start('ours', '--masterauth', 'wrong');
    await replica.follow(primary);
    await waitUntil(
      'the refusal',
      5000,
      async () => replica.log.includes('Unable to AUTH to PRIMARY') || undefined,
    );
    await replica.call('CONFIG', 'SET', 'masterauth', 'secret');
    await waitUntil('the key', 5000, async () =>
      (await replica.call('GET', 'a')) === '1' ? true : undefined,
    );
  });

  it('continues after a restart of the replica whose RDB knew the offset', async () => {
    const primary = await start('ours');
    const replica = await start('ours');
    await fill(primary, 'k', 20);
    await replica.follow(primary);
    await same(replica, primary);
    await replica.call('SAVE');
    await replica.stop();
    await fill(primary, 'while away', 20);
    await replica.run();
    await replica.follow(primary);
    await same(replica, primary);
    expect(await primary.count('stats', 'sync_full')).toBe(1);
  });

  it('keeps the old dataset until the new one is complete, and refuses writes for lack of replicas', async () => {
    const primary = await start('ours', '--min-replicas-to-write', '1', '--min-replicas-max-lag', '5');
    expect(await primary.call('SET', 'a', '1')).toMatchObject({
      message: expect.stringContaining('NOREPLICAS'),
    });
    const replica = await start('ours');
    await replica.call('SET', 'old', 'still here');
    const path = await pathTo(primary);
    path.blocked = true;
    await replica.follow(path);
    expect(await replica.call('GET', 'old')).toBe('still here');
    path.blocked = false;
    await replica.caughtUpWith(primary);
    expect(await replica.call('GET', 'old')).toBeNull();
    await waitUntil('the replica to count', 5000, async () =>
      (await primary.call('SET', 'a', '1')) === 'OK' ? true : undefined,
    );
  });
});
