import { describe, expect, it } from 'vitest';
import { Prng } from '../../server/structures/prng.ts';
import { ReplicationWorld, type WorldNode } from './replication-world.ts';

const SEEDS_PER_RUN = Number(process.env['SEEDS'] ?? 12);
const NAMES = ['a', 'b', 'c'];
const PATIENCE_MS = 30_000;

/** A node that would run a client's write now. */
function takesWrites(node: WorldNode): boolean {
  return node.replication.role === 'primary' && !node.replication.writesPaused;
}

class Story {
  readonly world: ReplicationWorld;
  readonly nodes: WorldNode[];
  /** What clients were told is written: place -> length of all values. */
  readonly written = new Map<string, number>();
  primary: WorldNode;
  failovers = 0;

  constructor(seed: number) {
    this.world = new ReplicationWorld(new Prng(seed));
    this.nodes = NAMES.map((name) => this.world.add(name));
    this.primary = this.nodes[0] as WorldNode;
    this.follow();
    this.run(2000);
  }

  /** Time passes in steps; at the end of each at most one node takes writes. */
  run(ms: number): void {
    for (let left = ms; left > 0; left -= 7) {
      this.world.time.run(Math.min(7, left));
      const writers = this.nodes.filter(takesWrites);
      expect(writers.map(({ name }) => name).length).toBeLessThanOrEqual(1);
      const [writer] = writers;
      if (writer === undefined || writer === this.primary) continue;
      this.primary = writer;
      this.failovers++;
    }
  }

  write(count: number): void {
    if (!takesWrites(this.primary)) return;
    for (let i = 0; i < count; i++) {
      const key = `k${this.world.random.below(5)}`;
      const value = `${this.primary.name}${this.world.random.below(1000)};`;
      this.primary.append(0, key, value);
      this.written.set(`0/${key}`, (this.written.get(`0/${key}`) ?? 0) + value.length);
    }
  }

  /** Nodes that are in no failover follow the primary. */
  follow(): void {
    for (const node of this.nodes) {
      if (node === this.primary || node.replication.failover.state !== 'no-failover') continue;
      if (node.replication.role === 'replica') node.replication.replicate(this.primary.name, 1);
      else if (this.primary.replication.role === 'primary') node.replication.replicate(this.primary.name, 1);
    }
  }

  begin(): string | null {
    const others = this.nodes.filter((node) => node !== this.primary);
    const named = others[this.world.random.below(others.length)] as WorldNode;
    const target = this.world.random.below(2) === 0 ? null : { host: named.name, port: 1 };
    const timeoutMs = this.world.random.below(2) === 0 ? 0 : 500;
    const request = { target, timeoutMs, force: false };
    return this.primary.replication.failover.begin(request, this.world.time.nowMs);
  }

  end(): void {
    this.world.blocked.clear();
    for (let passed = 0; passed < PATIENCE_MS; passed += 100) {
      this.run(100);
      // A target that does not come back is waited for without end, unless a timeout was given.
      const { failover } = this.primary.replication;
      if (passed > PATIENCE_MS / 2 && failover.state === 'waiting-for-sync') failover.abort('by hand');
      if (this.nodes.every((node) => node.replication.failover.state === 'no-failover')) break;
    }
    expect(this.nodes.map((node) => node.replication.failover.state)).toEqual(NAMES.map(() => 'no-failover'));
    this.follow();
    this.run(10_000);
    expect(this.nodes.filter(takesWrites)).toEqual([this.primary]);
    for (const node of this.nodes) {
      const lengths = [...node.dataset].map(([place, value]) => [place, value.length]).sort();
      expect([node.name, lengths]).toEqual([node.name, [...this.written].sort()]);
    }
  }
}

describe('Failover between nodes', () => {
  it('moves the role to a replica and loses no write, with partial resyncs only', () => {
    const story = new Story(21);
    story.write(50);
    expect(story.begin()).toBeNull();
    expect(story.primary.replication.failover.state).toBe('waiting-for-sync');
    story.run(1000);
    expect([story.failovers, story.primary.replication.role]).toEqual([1, 'primary']);
    story.write(10);
    story.end();
    const full = story.nodes.reduce((sum, node) => sum + node.counters.syncFull, 0);
    expect(full).toBe(2);
  });

  it('gives up at the timeout when the target does not catch up, and stays the primary', () => {
    const story = new Story(22);
    story.world.silent = true;
    story.write(1);
    const request = { target: { host: 'b', port: 1 }, timeoutMs: 500, force: false };
    expect(story.primary.replication.failover.begin(request, story.world.time.nowMs)).toBeNull();
    story.run(400);
    expect(story.nodes.filter(takesWrites)).toEqual([]);
    story.run(200);
    expect(story.primary.logs).toContain('FAILOVER to b:1 aborted: Replica never caught up before timeout');
    story.world.silent = false;
    story.world.cutAll('what was lost');
    story.end();
    expect(story.failovers).toBe(0);
  });

  it('refuses a target that is no replica, a second failover, and force without target or timeout', () => {
    const story = new Story(23);
    const { failover } = story.primary.replication;
    const now = story.world.time.nowMs;
    const target = { host: 'z', port: 1 };
    expect(failover.begin({ target, timeoutMs: 0, force: false }, now)).toMatch(/is not a replica/);
    expect(failover.begin({ target: null, timeoutMs: 10, force: true }, now)).toMatch(
      /force option requires/,
    );
    const replica = story.nodes[1] as WorldNode;
    expect(replica.replication.failover.begin({ target: null, timeoutMs: 0, force: false }, now)).toMatch(
      /not valid when server is a replica/,
    );
    expect(replica.replication.takeOver('0'.repeat(40))).toMatch(/replid must match/);
    expect(story.primary.replication.takeOver(story.primary.replication.ids.id)).toMatch(/sent to a master/);
    expect(failover.begin({ target: null, timeoutMs: 0, force: false }, now)).toBeNull();
    expect(failover.begin({ target: null, timeoutMs: 0, force: false }, now)).toMatch(/already in progress/);
    expect(story.primary.replication.syncRefusal).toMatch(/^NOMASTERLINK/);
    expect(failover.abort('by hand')).toBe(true);
    expect(failover.abort('by hand')).toBe(false);
    story.end();
  });

  it('has at most one primary that writes and loses nothing, whatever is cut on the way', () => {
    const first = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
    let failovers = 0;
    for (let seed = first; seed < first + SEEDS_PER_RUN; seed++) {
      try {
        failovers += randomStory(seed);
      } catch (error) {
        throw new Error(`failover simulation, seed ${seed}`, { cause: error });
      }
    }
    expect(failovers).toBeGreaterThan(0);
    console.log(`failover simulation seeds ${first} to ${first + SEEDS_PER_RUN - 1}: ${failovers} failovers`);
  });
});

function randomStory(seed: number): number {
  const story = new Story(seed);
  const { world } = story;
  const { random } = world;
  const name = (): string => NAMES[random.below(NAMES.length)] as string;
  for (let step = 0; step < 80; step++) {
    const dice = random.below(20);
    if (dice < 8) story.write(random.below(10));
    else if (dice < 12) story.begin();
    else if (dice < 15) world.cutAll('cable');
    else if (dice < 16) world.blocked.add(`${name()} ${name()}`);
    else if (dice < 17) world.blocked.clear();
    else if (dice < 18) {
      const { failover } = story.primary.replication;
      if (failover.state === 'waiting-for-sync') failover.abort('by hand');
    } else story.follow();
    story.run(1 + random.below(random.below(4) === 0 ? 2000 : 40));
  }
  story.end();
  return story.failovers;
}
