import { describe, expect, it } from 'vitest';
import { Holds } from './decision.ts';
import { decide } from './plan.ts';
import { restartOutdated } from './restart-outdated.ts';
import { intentOf, sketch } from './scenarios/sketch.ts';
import type { Snapshot } from './snapshot.ts';
import { printStep } from './step.ts';

/** The rule that acts, its steps, and reasons of blocks. */
function decided(snapshot: Snapshot): { rule: string; steps: string[]; blocks: string[] } {
  const plan = decide(snapshot);
  return {
    rule: plan.rule,
    steps: plan.steps.map(printStep),
    blocks: plan.blocks.map((block) => `${block.rule} ${block.scope} ${block.reason}`),
  };
}

const EMPTY = `
  shards 3 replicas 1
  0-0 zone a primary alone
  0-1 zone b primary alone
  1-0 zone a primary alone
  1-1 zone b primary alone
  2-0 zone a primary alone
  2-1 zone b primary alone`;

const HEALTHY = `
  shards 3 replicas 1
  formed
  0-0 zone a primary 0-5460 epoch 1
  0-1 zone b replica of 0-0
  1-0 zone b primary 5461-10922 epoch 2
  1-1 zone c replica of 1-0
  2-0 zone c primary 10923-16383 epoch 3
  2-1 zone a replica of 2-0`;

function healthyBut(change: (lines: string) => string): Snapshot {
  return sketch(change(HEALTHY));
}

describe('deletion and paused', () => {
  it('a resource that is being deleted gets no step, whatever is wrong', () => {
    expect(decided(sketch(EMPTY, { deleting: true }))).toEqual({ rule: 'deletion', steps: [], blocks: [] });
  });
  it('a paused resource gets no step', () => {
    expect(decided(sketch(EMPTY, { paused: true })).rule).toBe('paused');
  });
});

describe('healMovedAddresses', () => {
  it('a member that others know at an old address is met again by everyone who cannot reach it', () => {
    const plan = decided(healthyBut((text) => text.replace('1-0 zone b', '1-0 moved zone b')));
    expect(plan.rule).toBe('healMovedAddresses');
    expect(plan.steps).toHaveLength(5);
    expect(plan.steps[0]).toBe('c-shard-0-0 meets c-shard-1-0');
  });
  it('an old address counts while links to it are still being opened, which tables call connected', () => {
    const plan = decided(healthyBut((text) => text.replace('1-0 zone b', '1-0 moved opening zone b')));
    expect(plan.rule).toBe('healMovedAddresses');
  });

  it('goes before forgetting: an old address is never taken for a ghost', () => {
    const plan = decided(healthyBut((text) => `${text.replaceAll('zone', 'moved zone')}\n ghost 1`));
    expect(plan.rule).toBe('healMovedAddresses');
    expect(plan.steps).toHaveLength(30);
  });
});

describe('forgetGhosts', () => {
  it('a failed node id without slots, followers or pod is forgotten by every live member', () => {
    const plan = decided(sketch(`${HEALTHY}\n ghost 1`));
    expect(plan.rule).toBe('forgetGhosts');
    expect(plan.steps).toHaveLength(6);
  });
  it('a node that owns slots is no ghost', () => {
    const plan = decided(
      healthyBut((text) => `${text.replace('0-5460', '1-5460')}\n ghost 1 slots 0 epoch 9`),
    );
    expect(plan.rule).not.toBe('forgetGhosts');
  });
  it('a node in handshake, or with a working link, is no ghost', () => {
    expect(decided(sketch(`${HEALTHY}\n ghost 1 handshake`)).rule).toBe('nothingToDo');
    expect(decided(sketch(`${HEALTHY}\n ghost 1 connected`)).rule).toBe('nothingToDo');
  });
  it('a pod that does not answer may have the id: nothing is forgotten', () => {
    const text = HEALTHY.replace('2-1 zone a replica of 2-0', '2-1 zone a silent');
    expect(decided(sketch(`${text}\n ghost 1`)).rule).not.toBe('forgetGhosts');
  });
  it('waits until the caches have shown the last write', () => {
    expect(decided(sketch(`${HEALTHY}\n ghost 1`, { cachesBehind: true })).rule).toBe('nothingToDo');
  });
});

describe('formCluster', () => {
  it('waits until every expected member answers', () => {
    const plan = decided(sketch(EMPTY.replace('2-1 zone b primary', '2-1 silent')));
    expect(plan).toEqual({
      rule: 'nothingToDo',
      steps: [],
      blocks: ['formCluster cluster WaitingForMembers'],
    });
  });
  it('gives epochs and introduces first, with primaries spread over zones', () => {
    const plan = decided(sketch(EMPTY));
    expect(plan.rule).toBe('formCluster');
    expect(plan.steps.slice(0, 4)).toEqual([
      'c-shard-0-0 takes config epoch 1',
      'c-shard-1-1 takes config epoch 2',
      'c-shard-2-0 takes config epoch 3',
      'c-shard-0-0 meets c-shard-0-1',
    ]);
    expect(plan.steps).toHaveLength(8);
  });
  it('assigns slots evenly once all know each other', () => {
    expect(decided(sketch(EMPTY.replaceAll(' alone', '')))).toEqual({
      rule: 'formCluster',
      steps: ['c-shard-0-0 owns 0-5460', 'c-shard-1-1 owns 5461-10921', 'c-shard-2-0 owns 10922-16383'],
      blocks: [],
    });
  });
  it('goes on where it was killed: shards that have slots keep them, the rest is shared by the others', () => {
    const text = EMPTY.replaceAll(' alone', '').replace(
      '0-0 zone a primary',
      '0-0 zone a primary 0-5460 epoch 1',
    );
    expect(decided(sketch(text)).steps).toEqual([
      'c-shard-1-1 owns 5461-10921',
      'c-shard-2-0 owns 10922-16383',
    ]);
  });
  it('never assigns slots when a member holds a key', () => {
    const plan = decided(sketch(EMPTY.replace('1-1 zone b', '1-1 keys 5 zone b')));
    expect(plan).toEqual({ rule: 'nothingToDo', steps: [], blocks: ['formCluster cluster SlotsUnassigned'] });
  });
  it('goes on after early clients wrote into the shards that were assigned already', () => {
    const text = EMPTY.replaceAll(' alone', '').replace(
      '0-0 zone a primary',
      '0-0 keys 3 zone a primary 0-5460',
    );
    expect(decided(sketch(`${text}\n forming`)).steps).toHaveLength(2);
  });
  it('never assigns slots again after the cluster was formed', () => {
    const plan = decided(sketch(`${EMPTY}\n formed`));
    expect(plan.steps).toEqual([]);
    expect(plan.blocks).toEqual(['formCluster cluster SlotsUnassigned']);
  });
});

describe('joinMembers and attachMembers', () => {
  it('a new member is introduced by an owner of slots', () => {
    const plan = decided(
      healthyBut((text) => text.replace('1-1 zone c replica of 1-0', '1-1 primary alone')),
    );
    expect(plan).toEqual({ rule: 'joinMembers', steps: ['c-shard-0-0 meets c-shard-1-1'], blocks: [] });
  });
  it('then follows the primary of the shard that its label names', () => {
    const plan = decided(healthyBut((text) => text.replace('1-1 zone c replica of 1-0', '1-1 primary')));
    expect(plan).toEqual({
      rule: 'attachMembers',
      steps: ['c-shard-1-1 replicates c-shard-1-0'],
      blocks: [],
    });
  });
  it('a replica that follows another shard is put back', () => {
    const plan = decided(healthyBut((text) => text.replace('replica of 1-0', 'replica of 0-0')));
    expect(plan.steps).toEqual(['c-shard-1-1 replicates c-shard-1-0']);
  });
  it('a member with keys and no slot is left alone and named', () => {
    const plan = decided(
      healthyBut((text) => text.replace('1-1 zone c replica of 1-0', '1-1 primary keys 7')),
    );
    expect(plan).toEqual({ rule: 'nothingToDo', steps: [], blocks: ['attachMembers 1 MemberKept'] });
  });
  it('the copy of a primary that does not answer is left alone', () => {
    const plan = decided(
      healthyBut((text) => text.replace('1-0 zone b primary', '1-0 silent zone b primary')),
    );
    expect(plan.steps).toEqual([]);
    expect(plan.blocks).toEqual(['attachMembers 1 PrimaryDown']);
  });
  it('a shard whose members are all new is lost, and nothing is done to it', () => {
    const text = HEALTHY.replace('1-0 zone b primary 5461-10922 epoch 2', '1-0 primary').replace(
      '1-1 zone c replica of 1-0',
      '1-1 primary',
    );
    const history = { ...sketch(HEALTHY).history, nodeIds: new Map([['c-shard-1-0', 'ghost-9']]) };
    const plan = decided(sketch(`${text}\n ghost 9 slots 5461-10922 epoch 2`, { history }));
    expect(plan.steps).toEqual([]);
    expect(plan.blocks).toEqual(['attachMembers 1 ShardLost']);
  });
  it('a stranger that claims our slots is not let in', () => {
    const text = HEALTHY.replace('1-1 zone c replica of 1-0', '1-1 primary 5461-10922 alone epoch 1');
    expect(decided(sketch(text)).blocks).toContain('joinMembers 1 RivalOwners');
    expect(decided(sketch(text)).steps).toEqual([]);
  });
  it('members of a fresh shard follow one of them', () => {
    const text = `${HEALTHY}\n 3-0 zone a primary\n 3-1 zone b primary`.replace('shards 3', 'shards 4');
    expect(decided(sketch(text)).steps).toEqual(['c-shard-3-1 replicates c-shard-3-0']);
  });
});

describe('lostReplica', () => {
  const LOST = HEALTHY.replace('2-1 zone a replica of 2-0', '2-1 gone silent failed replica of 2-0');
  const known = { formed: true, settingsApplied: true, rewrites: new Map() };
  it('a failed replica on a Kubernetes node that is gone is given up', () => {
    const history = { ...known, nodeIds: new Map([['c-shard-2-1', 'id-2-1']]) };
    expect(decided(sketch(LOST, { history })).steps).toEqual(['force-delete pod c-shard-2-1']);
  });
  it('not while its Kubernetes node exists, Ready or not', () => {
    const history = { ...known, nodeIds: new Map([['c-shard-2-1', 'id-2-1']]) };
    expect(decided(sketch(LOST.replace('gone ', ''), { history })).steps).toEqual([]);
  });
  it('not when it owns slots', () => {
    const text = HEALTHY.replace('2-0 zone c primary', '2-0 gone silent failed primary');
    const history = { ...known, nodeIds: new Map([['c-shard-2-0', 'id-2-0']]) };
    expect(decided(sketch(text, { history })).steps).toEqual([]);
  });
});

describe('settings', () => {
  it("somebody's CONFIG SET is undone, naming old and new value", () => {
    const text = `${HEALTHY.replace('replica of 1-0', 'replica of 1-0 set maxmemory 5')}\n applied`;
    expect(decided(sketch(text)).steps).toEqual(['c-shard-1-1 sets maxmemory to "100mb" (was "5", drift)']);
  });
  it('is left alone under break-glass', () => {
    const text = HEALTHY.replace('replica of 1-0', 'replica of 1-0 set maxmemory 5');
    const plan = decided(sketch(text, { breakGlassUntil: Date.parse('2026-05-05T00:00:00Z') }));
    expect(plan).toEqual({ rule: 'nothingToDo', steps: [], blocks: ['settings 1 BreakGlass'] });
  });
  it('maxmemory is not lowered below what is used under noeviction', () => {
    const text = HEALTHY.replace('epoch 2', 'epoch 2 used 200 set maxmemory 1000');
    const intent = intentOf(3, 1, {
      settings: [{ name: 'maxmemory', value: '100', change: 'live', comparison: 'bytes' }],
      maxmemory: 100,
      maxmemoryPolicy: 'noeviction',
    });
    const plan = decided(sketch(text, { intent }));
    expect(plan.steps.every((step) => !step.startsWith('c-shard-1-0'))).toBe(true);
    expect(plan.blocks).toEqual(['settings 1 SettingRefused']);
  });
  it('a setting that the server does not know is named, once', () => {
    const known = intentOf(3, 1).settings;
    const settings = [
      ...known,
      { name: 'bogus', value: '1', change: 'live' as const, comparison: 'text' as const },
    ];
    const plan = decided(sketch(HEALTHY, { intent: intentOf(3, 1, { settings }) }));
    expect(plan).toEqual({ rule: 'nothingToDo', steps: [], blocks: ['settings cluster SettingUnknown'] });
  });
  it('one spelling of a value is as good as another', () => {
    expect(decided(sketch(HEALTHY.replace('epoch 2', 'epoch 2 set maxmemory 102400kb'))).rule).toBe(
      'nothingToDo',
    );
  });
});

describe('openSlots', () => {
  it('a migration with both markers is finished', () => {
    const text = HEALTHY.replace('epoch 1', 'epoch 1 open 7 migrating 1-0').replace(
      'epoch 2',
      'epoch 2 open 7 importing 0-0',
    );
    expect(decided(sketch(text)).steps).toEqual(['c-shard-0-0 hands 1 slots from 7 on to c-shard-1-0']);
  });
  it('a marker on a node that owns the slot already is dropped', () => {
    const text = HEALTHY.replace('epoch 2', 'epoch 2 open 6000 importing 0-0');
    expect(decided(sketch(text)).steps).toEqual(['c-shard-1-0 closes slot 6000']);
  });
  it('after a failover of the target the slot goes to its new primary', () => {
    const text = HEALTHY.replace('epoch 1', 'epoch 1 open 7 migrating 1-1');
    expect(decided(sketch(text)).steps).toEqual(['c-shard-0-0 hands 1 slots from 7 on to c-shard-1-0']);
  });
  it('a target that nobody knows is rolled back', () => {
    const text = HEALTHY.replace('epoch 1', 'epoch 1 open 7 migrating 9-9');
    expect(decided(sketch(text)).steps).toEqual(['c-shard-0-0 closes slot 7']);
  });
});

describe('restartOutdated', () => {
  const OLD = HEALTHY.replaceAll(/^( *\d-\d)/gm, '$1 old');
  it('takes one replica, in as many shards as the majority of primaries allows', () => {
    expect(decided(sketch(OLD)).steps).toEqual(['restart pod c-shard-0-1']);
  });
  it('waits until the shard that is in motion is whole again', () => {
    const plan = decided(sketch(OLD.replace('0-1 old zone b', '0-1 unready zone b')));
    expect(plan).toEqual({ rule: 'nothingToDo', steps: [], blocks: ['restartOutdated 0 RollWaits'] });
    const unsynced = decided(sketch(OLD.replace('0-1 old zone b', '0-1 linkdown zone b')));
    expect(unsynced.blocks).toEqual(['restartOutdated 0 RollWaits']);
  });
  it('hands over before a primary goes', () => {
    expect(decided(sketch(HEALTHY.replace('1-0', '1-0 old'))).steps).toEqual([
      'c-shard-1-1 takes over from its primary',
    ]);
  });
  it('stops when a new pod cannot run', () => {
    const plan = decided(sketch(OLD.replace('0-1 old zone b', '0-1 silent stuck zone b')));
    expect(plan.steps).toEqual([]);
    expect(plan.blocks).toContain('restartOutdated cluster RollHalted');
  });
  it('replaces an outdated pod that cannot run at once', () => {
    const plan = decided(sketch(HEALTHY.replace('0-1 zone b', '0-1 old silent stuck zone b')));
    expect(plan.steps).toEqual(['restart pod c-shard-0-1']);
  });
  it('replaces pods of a cluster that never ran, once its image is another', () => {
    const text = EMPTY.replaceAll(/^( *\d-\d)/gm, '$1 old silent stuck');
    expect(decided(sketch(text)).steps).toHaveLength(6);
  });
  it('lets no primary go whose only replica in sync is a member of another shard', () => {
    const text = HEALTHY.replace('1-0', '1-0 old').replace('of 2-0', 'of x').replace('of 1-0', 'of 2-0');
    const strayed = sketch(text.replace('of x', 'of 1-0'));
    const decision = restartOutdated(strayed, new Holds([]));
    expect(decision).toMatchObject({
      kind: 'blocked',
      blocks: [{ scope: 1, reason: 'RollWaits' }, { scope: 2 }],
    });
  });
  it('empties no primary that has neither replica nor files', () => {
    const alone = HEALTHY.replaceAll(/^.*replica of.*$/gm, '').replace('replicas 1', 'replicas 0');
    const old = alone.replace('0-0', '0-0 old');
    const memory = intentOf(3, 0, { persistent: false });
    expect(decided(sketch(old, { intent: memory })).blocks).toEqual([
      'restartOutdated 0 RestartWouldLoseData',
    ]);
    expect(decided(sketch(old, { intent: intentOf(3, 0) })).steps).toEqual(['restart pod c-shard-0-0']);
  });
});

describe('moveSlots', () => {
  const GROWN = `${HEALTHY.replace('shards 3', 'shards 4')}\n 3-0 zone a primary\n 3-1 zone b replica of 3-0`;
  it('a new shard takes its share', () => {
    const plan = decided(sketch(GROWN));
    expect(plan.rule).toBe('moveSlots');
    expect(plan.steps).toEqual(['c-shard-1-0 hands 512 slots from 9557 on to c-shard-3-0']);
  });
  it('not before a replica of the new shard is in sync', () => {
    expect(decided(sketch(GROWN.replace('of 3-0', 'of 3-0 syncing')))).toEqual({
      rule: 'nothingToDo',
      steps: [],
      blocks: ['moveSlots 3 WaitingForReplica'],
    });
  });
  it('not into a shard above its critical memory', () => {
    const plan = decided(sketch(GROWN.replace('3-0 zone a', '3-0 used 99999999 zone a')));
    expect(plan.blocks).toEqual(['moveSlots 3 TargetTooFull']);
  });
  it('an even layout stays', () => {
    expect(decided(sketch(HEALTHY)).rule).toBe('nothingToDo');
  });
  it('fewer shards than exist is refused in words and moves nothing', () => {
    const plan = decided(sketch(GROWN.replace('shards 4', 'shards 3')));
    expect(plan).toEqual({
      rule: 'nothingToDo',
      steps: [],
      blocks: ['workloadObjects cluster ShrinkNotSupported'],
    });
  });
});

describe('balancePrimaries', () => {
  const SWAPPED = HEALTHY.replace(
    '1-0 zone b primary 5461-10922 epoch 2',
    '1-0 zone b replica of 1-1',
  ).replace('1-1 zone c replica of 1-0', '1-1 zone c primary 5461-10922 epoch 4');
  it('a primary hands over when its zone holds half of them and another fewer', () => {
    expect(decided(sketch(SWAPPED))).toEqual({
      rule: 'balancePrimaries',
      steps: ['c-shard-1-0 takes over from its primary'],
      blocks: [],
    });
  });
  it('not while a member is away or behind, nor when it gains nothing', () => {
    expect(decided(sketch(SWAPPED.replace('of 0-0', 'of 0-0 linkdown'))).rule).toBe('nothingToDo');
    expect(decided(sketch(SWAPPED.replace('1-0 zone b', '1-0 zone c'))).rule).toBe('nothingToDo');
    expect(decided(sketch(SWAPPED, { intent: intentOf(3, 1, { spread: false }) })).rule).toBe('nothingToDo');
  });
});

describe('rewriteAof', () => {
  const rewrite = {
    schedule: '0 3 * * *',
    durationMs: 3_600_000,
    timeZone: 'UTC',
    growthPercent: 100,
    minSizeBytes: 1000,
  };
  const intent = intentOf(3, 1, { aofRewrite: rewrite });
  const GROWN = HEALTHY.replaceAll(/(epoch \d|replica of .*)/g, '$1 aof 9000 2000');
  it('replicas go first, one of each shard', () => {
    expect(decided(sketch(GROWN, { intent })).steps).toEqual([
      'c-shard-0-1 rewrites its append-only file',
      'c-shard-1-1 rewrites its append-only file',
      'c-shard-2-1 rewrites its append-only file',
    ]);
  });
  it('waits for the member that is rewriting', () => {
    const text = GROWN.replaceAll(/(replica of .*)/g, '$1 rewriting');
    expect(decided(sketch(text, { intent }))).toEqual({ rule: 'nothingToDo', steps: [], blocks: [] });
  });
  it('is skipped with a reason while a member synchronises or saves', () => {
    const text = GROWN.replace('replica of 0-0', 'replica of 0-0 linkdown').replace(
      'epoch 2',
      'epoch 2 saving',
    );
    const plan = decide(sketch(text, { intent }));
    expect(plan.blocks.map((block) => block.message)).toEqual([
      'c-shard-0 keeps its append-only files: c-shard-0-1 is synchronising',
      'c-shard-1 keeps its append-only files: c-shard-1-0 is saving a snapshot',
    ]);
  });
  it('leaves a file alone that has not grown', () => {
    const plan = decided(
      sketch(HEALTHY.replaceAll(/(epoch \d|replica of .*)/g, '$1 aof 2001 2000'), { intent }),
    );
    expect(plan.rule).toBe('nothingToDo');
    expect(plan.blocks).toHaveLength(3);
  });
  it('does nothing outside the window, in the time zone of the window', () => {
    const elsewhere = intentOf(3, 1, { aofRewrite: { ...rewrite, timeZone: 'Europe/Berlin' } });
    expect(decided(sketch(GROWN, { intent: elsewhere })).rule).toBe('nothingToDo');
  });
});

describe('workloadObjects', () => {
  const id = 'StatefulSet/c-shard-0';
  it('applies what is missing, the secret first', () => {
    const plan = decided(
      sketch(HEALTHY, {
        objects: [{ id, replicas: 2, state: 'missing' }],
        password: { kind: 'create', secretName: 'c-auth', key: 'password' },
      }),
    );
    expect(plan.steps).toEqual(['create Secret/c-auth', 'apply the Secret that pods mount', `apply ${id}`]);
  });
  it('starts no pod while a named secret is missing, and says so', () => {
    const plan = decided(
      sketch('shards 3 replicas 1', {
        objects: [{ id, replicas: 2, state: 'missing' }],
        password: { kind: 'missing', message: 'Secret default/mine does not exist' },
      }),
    );
    expect(plan.steps).toEqual([]);
    expect(plan.blocks[0]).toBe('workloadObjects cluster SecretMissing');
  });
  it('leaves alone what is as applied, and what was sent a moment ago', () => {
    const current = sketch(HEALTHY, { objects: [{ id, replicas: 2, state: 'current' }] });
    expect(decided(current).rule).toBe('nothingToDo');
    const sent = sketch(HEALTHY, { objects: [{ id, replicas: 2, state: 'stale' }], cachesBehind: true });
    expect(decided(sent).rule).toBe('nothingToDo');
  });
  it('hands over before the highest ordinal goes', () => {
    const text = HEALTHY.replace('0-0 zone a primary 0-5460 epoch 1', '0-0 zone a replica of 0-1').replace(
      '0-1 zone b replica of 0-0',
      '0-1 zone b primary 0-5460 epoch 1',
    );
    const objects = [{ id, replicas: 1, state: 'stale' as const }];
    expect(decided(sketch(text, { objects })).steps).toEqual(['c-shard-0-0 takes over from its primary']);
    const unsynced = text.replace('of 0-1', 'of 0-1 linkdown');
    expect(decided(sketch(unsynced, { objects })).blocks).toContain('workloadObjects 0 PrimaryWouldGo');
  });
});

describe('growClaims', () => {
  const smallClaims = [{ name: 'data-c-shard-0-0', uid: 'u', wanted: '2Gi' }];
  it('volumes grow to the size of the spec when nothing else is to be done', () => {
    const plan = decided(sketch(HEALTHY, { smallClaims }));
    expect(plan).toMatchObject({ rule: 'growClaims', steps: ['volume claim data-c-shard-0-0 grows to 2Gi'] });
    expect(decided(sketch(EMPTY, { smallClaims })).rule).toBe('formCluster');
  });
  it('waits until the caches have shown the last write', () => {
    expect(decided(sketch(HEALTHY, { smallClaims, cachesBehind: true })).rule).toBe('nothingToDo');
  });
});
