/** What the cluster needs of the world around it. Filled by the shell, by server.ts, and by the simulator. */
import type { ClusterNode } from './node-table.ts';

/** One connection of the bus, seen from the core. */
export interface BusLink {
  readonly inbound: boolean;
  readonly createdAt: number;
  /** Peer of an outgoing link; of an incoming one, once the sender is known. */
  node: ClusterNode | null;
  readonly remoteIp: string;
  readonly localIp: string;
  /** Bytes that wait to be taken by the kernel. */
  readonly queuedBytes: number;
  send(frame: Uint8Array): void;
  /** Ends the connection. Does not call back into the core. */
  close(): void;
}

export type LogLevel = 'debug' | 'verbose' | 'notice' | 'warning';

/** What the cluster may tell the replication room. Hosts are what a socket connects to. */
export interface ReplicationControl {
  /** Follow the node; a repeated call with other host or port moves the link. */
  replicate(host: string, port: number, nodeId: string): void;
  /** Become a primary and keep the data. */
  promote(): void;
  /** Offset of the replication stream: written as a primary, applied as a replica. */
  offset(): number;
  /** As a replica: whether the link to the primary is up and has synchronised. */
  linkUp(): boolean;
  /** As a replica: milliseconds since the primary was last heard; 0 right now, Infinity for never. */
  primarySilentMs(): number;
  /** As a primary: stop writes until `resumeWrites`, at most so long. */
  pauseWrites(durationMs: number): void;
  resumeWrites(): void;
  /** Drop all keys, as CLUSTER RESET of a replica does. */
  flushData(): void;
}

/** What the cluster may ask the keyspace. */
export interface SlotKeys {
  countKeysInSlot(slot: number): number;
  keysInSlot(slot: number, limit: number): Uint8Array[];
  deleteSlotKeys(slot: number): void;
  /** True when no database holds a key. */
  isEmpty(): boolean;
}

export interface ClusterEnvironment {
  /** Milliseconds; never goes back; starts at the wall clock of the process start. */
  now(): number;
  /** [0, 1) */
  random(): number;
  /** 40 hex digits, unpredictable. */
  newNodeId(): string;
  /**
   * Starts an outgoing link, which must be followed by `linkConnected` or `linkClosed`; null when impossible.
   */
  connect(node: ClusterNode): BusLink | null;
  /** Stores nodes.conf. With `durable` it has reached the disk when the call returns. */
  save(durable: boolean): void;
  /** Slot ownership, roles or the cluster state may have changed. */
  routingChanged(): void;
  log(level: LogLevel, text: string): void;
  /** A message of another node for local subscribers. */
  deliver(channel: Uint8Array, payload: Uint8Array, sharded: boolean): void;
  readonly replication: ReplicationControl;
  readonly keys: SlotKeys;
}

/** Parameters that may change while the server runs; read anew at every use. */
export interface ClusterSettings {
  readonly nodeTimeoutMs: number;
  readonly replicaValidityFactor: number;
  readonly replicaPingPeriodSeconds: number;
  readonly replicaNoFailover: boolean;
  readonly allowReplicaMigration: boolean;
  readonly migrationBarrier: number;
  readonly requireFullCoverage: boolean;
  readonly allowReadsWhenDown: boolean;
  readonly allowShardChannelsWhenDown: boolean;
  readonly linkSendBufferLimit: number;
  readonly preferredEndpoint: 'ip' | 'hostname' | 'unknown-endpoint';
  /** Empty when the address is to be learned from the first peer. */
  readonly announceIp: string;
  readonly announceHostname: string;
  readonly announceNodeName: string;
  /** What others connect to: the announced ports, or the listening ones. */
  readonly port: number;
  readonly plainPort: number;
  readonly busPort: number;
}
