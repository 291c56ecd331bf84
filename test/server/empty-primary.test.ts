import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { RespError } from '../../server/wire/reply-parser.ts';
import { waitUntil } from '../support/wait-until.ts';
import { agrees, ClusterProcess, eventually, formPairs } from './cluster-harness.ts';
import { type Engine, hasRedis, ServerProcess } from './replication-harness.ts';

const DEADLINE_MS = 30_000;
const KEYS = 200;
const CLUSTER_MS = 40_000;

const servers: ServerProcess[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.remove();
});

async function start(engine: Engine, ...options: string[]): Promise<ServerProcess> {
  const server = await ServerProcess.start(engine, ...options);
  servers.push(server);
  return server;
}

/** The process dies and its directory with it; it comes back at the same address. */
async function loseEverything(server: ServerProcess): Promise<void> {
  await server.stop('SIGKILL');
  for (const name of ['dump.rdb', 'appendonlydir']) {
    rmSync(join(server.folder, name), { recursive: true, force: true });
  }
  await server.run();
}

async function fill(server: ServerProcess): Promise<void> {
  for (let i = 0; i < KEYS; i++) await server.call('SET', `key:${i}`, `value ${i}`);
}

describe.skipIf(!hasRedis)('A primary that comes back empty', () => {
  for (const engine of ['ours', 'redis'] as const) {
    it(`lets its replica (${engine}) take over, follows it and has the data again`, async () => {
      const primary = await start('ours', '--appendonly', 'yes');
      const replica = await start(engine);
      const second = await start(engine);
      for (const one of [replica, second]) {
        await one.follow(primary);
        await one.caughtUpWith(primary);
      }
      // Before the first byte of a stream a replica of Redis looks like one that has nothing.
      await fill(primary);
      for (const one of [replica, second]) await one.caughtUpWith(primary);
      await loseEverything(primary);
      await waitUntil('the data to be back', DEADLINE_MS, async () => {
        const size = await primary.call('DBSIZE');
        return size === KEYS ? size : undefined;
      });
      expect(await primary.info('replication', 'role')).toBe('slave');
      expect(primary.log).toMatch(/This primary came up empty, but its replica/);
      const roles = [await replica.info('replication', 'role'), await second.info('replication', 'role')];
      expect(roles.sort()).toEqual(['master', 'slave']);
      await waitUntil('the other replica to follow', DEADLINE_MS, async () => {
        const size = await second.call('DBSIZE');
        const other = await replica.call('DBSIZE');
        return size === KEYS && other === KEYS ? size : undefined;
      });
      const taker = (await replica.info('replication', 'role')) === 'master' ? replica : second;
      await taker.call('SET', 'new', 'write');
      for (const one of [primary, replica, second]) {
        await waitUntil('the new write', DEADLINE_MS, async () =>
          (await one.call('GET', 'new')) === 'write' ? true : undefined,
        );
      }
    });
  }

  it('refuses commands about data meanwhile, and gives in to REPLICAOF NO ONE', async () => {
    const primary = await start('ours');
    // It will not take over: it knows no such command.
    const replica = await start('ours', '--rename-command', 'PSYNC', 'OTHERSYNC');
    await fill(primary);
    await replica.follow(primary);
    await replica.caughtUpWith(primary);
    await loseEverything(primary);
    await waitUntil('the wait', DEADLINE_MS, async () =>
      (await primary.info('replication', 'master_waits_for_peers')) === '1' ? true : undefined,
    );
    const refused = await primary.call('SET', 'a', '1');
    expect(refused).toBeInstanceOf(RespError);
    expect((refused as RespError).message).toMatch(/^LOADING This primary came up empty/);
    expect(await replica.call('DBSIZE')).toBe(KEYS);
    await waitUntil('the refusal in the log', DEADLINE_MS, () =>
      Promise.resolve(primary.log.includes('does not take over') ? true : undefined),
    );
    expect(await primary.call('REPLICAOF', 'NO', 'ONE')).toBe('OK');
    expect(await primary.call('SET', 'a', '1')).toBe('OK');
    await replica.caughtUpWith(primary);
    expect(await replica.call('DBSIZE')).toBe(1);
  });

  it('empties its replicas as in Redis when repl-empty-primary-wait is 0', async () => {
    const primary = await start('ours', '--repl-empty-primary-wait', '0');
    const replica = await start('ours');
    await fill(primary);
    await replica.follow(primary);
    await replica.caughtUpWith(primary);
    await loseEverything(primary);
    await replica.caughtUpWith(primary);
    expect(await replica.call('DBSIZE')).toBe(0);
  });

  it('lets a replica with data of another primary be emptied at a word, when it was sent here', async () => {
    const primary = await start('ours');
    const replica = await start('ours');
    await fill(primary);
    await replica.follow(primary);
    await replica.caughtUpWith(primary);
    const empty = await start('ours');
    await replica.follow(empty);
    await replica.caughtUpWith(empty);
    expect(await replica.call('DBSIZE')).toBe(0);
  });
});

describe('A primary of a cluster that comes back empty', () => {
  const nodes: ClusterProcess[] = [];
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.remove()));
  });

  for (const lost of [['appendonlydir'], ['appendonlydir', 'nodes.conf']]) {
    it(`leaves its slots to the replica that has the data, having lost ${lost.join(' and ')}`, async () => {
      for (let i = 0; i < 6; i++) nodes.push(await ClusterProcess.create('ours'));
      await formPairs(nodes);
      await eventually('the cluster', CLUSTER_MS, () => agrees(nodes, 6));
      const [primary, , , replica] = nodes as [
        ClusterProcess,
        ClusterProcess,
        ClusterProcess,
        ClusterProcess,
      ];
      let keys = 0;
      for (let i = 0; i < KEYS; i++) {
        if ((await primary.call('SET', `key:${i}`, `value ${i}`)) === 'OK') keys++;
      }
      expect(keys).toBeGreaterThan(0);
      await eventually('the replica', CLUSTER_MS, async () => (await replica.call('DBSIZE')) === keys);
      await primary.end('SIGKILL');
      for (const name of lost) rmSync(join(primary.folder, name), { recursive: true, force: true });
      await primary.start();
      await eventually('the replica to take over', CLUSTER_MS, async () => {
        // Never wiped, at no moment.
        expect(await replica.call('DBSIZE')).toBe(keys);
        return String(await replica.call('ROLE')).startsWith('master');
      });
      expect(primary.output).toMatch(/This primary came up empty, but its replica/);
      if (lost.includes('nodes.conf')) return;
      await eventually('the data to be back', CLUSTER_MS, async () => {
        return (
          (await primary.call('DBSIZE')) === keys && String(await primary.call('ROLE')).startsWith('slave')
        );
      });
    });
  }
});
