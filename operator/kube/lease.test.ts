import { describe, expect, it } from 'vitest';
import { ManualClock, settle } from './clock.ts';
import { KubeFailure } from './failure.ts';
import { LeaderElection, microTime } from './lease.ts';
import type { KubeObject, Lease, ResourceKind } from './resource.ts';

const unreachable = new KubeFailure('unavailable', 'connection refused');

/** One Lease, with optimistic locking as the API server does it. */
class FakeLeases {
  lease: Lease | undefined;
  isDown = false;
  #version = 0;

  async get<T extends KubeObject>(_: ResourceKind<T>): Promise<T | KubeFailure> {
    if (this.isDown) return unreachable;
    return (this.lease as unknown as T | undefined) ?? new KubeFailure('notFound', 'no lease', 404);
  }

  async create<T extends KubeObject>(_: ResourceKind<T>, object: T): Promise<T | KubeFailure> {
    if (this.isDown) return unreachable;
    if (this.lease !== undefined) return new KubeFailure('alreadyExists', 'taken', 409);
    return this.#store(object as unknown as Lease) as unknown as T;
  }

  async replace<T extends KubeObject>(_: ResourceKind<T>, object: T): Promise<T | KubeFailure> {
    if (this.isDown) return unreachable;
    if (object.metadata.resourceVersion !== this.lease?.metadata.resourceVersion) {
      return new KubeFailure('conflict', 'changed', 409);
    }
    return this.#store(object as unknown as Lease) as unknown as T;
  }

  #store(lease: Lease): Lease {
    this.#version += 1;
    this.lease = { ...lease, metadata: { ...lease.metadata, resourceVersion: String(this.#version) } };
    return this.lease;
  }
}

function candidate(leases: FakeLeases, clock: ManualClock, identity: string) {
  const stop = new AbortController();
  const election = new LeaderElection({
    client: leases,
    namespace: 'system',
    name: 'operator',
    identity,
    clock,
    random: () => 0,
    report: () => undefined,
  });
  const story: string[] = [];
  const run = async (): Promise<void> => {
    if (!(await election.acquire(stop.signal))) return;
    story.push('leads');
    story.push(await election.hold(stop.signal));
  };
  return { election, story, stop, ended: run() };
}

describe('LeaderElection', () => {
  it('takes a lease that does not exist, and renews it', async () => {
    const leases = new FakeLeases();
    const clock = new ManualClock();
    const { election, story } = candidate(leases, clock, 'one');
    await clock.advance(60_000);
    expect(story).toEqual(['leads']);
    expect(election.isLeader).toBe(true);
    expect(leases.lease?.spec).toMatchObject({
      holderIdentity: 'one',
      leaseDurationSeconds: 15,
      leaseTransitions: 0,
      acquireTime: microTime(1_000_000),
    });
    expect(leases.lease?.spec?.renewTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  });

  it('lets only one of two candidates lead', async () => {
    const leases = new FakeLeases();
    const clock = new ManualClock();
    const candidates = ['one', 'two'].map((identity) => candidate(leases, clock, identity));
    await clock.advance(120_000);
    expect(candidates.map((each) => each.election.isLeader)).toEqual([true, false]);
    expect(candidates[1]?.election.holder).toBe('one');
  });

  it('takes over 15 seconds after the last sign of a leader that died, not earlier', async () => {
    const leases = new FakeLeases();
    const clock = new ManualClock();
    const first = candidate(leases, clock, 'one');
    await settle();
    first.stop.abort();
    await first.ended;
    const second = candidate(leases, clock, 'two');
    await clock.advance(15_000);
    expect(second.story).toEqual([]);
    await clock.advance(2_500);
    expect(second.story).toEqual(['leads']);
    expect(leases.lease?.spec?.leaseTransitions).toBe(1);
  });

  it('takes over at once from a leader that released', async () => {
    const leases = new FakeLeases();
    const clock = new ManualClock();
    const first = candidate(leases, clock, 'one');
    const second = candidate(leases, clock, 'two');
    await settle();
    first.stop.abort();
    await first.ended;
    await first.election.release();
    expect(leases.lease?.spec?.holderIdentity).toBe('');
    await clock.advance(2_500);
    expect(second.story).toEqual(['leads']);
    expect(first.election.isLeader).toBe(false);
  });

  it('keeps leading through failures shorter than ten seconds', async () => {
    const leases = new FakeLeases();
    const clock = new ManualClock();
    const { story, election } = candidate(leases, clock, 'one');
    await settle();
    leases.isDown = true;
    await clock.advance(8_000);
    leases.isDown = false;
    await clock.advance(60_000);
    expect(story).toEqual(['leads']);
    expect(election.isLeader).toBe(true);
  });

  it('loses the lead when it cannot renew for ten seconds, before another can have it', async () => {
    const leases = new FakeLeases();
    const clock = new ManualClock();
    const { story, election } = candidate(leases, clock, 'one');
    await settle();
    leases.isDown = true;
    await clock.advance(10_000);
    expect(election.isLeader).toBe(false);
    await clock.advance(2_000);
    expect(story).toEqual(['leads', 'lost']);
  });

  it('loses the lead when somebody else took the lease', async () => {
    const leases = new FakeLeases();
    const clock = new ManualClock();
    const { story } = candidate(leases, clock, 'one');
    await settle();
    const lease = leases.lease as Lease;
    const spec = { ...lease.spec, holderIdentity: 'thief' };
    await leases.replace({} as ResourceKind<Lease>, { ...lease, spec });
    await clock.advance(2_000);
    expect(story).toEqual(['leads', 'lost']);
  });

  it('is not misled by clocks that are set: neither to lead longer nor to take over earlier', async () => {
    const leases = new FakeLeases();
    const clock = new ManualClock();
    const first = candidate(leases, clock, 'one');
    const second = candidate(leases, clock, 'two');
    await settle();
    clock.set(3_600_000);
    expect(first.election.isLeader).toBe(false);
    await clock.advance(2_500);
    expect([first.election.isLeader, second.story.length]).toEqual([true, 0]);
    clock.set(-7_200_000);
    leases.isDown = true;
    await clock.advance(10_000);
    expect(first.election.isLeader).toBe(false);
  });

  it('stops waiting when its signal aborts', async () => {
    const leases = new FakeLeases();
    leases.isDown = true;
    const clock = new ManualClock();
    const { story, stop, ended } = candidate(leases, clock, 'one');
    await settle();
    stop.abort();
    await ended;
    expect(story).toEqual([]);
    expect(clock.waiting).toBe(0);
  });
});
