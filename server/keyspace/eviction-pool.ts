/**
 * The best candidates for eviction that samples have met, ascending by score: what one sample of five keys
 * misses, the memory of the last few makes good. A key may stand here twice, or have gone meanwhile.
 */
import { copyBytes } from '../structures/record.ts';

const CANDIDATES = 16;
/** Longer keys are kept in buffers of their own. */
const KEY_BYTES = 256;

export class EvictionPool {
  /** The candidate that `pop` took: key.subarray(0, keyLength). */
  key = Buffer.alloc(KEY_BYTES);
  keyLength = 0;
  database = 0;
  score = 0;
  #count = 0;
  readonly #scores = new Float64Array(CANDIDATES);
  readonly #databases = new Int32Array(CANDIDATES);
  readonly #lengths = new Int32Array(CANDIDATES);
  /** Buffers change places with their candidates. */
  readonly #keys = Array.from({ length: CANDIDATES }, () => Buffer.alloc(KEY_BYTES));

  get count(): number {
    return this.#count;
  }

  clear(): void {
    this.#count = 0;
  }

  /** Whether a candidate with this score would be taken. */
  wants(score: number): boolean {
    return this.#count < CANDIDATES || score > this.#scores[0];
  }

  /** Takes a candidate; the worst one goes when there is no room. Call `wants` first. */
  add(score: number, database: number, bytes: Uint8Array, start: number, length: number): void {
    let place = this.#count;
    if (this.#count === CANDIDATES) {
      const freed = this.#keys[0];
      this.#move(1, 0, CANDIDATES - 1);
      this.#keys[CANDIDATES - 1] = freed;
      place = CANDIDATES - 1;
    } else this.#count++;
    while (place > 0 && this.#scores[place - 1] >= score) {
      const spare = this.#keys[place];
      this.#move(place - 1, place, 1);
      this.#keys[place - 1] = spare;
      place--;
    }
    if (this.#keys[place].length < length) this.#keys[place] = Buffer.alloc(length);
    copyBytes(bytes, start, start + length, this.#keys[place], 0);
    this.#scores[place] = score;
    this.#databases[place] = database;
    this.#lengths[place] = length;
  }

  /** Takes out the best candidate; false when there is none. */
  pop(): boolean {
    if (this.#count === 0) return false;
    const place = --this.#count;
    const key = this.#keys[place];
    this.#keys[place] = this.key;
    this.key = key;
    this.keyLength = this.#lengths[place];
    this.database = this.#databases[place];
    this.score = this.#scores[place];
    return true;
  }

  #move(from: number, to: number, count: number): void {
    this.#scores.copyWithin(to, from, from + count);
    this.#databases.copyWithin(to, from, from + count);
    this.#lengths.copyWithin(to, from, from + count);
    for (let index = 0; index < count; index++) this.#keys[to + index] = this.#keys[from + index];
  }
}
