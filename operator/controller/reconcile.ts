/**
 * One pass over one cluster:
 *
 *   observe → decide → act on each step → report → look again
 *
 * Nothing is remembered between passes but open connections, passwords for a minute, and how often the same
 * steps were repeated without effect.
 */
import { randomBytes } from 'node:crypto';
import { performStep } from '../act/act.ts';
import type { Actor, StepResult } from '../act/actor.ts';
import { KubeFailure } from '../kube/failure.ts';
import type { KubeObject } from '../kube/resource.ts';
import { type Connect, Connections } from '../observe/connections.ts';
import { mountedSecret, type Observation, observe, type Sources } from '../observe/observe.ts';
import { Passwords } from '../observe/password.ts';
import { violationOf } from '../plan/invariants.ts';
import { decide, type Plan } from '../plan/plan.ts';
import { printStep, type Step } from '../plan/step.ts';
import { topologyOf } from '../plan/topology.ts';
import { BY_CLUSTER, type StoredRedisCluster } from './caches.ts';
import type { Pass, ReconcileCluster } from './controller.ts';
import { healthOf } from './health.ts';
import type { ReconcileResult } from './reconciler.ts';
import { type Reporter, recordStep, recordTransitions, writeStatus } from './report.ts';
import { isBeingCreated, statusOf } from './status.ts';

/** After steps: time for gossip and replication to show an effect. */
const AFTER_STEPS_MS = 300;
/** Something is missing and may come at any time. */
const WAITING_MS = 1_000;
/** All is well: read back settings and sizes. */
const IDLE_MS = 10_000;
/** Identical steps in a row after which the rules below get every second pass. */
const REPEATS_MAX = 20;

/** What is kept about one cluster between passes. */
interface Memory {
  readonly uid: string | undefined;
  steps: string;
  repeats: number;
  /** What the steps that repeat failed with when they were last tried. */
  failure: string | undefined;
  readonly reporter: Reporter;
}

/** What came of a plan. */
interface Outcome {
  readonly plan: Plan;
  readonly failure: string | undefined;
  readonly rewritten: readonly string[];
  readonly unfinished: boolean;
  readonly repeating: boolean;
}

export interface ReconcileOptions {
  /** Connects to servers; by default over TCP, one connection a server. */
  readonly connect?: Connect;
}

/** The function that the controller calls; holds connections and passwords for all clusters. */
export function makeReconcile(options: ReconcileOptions = {}): ReconcileCluster {
  const memories = new Map<string, Memory>();
  let passwords: Passwords | undefined;
  let connections: Connections | undefined;
  return async (key, pass) => {
    const resource = pass.caches.clusters.get(key);
    if (resource === undefined) {
      memories.delete(key);
      return { requeueAfterMs: 0 };
    }
    const now = (): number => pass.clock.now();
    passwords ??= new Passwords(pass.client, now);
    connections ??= new Connections(now);
    const { uid } = resource.metadata;
    const known = memories.get(key);
    // Another resource of the same name: what was known of the first one is not true of it.
    if (known?.uid !== uid) passwords.forgetNamespace(resource.metadata.namespace ?? 'default');
    const memory: Memory = (known?.uid === uid ? known : undefined) ?? {
      uid,
      steps: '',
      repeats: 0,
      failure: undefined,
      reporter: { client: pass.client, recorder: pass.recorder, now, writtenAt: 0 },
    };
    memories.set(key, memory);
    const connect = options.connect ?? connections.connect;
    return reconcile(key, resource, pass, memory, { passwords, connect });
  };
}

interface Links {
  readonly passwords: Passwords;
  readonly connect: Connect;
}

async function reconcile(
  key: string,
  resource: StoredRedisCluster,
  pass: Pass,
  memory: Memory,
  links: Links,
): Promise<ReconcileResult> {
  const observation = await observe(resource, sourcesOf(pass, links));
  const outcome = await decideAndAct(key, observation, pass, memory, links);
  const written = await report(resource, observation, outcome, memory.reporter);
  if (written instanceof KubeFailure && written.kind !== 'conflict') {
    pass.report('warn', 'status not written', { key, failure: written.toString() });
  } else if (written !== undefined && !(written instanceof KubeFailure)) {
    pass.expectations.wrote(key, written);
  }
  return lookAgain(observation, outcome, written instanceof KubeFailure);
}

function sourcesOf(pass: Pass, links: Links): Sources {
  const { caches } = pass;
  const byKind: { readonly [kind: string]: { get(key: string): KubeObject | undefined } } = {
    StatefulSet: caches.statefulSets,
    Service: caches.services,
    ConfigMap: caches.configMaps,
    PodDisruptionBudget: caches.podDisruptionBudgets,
    NetworkPolicy: caches.networkPolicies,
    PersistentVolumeClaim: caches.persistentVolumeClaims,
  };
  return {
    pods: (namespace, cluster) => caches.pods.byIndex(BY_CLUSTER, `${namespace}/${cluster}`),
    statefulSets: (namespace, cluster) => caches.statefulSets.byIndex(BY_CLUSTER, `${namespace}/${cluster}`),
    nodes: () => caches.nodes.list(),
    cached: (kind, namespace, name) => byKind[kind]?.get(`${namespace}/${name}`),
    isCurrent: (desired, cached) => pass.applier.isCurrent(desired, cached),
    cachesBehind: (key) => pass.expectations.isBehind(key),
    passwords: links.passwords,
    connect: links.connect,
    now: () => pass.clock.now(),
    defaults: pass.defaults,
  };
}

function actorOf(key: string, observation: Observation, pass: Pass, links: Links): Actor | undefined {
  const { effective, identity } = observation;
  if (effective.kind !== 'effective') return undefined;
  const { cached } = sourcesOf(pass, links);
  return {
    identity,
    effective,
    desired: observation.desired,
    cached,
    client: pass.client,
    applier: pass.applier,
    connect: links.connect,
    password: observation.password,
    wrote: (_kind, object) => pass.expectations.wrote(key, object),
    deleted: (kind, namespace, name, uid) =>
      pass.expectations.deleted(key, kind.kind, { namespace, name }, uid),
    secretsChanged: () => {
      links.passwords.forget(identity.namespace, effective.password);
      links.passwords.forget(identity.namespace, mountedSecret(identity));
    },
    randomBytes,
    now: () => pass.clock.now(),
  };
}

/**
 * Acts on the plan. When no step had an effect (all was done already, or nobody let us), the snapshot still
 * holds and the rules below have their turn in the same pass.
 */
async function decideAndAct(
  key: string,
  observation: Observation,
  pass: Pass,
  memory: Memory,
  links: Links,
): Promise<Outcome> {
  const actor = actorOf(key, observation, pass, links);
  const skip = new Set<string>();
  let failure: string | undefined;
  let blamed: Plan | undefined;
  for (;;) {
    const plan = decide(observation.snapshot, skip);
    const repeating = noteRepeats(memory, plan, skip.size === 0);
    if (repeating && memory.repeats % 2 === 1) {
      skip.add(plan.rule);
      blamed ??= plan;
      // Said in every pass: a message that comes and goes would be written, seen and acted on without end.
      failure ??= memory.failure;
      continue;
    }
    const acted =
      actor === undefined ? NOTHING_DONE : await actOn(key, plan, observation, actor, pass, memory);
    if (skip.size === 0) memory.failure = acted.failure;
    failure ??= acted.failure;
    // The same step again is progress as long as it moves something.
    if (acted.unfinished) memory.repeats = 0;
    const effect = acted.effect || plan.steps.length === 0 || pass.signal.aborted || !pass.isLeader();
    if (!effect) {
      skip.add(plan.rule);
      if (acted.failure !== undefined) blamed ??= plan;
      continue;
    }
    const told =
      plan.rule === 'nothingToDo' && blamed !== undefined ? { ...blamed, blocks: plan.blocks } : plan;
    return {
      plan: told,
      failure,
      rewritten: acted.rewritten,
      unfinished: acted.unfinished,
      repeating: memory.repeats > REPEATS_MAX,
    };
  }
}

/** Counts how often the first plan of a pass was the same as before; true when it is too often. */
function noteRepeats(memory: Memory, plan: Plan, first: boolean): boolean {
  if (!first) return false;
  const steps = plan.steps.map(printStep).join('\n');
  memory.repeats = steps !== '' && steps === memory.steps ? memory.repeats + 1 : 0;
  memory.steps = steps;
  return memory.repeats > REPEATS_MAX;
}

interface Acted {
  readonly effect: boolean;
  readonly failure: string | undefined;
  readonly rewritten: readonly string[];
  readonly unfinished: boolean;
}

const NOTHING_DONE: Acted = { effect: true, failure: undefined, rewritten: [], unfinished: false };

async function actOn(
  key: string,
  plan: Plan,
  { snapshot, resource }: Observation,
  actor: Actor,
  pass: Pass,
  memory: Memory,
): Promise<Acted> {
  const topology = topologyOf(snapshot);
  const rewritten: string[] = [];
  let effect = false;
  let unfinished = false;
  for (const step of plan.steps) {
    if (pass.signal.aborted || !pass.isLeader()) break;
    const violation = violationOf(snapshot, topology, step);
    if (violation !== undefined)
      throw new Error(`${plan.rule}: "${printStep(step)}" would break ${violation}`);
    const result = await performStep(actor, step);
    log(key, plan, step, result, snapshot.generation, pass);
    if (result.kind === 'failed' || result.kind === 'refused') {
      const failure = `${printStep(step)}: ${result.message}`;
      return { effect, failure, rewritten, unfinished };
    }
    if (result.kind === 'unfinished') unfinished = true;
    if (result.kind === 'already') continue;
    effect = true;
    recordStep(memory.reporter, resource as StoredRedisCluster, step);
    if (step.kind === 'rewriteAof') rewritten.push(step.on.pod);
  }
  return { effect, failure: undefined, rewritten, unfinished };
}

function log(key: string, plan: Plan, step: Step, result: StepResult, generation: number, pass: Pass): void {
  const level = result.kind === 'failed' || result.kind === 'refused' ? 'warn' : 'info';
  const message = 'message' in result ? result.message : undefined;
  pass.report(level, printStep(step), {
    cluster: key,
    rule: plan.rule,
    generation,
    result: result.kind,
    message,
  });
}

function report(
  resource: StoredRedisCluster,
  observation: Observation,
  outcome: Outcome,
  reporter: Reporter,
): Promise<KubeObject | KubeFailure | undefined> {
  const { snapshot } = observation;
  const effective = observation.effective.kind === 'effective' ? observation.effective : undefined;
  const topology = topologyOf(snapshot);
  const health = healthOf(snapshot, topology, effective);
  const { plan, failure, repeating, rewritten } = outcome;
  const previous = resource.status ?? {};
  const creating = isBeingCreated(previous);
  const findings = { snapshot, effective, health, plan, creating, failure, repeating };
  const status = statusOf(findings, topology, effective, previous, rewritten);
  recordTransitions(reporter, resource, previous.conditions ?? [], status.conditions ?? []);
  return writeStatus(reporter, resource, status);
}

function lookAgain(
  { snapshot }: Observation,
  { plan, failure, unfinished }: Outcome,
  unwritten: boolean,
): ReconcileResult {
  if (snapshot.deleting) return { requeueAfterMs: 0 };
  if (snapshot.paused) return { requeueAfterMs: IDLE_MS };
  if (unfinished) return { requeueAfterMs: 10 };
  if (failure !== undefined || unwritten) return { requeueAfterMs: WAITING_MS };
  if (plan.steps.length > 0) return { requeueAfterMs: AFTER_STEPS_MS };
  const waits = plan.blocks.some((block) => block.holds.length > 0) || snapshot.cachesBehind;
  const silent = snapshot.members.some((member) => member.server.kind === 'silent');
  const desynced = snapshot.members.some(
    ({ server }) => server.kind === 'answer' && (!server.linkUp || server.syncing || !server.clusterOk),
  );
  return { requeueAfterMs: waits || silent || desynced ? WAITING_MS : IDLE_MS };
}
