import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RespError } from '../../server/wire/reply-parser.ts';
import {
  agrees,
  ClusterProcess,
  eventually,
  FollowingClient,
  formPairs,
  redisCli,
} from './cluster-harness.ts';

const built =
  process.env['REDWARDEN_SERVER'] !== undefined ||
  existsSync(new URL('../../dist/server/main.js', import.meta.url));
const KEYS = 400;
/** Divides KEYS. */
const WRITERS = 8;
const HEAL_MS = 30_000;

/** What the values of all keys begin with since the last `writeAll`. */
let round = '';

async function writeAll(client: FollowingClient, next: string): Promise<void> {
  round = next;
  const numbers = Array.from({ length: KEYS }, (_, i) => i);
  await Promise.all(numbers.map((i) => client.call('SET', `key:${i}`, `${round}:${i}`)));
}

async function wrongKeys(client: FollowingClient): Promise<number[]> {
  const wrong: number[] = [];
  for (let i = 0; i < KEYS; i++) {
    if ((await client.call('GET', `key:${i}`)) !== `${round}:${i}`) wrong.push(i);
  }
  return wrong;
}

/** Writes until the returned function is called, which says what acknowledged writes are gone. */
function startWriting(client: FollowingClient): () => Promise<string[]> {
  let writing = true;
  const acknowledged = new Map<string, string>();
  const write = async (offset: number): Promise<void> => {
    for (let i = offset; writing; i += WRITERS) {
      const key = `key:${i % KEYS}`;
      await client.call('SET', key, `moving:${i}`);
      acknowledged.set(key, `moving:${i}`);
    }
  };
  // Each key has one writer, so its last acknowledged value is the one to be found.
  const writers = Array.from({ length: WRITERS }, (_, offset) => write(offset));
  return async () => {
    writing = false;
    await Promise.all(writers);
    const lost: string[] = [];
    for (const [key, value] of acknowledged) if ((await client.call('GET', key)) !== value) lost.push(key);
    return lost;
  };
}

describe.skipIf(!built)('a cluster of our nodes and nodes of Redis 7.0', () => {
  let nodes: ClusterProcess[] = [];
  let client: FollowingClient;

  const logs = (): string =>
    nodes.map((node) => `--- ${node.kind} ${node.port}\n${node.output.slice(-3000)}`).join('\n');
  const healthy = async (what: string): Promise<void> => {
    await eventually(`one healthy cluster, ${what}`, HEAL_MS, () => agrees(nodes, nodes.length)).catch(
      (error: Error) => {
        throw new Error(`${error.message}\n${logs()}`);
      },
    );
  };
  const replicaOf = async (primary: ClusterProcess): Promise<ClusterProcess> => {
    const id = await primary.text('CLUSTER', 'MYID');
    for (const node of nodes) {
      const lines = (await node.text('CLUSTER', 'NODES')).split('\n');
      if (lines.some((line) => line.includes('myself') && line.split(' ')[3] === id)) return node;
    }
    throw new Error(`no replica of ${primary.port}`);
  };
  /** A primary of one kind whose replica is of the other. */
  const mixedShard = async (kind: 'ours' | 'redis'): Promise<[ClusterProcess, ClusterProcess]> => {
    for (const node of nodes) {
      if (node.kind !== kind || !(await node.isPrimary())) continue;
      const replica = await replicaOf(node);
      if (replica.kind !== kind) return [node, replica];
    }
    throw new Error(`no primary of kind ${kind} with a replica of the other kind`);
  };
  const failOver = async (primary: ClusterProcess, replica: ClusterProcess): Promise<void> => {
    await eventually('the replica may take over', HEAL_MS, async () => {
      return (await replica.call('CLUSTER', 'FAILOVER')) === 'OK';
    });
    await eventually('the roles swap', 10_000, async () => {
      return (await replica.isPrimary()) && !(await primary.isPrimary());
    }).catch((error: Error) => {
      throw new Error(`${error.message}\n${logs()}`);
    });
    await healthy('after a manual failover');
  };

  beforeAll(async () => {
    const kinds = ['ours', 'ours', 'redis', 'redis', 'redis', 'ours'] as const;
    nodes = await Promise.all(kinds.map((kind) => ClusterProcess.create(kind)));
    await formPairs(nodes);
    await healthy('after create');
    client = new FollowingClient(nodes);
    await writeAll(client, 'first');
  }, 60_000);

  afterAll(async () => {
    client?.close();
    await Promise.all(nodes.map((node) => node.remove()));
  });

  it('is accepted by redis-cli --cluster check at every node, and serves every key', async () => {
    for (const node of nodes) {
      expect(await redisCli('--cluster', 'check', node.address)).toContain('[OK] All 16384 slots covered.');
    }
    expect(await wrongKeys(client)).toEqual([]);
  });

  it('moves slots in every direction by redis-cli while clients write', async () => {
    const primaries: ClusterProcess[] = [];
    for (const node of nodes) if (await node.isPrimary()) primaries.push(node);
    const [one, two, three] = primaries as [ClusterProcess, ClusterProcess, ClusterProcess];
    const lostKeys = startWriting(client);
    for (const [from, to] of [
      [one, two],
      [two, three],
      [three, one],
    ] as const) {
      const ids = await Promise.all([from.text('CLUSTER', 'MYID'), to.text('CLUSTER', 'MYID')]);
      await healthy('before moving slots');
      const move = ['--cluster-from', ids[0], '--cluster-to', ids[1], '--cluster-slots', '200'];
      await redisCli(
        '--cluster',
        'reshard',
        one.address,
        ...move,
        '--cluster-yes',
        '--cluster-pipeline',
        '20',
      );
      await healthy('after moving slots');
    }
    expect(await lostKeys()).toEqual([]);
    await writeAll(client, 'second');
    expect(await wrongKeys(client)).toEqual([]);
    const sizes = await Promise.all(primaries.map((node) => node.text('DBSIZE')));
    expect(sizes.reduce((sum, size) => sum + Number(size), 0)).toBe(KEYS);
  });

  it('hands a primary of theirs over to a replica of ours, and back', async () => {
    const [primary, replica] = await mixedShard('redis');
    await failOver(primary, replica);
    expect(await wrongKeys(client)).toEqual([]);
    await failOver(replica, primary);
    expect(await wrongKeys(client)).toEqual([]);
  });

  it('replaces a killed primary of theirs by our replica, and takes it back as a replica', async () => {
    const [primary, replica] = await mixedShard('redis');
    await primary.end('SIGKILL');
    await eventually('our replica is promoted', 15_000, () => replica.isPrimary());
    expect(await wrongKeys(client)).toEqual([]);
    await primary.start();
    await healthy('after the killed primary is back');
    expect(await primary.isPrimary()).toBe(false);
  });

  it('replaces a killed primary of ours by their replica, and takes it back from its nodes.conf', async () => {
    const [primary, replica] = await mixedShard('ours');
    const id = await primary.text('CLUSTER', 'MYID');
    await primary.end('SIGKILL');
    await eventually('their replica is promoted', 15_000, () => replica.isPrimary());
    expect(await wrongKeys(client)).toEqual([]);
    await primary.start();
    expect(await primary.text('CLUSTER', 'MYID')).toBe(id);
    await healthy('after the killed primary is back');
    expect(await primary.isPrimary()).toBe(false);
  });

  it('loses nothing and stays up when a primary of ours gets SIGTERM', async () => {
    let primary: ClusterProcess | undefined;
    for (const node of nodes) if (node.kind === 'ours' && (await node.isPrimary())) primary = node;
    if (primary === undefined) throw new Error('no primary of ours');
    const replica = await replicaOf(primary);
    await eventually('the replica is in sync', HEAL_MS, async () => {
      return String(await replica.call('INFO', 'replication')).includes('master_link_status:up');
    });
    const lostKeys = startWriting(client);
    await sleep(500);
    await primary.end('SIGTERM');
    await sleep(500);
    expect(await lostKeys()).toEqual([]);
    await writeAll(client, 'third');
    expect(await replica.isPrimary()).toBe(true);
    expect(primary.output).toContain('Handed over to a replica');
    expect(await wrongKeys(client)).toEqual([]);
    await primary.start();
    await healthy('after the handed-over primary is back');
  });

  it('closes a link that does not speak the protocol, and nothing else happens', async () => {
    const node = nodes[0] as ClusterProcess;
    const closed = new Promise<void>((resolve) => {
      const socket = connect(node.port + 10_000, '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\n\r\n'));
      socket.on('close', () => resolve());
      socket.on('error', () => resolve());
    });
    await closed;
    expect(await node.call('PING')).toBe('PONG');
    await healthy('after garbage on the bus');
  });

  it('forgets a node everywhere and does not take it back by gossip', async () => {
    const stranger = await ClusterProcess.create('ours');
    const first = nodes[0] as ClusterProcess;
    const id = await stranger.text('CLUSTER', 'MYID');
    await first.call('CLUSTER', 'MEET', '127.0.0.1', String(stranger.port));
    await eventually('all know the stranger', HEAL_MS, () => agrees([...nodes, stranger], nodes.length + 1));
    for (const node of nodes) expect(await node.call('CLUSTER', 'FORGET', id)).toBe('OK');
    await stranger.remove();
    await sleep(3000);
    for (const node of nodes) expect(await node.text('CLUSTER', 'NODES')).not.toContain(id);
    const again = await first.call('CLUSTER', 'FORGET', 'f'.repeat(40));
    expect(again instanceof RespError && again.message).toBe(`ERR Unknown node ${'f'.repeat(40)}`);
  });
});

describe.skipIf(!built)('a cluster of our nodes alone', () => {
  let nodes: ClusterProcess[] = [];
  const options = ['--cluster-announce-hostname', 'localhost'];

  beforeAll(async () => {
    nodes = await Promise.all([0, 1, 2, 3, 4, 5].map(() => ClusterProcess.create('ours', ...options)));
    const addresses = nodes.map((node) => node.address);
    await redisCli('--cluster', 'create', ...addresses, '--cluster-replicas', '1', '--cluster-yes');
    await eventually('formed', HEAL_MS, () => agrees(nodes, 6));
  }, 60_000);

  afterAll(async () => {
    await Promise.all(nodes.map((node) => node.remove()));
  });

  it('finds every peer again by its host name when all addresses are wrong after a restart', async () => {
    await Promise.all(nodes.map((node) => node.end('SIGKILL')));
    for (const node of nodes)
      node.editNodesConf((content) => content.replaceAll(' 127.0.0.1:', ' 127.0.0.9:'));
    await Promise.all(nodes.map((node) => node.start(...options)));
    await eventually('healed by itself', HEAL_MS, () => agrees(nodes, 6)).catch((error: Error) => {
      throw new Error(`${error.message}\n${nodes.map((node) => node.output.slice(-1500)).join('\n---\n')}`);
    });
    for (const node of nodes) expect(readFileSync(node.nodesConf, 'utf8')).not.toContain('127.0.0.9');
  });

  it('names host names in redirections when they are preferred', async () => {
    const node = nodes[0] as ClusterProcess;
    await node.call('CONFIG', 'SET', 'cluster-preferred-endpoint-type', 'hostname');
    const moved = await node.call('GET', 'a');
    const there = moved instanceof RespError ? moved.message : String(await node.call('GET', 'b'));
    expect(there).toMatch(/^MOVED \d+ localhost:\d+$/);
  });

  it('refuses to start with a nodes.conf that is in use, or corrupt', async () => {
    const node = nodes[5] as ClusterProcess;
    const twin = await ClusterProcess.create('ours');
    await twin.end('SIGTERM');
    const stolen = twin.spawn('--dir', node.folder);
    await new Promise((resolve) => stolen.once('exit', resolve));
    expect(twin.output).toContain('already used by a different Redis Cluster node');
    twin.editNodesConf((content) => content.replace('myself,master', 'myself,boss'));
    twin.output = '';
    const corrupt = twin.spawn();
    await new Promise((resolve) => corrupt.once('exit', resolve));
    expect(corrupt.exitCode).toBe(1);
    expect(twin.output).toContain('line 1: unknown flag "boss"');
    await twin.remove();
  });
});
