/**
 * Finds where the replication stream may be cut: behind a command outside of a transaction, or behind EXEC.
 *
 *   *3 SET a 1 | *1 PING | *1 MULTI  *2 INCR b  *1 EXEC | *2 DEL ..
 *              ^         ^                              ^            ends of units
 *
 * Only whole units are applied and counted, so a link that breaks inside of one continues at its beginning,
 * and nothing is applied twice or by half. The scanner keeps its place between calls and looks at no byte
 * twice.
 */

/** The stream is no sequence of commands: whoever sent it is no primary, or a bug. */
export class StreamError extends Error {}

const ARGUMENTS_MAX = 1024 * 1024;
const BULK_BYTES_MAX = 512 * 1024 * 1024;
const LINE_BYTES_MAX = 32;
const STAR = 42;
const DOLLAR = 36;
const MULTI = 'MULTI';
const EXEC = 'EXEC';

export class StreamScanner {
  /** Bytes looked at since the end of the last unit: the scan goes on there. */
  #seen = 0;
  /** Bulk strings left of the current command; -1 between commands. */
  #argumentsLeft = -1;
  #isName = false;
  #isLoneWord = false;
  #inTransaction = false;
  #bulkLength = -1;

  /** Forgets what was begun. */
  reset(): void {
    this.#seen = 0;
    this.#argumentsLeft = -1;
    this.#bulkLength = -1;
    this.#inTransaction = false;
  }

  /**
   * `start` is the end of the last unit (so bytes that were scanned before are given again, with more behind
   * them). Returns the end of the last unit in bytes[start, end), which is `start` when there is none.
   */
  scan(bytes: Uint8Array, start: number, end: number): number {
    let unitEnd = start;
    let at = start + this.#seen;
    while (at < end) {
      const next = this.#bulkLength >= 0 ? this.#bulk(bytes, at, end) : this.#header(bytes, at, end);
      if (next === at) break;
      at = next;
      if (this.#argumentsLeft === 0) {
        this.#argumentsLeft = -1;
        if (!this.#inTransaction) unitEnd = at;
      } else if (this.#argumentsLeft === -1 && !this.#inTransaction) unitEnd = at;
    }
    this.#seen = at - unitEnd;
    return unitEnd;
  }

  /** `*n`, `$n` or an empty line between commands. Returns `at` when the line is not whole. */
  #header(bytes: Uint8Array, at: number, end: number): number {
    const first = bytes[at] as number;
    if (this.#argumentsLeft === -1 && (first === 10 || first === 13)) return at + 1;
    const expected = this.#argumentsLeft === -1 ? STAR : DOLLAR;
    if (first !== expected) throw new StreamError(`unexpected byte ${first} in the replication stream`);
    let value = 0;
    let here = at + 1;
    for (; here < end; here++) {
      const byte = bytes[here] as number;
      if (byte === 13) break;
      if (byte < 48 || byte > 57 || here - at > LINE_BYTES_MAX) {
        throw new StreamError('a length in the replication stream is no number');
      }
      value = value * 10 + byte - 48;
    }
    if (here + 1 >= end) return at;
    if (expected === STAR) {
      if (value > ARGUMENTS_MAX)
        throw new StreamError(`a command of ${value} arguments in the replication stream`);
      this.#argumentsLeft = value;
      this.#isName = true;
      this.#isLoneWord = value === 1;
    } else {
      if (value > BULK_BYTES_MAX)
        throw new StreamError(`an argument of ${value} bytes in the replication stream`);
      this.#bulkLength = value;
    }
    return here + 2;
  }

  /** The rest of a bulk string with its line end. The name of a command waits until it is whole. */
  #bulk(bytes: Uint8Array, at: number, end: number): number {
    const stop = at + this.#bulkLength + 2;
    if (stop > end) {
      if (this.#isName) return at;
      // At least the line end is left for the next call, so that the length stays non-negative.
      const step = Math.min(end - at, this.#bulkLength);
      this.#bulkLength -= step;
      return at + step;
    }
    if (this.#isName) {
      this.#isName = false;
      if (this.#isLoneWord) this.#loneWord(bytes, at, this.#bulkLength);
    }
    this.#bulkLength = -1;
    this.#argumentsLeft--;
    return stop;
  }

  #loneWord(bytes: Uint8Array, at: number, length: number): void {
    if (length !== MULTI.length && length !== EXEC.length) return;
    const word = String.fromCharCode(...bytes.subarray(at, at + length)).toUpperCase();
    if (word === MULTI) this.#inTransaction = true;
    else if (word === EXEC) this.#inTransaction = false;
  }
}
