/**
 * Everything one node knows of its cluster. The rules stand in the files beside; they take this as their
 * first argument.
 */
import type { ClusterEnvironment, ClusterSettings } from './cluster-environment.ts';
import { ClusterNode, HANDSHAKE, MYSELF, NodeTable, PRIMARY } from './node-table.ts';
import { SlotMap } from './slots.ts';

export const FORGET_BAN_MS = 60_000;
export const MANUAL_FAILOVER_TIMEOUT_MS = 5000;

/** Why a replica does not start or win an election; logged when it changes. */
export type CannotFailover = 'none' | 'data-age' | 'waiting-delay' | 'expired' | 'waiting-votes';

export interface ElectionState {
  /** When the vote is asked for; 0 before the first election. */
  startsAt: number;
  rank: number;
  requested: boolean;
  epoch: number;
  readonly voters: Set<string>;
  cannot: CannotFailover;
}

export interface ManualFailoverState {
  /** Deadline; 0 when none is under way. */
  endsAt: number;
  /** As a primary: the replica that takes over. */
  replica: ClusterNode | null;
  /** As a replica: when the primary was last asked to pause. */
  askedAt: number;
  /** As a replica: the offset at which the primary paused; -1 until it is known. */
  primaryOffset: number;
  canStart: boolean;
}

export class ClusterState {
  readonly settings: ClusterSettings;
  readonly environment: ClusterEnvironment;
  readonly nodes: NodeTable = new NodeTable();
  readonly slots: SlotMap;
  myself: ClusterNode;
  currentEpoch = 0;
  lastVoteEpoch = 0;
  ok = false;
  /** False while the data is being loaded: what is not there yet must not become a primary. */
  dataReady = true;
  /** The process is about to end: no election, no failover to this node. */
  leaving = false;
  /** Primaries with slots; a majority of them decides. */
  size = 0;
  readonly startedAt: number;
  minorityAt = 0;
  /** Node ids that were forgotten -> when they may come back. */
  readonly banned: Map<string, number> = new Map();
  readonly election: ElectionState = {
    startsAt: 0,
    rank: 0,
    requested: false,
    epoch: 0,
    voters: new Set(),
    cannot: 'none',
  };
  readonly manual: ManualFailoverState = {
    endsAt: 0,
    replica: null,
    askedAt: 0,
    primaryOffset: -1,
    canStart: false,
  };
  /** What `settle` has to do before the turn ends. */
  readonly pending = {
    save: false,
    durable: false,
    update: false,
    failover: false,
    manual: false,
    routing: false,
  };
  ticks = 0;
  pingsSent = 0;
  readonly sent: number[] = new Array<number>(11).fill(0);
  readonly received: number[] = new Array<number>(11).fill(0);
  linksFreedByLimit = 0;

  constructor(settings: ClusterSettings, environment: ClusterEnvironment) {
    this.settings = settings;
    this.environment = environment;
    this.slots = new SlotMap(this.nodes);
    this.startedAt = environment.now();
    this.myself = this.newNode(environment.newNodeId(), MYSELF | PRIMARY);
  }

  get now(): number {
    return this.environment.now();
  }

  /** Not yet in the table. */
  newNode(id: string, flags: number): ClusterNode {
    return new ClusterNode(id, flags, this.environment.newNodeId(), this.environment.now());
  }

  saveSoon(durable = false): void {
    this.pending.save = true;
    if (durable) this.pending.durable = true;
  }

  updateSoon(): void {
    this.pending.update = true;
    this.pending.routing = true;
  }

  /** Votes and epochs that leave this node must be on the disk first. */
  saveNow(): void {
    this.pending.save = false;
    this.pending.durable = false;
    this.environment.save(true);
  }

  /** True while the ban of a forgotten node lasts. */
  isBanned(id: string): boolean {
    const until = this.banned.get(id);
    if (until === undefined) return false;
    if (until > this.now) return true;
    this.banned.delete(id);
    return false;
  }

  maxEpoch(): number {
    let max = this.currentEpoch;
    for (const node of this.nodes.all()) if (node.configEpoch > max) max = node.configEpoch;
    return max;
  }

  get quorum(): number {
    return Math.floor(this.size / 2) + 1;
  }

  /** Peers that may hold slots and vote: known by name, not ourselves. */
  *peers(): IterableIterator<ClusterNode> {
    for (const node of this.nodes.all()) {
      if (node !== this.myself && !node.has(HANDSHAKE)) yield node;
    }
  }
}
