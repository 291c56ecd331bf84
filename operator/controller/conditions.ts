/**
 * Conditions, one row each: type, whether True is the good news, and what it says of a pass.
 *
 * `Reconciling` and `Stalled` are read by kstatus: Reconciling while the operator is on its way, Stalled
 * when a person has to do something. Never both.
 */
import type { Effective } from '../api/effective.ts';
import type { Condition } from '../api/generated/redis-cluster.ts';
import { listWarnings } from '../api/validation.ts';
import type { FoundBlock, Plan } from '../plan/plan.ts';
import { SLOT_COUNT } from '../plan/slots.ts';
import type { Snapshot } from '../plan/snapshot.ts';
import { allServed, type Health } from './health.ts';

/** All that conditions are made from. */
export interface Findings {
  readonly snapshot: Snapshot;
  readonly effective: Effective | undefined;
  readonly health: Health;
  readonly plan: Plan;
  /** It has not been Ready yet. */
  readonly creating: boolean;
  /** What a step failed with in this pass. */
  readonly failure: string | undefined;
  /** The same steps again and again without effect. */
  readonly repeating: boolean;
}

export interface Verdict {
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
}

interface Row {
  readonly type: string;
  /** The status that is no cause for worry. */
  readonly good: 'True' | 'False';
  readonly judge: (findings: Findings) => Verdict;
}

// biome-ignore format: a table, one condition a row
export const CONDITIONS: readonly Row[] = [
  { type: 'Ready',                good: 'True',  judge: ready },
  { type: 'Available',            good: 'True',  judge: available },
  { type: 'Progressing',          good: 'False', judge: progressing },
  { type: 'Degraded',             good: 'False', judge: degraded },
  { type: 'ReplicasInSync',       good: 'True',  judge: replicasInSync },
  { type: 'PlacementSatisfied',   good: 'True',  judge: placementSatisfied },
  { type: 'ConfigApplied',        good: 'True',  judge: configApplied },
  { type: 'PersistenceHealthy',   good: 'True',  judge: persistenceHealthy },
  { type: 'Reconciling',          good: 'False', judge: reconciling },
  { type: 'Stalled',              good: 'False', judge: stalled },
  { type: 'ConfigurationWarning', good: 'False', judge: configurationWarning },
  { type: 'Paused',               good: 'False', judge: paused },
];

/** Work that goes on while a cluster is as wanted. */
export const MAINTENANCE: ReadonlySet<string> = new Set(['rewriteAof', 'balancePrimaries']);

/** Blocks that only a person can clear. */
const NEEDS_A_PERSON: ReadonlySet<string> = new Set([
  'InvalidSpec',
  'KeepsRepeating',
  'MemberKept',
  'NoPrimaryInShard',
  'PasswordChanged',
  'PrimaryWouldGo',
  'RestartWouldLoseData',
  'RivalOwners',
  'RollHalted',
  'SecretMissing',
  'SettingRefused',
  'SettingUnknown',
  'ShardLost',
  'ShrinkNotSupported',
  'SlotsUnassigned',
  'TargetTooFull',
]);

/** Volumes are bound and images pulled in this time as a rule; tools give up on what is Stalled. */
const TROUBLE_LASTS_MS = 30_000;

const REMEDIES: { readonly [reason: string]: string } = {
  ImagePullBackOff: 'check spec.server.image and pod.imagePullSecrets',
  ErrImagePull: 'check spec.server.image and pod.imagePullSecrets',
  ErrImageNeverPull: 'load the image onto the node, or write spec.server.imagePullPolicy: IfNotPresent',
  InvalidImageName: 'correct spec.server.image',
  CrashLoopBackOff:
    'read kubectl logs --previous of the pod; spec.config may hold a setting the server does not know',
  CreateContainerConfigError: 'a Secret or ConfigMap that the pod mounts is missing or lacks a key',
  Unschedulable: 'add nodes, or lower spec.resources.requests, or relax spec.placement',
};

export function conditionsOf(findings: Findings, previous: readonly Condition[]): Condition[] {
  const { now, generation } = findings.snapshot;
  return CONDITIONS.map(({ type, judge }) => {
    const verdict = judge(findings);
    const before = previous.find((condition) => condition.type === type);
    const kept = before?.status === verdict.status ? before.lastTransitionTime : undefined;
    return {
      type,
      ...verdict,
      message: shorten(verdict.message),
      observedGeneration: generation,
      lastTransitionTime: kept ?? new Date(Math.floor(now / 1000) * 1000).toISOString().replace('.000Z', 'Z'),
    };
  });
}

function verdict(status: Verdict['status'], reason: string, message: string): Verdict {
  return { status, reason, message };
}

/** Everything that stands between a cluster and Ready, the weightiest first. */
function obstacles(findings: Findings): Verdict[] {
  const { snapshot, health, plan, failure } = findings;
  const found: Verdict[] = [];
  const add = (reason: string, message: string): void => {
    found.push(verdict('False', reason, message));
  };
  const block = plan.blocks.find((each) => NEEDS_A_PERSON.has(each.reason));
  if (snapshot.deleting) add('Deleting', 'the resource is being deleted');
  if (block !== undefined) add(block.reason, block.message);
  const trouble = health.troubled[0];
  if (trouble !== undefined) add(trouble.reason, describeTrouble(findings));
  if (!allServed(health)) add('SlotsNotServed', available(findings).message);
  if (health.clusterDown.length > 0)
    add('ClusterStateFail', `${health.clusterDown.join(', ')} does not know an owner of every slot yet`);
  if (health.silent.length > 0) add('MembersSilent', health.silent.join('; '));
  if (health.missingReplicas.length > 0) add('ReplicasNotInSync', health.missingReplicas.join('; '));
  if (health.openSlots.length > 0)
    add('SlotsMoving', `${health.openSlots.length} slots are between two shards`);
  if (health.wrongSettings.length > 0) add('SettingsDiffer', health.wrongSettings.join('; '));
  if (health.restartNeeded.length > 0)
    add('RestartRequired', `a restart is needed: ${health.restartNeeded.join('; ')}`);
  if (failure !== undefined) add('StepFailed', failure);
  if (plan.rule !== 'nothingToDo' && !MAINTENANCE.has(plan.rule)) add(reasonOf(plan.rule), plan.message);
  const waiting = plan.blocks.find((each) => each.holds.length > 0);
  if (waiting !== undefined) add(waiting.reason, waiting.message);
  return found;
}

function ready(findings: Findings): Verdict {
  const obstacle = obstacles(findings)[0];
  if (obstacle !== undefined) return obstacle;
  return verdict(
    'True',
    'AsSpecified',
    `all ${SLOT_COUNT} slots are served, all replicas in sync, all settings as specified`,
  );
}

function available({ snapshot, health }: Findings): Verdict {
  if (allServed(health))
    return verdict('True', 'AllSlotsServed', `all ${SLOT_COUNT} slots have an owner that answers`);
  const missing = SLOT_COUNT - health.servedSlots;
  const silent = health.silent.length === 0 ? '' : `: ${health.silent.join('; ')}`;
  const reason = snapshot.history.formed === true ? 'SlotsNotServed' : 'NotFormed';
  return verdict('False', reason, `${missing} of ${SLOT_COUNT} slots have no owner that answers${silent}`);
}

function progressing({ plan }: Findings): Verdict {
  if (plan.rule === 'nothingToDo' || plan.steps.length === 0)
    return verdict('False', 'Idle', 'nothing is under way');
  return verdict('True', reasonOf(plan.rule), plan.message);
}

function degraded(findings: Findings): Verdict {
  const { snapshot, health, creating } = findings;
  const problems = [...health.silent, ...health.missingReplicas, ...health.persistence];
  if (!allServed(health)) problems.unshift(available(findings).message);
  if (problems.length === 0) return verdict('False', 'Healthy', 'every member does its work');
  if (snapshot.history.formed !== true || creating) {
    return verdict('False', 'BeingCreated', 'the cluster has not been whole yet');
  }
  return verdict('True', allServed(health) ? 'RedundancyReduced' : 'SlotsNotServed', problems.join('; '));
}

function replicasInSync({ snapshot, health }: Findings): Verdict {
  if (snapshot.members.length === 0) return verdict('Unknown', 'NoMembers', 'there are no pods yet');
  if (health.missingReplicas.length === 0)
    return verdict('True', 'InSync', 'every replica follows its primary');
  return verdict('False', 'NotInSync', health.missingReplicas.join('; '));
}

function placementSatisfied({ snapshot, health, effective }: Findings): Verdict {
  if (snapshot.members.length === 0 || effective === undefined)
    return verdict('Unknown', 'NoMembers', 'there are no pods yet');
  const stuck = health.troubled.filter((each) => each.reason === 'Unschedulable');
  if (stuck.length > 0) {
    const message = stuck.map((each) => `${each.pod}: ${each.message}`).join('; ');
    return verdict('False', 'Unschedulable', `${message}; ${REMEDIES['Unschedulable']}`);
  }
  if (health.misplaced.length === 0)
    return verdict('True', 'Spread', 'members of each shard are spread as far as there are places');
  return verdict('False', 'Crowded', health.misplaced.join('; '));
}

function configApplied({ snapshot, health }: Findings): Verdict {
  if (health.wrongSettings.length > 0)
    return verdict('False', 'SettingsDiffer', health.wrongSettings.join('; '));
  if (health.restartNeeded.length > 0) {
    return verdict('False', 'RestartRequired', `a restart is needed: ${health.restartNeeded.join('; ')}`);
  }
  if (snapshot.members.length === 0 || health.silent.length > 0) {
    return verdict('Unknown', 'MembersSilent', health.silent.join('; ') || 'there are no pods yet');
  }
  return verdict('True', 'ReadBack', 'every server says what the spec says');
}

function persistenceHealthy({ snapshot, health }: Findings): Verdict {
  if (snapshot.members.length === 0) return verdict('Unknown', 'NoMembers', 'there are no pods yet');
  if (health.persistence.length === 0) return verdict('True', 'Healthy', 'files are written without errors');
  return verdict('False', 'WriteFailed', health.persistence.join('; '));
}

function reconciling(findings: Findings): Verdict {
  if (stalled(findings).status === 'True') return verdict('False', 'Stalled', 'waiting for a person');
  const obstacle = obstacles(findings)[0];
  if (obstacle === undefined || findings.snapshot.paused)
    return verdict('False', 'Idle', 'nothing is under way');
  return verdict('True', obstacle.reason, obstacle.message);
}

function stalled(findings: Findings): Verdict {
  const { snapshot, plan, health, repeating, failure } = findings;
  const block: FoundBlock | undefined = plan.blocks.find((each) => NEEDS_A_PERSON.has(each.reason));
  if (block !== undefined) return verdict('True', block.reason, block.message);
  const trouble = health.troubled.find(({ since }) => snapshot.now - since >= TROUBLE_LASTS_MS);
  if (trouble !== undefined) return verdict('True', trouble.reason, describeTrouble(findings));
  if (repeating) {
    return verdict(
      'True',
      'KeepsRepeating',
      failure === undefined
        ? `${plan.message}: tried many times without effect; are the bus ports reachable?`
        : `${failure}; tried many times, and goes on`,
    );
  }
  return verdict('False', 'NotStalled', 'nothing waits for a person');
}

function describeTrouble({ health }: Findings): string {
  return health.troubled
    .map(({ pod, reason, message }) => {
      const remedy = REMEDIES[reason];
      return `${pod}: ${message}${remedy === undefined ? '' : `; ${remedy}`}`;
    })
    .join('. ');
}

function configurationWarning({ effective, snapshot }: Findings): Verdict {
  const warnings = effective === undefined ? [] : [...listWarnings(effective)];
  const zones = new Set([...snapshot.nodes.values()].flatMap((node) => node.zone ?? []));
  if (zones.size > 0 && zones.size < 3) {
    const message = `there are ${zones.size} zones: the loss of one can take the majority of primaries; three survive it`;
    warnings.push({ reason: 'TooFewZones', message });
  }
  const first = warnings[0];
  if (first === undefined) return verdict('False', 'None', 'nothing to warn of');
  return verdict('True', first.reason, warnings.map((warning) => warning.message).join('. '));
}

function paused({ snapshot }: Findings): Verdict {
  if (!snapshot.paused) return verdict('False', 'NotPaused', 'changes are made as needed');
  return verdict('True', 'Annotated', 'nothing is changed while the annotation redwarden.dev/paused is true');
}

/** `formCluster` → `FormCluster`. */
export function reasonOf(rule: string): string {
  return `${rule.slice(0, 1).toUpperCase()}${rule.slice(1)}`;
}

const MESSAGE_CHARACTERS_MAX = 2_000;

function shorten(message: string): string {
  return message.length <= MESSAGE_CHARACTERS_MAX
    ? message
    : `${message.slice(0, MESSAGE_CHARACTERS_MAX - 1)}…`;
}
