/**
 * Model servers: as much of a Redis cluster as the operator can see or break.
 *
 *   ModelNetwork   addresses -> running nodes; calls may be lost before or after they took effect
 *   ModelNode      identity and tables on a volume, slots, keys, replication, open slots, settings
 *   gossip()       one round: links, news, failure marks by majority, elections, copies to replicas
 *
 * Keys are counted per node with the slot they belong to; an acknowledged key is lost when no owner holds it.
 */

import type { Connect } from '../../operator/observe/connections.ts';
import { printSlots, SLOT_COUNT, toRanges } from '../../operator/plan/slots.ts';
import { RespFailure } from '../../server/wire/client.ts';
import { type Reply, RespError } from '../../server/wire/reply-parser.ts';
import type { Machine } from './operator-world.ts';

interface Known {
  host: string;
  /** No answer from there in the last round. */
  failing: boolean;
  failed: boolean;
  /** Announced by someone else; becomes known with the first contact. */
  connected: boolean;
}

export class ModelNode {
  readonly id: string;
  readonly pod: string;
  host = '';
  running = false;
  role: 'primary' | 'replica' = 'primary';
  primaryId: string | undefined;
  currentEpoch = 0;
  configEpoch = 0;
  /** Owner by slot, as this node believes; changed by `assign` only. */
  readonly slots: (string | undefined)[] = new Array(SLOT_COUNT).fill(undefined);
  /** Rises with every change of `slots`. */
  slotsVersion = 1;
  #bySlotsVersion: { version: number; readonly slots: Map<string, number[]> } = {
    version: 0,
    slots: new Map(),
  };
  readonly known = new Map<string, Known>();
  readonly banned = new Map<string, number>();
  readonly migrating = new Map<number, string>();
  readonly importing = new Map<number, string>();
  /** Key -> slot. */
  readonly keys = new Map<string, number>();
  readonly settings = new Map<string, string>();
  linkUp = false;

  constructor(id: string, pod: string) {
    this.id = id;
    this.pod = pod;
  }

  owned(): readonly number[] {
    return this.ownedBy(this.id);
  }

  /** Slots of a node, as this one believes, ascending. */
  ownedBy(id: string): readonly number[] {
    if (this.#bySlotsVersion.version !== this.slotsVersion) {
      const slots = new Map<string, number[]>();
      this.slots.forEach((owner, slot) => {
        if (owner === undefined) return;
        const list = slots.get(owner);
        if (list === undefined) slots.set(owner, [slot]);
        else list.push(slot);
      });
      this.#bySlotsVersion = { version: this.slotsVersion, slots };
    }
    return this.#bySlotsVersion.slots.get(id) ?? [];
  }

  assign(slot: number, owner: string | undefined): void {
    this.slots[slot] = owner;
    this.slotsVersion += 1;
  }
}

const BAN_ROUNDS = 30;

export class ModelNetwork implements Machine {
  readonly nodes = new Map<string, ModelNode>();
  readonly #byPod = new Map<string, ModelNode>();
  readonly #byVolume = new Map<string, ModelNode>();
  readonly #random: () => number;
  /** Slot tables that were exchanged last, by pair. */
  readonly #told = new Map<string, string>();
  #round = 0;
  #ids = 0;
  /** Share of calls of the operator that are lost, half of them after they took effect. */
  lossRate = 0;
  /** Called before every command of the operator that changes something; may throw to end the operator. */
  beforeCommand: ((node: ModelNode, words: readonly string[]) => void) | undefined;

  constructor(random: () => number) {
    this.#random = random;
  }

  async start(pod: string, host: string, volume: string, config: string): Promise<void> {
    let node = this.#byVolume.get(volume);
    if (node === undefined) {
      this.#ids += 1;
      node = new ModelNode(this.#ids.toString(16).padStart(40, '0'), pod);
      this.#byVolume.set(volume, node);
      this.nodes.set(node.id, node);
    }
    node.host = host;
    node.running = true;
    node.linkUp = false;
    node.settings.clear();
    for (const line of config.split('\n')) {
      const [name = '', ...value] = line.split(' ');
      if (name !== '' && name !== '#') node.settings.set(name, value.join(' ').replaceAll('"', ''));
    }
    this.#byPod.set(pod, node);
  }

  async kill(pod: string): Promise<void> {
    const node = this.#byPod.get(pod);
    if (node !== undefined) node.running = false;
    this.#byPod.delete(pod);
  }

  isReady(pod: string): boolean {
    return this.#byPod.get(pod)?.running === true;
  }

  nodeOf(pod: string): ModelNode | undefined {
    return this.#byPod.get(pod);
  }

  live(): ModelNode[] {
    return [...this.nodes.values()].filter((node) => node.running);
  }

  #at(host: string): ModelNode | undefined {
    return this.live().find((node) => node.host === host);
  }

  readonly connect: Connect = async (address) => {
    const node = this.#at(address.host);
    if (node === undefined) return new RespFailure('connect', `${address.host}: refused`);
    return {
      call: async (words) => {
        const texts = words.map((word) =>
          word instanceof Uint8Array ? Buffer.from(word).toString() : String(word),
        );
        const lost = this.#random() < this.lossRate;
        const before = lost && this.#random() < 0.5;
        if (before || !node.running) return new RespFailure('timeout', 'lost on the way');
        const reply = this.command(node, texts);
        return lost ? new RespFailure('timeout', 'the reply was lost') : reply;
      },
    };
  };

  /** One command on one node. */
  command(node: ModelNode, words: readonly string[]): Reply {
    const name = words[0] ?? '';
    const changing = name === 'MIGRATE' || (name === 'CLUSTER' && !READS.has(words[1] ?? ''));
    if (changing) this.beforeCommand?.(node, words);
    switch (name) {
      case 'CLUSTER':
        return this.#cluster(node, words[1] ?? '', words.slice(2));
      case 'INFO':
        return Buffer.from(info(node));
      case 'DBSIZE':
        return node.keys.size;
      case 'CONFIG':
        return config(node, words);
      case 'MIGRATE':
        return this.#migrate(node, words);
      default:
        return new RespError(`ERR unknown command '${name}'`);
    }
  }

  #cluster(node: ModelNode, subcommand: string, words: readonly string[]): Reply {
    const [first = '', second = '', third = ''] = words;
    switch (subcommand) {
      case 'MYID':
        return Buffer.from(node.id);
      case 'NODES':
        return Buffer.from(this.#table(node));
      case 'INFO':
        return Buffer.from(`cluster_current_epoch:${node.currentEpoch}\r\n`);
      case 'MEET': {
        const peer = this.#at(first);
        if (peer !== undefined && peer !== node) {
          this.#introduce(node, peer);
          this.#introduce(peer, node);
        }
        return 'OK';
      }
      case 'FORGET':
        if (!node.known.has(first)) return new RespError(`ERR Unknown node ${first}`);
        if (first === node.primaryId) return new RespError("ERR Can't forget my master!");
        node.known.delete(first);
        node.banned.set(first, this.#round + BAN_ROUNDS);
        node.slots.forEach((owner, slot) => {
          if (owner === first) node.assign(slot, undefined);
        });
        return 'OK';
      case 'SET-CONFIG-EPOCH':
        if (node.known.size > 0 || node.configEpoch !== 0) return new RespError('ERR epoch set already');
        node.configEpoch = Number(first);
        node.currentEpoch = Math.max(node.currentEpoch, node.configEpoch);
        return 'OK';
      case 'ADDSLOTSRANGE':
        return addSlots(node, words.map(Number));
      case 'REPLICATE':
        return this.#replicate(node, first);
      case 'FAILOVER':
        if (node.role !== 'replica' || !node.linkUp) return new RespError('ERR not a replica in sync');
        this.#promote(node, node.primaryId ?? '');
        return 'OK';
      case 'SETSLOT':
        return this.#setSlot(node, Number(first), second, third);
      case 'GETKEYSINSLOT':
        return keysIn(node, Number(first), Number(second));
      default:
        return new RespError(`ERR unknown subcommand '${subcommand}'`);
    }
  }

  #introduce(node: ModelNode, peer: ModelNode): void {
    node.banned.delete(peer.id);
    const known = node.known.get(peer.id) ?? { host: '', failing: false, failed: false, connected: true };
    node.known.set(peer.id, known);
    Object.assign(known, { host: peer.host, connected: true, failing: false });
  }

  #replicate(node: ModelNode, primaryId: string): Reply {
    const primary = this.nodes.get(primaryId);
    if (!node.known.has(primaryId) || primary === undefined) return new RespError('ERR Unknown node');
    if (primary.role === 'replica') return new RespError('ERR I can only replicate a master');
    if (node.role === 'primary' && (node.owned().length > 0 || node.keys.size > 0)) {
      return new RespError('ERR To set a master the node must be empty and without assigned slots.');
    }
    node.role = 'replica';
    node.primaryId = primaryId;
    node.linkUp = false;
    node.migrating.clear();
    node.importing.clear();
    return 'OK';
  }

  #setSlot(node: ModelNode, slot: number, verb: string, peerId: string): Reply {
    if (node.role === 'replica') return new RespError('ERR Please use SETSLOT only with masters.');
    if (verb === 'STABLE') {
      node.migrating.delete(slot);
      node.importing.delete(slot);
      return 'OK';
    }
    if (peerId !== node.id && !node.known.has(peerId)) return new RespError('ERR Unknown node');
    const mine = node.slots[slot] === node.id;
    if (verb === 'MIGRATING') {
      if (!mine) return new RespError(`ERR I'm not the owner of hash slot ${slot}`);
      node.migrating.set(slot, peerId);
      return 'OK';
    }
    if (verb === 'IMPORTING') {
      if (mine) return new RespError(`ERR I'm already the owner of hash slot ${slot}`);
      node.importing.set(slot, peerId);
      return 'OK';
    }
    const holds = mine && peerId !== node.id && [...node.keys.values()].includes(slot);
    if (mine && peerId !== node.id && holds)
      return new RespError("ERR Can't assign hashslot while I hold keys");
    if (peerId === node.id && node.importing.has(slot)) {
      node.importing.delete(slot);
      const highest = Math.max(
        node.currentEpoch,
        ...[...this.nodes.values()].map((each) => each.configEpoch),
      );
      if (node.configEpoch < highest || node.configEpoch === 0) node.configEpoch = highest + 1;
      node.currentEpoch = Math.max(node.currentEpoch, node.configEpoch);
    }
    if (peerId !== node.id) node.migrating.delete(slot);
    node.assign(slot, peerId);
    return 'OK';
  }

  #migrate(node: ModelNode, words: readonly string[]): Reply {
    const target = this.#at(words[1] ?? '');
    if (target === undefined) return new RespError('IOERR error or timeout connecting to the client');
    const keys = words.slice(words.indexOf('KEYS') + 1).filter((key) => node.keys.has(key));
    for (const key of keys) {
      const slot = node.keys.get(key) ?? 0;
      if (target.slots[slot] !== target.id && !target.importing.has(slot)) {
        return new RespError('ERR Target instance replied with error: MOVED');
      }
      target.keys.set(key, slot);
      node.keys.delete(key);
    }
    return keys.length === 0 ? 'NOKEY' : 'OK';
  }

  #table(node: ModelNode): string {
    const ids = [node.id, ...node.known.keys()];
    return ids.map((id) => this.#line(node, id)).join('\n');
  }

  #line(node: ModelNode, id: string): string {
    const other = this.nodes.get(id);
    const own = id === node.id;
    const known = node.known.get(id);
    const owned = node.ownedBy(id);
    const failure = known?.failed ? ',fail' : known?.failing ? ',fail?' : '';
    const flags = `${own ? 'myself,' : ''}${other?.role === 'replica' ? 'slave' : 'master'}${failure}`;
    const open = own
      ? [
          ...[...node.migrating].map(([slot, peer]) => `[${slot}->-${peer}]`),
          ...[...node.importing].map(([slot, peer]) => `[${slot}-<-${peer}]`),
        ]
      : [];
    const slots = owned.length === 0 ? [] : printSlots(toRanges(owned)).split(',');
    const host = own ? node.host : (known?.host ?? '');
    const hostname = `${other?.pod}.c-nodes.default.svc`;
    const link = own || known?.connected ? 'connected' : 'disconnected';
    const epoch = other?.configEpoch ?? 0;
    const words = [id, `${host}:6379@16379,${hostname}`, flags, other?.primaryId ?? '-', 0, 0, epoch, link];
    return [...words, ...slots, ...open].join(' ');
  }

  /** One round of the bus: everybody pings everybody it can reach. */
  gossip(): void {
    this.#round += 1;
    for (const node of this.live()) {
      for (const [id, until] of node.banned) if (until <= this.#round) node.banned.delete(id);
      for (const [id, known] of node.known) {
        const peer = this.#at(known.host);
        const reached = peer?.id === id;
        known.connected = reached;
        known.failing = !reached;
        if (!reached || peer === undefined) continue;
        known.failed = false;
        // Whoever is pinged learns of the sender, and of its new address.
        if (!peer.banned.has(node.id)) this.#introduce(peer, node);
        this.#tell(node, peer);
      }
    }
    this.#markFailures();
    for (const node of this.live()) this.#serve(node);
    this.#elect();
  }

  /** `node` tells `peer` its claims and whom it knows. */
  #tell(node: ModelNode, peer: ModelNode): void {
    peer.currentEpoch = Math.max(peer.currentEpoch, node.currentEpoch);
    for (const id of node.known.keys()) {
      const subject = this.nodes.get(id);
      if (id === peer.id || peer.known.has(id) || peer.banned.has(id) || subject === undefined) continue;
      const host = node.known.get(id)?.host ?? '';
      if (this.#at(host) === subject) this.#introduce(peer, subject);
    }
    if (node.role !== 'primary') return;
    const epochOf = (id: string | undefined): number =>
      id === undefined ? -1 : (this.nodes.get(id)?.configEpoch ?? -1);
    const exchange = `${node.id} ${peer.id}`;
    const state = `${node.slotsVersion} ${peer.slotsVersion} ${node.configEpoch}`;
    if (this.#told.get(exchange) === state) return;
    let taken = 0;
    let lostAll = peer.role === 'primary' && peer.owned().length > 0;
    for (const slot of node.owned()) {
      const owner = peer.slots[slot];
      if (owner === node.id || (owner !== undefined && epochOf(owner) >= node.configEpoch)) continue;
      peer.assign(slot, node.id);
      if (owner !== peer.id) continue;
      taken += 1;
      peer.migrating.delete(slot);
      for (const [key, own] of peer.keys) if (own === slot) peer.keys.delete(key);
    }
    // As with cluster-allow-replica-migration no: only when all that it has came from there, a failover.
    lostAll &&= peer.owned().length === 0 && node.owned().length === taken;
    // A primary whose last slot went to a newer one follows it.
    if (lostAll) this.#follow(peer, node.id);
    this.#told.set(exchange, `${node.slotsVersion} ${peer.slotsVersion} ${node.configEpoch}`);
  }

  #follow(node: ModelNode, primaryId: string): void {
    node.role = 'replica';
    node.primaryId = primaryId;
    node.linkUp = false;
    node.migrating.clear();
    node.importing.clear();
  }

  #markFailures(): void {
    const primaries = [...this.nodes.values()].filter(
      (node) => node.role === 'primary' && node.owned().length > 0,
    );
    for (const id of this.nodes.keys()) {
      const accusers = primaries.filter(
        (node) => node.running && node.known.get(id)?.failing === true,
      ).length;
      if (accusers * 2 <= primaries.length) continue;
      for (const node of this.live()) {
        const known = node.known.get(id);
        if (known?.failing) known.failed = true;
      }
    }
  }

  /** A linked replica holds what its primary holds. */
  #serve(node: ModelNode): void {
    if (node.role !== 'replica') return;
    const primary = node.primaryId === undefined ? undefined : this.nodes.get(node.primaryId);
    const reachable = primary?.running === true && node.known.get(primary.id)?.connected === true;
    node.linkUp = reachable && primary.role === 'primary';
    if (!node.linkUp || primary === undefined) {
      // Its primary became a replica itself: the chain is flattened.
      if (primary?.role === 'replica' && primary.primaryId !== undefined && primary.primaryId !== node.id) {
        node.primaryId = primary.primaryId;
      }
      return;
    }
    node.keys.clear();
    for (const [key, slot] of primary.keys) node.keys.set(key, slot);
  }

  /** A replica of a failed primary takes over when a majority of primaries lives. */
  #elect(): void {
    const primaries = [...this.nodes.values()].filter(
      (node) => node.role === 'primary' && node.owned().length > 0,
    );
    const voters = primaries.filter((node) => node.running);
    if (voters.length * 2 <= primaries.length) return;
    for (const failed of primaries) {
      if (failed.running) continue;
      const heir = this.live().find(
        (node) => node.primaryId === failed.id && node.known.get(failed.id)?.failed,
      );
      if (heir === undefined) continue;
      this.#promote(heir, failed.id);
      return;
    }
  }

  #promote(heir: ModelNode, primaryId: string): void {
    heir.currentEpoch = Math.max(...[...this.nodes.values()].map((node) => node.currentEpoch)) + 1;
    heir.configEpoch = heir.currentEpoch;
    heir.role = 'primary';
    heir.primaryId = undefined;
    // Voters refuse claims on slots that were given away: what counts is what the old primary still had.
    const kept = this.nodes.get(primaryId)?.owned() ?? [];
    for (const slot of kept) heir.assign(slot, heir.id);
  }
}

const READS: ReadonlySet<string> = new Set(['MYID', 'NODES', 'INFO', 'GETKEYSINSLOT']);

function addSlots(node: ModelNode, bounds: readonly number[]): Reply {
  const slots: number[] = [];
  for (let index = 0; index < bounds.length; index += 2) {
    for (let slot = bounds[index] ?? 0; slot <= (bounds[index + 1] ?? -1); slot += 1) slots.push(slot);
  }
  const busy = slots.find((slot) => node.slots[slot] !== undefined);
  if (busy !== undefined) return new RespError(`ERR Slot ${busy} is already busy`);
  for (const slot of slots) node.assign(slot, node.id);
  return 'OK';
}

function keysIn(node: ModelNode, slot: number, count: number): Reply {
  const keys: Buffer[] = [];
  for (const [key, own] of node.keys) if (own === slot && keys.length < count) keys.push(Buffer.from(key));
  return keys;
}

function config(node: ModelNode, words: readonly string[]): Reply {
  if (words[1] === 'SET') {
    node.settings.set(words[2] ?? '', words[3] ?? '');
    return 'OK';
  }
  return words.slice(2).flatMap((name) => {
    const value = node.settings.get(name);
    return value === undefined ? [] : [Buffer.from(name), Buffer.from(value)];
  });
}

function info(node: ModelNode): string {
  const replica = node.role === 'replica';
  const fields = [
    'redis_version:7.2.0',
    'used_memory:1000',
    `maxmemory:${node.settings.get('maxmemory') ?? 0}`,
    'loading:0',
    ...(replica ? [`master_link_status:${node.linkUp ? 'up' : 'down'}`, 'master_sync_in_progress:0'] : []),
    ...(node.keys.size === 0 ? [] : [`db0:keys=${node.keys.size},expires=0,avg_ttl=0`]),
  ];
  return `${fields.join('\r\n')}\r\n`;
}
