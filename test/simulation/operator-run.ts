/**
 * Runs the real reconcile against model servers, step by step, and checks after every step what must always
 * hold.
 */
import { makeReconcile } from '../../operator/controller/reconcile.ts';
import { ManualClock } from '../../operator/kube/clock.ts';
import { KubeFailure } from '../../operator/kube/failure.ts';
import { SLOT_COUNT } from '../../operator/plan/slots.ts';
import { ModelNetwork } from './operator-model.ts';
import { OperatorWorld } from './operator-world.ts';

export const SPEC = {
  profile: 'Sessions' as const,
  shards: 3,
  replicasPerShard: 1,
  server: { engine: 'Valkey' as const, image: 'stock:test' },
  resources: { limits: { memory: '512Mi' } },
  memory: { maxmemory: '64Mi' },
  storage: { size: '1Gi' },
};

/** Ends the operator between two commands: thrown through a whole pass. */
class Killed extends Error {}

/** mulberry32: small, and the same everywhere. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface Troubles {
  /** Share of calls to servers that are lost. */
  readonly lossRate: number;
  /** Chance that a changing command is the operator's last. */
  readonly killRate: number;
  /** Chance that a write to the API server fails, half of them after it was done. */
  readonly refusalRate: number;
  /** Watch events arrive late. */
  readonly lagging: boolean;
}

export const NO_TROUBLES: Troubles = { lossRate: 0, killRate: 0, refusalRate: 0, lagging: false };

export class OperatorRun {
  readonly random: () => number;
  readonly network: ModelNetwork;
  readonly world: OperatorWorld;
  readonly clock = new ManualClock(Date.parse('2026-05-04T12:00:00Z'));
  /** Keys that an owner acknowledged. */
  readonly acknowledged = new Map<string, number>();
  troubles: Troubles;
  kills = 0;
  #reconcile: ReturnType<typeof makeReconcile>;
  #hosts = 0;

  constructor(seed: number, troubles: Troubles = NO_TROUBLES) {
    this.random = seededRandom(seed);
    this.troubles = troubles;
    this.network = new ModelNetwork(this.random);
    this.world = new OperatorWorld({
      machine: this.network,
      clock: this.clock,
      random: this.random,
      nextHost: () => {
        this.#hosts += 1;
        return `10.1.${Math.floor(this.#hosts / 250)}.${this.#hosts % 250}`;
      },
      lagging: troubles.lagging,
    });
    this.#reconcile = makeReconcile({ connect: this.network.connect });
    this.network.beforeCommand = () => {
      if (this.random() < this.troubles.killRate) throw new Killed('the operator was killed');
    };
    this.world.beforeWrite = () => {
      if (this.random() >= this.troubles.refusalRate) return undefined;
      return new KubeFailure('unavailable', 'connection reset');
    };
  }

  /** One round of everything: Kubernetes, the bus, one pass of the operator, clients. */
  async round(): Promise<void> {
    await this.world.runControllers();
    this.world.deliver(this.troubles.lagging ? Math.floor(this.random() * 8) : undefined);
    this.network.gossip();
    this.network.lossRate = this.troubles.lossRate;
    try {
      await this.#reconcile('default/c', this.world.pass());
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      this.kills += 1;
      this.world.restartOperator();
      this.#reconcile = makeReconcile({ connect: this.network.connect });
    }
    this.#write();
    this.check();
    await this.clock.advance(1000);
  }

  /** A client writes a key where it belongs, and the replicas have it before it is acknowledged. */
  #write(): void {
    const slot = Math.floor(this.random() * SLOT_COUNT);
    const owner = this.network.live().find((node) => node.role === 'primary' && node.slots[slot] === node.id);
    if (owner === undefined) return;
    const key = `k${this.acknowledged.size}`;
    // A migrating slot sends new keys to its target, by ASK.
    const targetId = owner.migrating.get(slot);
    const target = targetId === undefined ? owner : this.network.nodes.get(targetId);
    if (target?.running !== true || (target !== owner && !target.importing.has(slot))) return;
    const replicas = this.network.live().filter((node) => node.primaryId === target.id && node.linkUp);
    if (replicas.length === 0) return;
    for (const node of [target, ...replicas]) node.keys.set(key, slot);
    this.acknowledged.set(key, slot);
  }

  /** What must hold after every round. */
  check(): void {
    for (const [key, slot] of this.acknowledged) {
      const holders = [...this.network.nodes.values()].filter((node) => node.keys.has(key));
      if (holders.length === 0)
        throw new Error(`key ${key} of slot ${slot} is nowhere: the operator erased it`);
    }
    const ready = this.world.condition('Ready');
    const { status, metadata } = this.world.cluster;
    if (status === undefined || ready?.status !== 'True' || status.observedGeneration !== metadata.generation)
      return;
    if (status.slots !== SLOT_COUNT) throw new Error(`Ready with ${status.slots} slots`);
  }

  get isReady(): boolean {
    const { status, metadata } = this.world.cluster;
    return (
      this.world.condition('Ready')?.status === 'True' && status?.observedGeneration === metadata.generation
    );
  }

  /** Keys that no owner of their slot holds. */
  lostKeys(): string[] {
    const lost: string[] = [];
    for (const [key, slot] of this.acknowledged) {
      const owner = this.network
        .live()
        .find((node) => node.role === 'primary' && node.slots[slot] === node.id);
      if (owner === undefined || !owner.keys.has(key)) lost.push(key);
    }
    return lost;
  }

  async untilReady(roundsMax: number): Promise<void> {
    for (let round = 0; round < roundsMax; round += 1) {
      await this.round();
      if (this.isReady) return;
    }
    const status = JSON.stringify(this.world.cluster.status?.conditions, undefined, 1);
    const tables = this.network
      .live()
      .map((node) => `${node.pod} ${this.network.command(node, ['CLUSTER', 'NODES'])}`);
    throw new Error(
      `not Ready after ${roundsMax} rounds\n${status}\n${tables.join('\n')}\n${this.world.log.slice(-40).join('\n')}`,
    );
  }
}
