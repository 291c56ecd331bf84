/** A set or a sorted set as an operand: members with scores, to walk over and to look up. */
import { TYPE_SET } from '../structures/record.ts';
import type { SetCursor } from '../values/set-cursor.ts';
import type { SortedSetBody } from '../values/sorted-set-body.ts';
import type { Call } from './call.ts';
import { sortedSetsOf } from './sorted-set-access.ts';

const NO_BYTES = Buffer.alloc(0);

export abstract class ScoredSource {
  weight = 1;
  /** The current member of a walk: bytes[start, start + length), and its score. */
  bytes: Uint8Array = NO_BYTES;
  start = 0;
  length = 0;
  score = 1;
  /** Score of what `find` found. */
  foundScore = 1;
  abstract readonly count: number;

  /** Begins a walk in the order of the source. */
  abstract begin(): void;
  /** Moves to the next member; false at the end. */
  abstract next(): boolean;
  abstract find(bytes: Uint8Array, start: number, length: number): boolean;

  /** A score times the weight; what is no number counts as 0. */
  weighted(score: number): number {
    const product = score * this.weight;
    return Number.isNaN(product) ? 0 : product;
  }
}

/** The source that the record at `ref` holds, a set or a sorted set; 0: an empty one. */
export function scoredSource(call: Call, ref: number): ScoredSource {
  if (ref === 0) return new NothingSource();
  if (call.context.keyspace.records.type(ref) === TYPE_SET) return new SetSource(call, ref);
  return new SortedSource(sortedSetsOf(call).openApart(ref), sortedSetsOf(call).openApart(ref));
}

class NothingSource extends ScoredSource {
  readonly count = 0;
  begin(): void {}
  next(): boolean {
    return false;
  }
  find(): boolean {
    return false;
  }
}

class SortedSource extends ScoredSource {
  readonly count: number;
  readonly #walk: SortedSetBody;
  /** Of its own: looking up must not change what the walk shows. */
  readonly #lookup: SortedSetBody;
  #started = false;

  constructor(walk: SortedSetBody, lookup: SortedSetBody) {
    super();
    this.#walk = walk;
    this.#lookup = lookup;
    this.count = walk.count;
  }

  begin(): void {
    this.#started = false;
  }

  next(): boolean {
    const walk = this.#walk;
    const more = this.#started ? walk.next() : walk.seek(0);
    this.#started = true;
    if (!more) return false;
    this.bytes = walk.bytes;
    this.start = walk.start;
    this.length = walk.length;
    this.score = walk.score;
    return true;
  }

  find(bytes: Uint8Array, start: number, length: number): boolean {
    if (!this.#lookup.find(bytes, start, length)) return false;
    this.foundScore = this.#lookup.score;
    return true;
  }
}

class SetSource extends ScoredSource {
  readonly count: number;
  readonly #call: Call;
  readonly #ref: number;
  readonly #cursor: SetCursor;

  constructor(call: Call, ref: number) {
    super();
    const { sets } = call.context.keyspace.values;
    this.#call = call;
    this.#ref = ref;
    this.#cursor = sets.newCursor();
    this.count = sets.count(ref);
  }

  begin(): void {
    const { records } = this.#call.context.keyspace;
    this.#cursor.open(records.encoding(this.#ref), records.root(this.#ref));
  }

  next(): boolean {
    const cursor = this.#cursor;
    if (!cursor.next()) return false;
    cursor.asText();
    this.bytes = cursor.bytes;
    this.start = cursor.start;
    this.length = cursor.length;
    return true;
  }

  find(bytes: Uint8Array, start: number, length: number): boolean {
    return this.#call.context.keyspace.values.sets.has(this.#ref, bytes, start, length);
  }
}
