/**
 * The RedisCluster resource. Generated from crds/redisclusters.redwarden.dev.yaml by tools/generate-types.ts.
 */
import type {V1ObjectMeta} from '@kubernetes/client-node';

/**
 * A Redis-compatible cluster: shards of one primary and its replicas, each on a volume of its own, governed by the Redwarden operator.
 */
export interface RedisCluster {
  /**
   * redwarden.dev/v1alpha1
   */
  apiVersion: 'redwarden.dev/v1alpha1';
  /**
   * RedisCluster
   */
  kind: 'RedisCluster';
  metadata: V1ObjectMeta;
  spec: RedisClusterSpec;
  status?: RedisClusterStatus;
}
/**
 * What the cluster is wanted to be. The operator never writes here.
 */
export interface RedisClusterSpec {
  /**
   * What the data is for; decides memory.policy and persistence where these are not set by hand. No default. Cache: allkeys-lru, no files. Sessions and RateLimiter: volatile-ttl, AOF everysec. Leaderboard: noeviction, RDB. PrimaryStore: noeviction, RDB and AOF, one replica must confirm to be writable. Custom: nothing is assumed.
   */
  profile?: 'Cache' | 'Sessions' | 'RateLimiter' | 'Leaderboard' | 'PrimaryStore' | 'Custom';
  /**
   * Number of shards, each with one primary. 3 to 1000; can only grow. Default 3.
   */
  shards: number;
  /**
   * Replicas of each primary. 0 to 5. Default 1. This is what kubectl scale changes.
   */
  replicasPerShard: number;
  /**
   * Which server runs in the pods. Default the one bundled with the operator.
   */
  server?: {
    /**
     * What the image holds. Decides how a pod is probed and handed over, and what is possible. Default Redwarden.
     */
    engine?: 'Redwarden' | 'Valkey' | 'Redis';
    /**
     * Container image. Default the image bundled with this version of the operator; required with engine Valkey or Redis.
     */
    image?: string;
    /**
     * When the image is pulled. Default IfNotPresent.
     */
    imagePullPolicy?: 'Always' | 'IfNotPresent' | 'Never';
  };
  /**
   * Resources of one pod.
   */
  resources?: {
    /**
     * The most that one pod may use. limits.memory is required.
     */
    limits?: {
      /**
       * Memory of one pod in bytes or with a unit, for example 2Gi. No default. maxmemory is derived from it.
       */
      memory?: number | string;
      /**
       * CPU time of one pod in cores, for example 2 or 500m. Default no limit.
       */
      cpu?: number | string;
    };
    /**
     * What the scheduler sets aside for one pod.
     */
    requests?: {
      /**
       * Memory set aside, in bytes or with a unit. Default the limit, so that no pod is evicted because its node promised too much.
       */
      memory?: number | string;
      /**
       * CPU time set aside, in cores. Default 100m.
       */
      cpu?: number | string;
    };
  };
  /**
   * What happens as memory fills.
   */
  memory?: {
    /**
     * Memory for data of one server, in bytes or with a unit. Default the memory limit minus reserves for the runtime, client buffers, the replication backlog and snapshots.
     */
    maxmemory?: number | string;
    /**
     * What gives way when maxmemory is reached: nothing (writes fail), any key, or only keys with a time to live. Default from the profile.
     */
    policy?:
      | 'noeviction'
      | 'allkeys-lru'
      | 'allkeys-lfu'
      | 'allkeys-random'
      | 'volatile-lru'
      | 'volatile-lfu'
      | 'volatile-random'
      | 'volatile-ttl';
    /**
     * Keys compared for each eviction; more is more exact and slower. 1 to 64. Default 5.
     */
    samples?: number;
  };
  /**
   * Which files the servers write.
   */
  persistence?: {
    /**
     * None: nothing survives the loss of all members of a shard. RDB: snapshots. AOF: every write is logged. Both: the log for recovery, snapshots for backup. Default from the profile.
     */
    mode?: 'None' | 'RDB' | 'AOF' | 'Both';
    /**
     * Snapshots. Effective with mode RDB or Both.
     */
    rdb?: {
      /**
       * A snapshot is written when one of these points is reached. Default after 1h with 1 change, after 5m with 100 changes, after 1m with 10000 changes.
       */
      save?: {
        /**
         * Time since the last snapshot, whole seconds, for example 15m.
         */
        after: string;
        /**
         * Changed keys since the last snapshot, at least.
         */
        changes: number;
      }[];
    };
    /**
     * The append-only file. Effective with mode AOF or Both.
     */
    aof?: {
      /**
       * When a write is forced to disk: before it is answered, every second, or when the kernel likes. Default everysec. Quote 'no', it is a boolean in YAML otherwise.
       */
      fsync?: 'always' | 'everysec' | 'no';
      /**
       * When the file is rewritten to its smallest form.
       */
      rewrite?: {
        window?: Window;
        /**
         * Growth since the last rewrite, in percent, from which a file is worth rewriting. Default 100. While a window is set the server rewrites by itself only at four times this.
         */
        growthPercent?: number;
        /**
         * Size in bytes or with a unit below which a file is left alone. Default 64Mi.
         */
        minSize?: number | string;
      };
    };
  };
  /**
   * The volume of one pod. It holds the files and the node's identity in the cluster.
   */
  storage?: {
    /**
     * Size in bytes or with a unit, for example 10Gi. It can only grow. Required unless persistence.mode is None; default 1Gi there.
     */
    size?: number | string;
    /**
     * StorageClass of the volumes. Cannot change. Default the cluster's default class.
     */
    storageClassName?: string;
    /**
     * What becomes of volumes and the generated password when the RedisCluster is deleted. A RedisCluster of the same name finds what was retained. Default Retain.
     */
    whenDeleted?: 'Retain' | 'Delete';
    /**
     * Keep everything on the node, lost with the pod. Only without persistence. Cannot change. Default false.
     */
    ephemeral?: boolean;
  };
  /**
   * Where pods may run.
   */
  placement?: {
    /**
     * Spread of a shard's members over zones.
     */
    zone?: {
      /**
       * Label of a node that names its zone. Default topology.kubernetes.io/zone.
       */
      topologyKey?: string;
      /**
       * Required leaves a pod pending rather than put two members of a shard into one zone. Default Preferred.
       */
      spread?: 'Required' | 'Preferred' | 'Disabled';
    };
    /**
     * Spread of a shard's members over nodes.
     */
    host?: {
      /**
       * Required leaves a pod pending rather than put two members of a shard on one node. Default Preferred.
       */
      spread?: 'Required' | 'Preferred' | 'Disabled';
    };
  };
  /**
   * How the loss of a primary is noticed.
   */
  failover?: {
    /**
     * Silence after which a node is suspected, for example 5s. 500ms to 5m. Default 5s. A new primary serves two to three times this after the loss.
     */
    nodeTimeout?: string;
  };
  /**
   * The password of clients and members.
   */
  auth?: {
    /**
     * A Secret in this namespace that holds the password; the cluster waits until it exists. Default a generated password in the Secret NAME-auth, key password.
     */
    passwordSecretRef?: {
      /**
       * Name of the Secret.
       */
      name: string;
      /**
       * Key in the Secret. Default password.
       */
      key?: string;
    };
  };
  /**
   * Passed on to the pods.
   */
  pod?: {
    /**
     * Labels added to the pods. Default none.
     */
    labels?: {
      [k: string]: string;
    };
    /**
     * Annotations added to the pods. Default none.
     */
    annotations?: {
      [k: string]: string;
    };
    /**
     * Labels a node must have. Default none.
     */
    nodeSelector?: {
      [k: string]: string;
    };
    /**
     * Taints of nodes that the pods tolerate. Default none.
     */
    tolerations?: {
      /**
       * Key of the taint. Default every key.
       */
      key?: string;
      /**
       * How value is compared. Default Equal.
       */
      operator?: 'Exists' | 'Equal';
      /**
       * Value of the taint.
       */
      value?: string;
      /**
       * Effect of the taint. Default every effect.
       */
      effect?: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute';
      /**
       * Seconds that a NoExecute taint is tolerated. Default for ever.
       */
      tolerationSeconds?: number;
    }[];
    /**
     * Affinity of the pods, as in a Pod. Terms are added to those of spec.placement. Default none.
     */
    affinity?: {
      [k: string]: unknown;
    };
    /**
     * PriorityClass of the pods. Default none.
     */
    priorityClassName?: string;
    /**
     * ServiceAccount of the pods; no token is mounted. Default the namespace's default.
     */
    serviceAccountName?: string;
    /**
     * Secrets for pulling the image. Default none.
     */
    imagePullSecrets?: {
      /**
       * Name of a Secret in this namespace.
       */
      name: string;
    }[];
    /**
     * Security context of the pods, as in a Pod; fields set here win. Default what the restricted Pod Security Standard asks for, and fsGroup 65532.
     */
    securityContext?: {
      [k: string]: unknown;
    };
  };
  /**
   * The Service that clients connect to, named like the RedisCluster.
   */
  service?: {
    /**
     * Type of the Service. Default ClusterIP.
     */
    type?: 'ClusterIP' | 'NodePort' | 'LoadBalancer';
    /**
     * Annotations of the Service. Default none.
     */
    annotations?: {
      [k: string]: string;
    };
  };
  /**
   * Any other setting of redis.conf as name and value, for example lua-time-limit set to "5000". Settings that the operator owns are refused. Default none.
   */
  config?: {
    [k: string]: string;
  };
}
/**
 * When the operator rewrites files that are worth it, one member of a shard at a time, replicas first. Default no window: the server rewrites by itself at growthPercent.
 */
export interface Window {
  /**
   * Start of the window as five cron fields (minute, hour, day of month, month, day of week), for example 0 3 * * *.
   */
  schedule: string;
  /**
   * Length of the window, for example 2h. At least 1m, at most 24h.
   */
  duration: string;
  /**
   * Time zone of the schedule, a name of the IANA database such as Europe/Berlin. Default UTC.
   */
  timeZone?: string;
}
/**
 * What was last seen. Written by the operator only.
 */
export interface RedisClusterStatus {
  /**
   * metadata.generation that this status speaks of.
   */
  observedGeneration?: number;
  /**
   * Summary for people, for example Creating, Ready, Degraded. Programs read the conditions.
   */
  phase?: string;
  /**
   * Slots that are served, of 16384.
   */
  slots?: number;
  /**
   * Used memory of the fullest shard in percent of maxmemory, for example 42%.
   */
  memory?: string;
  /**
   * Replicas in sync in the shard that has the fewest.
   */
  replicasPerShard?: number;
  /**
   * The cluster was formed once; it is never formed again.
   */
  formed?: boolean;
  effective?: EffectiveStatus;
  /**
   * The shards by name.
   */
  shards?: ShardStatus[];
  /**
   * What the operator did about the append-only file of each member in its window.
   */
  rewrites?: RewriteStatus[];
  /**
   * What holds and what does not, each with reason and remedy.
   */
  conditions?: Condition[];
}
/**
 * The specification with every default and preset resolved.
 */
export interface EffectiveStatus {
  /**
   * What the image holds.
   */
  engine?: string;
  /**
   * Container image in use.
   */
  image?: string;
  /**
   * Memory for data of one server in bytes.
   */
  maxmemory?: number;
  /**
   * Eviction policy.
   */
  policy?: string;
  /**
   * Keys compared for each eviction.
   */
  samples?: number;
  /**
   * Files that are written: None, RDB, AOF or Both.
   */
  persistence?: string;
  /**
   * When a write of the log is forced to disk.
   */
  fsync?: string;
  /**
   * Snapshot points as in redis.conf.
   */
  save?: string;
  /**
   * Size of one pod's volume.
   */
  storageSize?: string;
  /**
   * Silence in ms after which a node is suspected.
   */
  nodeTimeoutMs?: number;
}
export interface ShardStatus {
  /**
   * Name of the shard's StatefulSet.
   */
  name: string;
  /**
   * Slots of the shard as ranges, for example 0-5460.
   */
  slots?: string;
  /**
   * Used memory in percent of maxmemory.
   */
  memoryPercent?: number;
  /**
   * The member that owns the slots.
   */
  primary?: {
    /**
     * Name of the pod.
     */
    pod?: string;
    /**
     * Id in the cluster.
     */
    nodeId?: string;
    /**
     * Zone of its node.
     */
    zone?: string;
  };
  /**
   * The members that follow.
   */
  replicas?: ReplicaStatus[];
  /**
   * The append-only file of the primary.
   */
  aof?: {
    /**
     * Size in bytes, rounded.
     */
    sizeBytes?: number;
    /**
     * End of the last rewrite.
     */
    lastRewrite?: string;
    /**
     * Why the last rewrite in the window was left out.
     */
    lastSkip?: string;
  };
}
export interface ReplicaStatus {
  /**
   * Name of the pod.
   */
  pod: string;
  /**
   * Id in the cluster.
   */
  nodeId?: string;
  /**
   * Zone of its node.
   */
  zone?: string;
  /**
   * Linked to the primary of its shard.
   */
  inSync?: boolean;
}
export interface RewriteStatus {
  /**
   * Name of the pod.
   */
  pod: string;
  /**
   * When a rewrite was last started.
   */
  rewrittenAt?: string;
  /**
   * When a rewrite was last left out.
   */
  skippedAt?: string;
}
export interface Condition {
  /**
   * Name of the condition.
   */
  type: string;
  /**
   * Whether it holds.
   */
  status: 'True' | 'False' | 'Unknown';
  /**
   * metadata.generation it speaks of.
   */
  observedGeneration?: number;
  /**
   * When status last changed.
   */
  lastTransitionTime: string;
  /**
   * One word for programs.
   */
  reason: string;
  /**
   * A sentence for people.
   */
  message: string;
}
