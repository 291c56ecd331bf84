/**
 * Builds one Snapshot: the resource and its objects from the caches, and every server asked in parallel.
 *
 * Reads only. Whatever does not answer within its deadline is a value in the Snapshot.
 */
import { type Defaults, type Effective, resolveEffective, type Unresolvable } from '../api/effective.ts';
import type { RedisCluster } from '../api/generated/redis-cluster.ts';
import { type DesiredObject, desiredObjects } from '../desired/desired.ts';
import { type ClusterIdentity, SHARD_LABEL, serverSecretName } from '../desired/names.ts';
import { AUTH_CONF, serverSecret } from '../desired/secret.ts';
import type {
  KubernetesNode as CachedNode,
  KubeObject,
  ObjectMeta,
  Pod,
  StatefulSet,
} from '../kube/resource.ts';
import type {
  KubernetesNode,
  Member,
  OwnedObject,
  PasswordFact,
  ServerFact,
  Snapshot,
  Workload,
} from '../plan/snapshot.ts';
import { smallClaimsOf } from './claims.ts';
import type { Connect } from './connections.ts';
import { historyOf } from './history.ts';
import { intentOf } from './intent.ts';
import type { Password, Passwords } from './password.ts';
import { nodeFact, podFact } from './pods.ts';
import { askServer } from './server-answer.ts';

/** Where a Snapshot comes from. The caches answer at once; the rest has deadlines. */
export interface Sources {
  /** Pods with the label of this cluster. */
  readonly pods: (namespace: string, cluster: string) => readonly Pod[];
  readonly statefulSets: (namespace: string, cluster: string) => readonly StatefulSet[];
  readonly nodes: () => readonly CachedNode[];
  /** An object of a kind that the operator applies, as cached. */
  readonly cached: (kind: string, namespace: string, name: string) => KubeObject | undefined;
  /** Whether applying would send nothing. */
  readonly isCurrent: (desired: KubeObject, cached: KubeObject) => boolean;
  /** A write for this cluster that the caches have not shown yet. */
  readonly cachesBehind: (key: string) => boolean;
  readonly passwords: Pick<Passwords, 'read' | 'forget'>;
  readonly connect: Connect;
  readonly now: () => number;
  readonly defaults: Defaults;
}

/** A RedisCluster as cached: times are strings. */
export type CachedCluster = Omit<RedisCluster, 'metadata'> & { readonly metadata: ObjectMeta };

/** The Snapshot, and beside it what `act` and `report` need and a printed plan must not show. */
export interface Observation {
  readonly resource: CachedCluster;
  readonly identity: ClusterIdentity;
  readonly effective: Effective | Unresolvable;
  readonly desired: ReadonlyMap<string, DesiredObject>;
  readonly password: string | undefined;
  readonly snapshot: Snapshot;
}

const PAUSED = 'redwarden.dev/paused';
const BREAK_GLASS = 'redwarden.dev/break-glass';

export async function observe(resource: CachedCluster, sources: Sources): Promise<Observation> {
  const { name } = resource.metadata;
  const namespace = resource.metadata.namespace ?? 'default';
  const effective = resolveEffective(asModel(resource), sources.defaults);
  const resolved = effective.kind === 'effective' ? effective : undefined;
  const secret =
    resolved === undefined ? undefined : await sources.passwords.read(namespace, resolved.password);
  const identity: ClusterIdentity = { name, namespace, uid: resource.metadata.uid ?? '' };
  const mounted =
    secret?.kind === 'present' ? await sources.passwords.read(namespace, mountedSecret(identity)) : undefined;
  const password = secret?.kind === 'present' ? secret.value : undefined;
  const nodes = nodesByName(sources, resolved);
  const intent = intentOf(effective);
  const settings = intent.kind === 'intent' ? intent.settings.map((setting) => setting.name) : ['maxmemory'];
  const members = await askMembers(sources, namespace, name, nodes, password, settings);
  if (
    resolved !== undefined &&
    members.some(({ server }) => server.kind === 'silent' && server.reason === 'auth')
  ) {
    sources.passwords.forget(namespace, resolved.password);
  }
  const desired = resolved === undefined ? [] : desiredOf(identity, resolved, sources);
  const now = sources.now();
  const until = Date.parse(resource.metadata.annotations?.[BREAK_GLASS] ?? '');
  const workloads = sources.statefulSets(namespace, name).flatMap(workloadOf);
  const claim = (claimed: string) => sources.cached('PersistentVolumeClaim', namespace, claimed);
  const snapshot: Snapshot = {
    now,
    namespace,
    name,
    generation: resource.metadata.generation ?? 0,
    deleting: resource.metadata.deletionTimestamp !== undefined,
    paused: resource.metadata.annotations?.[PAUSED] === 'true',
    breakGlassUntil: until > now ? until : undefined,
    intent,
    objects: desired.map((each) => ownedObject(each, namespace, sources)),
    workloads,
    smallClaims: resolved === undefined ? [] : smallClaimsOf(resolved.storage, workloads, claim),
    password: passwordFact(resolved, secret, mounted, identity),
    nodes,
    members,
    cachesBehind: sources.cachesBehind(`${namespace}/${name}`),
    history: historyOf(resource.status, resource.metadata.generation),
  };
  return {
    resource,
    identity,
    effective,
    desired: new Map(desired.map((each) => [each.id, each])),
    password,
    snapshot,
  };
}

async function askMembers(
  sources: Sources,
  namespace: string,
  name: string,
  nodes: ReadonlyMap<string, KubernetesNode>,
  password: string | undefined,
  settings: readonly string[],
): Promise<Member[]> {
  const pods = sources
    .pods(namespace, name)
    .flatMap((pod) => podFact(pod, nodes) ?? [])
    .sort((left, right) => left.shard - right.shard || left.ordinal - right.ordinal);
  return Promise.all(
    pods.map(async (pod): Promise<Member> => {
      return { pod, server: await askMember(sources, pod.address, password, settings) };
    }),
  );
}

function askMember(
  sources: Sources,
  address: Member['pod']['address'],
  password: string | undefined,
  settings: readonly string[],
): Promise<ServerFact> {
  if (password !== undefined) return askServer(sources.connect, address, password, settings);
  const message = 'the password of the cluster is not known';
  return Promise.resolve({ kind: 'silent', reason: 'noPassword', message });
}

function nodesByName(sources: Sources, effective: Effective | undefined): Map<string, KubernetesNode> {
  const zoneLabel = effective?.zone.topologyKey ?? 'topology.kubernetes.io/zone';
  return new Map(sources.nodes().map((node) => [node.metadata.name, nodeFact(node, zoneLabel)]));
}

/** The copy of the password that pods mount, addressed like the password itself. */
export function mountedSecret(identity: ClusterIdentity): Effective['password'] {
  return { secretName: serverSecretName(identity), key: AUTH_CONF, generated: true };
}

function desiredOf(identity: ClusterIdentity, effective: Effective, sources: Sources): DesiredObject[] {
  return desiredObjects(identity, effective, {
    // Cached objects differ from the generated models only in dates, which nobody reads here.
    statefulSet: (name) => sources.cached('StatefulSet', identity.namespace, name) as never,
  });
}

function ownedObject(desired: DesiredObject, namespace: string, sources: Sources): OwnedObject {
  const cached = sources.cached(desired.kind, namespace, desired.name);
  const object = desired.object as unknown as KubeObject & { readonly spec?: { readonly replicas?: number } };
  const replicas = desired.kind === 'StatefulSet' ? object.spec?.replicas : undefined;
  if (cached === undefined) return { id: desired.id, replicas, state: 'missing' };
  return { id: desired.id, replicas, state: sources.isCurrent(object, cached) ? 'current' : 'stale' };
}

function workloadOf(set: StatefulSet): Workload[] {
  const shard = Number(set.metadata.labels?.[SHARD_LABEL] ?? Number.NaN);
  if (!Number.isInteger(shard)) return [];
  return [
    {
      name: set.metadata.name,
      shard,
      replicas: set.spec?.replicas ?? 1,
      updateRevision: set.status?.updateRevision ?? '',
    },
  ];
}

function passwordFact(
  effective: Effective | undefined,
  secret: Password | undefined,
  mounted: Password | undefined,
  identity: ClusterIdentity,
): PasswordFact {
  if (effective === undefined || secret === undefined) return { kind: 'present', serverSecret: 'current' };
  if (secret.kind === 'present') {
    if (mounted === undefined || mounted.kind === 'absent')
      return { kind: 'present', serverSecret: 'missing' };
    const wanted = serverSecret(identity, secret.value).data?.[AUTH_CONF] ?? '';
    const same =
      mounted.kind === 'present' && mounted.value === Buffer.from(wanted, 'base64').toString('utf8');
    return { kind: 'present', serverSecret: same ? 'current' : 'different' };
  }
  const { secretName, key, generated } = effective.password;
  if (secret.kind === 'absent' && generated) return { kind: 'create', secretName, key };
  const remedy = generated
    ? `delete the Secret ${secretName} to have it made again, if no volume was written with another password`
    : `create it, for example: kubectl create secret generic ${secretName} --from-literal=${key}=...`;
  return { kind: 'missing', message: `${secret.message}; ${remedy}` };
}

/** The generated model differs in dates of the metadata only, which nobody reads below. */
function asModel(resource: CachedCluster): RedisCluster {
  return resource as unknown as RedisCluster;
}
