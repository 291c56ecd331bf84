/**
 * From the spec as written to the spec as meant: profile, defaults and units resolved, once, in one place.
 *
 * Everything below the api room reads `Effective` and never asks whether a field was written.
 */
import { Cron } from 'croner';
import type { RedisCluster, RedisClusterSpec } from './generated/redis-cluster.ts';
import { type MemoryReserves, reserveMemory } from './memory-reserves.ts';
import { type PersistenceMode, type Policy, type Preset, type Profile, presets } from './presets.ts';
import { formatBytes, GIBIBYTE, MEBIBYTE, parseDuration, parseQuantity } from './quantity.ts';

export type Engine = 'Redwarden' | 'Valkey' | 'Redis';
export type Spread = 'Required' | 'Preferred' | 'Disabled';

export interface SavePoint {
  readonly seconds: number;
  readonly changes: number;
}

export interface RewriteWindow {
  /** Five-field cron expression of the opening. */
  readonly schedule: string;
  readonly durationMs: number;
  /** Known to the runtime; UTC where the written one is not. */
  readonly timeZone: string;
  /** The time zone as written, when nobody knows it. */
  readonly unknownTimeZone: string | undefined;
}

export interface Effective {
  readonly kind: 'effective';
  readonly profile: Profile;
  readonly shards: number;
  readonly replicasPerShard: number;
  readonly engine: Engine;
  readonly image: string;
  readonly imagePullPolicy: 'Always' | 'IfNotPresent' | 'Never';
  /** As quantities, the way a pod wants them. */
  readonly resources: {
    readonly limits: { readonly memory: string; readonly cpu: string | undefined };
    readonly requests: { readonly memory: string; readonly cpu: string };
  };
  readonly memoryLimitBytes: number;
  readonly reserves: MemoryReserves;
  readonly maxmemoryBytes: number;
  readonly policy: Policy;
  readonly samples: number;
  readonly persistence: PersistenceMode;
  readonly save: readonly SavePoint[];
  readonly fsync: 'always' | 'everysec' | 'no';
  readonly rewrite: {
    readonly growthPercent: number;
    readonly minSizeBytes: number;
    readonly window: RewriteWindow | undefined;
    /** The schedule as written, when it never fires: there is no window then. */
    readonly invalidSchedule: string | undefined;
  };
  readonly minReplicasToWrite: number;
  readonly storage: {
    readonly size: string;
    readonly storageClassName: string | undefined;
    readonly whenDeleted: 'Retain' | 'Delete';
    readonly ephemeral: boolean;
  };
  readonly zone: { readonly topologyKey: string; readonly spread: Spread };
  readonly host: { readonly spread: Spread };
  readonly nodeTimeoutMs: number;
  readonly password: {
    readonly secretName: string;
    readonly key: string;
    /** The operator makes the Secret; otherwise the user does. */
    readonly generated: boolean;
  };
  readonly pod: NonNullable<RedisClusterSpec['pod']>;
  readonly service: {
    readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer';
    readonly annotations: { readonly [name: string]: string };
  };
  readonly config: { readonly [name: string]: string };
}

/** A spec that the API server accepted (an older CRD, say) and that cannot be resolved. */
export interface Unresolvable {
  readonly kind: 'unresolvable';
  /** CamelCase, as a condition's reason. */
  readonly reason: string;
  readonly message: string;
}

export interface Defaults {
  /** The image bundled with this version of the operator. */
  readonly serverImage: string;
}

const DEFAULT_SAVE: readonly SavePoint[] = [
  { seconds: 3600, changes: 1 },
  { seconds: 300, changes: 100 },
  { seconds: 60, changes: 10_000 },
];

class Refusal extends Error {}

/** Resolves every setting of `cluster`. */
export function resolveEffective(cluster: RedisCluster, defaults: Defaults): Effective | Unresolvable {
  try {
    return resolve(cluster, defaults);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { kind: 'unresolvable', reason: 'InvalidSpec', message: error.message };
  }
}

function resolve(cluster: RedisCluster, defaults: Defaults): Effective {
  const { spec } = cluster;
  const profile = spec.profile;
  if (profile === undefined) throw new Refusal('spec.profile is missing: write what the data is for');
  const preset = presetOf(profile, spec);
  const engine = spec.server?.engine ?? 'Redwarden';
  const image = spec.server?.image || (engine === 'Redwarden' ? defaults.serverImage : undefined);
  if (image === undefined)
    throw new Refusal(`spec.server.image is missing: engine ${engine} has no bundled image`);
  const replicas = spec.replicasPerShard;
  return {
    kind: 'effective',
    profile,
    shards: spec.shards,
    replicasPerShard: replicas,
    engine,
    image,
    imagePullPolicy: spec.server?.imagePullPolicy ?? 'IfNotPresent',
    ...resolveMemory(spec, engine, preset.persistence),
    policy: preset.policy,
    samples: spec.memory?.samples ?? 5,
    persistence: preset.persistence,
    save: resolveSave(spec, preset.persistence),
    fsync: spec.persistence?.aof?.fsync ?? 'everysec',
    rewrite: resolveRewrite(spec),
    minReplicasToWrite: Math.min(preset.minReplicasToWrite, replicas),
    storage: resolveStorage(spec),
    zone: {
      topologyKey: spec.placement?.zone?.topologyKey ?? 'topology.kubernetes.io/zone',
      spread: spec.placement?.zone?.spread ?? 'Preferred',
    },
    host: { spread: spec.placement?.host?.spread ?? 'Preferred' },
    nodeTimeoutMs: milliseconds('spec.failover.nodeTimeout', spec.failover?.nodeTimeout ?? '5s'),
    password: resolvePassword(cluster),
    pod: spec.pod ?? {},
    service: { type: spec.service?.type ?? 'ClusterIP', annotations: spec.service?.annotations ?? {} },
    config: spec.config ?? {},
  };
}

/** The profile's answers with what is written by hand over them. */
function presetOf(profile: Profile, spec: RedisClusterSpec): Preset {
  const base = profile === 'Custom' ? undefined : presets[profile];
  const policy = spec.memory?.policy ?? base?.policy;
  const persistence = spec.persistence?.mode ?? base?.persistence;
  if (policy === undefined) throw new Refusal('spec.memory.policy is missing: profile Custom assumes none');
  if (persistence === undefined)
    throw new Refusal('spec.persistence.mode is missing: profile Custom assumes none');
  return { policy, persistence, minReplicasToWrite: base?.minReplicasToWrite ?? 0 };
}

function resolveMemory(spec: RedisClusterSpec, engine: Engine, persistence: PersistenceMode) {
  const written = spec.resources?.limits?.memory;
  if (written === undefined)
    throw new Refusal('spec.resources.limits.memory is missing: write for example 2Gi');
  const limit = bytes('spec.resources.limits.memory', written);
  const snapshots = persistence !== 'None' || spec.replicasPerShard > 0;
  const reserves = reserveMemory(limit, engine, snapshots);
  const maxmemory = spec.memory?.maxmemory;
  const room = Math.floor((limit - reserves.totalBytes) / MEBIBYTE) * MEBIBYTE;
  if (maxmemory === undefined && room <= 0) {
    throw new Refusal(
      `spec.resources.limits.memory ${written} leaves nothing for data: the server itself needs ` +
        `${formatBytes(reserves.totalBytes)}; write a higher limit`,
    );
  }
  const maxmemoryBytes = maxmemory === undefined ? room : bytes('spec.memory.maxmemory', maxmemory);
  if (maxmemoryBytes >= limit)
    throw new Refusal('spec.memory.maxmemory is not below spec.resources.limits.memory');
  const cpu = spec.resources?.limits?.cpu;
  const cpuRequest = spec.resources?.requests?.cpu;
  return {
    resources: {
      limits: { memory: String(written), cpu: cpu === undefined ? undefined : String(cpu) },
      requests: {
        memory: String(spec.resources?.requests?.memory ?? written),
        cpu: String(cpuRequest ?? smallerCpu(cpu, '100m')),
      },
    },
    memoryLimitBytes: limit,
    reserves,
    maxmemoryBytes,
  };
}

/** A request above its limit is refused by the API server. */
function smallerCpu(limit: number | string | undefined, request: string): number | string {
  if (limit === undefined) return request;
  return (parseQuantity(limit) ?? 1) < (parseQuantity(request) ?? 0) ? limit : request;
}

function resolveSave(spec: RedisClusterSpec, mode: PersistenceMode): readonly SavePoint[] {
  if (mode !== 'RDB' && mode !== 'Both') return [];
  const written = spec.persistence?.rdb?.save;
  if (written === undefined) return DEFAULT_SAVE;
  return written.map(({ after, changes }, index) => ({
    seconds: Math.ceil(milliseconds(`spec.persistence.rdb.save[${index}].after`, after) / 1000),
    changes,
  }));
}

function resolveRewrite(spec: RedisClusterSpec): Effective['rewrite'] {
  const rewrite = spec.persistence?.aof?.rewrite;
  const written = rewrite?.window;
  const window = written !== undefined && isSchedule(written.schedule) ? written : undefined;
  return {
    invalidSchedule: window === undefined ? written?.schedule : undefined,
    growthPercent: rewrite?.growthPercent ?? 100,
    minSizeBytes: bytes('spec.persistence.aof.rewrite.minSize', rewrite?.minSize ?? '64Mi'),
    window:
      window === undefined
        ? undefined
        : {
            schedule: window.schedule,
            durationMs: milliseconds('spec.persistence.aof.rewrite.window.duration', window.duration),
            ...resolveTimeZone(window.timeZone ?? 'UTC'),
          },
  };
}

function resolveTimeZone(name: string): Pick<RewriteWindow, 'timeZone' | 'unknownTimeZone'> {
  if (isTimeZone(name)) return { timeZone: name, unknownTimeZone: undefined };
  return { timeZone: 'UTC', unknownTimeZone: name };
}

/** Whether the text is a cron expression of five fields that fires at some time. */
export function isSchedule(text: string): boolean {
  try {
    return new Cron(text, { paused: true, mode: '5-part' }).nextRun() !== null;
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) return false;
    throw error;
  }
}

/** Whether the runtime's IANA database knows the name. */
function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

function resolveStorage(spec: RedisClusterSpec): Effective['storage'] {
  const size = spec.storage?.size ?? formatBytes(GIBIBYTE);
  bytes('spec.storage.size', size);
  return {
    size: String(size),
    storageClassName: spec.storage?.storageClassName,
    whenDeleted: spec.storage?.whenDeleted ?? 'Retain',
    ephemeral: spec.storage?.ephemeral ?? false,
  };
}

function resolvePassword(cluster: RedisCluster): Effective['password'] {
  const reference = cluster.spec.auth?.passwordSecretRef;
  return {
    secretName: reference?.name ?? `${cluster.metadata.name ?? ''}-auth`,
    key: reference?.key ?? 'password',
    generated: reference === undefined,
  };
}

function bytes(field: string, quantity: number | string): number {
  const value = parseQuantity(quantity);
  if (value === undefined || value <= 0)
    throw new Refusal(`${field} ${quantity} is not a size: write for example 2Gi`);
  return Math.floor(value);
}

function milliseconds(field: string, duration: string): number {
  const value = parseDuration(duration);
  if (value === undefined) throw new Refusal(`${field} ${duration} is not a time: write for example 5s`);
  return value;
}
