/**
 * A client that writes checksummed keys at a fixed rate, whatever the servers do (an open loop), and knows
 * afterwards which acknowledged writes are still there.
 *
 * Every write has a key of its own and a value made from it, so that a lost write, a torn one and one of
 * another key are told apart. A write that is not acknowledged in time is neither lost nor kept: nobody was
 * promised anything.
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { RoutedClient, type RoutedClientOptions, slotOf } from './routed-client.ts';

const tickMs = 5;
/** A write that takes longer counts as refused; so the number of writes under way has a limit. */
const writeDeadlineMs = 2_000;
const readDeadlineMs = 30_000;
const readsAtOnce = 64;

export interface ChecksumOptions extends RoutedClientOptions {
  /** Tells the keys of this client from others in the same cluster. */
  readonly prefix: string;
  readonly writesPerSecond: number;
}

interface Write {
  readonly key: string;
  readonly slot: number;
  /** By `performance.now()`; undefined while, or when never, acknowledged. */
  acknowledgedAt: number | undefined;
}

/** What a read of everything found. */
export interface Verdict {
  readonly acknowledged: number;
  readonly refused: number;
  /** Keys of acknowledged writes that are gone, in the order of writing. */
  readonly lost: readonly string[];
  /** Keys whose value is not what was written. */
  readonly damaged: readonly string[];
}

/** The longest time in which no write was acknowledged. */
export interface Outage {
  readonly longestMs: number;
  /** When it ended, after the moment asked about. */
  readonly backAfterMs: number;
}

export class ChecksumClient {
  readonly #options: ChecksumOptions;
  readonly #client: RoutedClient;
  readonly #writes: Write[] = [];
  readonly #underWay = new Set<Promise<void>>();
  readonly #loop: Promise<void>;
  #stopped = false;

  constructor(options: ChecksumOptions) {
    this.#options = options;
    this.#client = new RoutedClient(options);
    this.#loop = this.#run();
  }

  /** Redirections followed so far. */
  get redirects(): number {
    return this.#client.redirects;
  }

  /** Writes acknowledged so far. */
  get acknowledged(): number {
    return this.#writes.filter((write) => write.acknowledgedAt !== undefined).length;
  }

  async #run(): Promise<void> {
    await this.#client.learn();
    const started = performance.now();
    for (let due = 0; !this.#stopped; await sleep(tickMs)) {
      const wanted = ((performance.now() - started) * this.#options.writesPerSecond) / 1000;
      for (; due < wanted; due++) {
        const one = this.#write().finally(() => this.#underWay.delete(one));
        this.#underWay.add(one);
      }
    }
    await Promise.all(this.#underWay);
  }

  async #write(): Promise<void> {
    const key = `${this.#options.prefix}:${this.#writes.length}`;
    const write: Write = { key, slot: slotOf(key), acknowledgedAt: undefined };
    this.#writes.push(write);
    const reply = await this.#client.call(key, ['SET', key, textFor(key)], writeDeadlineMs);
    if (reply === 'OK') write.acknowledgedAt = performance.now();
  }

  /**
   * The longest silence from a moment of `performance.now()` on, of writes to the slots chosen (all of them
   * by default).
   */
  outageSince(moment: number, chosen: (slot: number) => boolean = () => true): Outage {
    const times = this.#writes
      .filter((write) => chosen(write.slot))
      .flatMap((write) => write.acknowledgedAt ?? [])
      .filter((time) => time >= moment)
      .sort((left, right) => left - right);
    let outage: Outage = { longestMs: 0, backAfterMs: 0 };
    let previous = moment;
    for (const time of [...times, ...(this.#stopped ? [] : [performance.now()])]) {
      if (time - previous > outage.longestMs) {
        outage = { longestMs: Math.round(time - previous), backAfterMs: Math.round(time - moment) };
      }
      previous = time;
    }
    return outage;
  }

  /** Ends writing; what is under way is waited for. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#loop;
  }

  /** Reads every acknowledged write back. */
  async verify(): Promise<Verdict> {
    const promised = this.#writes.filter((write) => write.acknowledgedAt !== undefined);
    const lost: string[] = [];
    const damaged: string[] = [];
    const left = [...promised];
    const reader = async (): Promise<void> => {
      for (let write = left.shift(); write !== undefined; write = left.shift()) {
        const value = await this.#client.call(write.key, ['GET', write.key], readDeadlineMs);
        if (value === null) lost.push(write.key);
        else if (typeof value !== 'string') throw new Error(`GET ${write.key}: ${value.toString()}`);
        else if (value !== textFor(write.key)) damaged.push(write.key);
      }
    };
    await Promise.all(Array.from({ length: readsAtOnce }, reader));
    return { acknowledged: promised.length, refused: this.#writes.length - promised.length, lost, damaged };
  }

  async close(): Promise<void> {
    await this.stop();
    this.#client.close();
  }
}

/** 120 bytes that only this key has. */
function textFor(key: string): string {
  return createHash('sha512').update(key).digest('base64').padEnd(120, '.');
}
