/**
 * The operator against real servers on loopback: forms, heals, governs settings and moves slots under
 * writes.
 */
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RedisCluster } from '../../operator/api/generated/redis-cluster.ts';
import { makeReconcile } from '../../operator/controller/reconcile.ts';
import { systemClock } from '../../operator/kube/clock.ts';
import { countSlots, parseSlots } from '../../operator/plan/slots.ts';
import { RespClient, RespFailure } from '../../server/wire/client.ts';
import { RespError } from '../../server/wire/reply-parser.ts';
import { ProcessMachine } from '../simulation/operator-processes.ts';
import { OperatorWorld } from '../simulation/operator-world.ts';

const STOCK = '/usr/bin/redis-server';
const OURS = new URL('../../server/bin/redwarden-server', import.meta.url).pathname;
const isBuilt = existsSync(new URL('../../dist/server/main.js', import.meta.url));

interface Engine {
  readonly name: string;
  readonly program: string;
  readonly server: NonNullable<RedisCluster['spec']['server']>;
}

const all: readonly Engine[] = [
  { name: 'redis-server', program: STOCK, server: { engine: 'Valkey', image: 'stock:test' } },
  { name: 'redwarden-server', program: OURS, server: { engine: 'Redwarden' } },
];
const engines = all.filter((each) => existsSync(each.program) && (each.program !== OURS || isBuilt));

const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));

describe.each(engines)(`an operator and $name, seed ${seed}`, ({ name, program, server }) => {
  const SPEC = {
    profile: 'Sessions' as const,
    shards: 3,
    replicasPerShard: 1,
    server,
    resources: { limits: { memory: '512Mi' } },
    memory: { maxmemory: '64Mi' },
    storage: { size: '1Gi' },
    failover: { nodeTimeout: '2s' },
  };
  const net = 1 + ((seed + (name === 'redis-server' ? 0 : 1)) % 200);
  const machine = new ProcessMachine([program]);
  let hosts = 0;
  const world = new OperatorWorld({
    machine,
    clock: systemClock,
    random: Math.random,
    nextHost: () => {
      hosts += 1;
      return `127.${net}.${Math.floor(hosts / 250)}.${(hosts % 250) + 1}`;
    },
  });
  const reconcile = makeReconcile();
  const written = new Map<string, string>();

  beforeAll(() => world.applyCluster(SPEC));
  afterAll(() => machine.close());

  /** Passes until the condition holds; fails with the last status after the deadline. */
  async function until(
    what: string,
    holds: () => boolean | Promise<boolean>,
    deadlineMs = 45_000,
  ): Promise<void> {
    const deadline = Date.now() + deadlineMs;
    for (;;) {
      await world.runControllers();
      const result = await reconcile('default/c', world.pass());
      if (await holds()) return;
      if (Date.now() > deadline) {
        const status = JSON.stringify(world.cluster.status, undefined, 1);
        throw new Error(
          `${what}: not within ${deadlineMs} ms\n${status}\n${world.log.slice(-30).join('\n')}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, Math.min(200, Math.max(10, result.requeueAfterMs))));
    }
  }

  const isReady = (): boolean =>
    world.condition('Ready')?.status === 'True' &&
    world.cluster.status?.observedGeneration === world.cluster.metadata.generation;

  function hostOf(pod: string): string {
    return (
      world
        .list<{ metadata: { name: string }; status?: { podIP?: string } }>('Pod')
        .find((each) => each.metadata.name === pod)?.status?.podIP ?? ''
    );
  }

  function password(): string {
    const secret = world
      .list<{ metadata: { name: string }; data: Record<string, string> }>('Secret')
      .find((each) => each.metadata.name === 'c-auth');
    return Buffer.from(secret?.data['password'] ?? '', 'base64').toString('utf8');
  }

  async function call(host: string, ...words: string[]) {
    const client = await RespClient.connect({
      host,
      port: 6379,
      connectDeadlineMs: 1000,
      password: password(),
    });
    if (client instanceof RespFailure) return client;
    if (words[0] === 'ASKING') await client.call(['ASKING'], { deadlineMs: 1000 });
    const reply = await client.call(words[0] === 'ASKING' ? words.slice(1) : words, { deadlineMs: 1000 });
    client.close();
    return reply;
  }

  /** Follows redirects, as a cluster client does. */
  async function command(...words: string[]): Promise<unknown> {
    let host = hostOf('c-shard-0-0');
    let asking: string[] = [];
    for (let hop = 0; hop < 20; hop += 1) {
      const reply = await call(host, ...asking, ...words);
      if (!(reply instanceof RespError)) return reply;
      const [code, , address = ''] = reply.message.split(' ');
      asking = code === 'ASK' ? ['ASKING'] : [];
      if (code === 'MOVED' || code === 'ASK') host = address.split(':')[0] ?? '';
      else if (code !== 'TRYAGAIN' && code !== 'CLUSTERDOWN') return reply;
      else await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return undefined;
  }

  async function write(count: number, from: number): Promise<void> {
    for (let index = from; index < from + count; index += 1) {
      const reply = await command('SET', `key:${index}`, `value-${index}`);
      if (reply === 'OK') written.set(`key:${index}`, `value-${index}`);
    }
  }

  async function lost(): Promise<string[]> {
    const missing: string[] = [];
    for (const [key, value] of written) if ((await command('GET', key)) !== value) missing.push(key);
    return missing;
  }

  it('becomes Ready from nothing', async () => {
    await until('Ready', isReady);
    expect(world.cluster.status).toMatchObject({
      slots: 16384,
      formed: true,
      phase: 'Ready',
      replicasPerShard: 1,
    });
    await write(300, 0);
    expect(written.size).toBe(300);
  });

  it('is silent when there is nothing to do: a second pass writes nothing', async () => {
    const version = world.cluster.metadata.resourceVersion;
    const lines = world.log.length;
    await reconcile('default/c', world.pass());
    expect(world.cluster.metadata.resourceVersion).toBe(version);
    expect(world.log.slice(lines)).toEqual([]);
  });

  it("undoes somebody's CONFIG SET and says so", async () => {
    await call(hostOf('c-shard-1-0'), 'CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
    await until('repair', isReady);
    expect(await call(hostOf('c-shard-1-0'), 'CONFIG', 'GET', 'maxmemory-policy')).toContain('volatile-ttl');
    expect(world.events.find((event) => event.reason === 'SettingRepaired')?.note).toContain('"noeviction"');
  });

  it('heals when all pods come back under new addresses at once', async () => {
    const pods = world.list<{ metadata: { name: string } }>('Pod').map((pod) => pod.metadata.name);
    await Promise.all(pods.map((pod) => world.deletePod(pod)));
    await until('noticed', () => !isReady());
    await until('healed', isReady);
    expect(await lost()).toEqual([]);
  });

  it('replaces a replica that lost its volume, and forgets its old node id', async () => {
    const replica = world.cluster.status?.shards?.[2]?.replicas?.[0];
    await world.deletePod(replica?.pod ?? '', 'lose');
    await until('noticed', () => !isReady());
    await until('healed', isReady);
    // Ready is about who serves: the old member may be forgotten a little later.
    const nodes = async (): Promise<string> => String(await call(hostOf('c-shard-0-0'), 'CLUSTER', 'NODES'));
    await until('forgotten', async () => !(await nodes()).includes(replica?.nodeId ?? ''));
    expect((await nodes()).trim().split('\n')).toHaveLength(6);
  });

  it('reports a failover and takes the old primary back as a replica', async () => {
    const before = world.cluster.status?.shards?.[1]?.primary?.pod ?? '';
    await world.crashContainer(before);
    await until('failed over', () => {
      const now = world.cluster.status?.shards?.[1]?.primary?.pod;
      return now !== undefined && now !== before && world.condition('Available')?.status === 'True';
    });
    expect(world.condition('Degraded')?.status).toBe('True');
    await world.restartContainer(before);
    await until('whole again', isReady);
    expect(world.cluster.status?.shards?.[1]?.replicas).toMatchObject([{ pod: before, inSync: true }]);
    expect(await lost()).toEqual([]);
  });

  it('moves slots to a fourth shard while clients write, and loses nothing', async () => {
    world.applyCluster({ ...SPEC, shards: 4 });
    let writing = true;
    const writer = (async () => {
      for (let index = 300; writing; index += 20) await write(20, index);
    })();
    await until('noticed', () => world.condition('Ready')?.status === 'False');
    await until('scaled', isReady, 90_000);
    writing = false;
    await writer;
    const counts = world.cluster.status?.shards?.map((shard) => countSlots(parseSlots(shard.slots ?? '')));
    expect(counts).toEqual([4096, 4096, 4096, 4096]);
    expect(world.condition('Ready')?.reason).toBe('AsSpecified');
    expect(await lost()).toEqual([]);
    expect(written.size).toBeGreaterThan(320);
  }, 120_000);

  it('restarts every pod for a change of the template, one after the other, and loses nothing', async () => {
    world.applyCluster({ ...SPEC, shards: 4, pod: { annotations: { change: 'yes' } } });
    await until('noticed', () => !isReady());
    await until('rolled', isReady, 90_000);
    expect(world.events.filter((event) => event.reason === 'PodRestarted')).toHaveLength(8);
    expect(await lost()).toEqual([]);
  }, 120_000);

  it('rewrites append-only files in the window, and then says why not', async () => {
    const window = { schedule: '* * * * *', duration: '5m' };
    const aof = { rewrite: { window, growthPercent: 100, minSize: 1 } };
    const spec = { ...SPEC, shards: 4, pod: { annotations: { change: 'yes' } } };
    world.applyCluster({ ...spec, persistence: { aof } });
    let extra = 0;
    const rewritten = (): number => (world.cluster.status?.rewrites ?? []).length;
    const skipped = (): boolean =>
      world.cluster.status?.shards?.every((shard) => shard.aof?.lastSkip !== undefined) === true;
    // The files grow until they are worth it, and stop before the servers rewrite them by themselves.
    await until('rewritten', async () => {
      if (rewritten() >= 4) return skipped();
      for (const end = extra + 50; extra < end; extra += 1) {
        await command('SET', `filler:${extra}`, 'x'.repeat(500));
      }
      return false;
    });
    expect(world.events.filter((event) => event.reason === 'RewriteStarted').length).toBe(rewritten());
    world.applyCluster(spec);
    await until('Ready', isReady);
    expect(await lost()).toEqual([]);
  });

  it('refuses to shrink, in words', async () => {
    world.applyCluster({ ...SPEC, pod: { annotations: { change: 'yes' } } });
    await until('Stalled', () => world.condition('Stalled')?.status === 'True');
    expect(world.condition('Stalled')?.reason).toBe('ShrinkNotSupported');
    world.applyCluster({ ...SPEC, shards: 4, pod: { annotations: { change: 'yes' } } });
    await until('Ready', isReady);
  });
});
