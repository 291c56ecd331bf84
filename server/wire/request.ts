/**
 * Parser of requests: RESP arrays of bulk strings, and inline commands. Positions only, no copies:
 * argument i is `bytes[argStart[i], argStart[i] + argLength[i])`. One parser serves all connections, because
 * a command is executed before the next one is parsed.
 */

export const INCOMPLETE = -1;
export const MALFORMED = -2;

const ARGUMENTS_MAX = 1024 * 1024;
const INLINE_BYTES_MAX = 64 * 1024;
const UNAUTHENTICATED_ARGUMENTS_MAX = 10;
const UNAUTHENTICATED_BULK_MAX = 16384;
/** The least that an argument takes: "$0\r\n\r\n". */
const ARGUMENT_BYTES_MIN = 6;
const CR = 13;
const LF = 10;
const STAR = 42;
const DOLLAR = 36;
const MINUS = 45;
const NUL = 0;

export class RequestParser {
  /** Where the arguments lie: the buffer given to `parse`, or an own one for inline commands. */
  bytes: Uint8Array = Buffer.alloc(0);
  argStart: Int32Array = new Int32Array(1024);
  argLength: Int32Array = new Int32Array(1024);
  /** Arguments of the command just parsed; 0 for an empty one, which is skipped. */
  argc = 0;
  /**
   * True when the request's bytes are the canonical encoding of its words, so that they can be passed on as
   * they are.
   */
  canonical = false;
  /** After INCOMPLETE: at least so many more bytes are needed. */
  missing = 1;
  /** After INCOMPLETE within an argument: where its bytes begin. */
  tornStart = 0;
  /** After MALFORMED: the error text without the code. */
  problem = '';
  /** proto-max-bulk-len. */
  bulkBytesMax = 512 * 1024 * 1024;

  #number = 0;
  #numberCanonical = true;

  /**
   * Parses one command of `bytes[at, end)`. Returns the position after it, INCOMPLETE or MALFORMED.
   * Before a client has authenticated, only small requests are taken.
   */
  parse(bytes: Uint8Array, at: number, end: number, authenticated: boolean): number {
    if (bytes[at] !== STAR) return this.#parseInline(bytes, at, end);
    let next = at + 4;
    let count = next <= end ? shortNumber(bytes, at + 1) : 0;
    if (count > 0 && count < 10) this.canonical = true;
    else {
      next = this.#parseNumber(bytes, at + 1, end);
      if (next < 0) return this.#headProblem(next, end - at, 'invalid multibulk length', 'mbulk count');
      count = this.#number;
      this.canonical = this.#numberCanonical;
    }
    if (count > ARGUMENTS_MAX) return this.#fail('invalid multibulk length');
    if (count > UNAUTHENTICATED_ARGUMENTS_MAX && !authenticated) {
      return this.#fail('unauthenticated multibulk length');
    }
    this.argc = 0;
    if (count <= 0) return next;
    if (count > this.argStart.length) this.#growArguments(count);
    const starts = this.argStart;
    const lengths = this.argLength;
    for (let argument = 0; argument < count; argument++) {
      // Most are so short that their length takes one digit or two: found without a call, nothing kept aside.
      const short = next + 5 <= end && bytes[next] === DOLLAR ? shortNumber(bytes, next + 1) : 0;
      if (short > 0) {
        const begin = next + (short < 10 ? 4 : 5);
        if (begin + short + 2 <= end) {
          starts[argument] = begin;
          lengths[argument] = short;
          next = begin + short + 2;
          continue;
        }
      }
      const rest = (count - argument) * ARGUMENT_BYTES_MIN;
      if (next >= end) return this.#wait(rest);
      if (bytes[next] !== DOLLAR) {
        // As everything about a line, this is said when all of it is there.
        if (!hasLineEnd(bytes, next, end)) return this.#headProblem(INCOMPLETE, end - next, '', 'bulk count');
        return this.#fail(`expected '$', got '${printable(bytes[next])}'`);
      }
      const start = this.#parseNumber(bytes, next + 1, end);
      if (start < 0) {
        if (start === INCOMPLETE && end - next <= INLINE_BYTES_MAX) return this.#wait(1);
        return this.#headProblem(start, end - next, 'invalid bulk length', 'bulk count');
      }
      const length = this.#number;
      if (length < 0 || length > this.bulkBytesMax) return this.#fail('invalid bulk length');
      if (length > UNAUTHENTICATED_BULK_MAX && !authenticated) {
        return this.#fail('unauthenticated bulk length');
      }
      if (!this.#numberCanonical) this.canonical = false;
      next = start + length + 2;
      if (next > end) {
        this.tornStart = start;
        return this.#wait(next - end + rest - ARGUMENT_BYTES_MIN);
      }
      starts[argument] = start;
      lengths[argument] = length;
    }
    if (this.bytes !== bytes) this.bytes = bytes;
    this.argc = count;
    return next;
  }

  #wait(missing: number): number {
    this.missing = missing;
    return INCOMPLETE;
  }

  #fail(problem: string): number {
    this.problem = `Protocol error: ${problem}`;
    return MALFORMED;
  }

  #headProblem(result: number, available: number, invalid: string, what: string): number {
    if (result === MALFORMED) return this.#fail(invalid);
    if (available > INLINE_BYTES_MAX) return this.#fail(`too big ${what} string`);
    return this.#wait(1);
  }

  /** A decimal and CRLF. */
  #parseNumber(bytes: Uint8Array, at: number, end: number): number {
    let value = 0;
    let negative = false;
    if (at < end && bytes[at] === MINUS) {
      negative = true;
      at++;
    }
    const digits = at;
    for (; at < end; at++) {
      const digit = bytes[at] - 48;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    if (at >= end) return INCOMPLETE;
    // What is wrong with a line is said when all of it is there.
    if (bytes[at] !== CR || at === digits || at - digits > 18) {
      return hasLineEnd(bytes, at, end) ? MALFORMED : INCOMPLETE;
    }
    if (at + 1 >= end) return INCOMPLETE;
    // Redis looks for CR alone and takes the byte after it as it is.
    this.#number = negative ? -value : value;
    this.#numberCanonical = !negative && bytes[at + 1] === LF && (bytes[digits] !== 48 || at - digits === 1);
    return at + 2;
  }

  #growArguments(count: number): void {
    const size = Math.max(count, this.argStart.length * 2);
    this.argStart = new Int32Array(size);
    this.argLength = new Int32Array(size);
  }

  #parseInline(bytes: Uint8Array, at: number, end: number): number {
    let line = at;
    while (line < end && bytes[line] !== LF && bytes[line] !== NUL) line++;
    // Behind a zero byte Redis sees no line end: it waits for one until the line is too long.
    const complete = bytes[line] === LF && line < end;
    if ((complete ? line : end) - at > INLINE_BYTES_MAX) return this.#fail('too big inline request');
    if (!complete) return this.#wait(1);
    const stop = line > at && bytes[line - 1] === CR ? line - 1 : line;
    const words = splitWords(Buffer.from(bytes.subarray(at, stop)));
    if (words === null) return this.#fail('unbalanced quotes in request');
    if (words.length > this.argStart.length) this.#growArguments(words.length);
    let offset = 0;
    for (let word = 0; word < words.length; word++) {
      this.argStart[word] = offset;
      this.argLength[word] = words[word].length;
      offset += words[word].length;
    }
    this.bytes = Buffer.concat(words);
    this.argc = words.length;
    this.canonical = false;
    return line + 1;
  }
}

/** The canonical number from 1 to 99 that a whole line at `at` is; 0 when it is another. Reads four bytes. */
function shortNumber(bytes: Uint8Array, at: number): number {
  const first = bytes[at] - 48;
  if (first < 1 || first > 9) return 0;
  const next = bytes[at + 1];
  if (next === CR) return bytes[at + 2] === LF ? first : 0;
  const second = next - 48;
  if (second < 0 || second > 9 || bytes[at + 2] !== CR || bytes[at + 3] !== LF) return 0;
  return first * 10 + second;
}

function printable(byte: number): string {
  return byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '?';
}

const ESCAPES: Record<string, number> = { n: 10, r: 13, t: 9, b: 8, a: 7 };

/** Splits a line into words as redis-cli and redis.conf quote them; null when quotes are unbalanced. */
export function splitWords(line: Buffer): Buffer[] | null {
  const words: Buffer[] = [];
  let at = 0;
  for (;;) {
    while (at < line.length && isSpace(line[at])) at++;
    if (at >= line.length) return words;
    const word: number[] = [];
    let quote = 0;
    for (; ; at++) {
      const byte = line[at];
      if (quote === 0) {
        if (at >= line.length || isSpace(byte)) break;
        if (byte === 34 || byte === 39) quote = byte;
        else word.push(byte);
        continue;
      }
      if (at >= line.length) return null;
      if (byte === quote) {
        // A closing quote must end the word.
        if (at + 1 < line.length && !isSpace(line[at + 1])) return null;
        quote = 0;
      } else if (byte === 92 && quote === 34 && at + 1 < line.length) {
        const hex = line.toString('latin1', at + 2, at + 4);
        if (line[at + 1] === 120 && /^[0-9a-fA-F]{2}$/.test(hex)) {
          word.push(Number.parseInt(hex, 16));
          at += 3;
        } else {
          at++;
          word.push(ESCAPES[String.fromCharCode(line[at])] ?? line[at]);
        }
      } else if (byte === 92 && quote === 39 && line[at + 1] === 39) {
        word.push(39);
        at++;
      } else word.push(byte);
    }
    words.push(Buffer.from(word));
  }
}

function isSpace(byte: number): boolean {
  return byte === 32 || (byte >= 9 && byte <= 13) || byte === 0;
}

function hasLineEnd(bytes: Uint8Array, at: number, end: number): boolean {
  for (let place = at; place < end; place++) if (bytes[place] === CR) return true;
  return false;
}
