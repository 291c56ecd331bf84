/**
 * Writer of replies in RESP 2 or 3, into one buffer that all commands of a turn share. A segment of it goes
 * to each connection in one write when the turn ends.
 */

const CR = 13;
const LF = 10;
const INITIAL_BYTES = 64 * 1024;

/**
 * All replies to one client in one turn: more than any client reads at once, less than the memory of a
 * server.
 */
export const REPLY_BYTES_MAX = 2 ** 31;

const OK = Buffer.from('+OK\r\n');
const QUEUED = Buffer.from('+QUEUED\r\n');
const PONG = Buffer.from('+PONG\r\n');
const NULL_BULK = Buffer.from('$-1\r\n');
const NULL_ARRAY = Buffer.from('*-1\r\n');
const NULL_3 = Buffer.from('_\r\n');

export class Reply {
  buffer: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  /** Where the next byte goes. */
  at = 0;
  /** Where the replies of the client that is being answered begin, and how far they may go. */
  floor = 0;
  atMax = REPLY_BYTES_MAX;
  /** They went further: they will not be sent, and who writes many elements may stop. */
  full = false;
  /** RESP version of the client that is being answered. */
  protocol: 2 | 3 = 2;
  /** Errors written since `clearErrors`: a command that answered with one is counted as failed. */
  errors = 0;
  /** The last error's first word. */
  lastErrorCode = '';

  /** Makes room for `bytes` more. */
  reserve(bytes: number): void {
    if (this.at + bytes > this.buffer.length) this.#grow(bytes);
  }

  /** Beyond the bound nothing is sent any more: what is written then goes over what was. */
  #grow(bytes: number): void {
    if (this.at + bytes > this.atMax) {
      this.full = true;
      this.at = this.floor;
    }
    if (this.at + bytes <= this.buffer.length) return;
    const next = Buffer.allocUnsafeSlow(Math.max(this.buffer.length * 2, this.at + bytes));
    this.buffer.copy(next, 0, 0, this.at);
    this.buffer = next;
  }

  /** Starts over with a fresh buffer, because the kernel still reads from the old one, or with the same. */
  reset(fresh: boolean): void {
    this.at = 0;
    if (fresh || this.buffer.length > 16 * INITIAL_BYTES) this.buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  }

  /** Bytes as they are. */
  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    const buffer = this.buffer;
    let at = this.at;
    if (bytes.length <= 32) for (let from = 0; from < bytes.length; from++) buffer[at++] = bytes[from];
    else {
      buffer.set(bytes, at);
      at += bytes.length;
    }
    this.at = at;
  }

  ok(): void {
    this.raw(OK);
  }

  queued(): void {
    this.raw(QUEUED);
  }

  pong(): void {
    this.raw(PONG);
  }

  nullBulk(): void {
    this.raw(this.protocol === 3 ? NULL_3 : NULL_BULK);
  }

  nullArray(): void {
    this.raw(this.protocol === 3 ? NULL_3 : NULL_ARRAY);
  }

  /** A status line; `text` holds no CR or LF. */
  simple(text: string): void {
    this.#line(43, text);
  }

  /** `text` begins with the code, as in `ERR syntax error`. CR and LF become spaces. */
  error(text: string): void {
    this.errors++;
    const space = text.indexOf(' ');
    this.lastErrorCode = space < 0 ? text : text.slice(0, space);
    this.#line(45, text.replace(/[\r\n]+/g, ' '));
  }

  integer(value: number): void {
    this.#head(58, value);
  }

  /** Integers beyond 2^53. */
  integer64(value: bigint): void {
    this.#line(58, value.toString());
  }

  bulk(bytes: Uint8Array): void {
    this.bulkRange(bytes, 0, bytes.length);
  }

  bulkRange(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    this.bulkHead(length);
    const buffer = this.buffer;
    let at = this.at;
    if (length <= 48) while (start < end) buffer[at++] = bytes[start++];
    else {
      Buffer.prototype.copy.call(bytes, buffer, at, start, end);
      at += length;
    }
    buffer[at] = CR;
    buffer[at + 1] = LF;
    this.at = at + 2;
  }

  /** The head of a bulk string of `length` bytes, with room for all of it; the caller fills and ends it. */
  bulkHead(length: number): void {
    this.reserve(length + 32);
    this.#head(36, length);
  }

  /** Ends a bulk string that was filled by hand. */
  crlf(): void {
    this.reserve(2);
    this.buffer[this.at++] = CR;
    this.buffer[this.at++] = LF;
  }

  bulkText(text: string): void {
    const length = Buffer.byteLength(text);
    this.bulkHead(length);
    this.at += this.buffer.utf8Write(text, this.at);
    this.crlf();
  }

  bulkLatin1(text: string): void {
    this.bulkHead(text.length);
    this.at += this.buffer.latin1Write(text, this.at);
    this.crlf();
  }

  array(length: number): void {
    this.#head(42, length);
  }

  /** `pairs` keys and values follow. */
  map(pairs: number): void {
    if (this.protocol === 3) this.#head(37, pairs);
    else this.#head(42, pairs * 2);
  }

  set(length: number): void {
    this.#head(this.protocol === 3 ? 126 : 42, length);
  }

  push(length: number): void {
    this.#head(this.protocol === 3 ? 62 : 42, length);
  }

  /** Puts an array's head before what was written since `at` was the end: where the length shows late. */
  arrayBefore(at: number, length: number): void {
    this.#headBefore(at, 42, length);
  }

  /** Like `arrayBefore`, for a map of `pairs` keys and values. */
  mapBefore(at: number, pairs: number): void {
    if (this.protocol === 3) this.#headBefore(at, 37, pairs);
    else this.#headBefore(at, 42, pairs * 2);
  }

  /** A double: RESP 3 type or bulk string. `text` is the shortest form. */
  double(text: string): void {
    if (this.protocol === 3) this.#line(44, text);
    else this.bulkLatin1(text);
  }

  boolean(value: boolean): void {
    if (this.protocol === 3) this.#line(35, value ? 't' : 'f');
    else this.integer(value ? 1 : 0);
  }

  /** Text for people: a verbatim string in RESP 3. */
  verbatim(text: string): void {
    if (this.protocol === 2) {
      this.bulkText(text);
      return;
    }
    this.#head(61, Buffer.byteLength(text) + 4);
    this.reserve(text.length * 3 + 8);
    this.at += this.buffer.latin1Write('txt:', this.at);
    this.at += this.buffer.utf8Write(text, this.at);
    this.crlf();
  }

  /** A verbatim string of three letters `format`; a bulk string in RESP 2. */
  verbatimBytes(format: string, bytes: Uint8Array): void {
    if (this.protocol === 2) {
      this.bulk(bytes);
      return;
    }
    this.#head(61, bytes.length + format.length + 1);
    this.reserve(bytes.length + 16);
    this.at += this.buffer.latin1Write(`${format}:`, this.at);
    this.buffer.set(bytes, this.at);
    this.at += bytes.length;
    this.crlf();
  }

  /** An integer of any size, given in decimal; a bulk string in RESP 2. */
  bigNumber(text: string): void {
    if (this.protocol === 3) this.#line(40, text);
    else this.bulkText(text);
  }

  #headBefore(at: number, type: number, value: number): void {
    const end = this.at;
    this.#head(type, value);
    const size = this.at - end;
    const { buffer } = this;
    buffer.copyWithin(at + size, at, end);
    this.at = at;
    this.#head(type, value);
    this.at = end + size;
  }

  #line(type: number, text: string): void {
    this.reserve(text.length * 3 + 3);
    this.buffer[this.at++] = type;
    this.at += this.buffer.utf8Write(text, this.at);
    this.crlf();
  }

  /** Type byte, decimal, CRLF. */
  #head(type: number, value: number): void {
    this.reserve(32);
    const buffer = this.buffer;
    let at = this.at;
    buffer[at++] = type;
    if (value >= 0 && value < 10) buffer[at++] = 48 + value;
    else if (value >= 0 && value <= 0x7fffffff) {
      let digits = value < 100 ? 2 : value < 1000 ? 3 : decimalDigits(value);
      at += digits;
      let rest = value;
      for (let to = at; digits > 0; digits--) {
        const quotient = (rest / 10) | 0;
        buffer[--to] = 48 + rest - quotient * 10;
        rest = quotient;
      }
    } else at += buffer.latin1Write(String(value), at);
    buffer[at] = CR;
    buffer[at + 1] = LF;
    this.at = at + 2;
  }
}

function decimalDigits(value: number): number {
  let digits = 4;
  for (let limit = 10000; value >= limit && digits < 10; limit *= 10) digits++;
  return digits;
}
