/**
 * The nodes that this node knows, itself included. Each has a small index, by which the slot map names it.
 */

import { SLOT_BYTES } from './bus-message.ts';
import type { BusLink } from './cluster-environment.ts';

/** Node flags, the same bits as on the wire. */
export const PRIMARY = 1;
export const REPLICA = 2;
export const PFAIL = 4;
export const FAILED = 8;
export const MYSELF = 16;
export const HANDSHAKE = 32;
export const NO_ADDRESS = 64;
export const MEET_WANTED = 128;
export const MIGRATE_TO = 256;
export const NO_FAILOVER = 512;

/** Flag bits and names in the order in which CLUSTER NODES and nodes.conf print them. */
const FLAG_NAMES: readonly (readonly [number, string])[] = [
  [MYSELF, 'myself'],
  [PRIMARY, 'master'],
  [REPLICA, 'slave'],
  [PFAIL, 'fail?'],
  [FAILED, 'fail'],
  [HANDSHAKE, 'handshake'],
  [NO_ADDRESS, 'noaddr'],
  [NO_FAILOVER, 'nofailover'],
];

/** At most this many nodes; the index must fit 16 bits and a slot map of one bit a node must stay small. */
export const NODES_MAX = 16000;

export class ClusterNode {
  id: string;
  /** Position in the table, 1 or more; 0 means "no node" in slot maps. */
  index = 0;
  flags: number;
  readonly createdAt: number;
  ip = '';
  port = 0;
  /** Port without TLS when `port` is the TLS port, else 0. */
  plainPort = 0;
  busPort = 0;
  hostname = '';
  nodeName = '';
  shardId: string;
  configEpoch = 0;
  readonly slots: Uint8Array = new Uint8Array(SLOT_BYTES);
  slotCount = 0;
  primary: ClusterNode | null = null;
  readonly replicas: ClusterNode[] = [];
  /** Milliseconds of the clock; 0 when no ping waits for its pong. */
  pingSentAt = 0;
  pongReceivedAt = 0;
  dataReceivedAt = 0;
  failedAt = 0;
  /** When we last voted for a replica of this primary. */
  votedAt = 0;
  /** Redis 7.0: it logs a warning for each extension that is newer than that. */
  oldExtensions = false;
  offset = 0;
  offsetAt = 0;
  /** When this primary lost its last working replica; 0 while it has one. */
  orphanedAt = 0;
  /** Number of the ping in which this node was last gossiped, so that one ping names it once. */
  gossipedIn = 0;
  /** Who reports this node as failing, and when they last said so. */
  readonly failureReports: Map<ClusterNode, number> = new Map();
  /** The link that we opened. */
  link: BusLink | null = null;
  /** The link that the node opened to us. */
  inboundLink: BusLink | null = null;

  constructor(id: string, flags: number, shardId: string, now: number) {
    this.id = id;
    this.flags = flags;
    this.shardId = shardId;
    this.createdAt = now;
  }

  has(flag: number): boolean {
    return (this.flags & flag) !== 0;
  }

  set(flag: number): void {
    this.flags |= flag;
  }

  clear(flag: number): void {
    this.flags &= ~flag;
  }

  get isPrimary(): boolean {
    return (this.flags & PRIMARY) !== 0;
  }

  get isReplica(): boolean {
    return (this.flags & REPLICA) !== 0;
  }

  /** The primary of the shard: the node itself, or the one it follows; null for a replica of nobody. */
  get shardPrimary(): ClusterNode | null {
    return this.isReplica ? this.primary : this;
  }

  get flagNames(): string {
    const names = FLAG_NAMES.filter(([flag]) => this.has(flag)).map(([, name]) => name);
    return names.length === 0 ? 'noflags' : names.join(',');
  }

  ownsSlot(slot: number): boolean {
    return (((this.slots[slot >> 3] as number) >> (slot & 7)) & 1) === 1;
  }

  follow(primary: ClusterNode): void {
    this.unfollow();
    this.primary = primary;
    if (!primary.replicas.includes(this)) primary.replicas.push(this);
    primary.set(MIGRATE_TO);
  }

  unfollow(): void {
    if (this.primary === null) return;
    const siblings = this.primary.replicas;
    const at = siblings.indexOf(this);
    if (at >= 0) siblings.splice(at, 1);
    if (siblings.length === 0) this.primary.clear(MIGRATE_TO);
    this.primary = null;
  }
}

/** Flags by their printed name, for nodes.conf; undefined when the name is unknown. */
export function flagByName(name: string): number | undefined {
  if (name === 'noflags') return 0;
  if (name === 'primary') return PRIMARY;
  if (name === 'replica') return REPLICA;
  return FLAG_NAMES.find(([, known]) => known === name)?.[0];
}

export class NodeTable {
  readonly #byId: Map<string, ClusterNode> = new Map();
  readonly #byIndex: (ClusterNode | null)[] = [null];
  readonly #freeIndexes: number[] = [];

  get size(): number {
    return this.#byId.size;
  }

  all(): IterableIterator<ClusterNode> {
    return this.#byId.values();
  }

  byId(id: string): ClusterNode | undefined {
    return this.#byId.get(id);
  }

  byIndex(index: number): ClusterNode | null {
    return this.#byIndex[index] ?? null;
  }

  /** False when the table is full or the id is taken. */
  add(node: ClusterNode): boolean {
    if (this.#byId.size >= NODES_MAX || this.#byId.has(node.id)) return false;
    node.index = this.#freeIndexes.pop() ?? this.#byIndex.length;
    this.#byIndex[node.index] = node;
    this.#byId.set(node.id, node);
    return true;
  }

  rename(node: ClusterNode, id: string): void {
    this.#byId.delete(node.id);
    node.id = id;
    this.#byId.set(id, node);
  }

  /** The caller has taken slots, links and replicas away before. */
  remove(node: ClusterNode): void {
    this.#byId.delete(node.id);
    this.#byIndex[node.index] = null;
    this.#freeIndexes.push(node.index);
    node.index = 0;
  }

  /** A uniformly chosen node; `random` is in [0, 1). */
  random(random: number): ClusterNode | null {
    if (this.#byId.size === 0) return null;
    // Holes are few (forgotten nodes), so the expected number of steps is close to one.
    const start = Math.floor(random * this.#byIndex.length);
    for (let step = 0; step < this.#byIndex.length; step++) {
      const node = this.#byIndex[(start + step) % this.#byIndex.length];
      if (node) return node;
    }
    return null;
  }
}
