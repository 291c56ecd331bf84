/**
 * Values between RESP and the module's ABI, in which a value is one type byte, a length or count of 4 bytes
 * (little endian) and its content:
 *
 *   | 2 | 5 0 0 0 | h e l l o |          | 3 | 2 0 0 0 | item | item |
 *
 * Integers take 8 bytes, doubles 8, booleans 1; a map counts its pairs.
 */
import { formatDouble } from '../structures/double.ts';
import type { Reply } from '../wire/reply.ts';

const NULL = 0;
const INTEGER = 1;
const BULK = 2;
const ARRAY = 3;
const STATUS = 4;
const ERROR = 5;
const SCRIPT_ERROR = 6;
const BOOLEAN = 7;
const DOUBLE = 8;
const MAP = 9;
const SET = 10;
const BIG_NUMBER = 11;
const VERBATIM = 12;

const HEAD_BYTES = 5;
const LINE_BYTES_MAX = 32;
const INITIAL_BYTES = 16 * 1024;
/** A larger buffer is given back after the reply. */
const BYTES_KEPT = 1024 * 1024;
/** `txt:` before the text of a verbatim string. */
const FORMAT_BYTES = 3;

/** Replies of commands on their way to a script. */
export class ValueEncoder {
  bytes: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  end = 0;
  #from: Buffer = Buffer.alloc(0);
  #at = 0;

  /** Turns the reply from[0, …), which is whole, into bytes[0, end). */
  encode(from: Buffer): void {
    if (this.bytes.length > BYTES_KEPT) this.bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
    this.#from = from;
    this.#at = 0;
    this.end = 0;
    this.#value();
  }

  #value(): void {
    const type = this.#from[this.#at++];
    switch (type) {
      case 36: // $
        this.#bulk(this.#count());
        break;
      case 42: // *
      case 62: // >
        this.#many(ARRAY, this.#count(), 1);
        break;
      case 37: // %
        this.#many(MAP, this.#count(), 2);
        break;
      case 126: // ~
        this.#many(SET, this.#count(), 1);
        break;
      case 61: // =
        this.#verbatim(this.#count());
        break;
      case 124: // |
        this.#attribute(this.#count());
        break;
      default:
        this.#scalar(type, this.#line());
    }
  }

  /** What is one line. */
  #scalar(type: number, line: string): void {
    switch (type) {
      case 58: // :
        this.#integer(line);
        break;
      case 43: // +
        this.#text(STATUS, line);
        break;
      case 45: // -
        this.#text(ERROR, line);
        break;
      case 95: // _
        this.#head(NULL, 0);
        break;
      case 35: // #
        this.#head(BOOLEAN, 1);
        this.bytes[this.end++] = line === 't' ? 1 : 0;
        break;
      case 44: // ,
        this.#head(DOUBLE, 8);
        this.end = this.bytes.writeDoubleLE(doubleOf(line), this.end);
        break;
      case 40: // (
        this.#text(BIG_NUMBER, line);
        break;
      default:
        throw new Error(`a reply of type ${type}`);
    }
  }

  #integer(text: string): void {
    this.#head(INTEGER, 8);
    this.end = this.bytes.writeBigInt64LE(BigInt(text), this.end);
  }

  #bulk(length: number): void {
    if (length < 0) {
      this.#head(NULL, 0);
      return;
    }
    this.#head(BULK, length);
    this.#copy(length);
    this.#at += 2;
  }

  #many(type: number, count: number, each: number): void {
    if (count < 0) {
      this.#head(NULL, 0);
      return;
    }
    this.#head(type, count);
    for (let item = 0; item < count * each; item++) this.#value();
  }

  #text(type: number, text: string): void {
    this.#head(type, text.length);
    this.#reserve(text.length);
    this.end += this.bytes.latin1Write(text, this.end);
  }

  #verbatim(length: number): void {
    this.#head(VERBATIM, length + 3);
    this.end = this.bytes.writeUInt32LE(FORMAT_BYTES, this.end);
    this.#copy(FORMAT_BYTES);
    this.#at++;
    this.#copy(length - FORMAT_BYTES - 1);
    this.#at += 2;
  }

  /** Scripts do not see attributes, only the value after them. */
  #attribute(count: number): void {
    const { end } = this;
    for (let item = 0; item < count * 2; item++) this.#value();
    this.end = end;
    this.#value();
  }

  #count(): number {
    return Number(this.#line());
  }

  /** The rest of the line, one character a byte. */
  #line(): string {
    const end = this.#from.indexOf('\r\n', this.#at, 'latin1');
    const text = this.#from.latin1Slice(this.#at, end);
    this.#at = end + 2;
    return text;
  }

  #head(type: number, count: number): void {
    this.#reserve(HEAD_BYTES + LINE_BYTES_MAX);
    this.bytes[this.end++] = type;
    this.end = this.bytes.writeUInt32LE(count, this.end);
  }

  #copy(length: number): void {
    this.#reserve(length);
    this.#from.copy(this.bytes, this.end, this.#at, this.#at + length);
    this.end += length;
    this.#at += length;
  }

  #reserve(more: number): void {
    if (this.end + more <= this.bytes.length) return;
    const next = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.end + more));
    this.bytes.copy(next, 0, 0, this.end);
    this.bytes = next;
  }
}

function doubleOf(text: string): number {
  if (text === 'inf') return Number.POSITIVE_INFINITY;
  if (text === '-inf') return Number.NEGATIVE_INFINITY;
  return Number(text);
}

/** How a script ended, as the ABI tells it: the message with its code. */
export interface AbiFailure {
  readonly message: string;
  readonly line: number;
}

/** Writes the value at `at` into `out`; when it says that the script failed, that is returned instead. */
export function writeValue(bytes: Buffer, at: number, out: Reply): AbiFailure | undefined {
  if (bytes[at] === SCRIPT_ERROR) {
    const length = bytes.readUInt32LE(at + 1);
    const start = at + HEAD_BYTES;
    return { line: bytes.readUInt32LE(start), message: textOf(bytes, start + 4, start + length) };
  }
  writeOne(bytes, at, out);
  return undefined;
}

/** The words of the engine for a function and other things that are no value: nothing, in Redis. */
const NO_VALUE = Buffer.from('ERR unsupported Lua return type');

/** True when the value at `at` is nothing that can be written. */
export function isNothing(bytes: Buffer, at: number): boolean {
  if (bytes[at] !== ERROR) return false;
  const start = at + HEAD_BYTES;
  return bytes.compare(NO_VALUE, 0, NO_VALUE.length, start, start + NO_VALUE.length) === 0;
}

/** The engine ends some texts with the zero of C. */
function textOf(bytes: Buffer, start: number, end: number): string {
  return bytes.utf8Slice(start, end > start && bytes[end - 1] === 0 ? end - 1 : end);
}

/** Returns the position after the value. */
function writeOne(bytes: Buffer, at: number, out: Reply): number {
  const type = bytes[at];
  const count = bytes.readUInt32LE(at + 1);
  const start = at + HEAD_BYTES;
  const end = start + count;
  switch (type) {
    case NULL:
      out.nullBulk();
      return start;
    case INTEGER:
      writeInteger(bytes.readBigInt64LE(start), out);
      return start + 8;
    case BULK:
      out.bulkRange(bytes, start, end);
      return end;
    case STATUS:
      out.simple(textOf(bytes, start, end).replace(/[\r\n]/g, ' '));
      return end;
    case ERROR:
      out.error(textOf(bytes, start, end).replace(/[\r\n]+$/, ''));
      return end;
    case BOOLEAN:
      out.boolean(bytes[start] !== 0);
      return start + 1;
    case DOUBLE:
      out.double(formatDouble(bytes.readDoubleLE(start)));
      return start + 8;
    case BIG_NUMBER:
      out.bigNumber(textOf(bytes, start, end).replace(/[\r\n]/g, ' '));
      return end;
    case VERBATIM:
      return writeVerbatim(bytes, start, end, out);
    case MAP:
      out.map(count);
      return writeItems(bytes, start, count * 2, out);
    case SET:
      out.set(count);
      return writeItems(bytes, start, count, out);
    case ARRAY:
      out.array(count);
      return writeItems(bytes, start, count, out);
    default:
      throw new Error(`a value of type ${type}`);
  }
}

function writeItems(bytes: Buffer, start: number, count: number, out: Reply): number {
  let at = start;
  for (let item = 0; item < count; item++) at = writeOne(bytes, at, out);
  return at;
}

const INT64_MAX = (1n << 63n) - 1n;
const INT64_MIN = -(1n << 63n);

/** A number too large for 64 bits is the smallest integer on the processors that Redis runs on. */
function writeInteger(saturated: bigint, out: Reply): void {
  const value = saturated === INT64_MAX ? INT64_MIN : saturated;
  const number = Number(value);
  if (Number.isSafeInteger(number)) out.integer(number);
  else out.integer64(value);
}

function writeVerbatim(bytes: Buffer, start: number, end: number, out: Reply): number {
  const formatEnd = start + 4 + bytes.readUInt32LE(start);
  out.verbatimBytes(bytes.latin1Slice(start + 4, formatEnd), bytes.subarray(formatEnd, end));
  return end;
}
