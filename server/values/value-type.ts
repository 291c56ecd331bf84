/** What the keyspace asks of every type but strings, whatever its encodings. */

export interface DetachedValue {
  readonly encoding: number;
  readonly root: number;
}

export interface ValueType {
  /** TYPE_… of structures/record.ts. */
  readonly type: number;
  /** As TYPE prints it. */
  readonly name: string;
  /** As OBJECT ENCODING prints it. */
  encodingName(ref: number): string;
  /** Elements: what LLEN, SCARD, ZCARD, HLEN, XLEN answer. */
  count(ref: number): number;
  /** Frees the value of a root at once. */
  release(encoding: number, root: number): void;
  /**
   * Frees about `budget` elements of a value that nobody names any more; returns the root of what is left, 0
   * when all of it has gone.
   */
  releaseSome(encoding: number, root: number, budget: number): number;
  /** A copy of the key's value that belongs to no key yet. */
  copy(ref: number): DetachedValue;
  /** Bytes of the arena that the value holds; of large ones, estimated from `samples` elements (0: all). */
  heldBytes(ref: number, samples: number): number;
  /** The table of its elements, 0 when there is none. */
  tableOf?(encoding: number, root: number): number;
  /** Elements that freeing would visit: what decides whether it is done in slices. */
  effort(encoding: number, root: number): number;
}
