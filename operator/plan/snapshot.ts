/**
 * What one pass knows: the resource, its objects as the caches hold them, and what every server says of
 * itself.
 *
 * A Snapshot is built once a pass by `observe`, never changed, and is the only thing that rules read.
 * Whatever may be absent is a value with a reason (a server that does not answer, a secret that is
 * missing), so that no rule needs to guess. Times are milliseconds since 1970, sizes are bytes. No secret
 * is in it: it is printed.
 */
import type { Setting } from '../api/settings.ts';
import type { SlotRange } from './slots.ts';

export interface Snapshot {
  readonly now: number;
  readonly namespace: string;
  readonly name: string;
  readonly generation: number;
  /** `metadata.deletionTimestamp` is set. */
  readonly deleting: boolean;
  /** The annotation `redwarden.dev/paused` is `true`. */
  readonly paused: boolean;
  /** End of the annotation `redwarden.dev/break-glass`, while it lies ahead. */
  readonly breakGlassUntil: number | undefined;
  readonly intent: Intent | BadIntent;
  /** Desired objects in apply order. */
  readonly objects: readonly OwnedObject[];
  /** StatefulSets that exist, by shard. */
  readonly workloads: readonly Workload[];
  /** Volume claims that are smaller than the spec asks for. */
  readonly smallClaims: readonly SmallClaim[];
  readonly password: PasswordFact;
  readonly nodes: ReadonlyMap<string, KubernetesNode>;
  /** One for every pod that carries the labels of this cluster, by shard and ordinal. */
  readonly members: readonly Member[];
  /** A write of ours is not in the caches yet: nothing that destroys may run. */
  readonly cachesBehind: boolean;
  readonly history: History;
}

/** What the spec asks for, resolved: presets and defaults applied, units parsed. */
export interface Intent {
  readonly kind: 'intent';
  readonly shards: number;
  readonly replicasPerShard: number;
  /** Settings whose value is governed, in the order in which they are set. */
  readonly settings: readonly Setting[];
  readonly maxmemory: number;
  readonly maxmemoryPolicy: string;
  readonly criticalPercent: number;
  /** Files are written: a restarted server finds its data. */
  readonly persistent: boolean;
  /** Members are kept apart, and so are primaries. */
  readonly spread: boolean;
  readonly aofRewrite: AofRewriteIntent | undefined;
}

/** A spec that the API server accepted and the operator cannot resolve. */
export interface BadIntent {
  readonly kind: 'bad';
  readonly reason: string;
  readonly message: string;
}

export interface AofRewriteIntent {
  /** Five-field cron expression of the opening. */
  readonly schedule: string;
  readonly durationMs: number;
  readonly timeZone: string;
  readonly growthPercent: number;
  readonly minSizeBytes: number;
}

export interface OwnedObject {
  /** `ConfigMap/orders`: for messages. */
  readonly id: string;
  /** Number of replicas, of a StatefulSet. */
  readonly replicas: number | undefined;
  /**
   * What the cache holds of it: `missing`; `current` as applied last; `stale` differs, or has not been
   * applied since this operator started.
   */
  readonly state: 'missing' | 'current' | 'stale';
}

export interface SmallClaim {
  readonly name: string;
  readonly uid: string;
  /** The size it should have, as a quantity. */
  readonly wanted: string;
}

export interface Workload {
  readonly name: string;
  readonly shard: number;
  readonly replicas: number;
  /** Revision that a re-created pod gets. */
  readonly updateRevision: string;
}

/**
 * The password that members and clients use. `create`: the operator has to make the Secret. `missing`: the
 * user named one that does not exist or lacks the key. `serverSecret` is the copy that pods mount.
 */
export type PasswordFact =
  | { readonly kind: 'present'; readonly serverSecret: 'current' | 'missing' | 'different' }
  | { readonly kind: 'create'; readonly secretName: string; readonly key: string }
  | { readonly kind: 'missing'; readonly message: string };

export interface KubernetesNode {
  readonly name: string;
  readonly zone: string | undefined;
  readonly ready: boolean;
  readonly unschedulable: boolean;
  /** Keys of its taints, `key:effect`. */
  readonly taints: readonly string[];
}

export interface Member {
  readonly pod: PodFact;
  readonly server: ServerFact;
}

export interface PodFact {
  readonly name: string;
  readonly uid: string;
  readonly shard: number;
  readonly ordinal: number;
  readonly address: Address | undefined;
  readonly nodeName: string | undefined;
  readonly zone: string | undefined;
  readonly ready: boolean;
  readonly terminating: boolean;
  /** StatefulSet revision the pod was made from. */
  readonly revision: string | undefined;
  /** Why it does not run, in Kubernetes' words; undefined when it runs or is merely starting. */
  readonly trouble: PodTrouble | undefined;
}

/** A reason that does not go away by waiting a moment. */
export interface PodTrouble {
  /** `ImagePullBackOff`, `CrashLoopBackOff`, `Unschedulable`, `CreateContainerConfigError` ... */
  readonly reason: string;
  readonly message: string;
  /** Since when at the latest, ms. */
  readonly since: number;
}

export interface Address {
  readonly host: string;
  readonly port: number;
  readonly busPort: number;
}

export type ServerFact = ServerAnswer | ServerSilence;

/** No usable answer. `loading`: it answers, but still reads its files. */
export interface ServerSilence {
  readonly kind: 'silent';
  readonly reason: 'noAddress' | 'connect' | 'auth' | 'timeout' | 'loading' | 'protocol' | 'noPassword';
  readonly message: string;
}

export interface ServerAnswer {
  readonly kind: 'answer';
  readonly nodeId: string;
  readonly role: 'primary' | 'replica';
  /** Node id of its primary; undefined on a primary. */
  readonly primaryId: string | undefined;
  /** On a replica: link to the primary up and no full sync under way. True on a primary. */
  readonly linkUp: boolean;
  /** A full sync is under way: on a replica it receives one, on a primary it sends one. */
  readonly syncing: boolean;
  readonly replicationOffset: number;
  /**
   * It serves clients and knows an owner of every slot. After forming, members learn of each other one by
   * one.
   */
  readonly clusterOk: boolean;
  readonly currentEpoch: number;
  readonly configEpoch: number;
  /** What it claims for itself. */
  readonly slots: readonly SlotRange[];
  readonly openSlots: readonly OpenSlot[];
  /** Keys in all databases. */
  readonly keys: number;
  /** Every node it knows, itself included. */
  readonly table: readonly TableEntry[];
  readonly memory: { readonly used: number; readonly max: number };
  readonly persistence: PersistenceFact;
  /** CONFIG GET of the governed settings; a name the server does not know is absent. */
  readonly settings: ReadonlyMap<string, string>;
  readonly version: string;
}

export interface OpenSlot {
  readonly slot: number;
  readonly direction: 'migrating' | 'importing';
  /** Node id of the other end. */
  readonly peerId: string;
}

/** One line of CLUSTER NODES. */
export interface TableEntry {
  readonly nodeId: string;
  readonly host: string;
  readonly port: number;
  readonly hostname: string | undefined;
  readonly role: 'primary' | 'replica';
  readonly primaryId: string | undefined;
  readonly myself: boolean;
  readonly failed: boolean;
  readonly suspected: boolean;
  readonly handshake: boolean;
  readonly noAddress: boolean;
  readonly connected: boolean;
  readonly configEpoch: number;
  readonly slots: readonly SlotRange[];
}

export interface PersistenceFact {
  readonly aofEnabled: boolean;
  readonly aofRewriteRunning: boolean;
  readonly aofSize: number;
  readonly aofBaseSize: number;
  readonly aofRewriteOk: boolean;
  readonly aofWriteOk: boolean;
  readonly snapshotRunning: boolean;
  readonly snapshotOk: boolean;
}

/** What earlier passes wrote into the status, read back. */
export interface History {
  /** True: all slots were served once, the cluster is never formed again. False: forming has begun. */
  readonly formed: boolean | undefined;
  /** `ConfigApplied` was True for this generation: a difference now is somebody's CONFIG SET. */
  readonly settingsApplied: boolean;
  /** Last known node id by pod name. */
  readonly nodeIds: ReadonlyMap<string, string>;
  /** When a rewrite was last started, by pod name. */
  readonly rewrites: ReadonlyMap<string, number>;
}

/** A member whose server answered. */
export interface LiveMember {
  readonly pod: PodFact;
  readonly address: Address;
  readonly server: ServerAnswer;
}
