/** SETs of random keys at a given pace; bytes of one block are changed, so that the load costs little. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Prng } from '../../server/structures/prng.ts';
import { encodeCommand } from '../support/raw-connection.ts';
import { LineConnection } from './load.ts';

const DIGITS = 10;
const ZERO = 48;
const BATCH = 50;
const FILL_BATCH = 1000;
const VALUE_BYTES = 200;
/** What a record takes beside key and value, roughly. */
const RECORD_BYTES = 24;
/** Random letters, of which values are pieces: they do not compress. */
const POOL_BYTES = 1 << 20;

/** Keys that make a dataset of so many MiB. */
export function keysOf(mebibytes: number): number {
  return Math.floor((mebibytes * 2 ** 20) / (VALUE_BYTES + RECORD_BYTES));
}

/** One block of SETs whose keys and values change. */
class SetBlock {
  readonly bytes: Buffer;
  readonly #stride: number;
  readonly #keyAt: number;
  readonly #valueAt: number;
  readonly #random = new Prng(7);
  readonly #pool = Buffer.alloc(POOL_BYTES);

  constructor(commands: number) {
    const one = encodeCommand(['SET', `key:${'0'.repeat(DIGITS)}`, 'v'.repeat(VALUE_BYTES)]);
    this.bytes = Buffer.concat(Array.from({ length: commands }, () => one));
    this.#stride = one.length;
    this.#keyAt = one.indexOf('key:') + 4;
    this.#valueAt = one.indexOf('vvv');
    for (let i = 0; i < POOL_BYTES; i++) this.#pool[i] = 33 + this.#random.below(90);
  }

  set(index: number, key: number): void {
    const start = index * this.#stride;
    let rest = key;
    for (let at = start + this.#keyAt + DIGITS - 1; at >= start + this.#keyAt; at--) {
      this.bytes[at] = ZERO + (rest % 10);
      rest = Math.floor(rest / 10);
    }
    const from = this.#random.below(POOL_BYTES - VALUE_BYTES);
    this.#pool.copy(this.bytes, start + this.#valueAt, from, from + VALUE_BYTES);
  }

  random(below: number): number {
    return this.#random.below(below);
  }

  commands(count: number): Buffer {
    return this.bytes.subarray(0, count * this.#stride);
  }
}

/** SETs keys 0 to keys - 1. */
export async function fillKeys(port: number, keys: number): Promise<void> {
  const connection = await LineConnection.open(port);
  const block = new SetBlock(FILL_BATCH);
  for (let from = 0; from < keys; from += FILL_BATCH) {
    const count = Math.min(FILL_BATCH, keys - from);
    for (let i = 0; i < count; i++) block.set(i, from + i);
    await connection.batch(block.commands(count), count);
  }
  connection.close();
}

export class PacedWrites {
  writes = 0;
  readonly #startMs = performance.now();
  #running = true;
  #done: Promise<void> = Promise.resolve();

  /** `perSecond` SETs of random keys below `keys`, until it is stopped. */
  static async start(port: number, keys: number, perSecond: number): Promise<PacedWrites> {
    const paced = new PacedWrites();
    const connection = await LineConnection.open(port);
    paced.#done = paced.#run(connection, keys, perSecond);
    // Told by `stop`; nobody may be waiting yet.
    paced.#done.catch(() => {});
    return paced;
  }

  get perSecond(): number {
    return this.writes / ((performance.now() - this.#startMs) / 1000);
  }

  async stop(): Promise<void> {
    this.#running = false;
    await this.#done;
  }

  async #run(connection: LineConnection, keys: number, perSecond: number): Promise<void> {
    const block = new SetBlock(BATCH);
    while (this.#running) {
      if (this.writes >= ((performance.now() - this.#startMs) / 1000) * perSecond) {
        await sleep(1);
        continue;
      }
      for (let i = 0; i < BATCH; i++) block.set(i, block.random(keys));
      await connection.batch(block.bytes, BATCH);
      this.writes += BATCH;
    }
    connection.close();
  }
}
