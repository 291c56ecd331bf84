/**
 * A cluster inside one process: real cluster cores, real frames, a network and disks that fail by a seeded
 * plan. Frames of one connection keep their order; they may be late, lost, or come twice.
 */
import { AUTH_ACK, type Decoded, decodeMessage, HEADER_BYTES } from '../../server/cluster/bus-message.ts';
import {
  initialise,
  linkClosed,
  linkConnected,
  receive,
  settle,
  TICK_MS,
  tick,
} from '../../server/cluster/cluster-core.ts';
import type {
  BusLink,
  ClusterEnvironment,
  ClusterSettings,
  ReplicationControl,
  SlotKeys,
} from '../../server/cluster/cluster-environment.ts';
import { ClusterState } from '../../server/cluster/cluster-state.ts';
import { followPrimary, startHandshake } from '../../server/cluster/membership.ts';
import type { ClusterNode } from '../../server/cluster/node-table.ts';
import { writeNodesConf } from '../../server/cluster/nodes-conf.ts';

/** mulberry32: small, fast, good enough to choose faults. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

export interface NetworkFaults {
  loss: number;
  duplication: number;
  delayMsMax: number;
  /** Share of frames of which some bytes are overwritten on the way. */
  corruption: number;
}

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

const HEX = '0123456789abcdef';
const BUS_PORT = 17000;
const CLIENT_PORT = 7000;
const NODE_TIMEOUT_MS = 2000;
const START_MS = 1_700_000_000_000;

class WorldLink implements BusLink {
  readonly inbound: boolean;
  readonly createdAt: number;
  node: ClusterNode | null = null;
  readonly remoteIp: string;
  readonly localIp: string;
  readonly queuedBytes = 0;
  readonly owner: WorldNode;
  readonly life: number;
  peer: WorldLink | null = null;
  open = true;
  lastArrival = 0;
  readonly #world: World;

  constructor(world: World, owner: WorldNode, inbound: boolean, remoteIp: string) {
    this.#world = world;
    this.owner = owner;
    this.life = owner.life;
    this.inbound = inbound;
    this.createdAt = world.now;
    this.remoteIp = remoteIp;
    this.localIp = owner.ip;
  }

  send(frame: Uint8Array): void {
    if (this.open) this.#world.transmit(this, Buffer.from(frame));
  }

  close(): void {
    if (!this.open) return;
    this.open = false;
    const peer = this.peer;
    if (peer !== null) this.#world.after(1, () => this.#world.drop(peer));
  }
}

/** One server: what survives a crash (disk, data) and what does not (state). */
export class WorldNode {
  readonly number: number;
  ip: string;
  life = 0;
  alive = false;
  diskCached = '';
  diskDurable = '';
  state: ClusterState | null = null;
  offset = 0;
  primaryHeardAt = 0;
  followedId = '';
  pausedUntil = 0;
  epochSeen = 0;
  voteSeen = 0;
  readonly links: Set<WorldLink> = new Set();

  constructor(number: number) {
    this.number = number;
    this.ip = `10.0.0.${number + 1}`;
  }
}

export class World {
  readonly seed: number;
  readonly random: () => number;
  readonly nodes: WorldNode[] = [];
  readonly faults: NetworkFaults = { loss: 0, duplication: 0, delayMsMax: 5, corruption: 0 };
  readonly violations: string[] = [];
  readonly log: string[] = [];
  now = START_MS;
  /** Number of the side of the partition on which a node stands. */
  readonly #side: Map<WorldNode, number> = new Map();
  readonly #events: Event[] = [];
  readonly #votes: Map<string, string> = new Map();
  #order = 0;
  #addresses = 0;

  constructor(seed: number, count: number) {
    this.seed = seed;
    this.random = seededRandom(seed);
    for (let i = 0; i < count; i++) this.nodes.push(new WorldNode(i));
    for (const node of this.nodes) this.start(node);
  }

  below(limit: number): number {
    return Math.floor(this.random() * limit);
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T;
  }

  after(ms: number, run: () => void): void {
    const event = { at: this.now + ms, order: this.#order++, run };
    const heap = this.#events;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(event, heap[parent] as Event)) break;
      heap[at] = heap[parent] as Event;
      at = parent;
    }
    heap[at] = event;
  }

  #next(): Event {
    const heap = this.#events;
    const first = heap[0] as Event;
    const last = heap.pop() as Event;
    if (heap.length === 0) return first;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && before(heap[child + 1] as Event, heap[child] as Event)) child++;
      if (!before(heap[child] as Event, last)) break;
      heap[at] = heap[child] as Event;
      at = child;
    }
    heap[at] = last;
    return first;
  }

  run(ms: number): void {
    const until = this.now + ms;
    while (this.#events.length > 0 && (this.#events[0] as Event).at <= until) {
      const event = this.#next();
      this.now = event.at;
      event.run();
    }
    this.now = until;
  }

  /** Runs until the condition holds; false when it does not within the time. */
  runUntil(ms: number, condition: () => boolean): boolean {
    for (let passed = 0; passed < ms; passed += 500) {
      if (condition()) return true;
      this.run(500);
    }
    return condition();
  }

  living(): WorldNode[] {
    return this.nodes.filter((node) => node.alive);
  }

  stateOf(node: WorldNode): ClusterState {
    if (node.state === null) throw new Error(`node ${node.number} is down`);
    return node.state;
  }

  /** Splits the nodes; a node without a side stands on side 0. */
  partition(sides: Map<WorldNode, number>): void {
    this.#side.clear();
    for (const [node, side] of sides) this.#side.set(node, side);
  }

  reachable(one: WorldNode, other: WorldNode): boolean {
    return (this.#side.get(one) ?? 0) === (this.#side.get(other) ?? 0);
  }

  start(node: WorldNode, options: { newAddress?: boolean } = {}): void {
    if (options.newAddress) node.ip = `10.0.1.${(this.#addresses++ % 250) + 1}`;
    node.life++;
    node.alive = true;
    node.pausedUntil = 0;
    node.primaryHeardAt = 0;
    node.followedId = '';
    node.epochSeen = 0;
    const state = new ClusterState(this.#settings(), this.#environment(node));
    node.state = state;
    const reason = initialise(state, node.diskDurable);
    if (reason !== null) this.violations.push(`node ${node.number} does not start: ${reason}`);
    const life = node.life;
    const beat = (): void => {
      if (!node.alive || node.life !== life) return;
      this.#replicate(node, state);
      tick(state);
      this.#watch(node, state);
      this.after(TICK_MS, beat);
    };
    this.after(this.below(TICK_MS), beat);
  }

  /** The process dies; what was not synced may be lost. */
  crash(node: WorldNode): void {
    node.alive = false;
    node.state = null;
    if (this.random() < 0.5) node.diskDurable = node.diskCached;
    node.diskCached = node.diskDurable;
    for (const link of node.links) link.close();
    node.links.clear();
  }

  /** A person's commands. */
  meet(from: WorldNode, to: WorldNode): void {
    const state = this.stateOf(from);
    startHandshake(state, to.ip, CLIENT_PORT, BUS_PORT);
    settle(state);
  }

  assignSlots(node: WorldNode, first: number, last: number): void {
    const state = this.stateOf(node);
    for (let slot = first; slot <= last; slot++) state.slots.assign(slot, state.myself);
    state.updateSoon();
    state.saveSoon(true);
    settle(state);
  }

  replicateOf(node: WorldNode, primary: WorldNode): void {
    const state = this.stateOf(node);
    const target = state.nodes.byId(this.stateOf(primary).myself.id);
    if (target === undefined) throw new Error('replica does not know its primary');
    followPrimary(state, target);
    settle(state);
  }

  transmit(link: WorldLink, frame: Buffer): void {
    const peer = link.peer;
    if (frame.readUInt16BE(12) === AUTH_ACK) this.#noteVote(link, frame);
    if (peer === null || !this.reachable(link.owner, peer.owner)) return;
    if (this.random() < this.faults.loss) return;
    const copies = this.random() < this.faults.duplication ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      const arrival = Math.max(peer.lastArrival, this.now + 1 + this.below(this.faults.delayMsMax));
      peer.lastArrival = arrival;
      this.after(arrival - this.now, () => this.#deliver(peer, frame));
    }
  }

  #deliver(link: WorldLink, frame: Buffer): void {
    const { owner } = link;
    if (!link.open || !owner.alive || owner.life !== link.life || owner.state === null) return;
    const corrupt = this.random() < this.faults.corruption;
    const decoded: Decoded = decodeMessage(corrupt ? this.#corrupted(frame) : frame);
    if ('malformed' in decoded) {
      if (corrupt) {
        link.close();
        linkClosed(owner.state, link);
      } else this.violations.push(`own frame is malformed: ${decoded.malformed}`);
      return;
    }
    receive(owner.state, link, decoded.message);
    this.#watch(owner, owner.state);
  }

  /** Mostly the fields that decide something, so that many damaged frames still decode. */
  #corrupted(frame: Buffer): Buffer {
    const damaged = Buffer.from(frame);
    for (let i = this.below(4); i >= 0; i--) {
      const at = this.pick([10, 12, 16, 24, 40, 80, 2128, 2168, 2246, HEADER_BYTES]) + this.below(48);
      if (at >= damaged.length) continue;
      damaged[at] = this.random() < 0.5 ? this.below(256) : (HEX[this.below(16)] as string).charCodeAt(0);
    }
    // Ids of others, so that names fit and the rest does not.
    const node = this.pick(this.living());
    if (this.random() < 0.3) damaged.write(this.stateOf(node).myself.id, this.pick([40, 2128]), 'latin1');
    return damaged;
  }

  /** The other end closed, or the process there died. */
  drop(link: WorldLink): void {
    if (!link.open) return;
    if (link.peer !== null && !this.reachable(link.owner, link.peer.owner)) return;
    link.open = false;
    link.owner.links.delete(link);
    if (link.owner.alive && link.owner.life === link.life && link.owner.state !== null) {
      linkClosed(link.owner.state, link);
    }
  }

  #connect(owner: WorldNode, node: ClusterNode): BusLink {
    const link = new WorldLink(this, owner, false, node.ip);
    link.node = node;
    owner.links.add(link);
    this.after(1 + this.below(this.faults.delayMsMax), () => {
      if (!link.open || !owner.alive || owner.life !== link.life || owner.state === null) return;
      const target = this.nodes.find((other) => other.alive && other.ip === node.ip);
      if (target === undefined || !this.reachable(owner, target)) {
        link.open = false;
        owner.links.delete(link);
        linkClosed(owner.state, link);
        return;
      }
      const accepted = new WorldLink(this, target, true, owner.ip);
      target.links.add(accepted);
      link.peer = accepted;
      accepted.peer = link;
      if (link.node !== null) linkConnected(owner.state, link.node);
    });
    return link;
  }

  #noteVote(link: WorldLink, frame: Buffer): void {
    const decoded = decodeMessage(frame);
    if ('malformed' in decoded) return;
    const key = `${decoded.message.header.sender} in epoch ${decoded.message.header.currentEpoch}`;
    const candidate = link.node?.id ?? 'unknown';
    const before = this.#votes.get(key);
    if (before !== undefined && before !== candidate) {
      this.violations.push(`${key} voted for ${before} and for ${candidate}`);
    }
    this.#votes.set(key, candidate);
  }

  #watch(node: WorldNode, state: ClusterState): void {
    if (state.currentEpoch < node.epochSeen) this.violations.push(`currentEpoch of ${node.number} went back`);
    if (state.lastVoteEpoch < node.voteSeen)
      this.violations.push(`lastVoteEpoch of ${node.number} went back`);
    if (state.myself.configEpoch > state.currentEpoch) {
      this.violations.push(`configEpoch of ${node.number} is ahead of its currentEpoch`);
    }
    node.epochSeen = state.currentEpoch;
    node.voteSeen = state.lastVoteEpoch;
  }

  /** Data: a primary that may write moves ahead, its replicas follow while they can reach it. */
  #replicate(node: WorldNode, state: ClusterState): void {
    if (state.myself.isPrimary) {
      if (state.ok && this.now >= node.pausedUntil) node.offset += this.below(1000);
      return;
    }
    const primary = this.nodes.find((other) => other.alive && other.state?.myself.id === node.followedId);
    if (primary === undefined || !this.reachable(node, primary)) return;
    if (this.random() < 0.2) return;
    node.primaryHeardAt = this.now;
    node.offset = primary.offset;
  }

  #settings(): ClusterSettings {
    return {
      nodeTimeoutMs: NODE_TIMEOUT_MS,
      replicaValidityFactor: 0,
      replicaPingPeriodSeconds: 10,
      replicaNoFailover: false,
      allowReplicaMigration: this.seed % 2 === 0,
      migrationBarrier: 1,
      requireFullCoverage: true,
      allowReadsWhenDown: false,
      allowShardChannelsWhenDown: true,
      linkSendBufferLimit: 0,
      preferredEndpoint: 'ip',
      announceIp: '',
      announceHostname: '',
      announceNodeName: '',
      port: CLIENT_PORT,
      plainPort: 0,
      busPort: BUS_PORT,
    };
  }

  #environment(node: WorldNode): ClusterEnvironment {
    const random = this.random;
    const hex = (): string => Math.floor(random() * 16).toString(16);
    return {
      now: () => this.now,
      random,
      newNodeId: () => Array.from({ length: 40 }, hex).join(''),
      connect: (peer) => this.#connect(node, peer),
      save: (durable) => {
        if (node.state === null) return;
        node.diskCached = writeNodesConf(node.state);
        if (durable) node.diskDurable = node.diskCached;
      },
      routingChanged: () => undefined,
      log: (level, text) => {
        if (level !== 'debug') this.log.push(`${this.now - START_MS} ${node.number} ${text}`);
      },
      deliver: () => undefined,
      replication: this.#replication(node),
      keys: NO_KEYS,
    };
  }

  #replication(node: WorldNode): ReplicationControl {
    return {
      replicate: (_host, _port, id) => {
        node.followedId = id;
      },
      promote: () => {
        node.followedId = '';
      },
      offset: () => node.offset,
      linkUp: () => this.now - node.primaryHeardAt < 1000,
      primarySilentMs: () => this.now - node.primaryHeardAt,
      pauseWrites: (durationMs) => {
        node.pausedUntil = this.now + durationMs;
      },
      resumeWrites: () => {
        node.pausedUntil = 0;
      },
      flushData: () => undefined,
    };
  }
}

const NO_KEYS: SlotKeys = {
  countKeysInSlot: () => 0,
  keysInSlot: () => [],
  deleteSlotKeys: () => undefined,
  isEmpty: () => true,
};

function before(one: Event, other: Event): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}
