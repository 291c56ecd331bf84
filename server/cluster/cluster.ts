/**
 * The cluster as the server sees it: owns the state of the core, the sockets of the bus, the clock and
 * nodes.conf. Commands route through `owned` and `route`; everything else of the cluster is decided by the
 * core.
 */
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import type { Config } from '../config/config.ts';
import type { Log } from '../config/log.ts';
import { systemMessage } from '../config/system-message.ts';
import { SLOT_COUNT } from './bus-message.ts';
import { broadcastPublish } from './bus-send.ts';
import {
  initialise,
  linkClosed,
  linkConnected,
  receiveInTurn,
  settle,
  settleAllButFile,
  TICK_MS,
  tick,
} from './cluster-core.ts';
import type { ClusterEnvironment, ReplicationControl, SlotKeys } from './cluster-environment.ts';
import { computeOwned, type RouteRequest, routeSlot } from './cluster-routing.ts';
import { settingsFrom } from './cluster-settings.ts';
import { ClusterState } from './cluster-state.ts';
import { adoptKeysFound } from './data-check.ts';
import { broadcastPong } from './gossip.ts';
import { type HandOverResult, handOverTo } from './hand-over.ts';
import { BusLinks } from './links.ts';
import { writeNodesConf } from './nodes-conf.ts';
import { NodesFile } from './nodes-file.ts';

export interface ClusterOptions {
  readonly config: Config;
  readonly log: Log;
  readonly replication: ReplicationControl;
  readonly keys: SlotKeys;
  /** A message published at another node, for local subscribers. Bytes are valid during the call. */
  readonly deliver: (channel: Uint8Array, payload: Uint8Array, sharded: boolean) => void;
  /** Slots have other owners. */
  readonly routingChanged: () => void;
  /** nodes.conf cannot be written: the process must end, because it can keep no promise any more. */
  readonly fatal: (reason: string) => void;
}

export class Cluster {
  /** 1 where a slot is served here and now, for reads and writes, without asking `route`. */
  readonly owned: Uint8Array = new Uint8Array(SLOT_COUNT);
  /**
   * The view of the cluster; commands read it, and change it only through the functions of this room and
   * `settle`.
   */
  readonly state: ClusterState;
  /** DEBUG DROP-CLUSTER-PACKET-FILTER: messages of this type are not heard; -1: all are. */
  droppedType = -1;
  readonly #options: ClusterOptions;
  readonly #file: NodesFile;
  readonly #links: BusLinks;
  #timer: NodeJS.Timeout | null = null;
  #stopped = false;
  #settling = false;

  constructor(options: ClusterOptions) {
    this.#options = options;
    const { values } = options.config;
    this.#file = new NodesFile(resolve(values.dir, values['cluster-config-file']));
    this.state = new ClusterState(settingsFrom(options.config), this.#environment());
    this.state.dataReady = false;
    this.#links = new BusLinks({
      received: (link, message) => {
        if (message.header.type === this.droppedType) return;
        receiveInTurn(this.state, link, message);
        this.#settleLater();
      },
      connected: (_link, node) => linkConnected(this.state, node),
      closed: (link) => linkClosed(this.state, link),
      log: (level, text) => options.log.write(level, text),
      now: () => this.state.now,
      nodeTimeoutMs: () => this.state.settings.nodeTimeoutMs,
    });
  }

  /** Locks and loads nodes.conf and opens the bus. The answer is why the server must not start, or null. */
  async start(): Promise<string | null> {
    const locked = await this.#file.lock();
    if (locked !== null) return locked;
    let content: string;
    try {
      content = this.#file.read();
    } catch (error) {
      return `Loading the cluster node config from ${this.#file.path}: ${systemMessage(error)}`;
    }
    const reason = initialise(this.state, content);
    if (reason !== null) return `Unrecoverable error: ${this.#file.path}: ${reason}`;
    const { myself, settings } = this.state;
    this.#options.log.notice(
      content.trim() === ''
        ? `No cluster configuration found, I'm ${myself.id}`
        : `Node configuration loaded, I'm ${myself.id}`,
    );
    const { values } = this.#options.config;
    const listenPort = values['cluster-port'] === 0 ? values.port + 10_000 : values['cluster-port'];
    if (listenPort > 65_535) return `Redis port number too high for cluster mode: ${settings.port}`;
    const refused = await this.#links.listen(values.bind, listenPort);
    if (refused !== null) return refused;
    this.#timer = setInterval(() => tick(this.state), TICK_MS);
    return null;
  }

  /** To be called once the data is loaded and before clients are served: keys in slots that are not ours. */
  dataLoaded(): void {
    this.state.dataReady = true;
    const { primary, isReplica } = this.state.myself;
    if (isReplica && primary !== null && primary.ip !== '') {
      this.#options.replication.replicate(primary.ip, primary.port, primary.id);
    }
    adoptKeysFound(this.state);
    settle(this.state);
  }

  /** A migration brings hundreds of frames a turn; nodes.conf is written once for all of them. */
  #settleLater(): void {
    if (this.#settling || !this.state.pending.save) return;
    this.#settling = true;
    setImmediate(() => {
      this.#settling = false;
      if (!this.#stopped) this.endTurn();
    });
  }

  /** Ends bus and clock, and writes nodes.conf a last time. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#links.close();
    if (this.state.nodes.size > 0) this.#save(true);
    this.#file.unlock();
  }

  /** Whether the slot belongs to our shard, so that its sharded channels are heard here. */
  hasShardOf(slot: number): boolean {
    const owner = this.state.slots.ownerOf(slot);
    return owner !== null && owner.shardPrimary === this.state.myself.shardPrimary;
  }

  /** Why this node does not serve the slot for this request, as the whole error text; null when it does. */
  route(slot: number, request: RouteRequest): string | null {
    return routeSlot(this.state, slot, request);
  }

  /**
   * After commands changed the state by functions of this room; `endTurn` must follow before they are
   * answered.
   */
  settle(): void {
    settleAllButFile(this.state);
  }

  /** Before the replies of a turn leave: what they promise is in nodes.conf. */
  endTurn(): void {
    if (this.state.pending.save) settle(this.state);
  }

  /**
   * Sends a message that a client of ours published to the other nodes; a sharded one to those of the shard.
   */
  publish(channel: Uint8Array, payload: Uint8Array, sharded: boolean): void {
    broadcastPublish(this.state, channel, payload, sharded);
  }

  /**
   * Before the process ends: others hear that this node is not to take over, and as a primary with slots it
   * hands over to its best replica, within the deadline.
   */
  handOver(deadlineMs: number): Promise<HandOverResult> {
    this.state.leaving = true;
    tick(this.state);
    broadcastPong(this.state, 'shard');
    const { values } = this.#options.config;
    const credentials = { username: values.masteruser, password: values.masterauth };
    return handOverTo(this.state, credentials, deadlineMs);
  }

  /**
   * This node came up without its data: a replica that has them takes over without being caught up with it.
   */
  giveAway(deadlineMs: number): Promise<HandOverResult> {
    const { values } = this.#options.config;
    const credentials = { username: values.masteruser, password: values.masterauth };
    return handOverTo(this.state, credentials, deadlineMs, ['FORCE']);
  }

  /** The process goes on after all. */
  stay(): void {
    this.state.leaving = false;
  }

  #environment(): ClusterEnvironment {
    const { log, replication, keys, deliver } = this.#options;
    return {
      now: () => Math.floor(performance.timeOrigin + performance.now()),
      random: Math.random,
      newNodeId: () => randomBytes(20).toString('hex'),
      connect: (node) => (this.#stopped ? null : this.#links.connect(node)),
      save: (durable) => this.#save(durable),
      routingChanged: () => {
        computeOwned(this.state, this.owned);
        this.#options.routingChanged();
      },
      log: (level, text) => log.write(level, text),
      deliver,
      replication: {
        ...replication,
        replicate: (host, port, nodeId) => {
          // What the files know of their place in a history comes first.
          if (this.state.dataReady) replication.replicate(host, port, nodeId);
        },
      },
      keys,
    };
  }

  #save(durable: boolean): void {
    try {
      this.#file.save(writeNodesConf(this.state), durable);
    } catch (error) {
      this.#options.fatal(
        `Fatal: can't update cluster config file ${this.#file.path}: ${systemMessage(error)}`,
      );
    }
  }
}
