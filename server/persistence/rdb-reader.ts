/**
 * Reads RDB as it arrives: `feed` takes chunks of any size, records reach the visitor as soon as they are
 * whole. A record that is cut by the end of a chunk is started again with the next one; `#needed` says how
 * many bytes it wants at least, so that a value of many chunks is joined once, not once a chunk. The format:
 * rdb-format.ts.
 *
 * Every failure is an `RdbError` that names the offset of the record. Nothing is skipped that holds data:
 * types and opcodes this server does not know are refused by name.
 */
import { Crc64 } from '../structures/crc64.ts';
import { lzfDecompress } from '../structures/lzf.ts';
import * as format from './rdb-format.ts';

/** What is wrong with a file; `offset` in bytes from its start. */
export class RdbError extends Error {
  readonly offset: number;
  constructor(message: string, offset: number) {
    super(message);
    this.name = 'RdbError';
    this.offset = offset;
  }
}

/** A string key; one object for all, its bytes are valid only during the call. -1 stands for "not given". */
export interface StringRecord {
  key: Uint8Array;
  value: Uint8Array;
  expireAtMs: number;
  idleSeconds: number;
  frequency: number;
}

/** Takes what the reader finds. A method that throws ends the reading; its error passes through. */
export interface RdbVisitor {
  /** A field of the header, such as redis-ver, repl-id, aof-base. */
  aux(name: string, value: string): void;
  selectDatabase(index: number): void;
  /** How many keys the database has, a hint. */
  resize(keys: number, expires: number): void;
  string(record: StringRecord): void;
}

const NEED_MORE: unique symbol = Symbol('more bytes are needed');
const EMPTY = new Uint8Array(0);
const MAGIC_BYTES = 9;
const LZF_RATIO_MAX = 264;
const decoder = new TextDecoder();
const latin1 = new TextDecoder('latin1');
const encoder = new TextEncoder();

/** A key as a message may show it. */
function printable(bytes: Uint8Array): string {
  const shown = latin1.decode(bytes.subarray(0, 64)).replace(/[^\x20-\x7e]/g, '?');
  return bytes.length > 64 ? `${shown}…` : shown;
}

export class RdbReader {
  /** From the header, 0 before it was read. */
  version = 0;
  /** The file ended with EOF and, where there is one, a right checksum. */
  done = false;
  readonly #visitor: RdbVisitor;
  readonly #verify: boolean;
  readonly #crc = new Crc64();
  #bytes: Uint8Array = EMPTY;
  #at = 0;
  /** Offset of #bytes[0] in the file. */
  #base = 0;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #needed = 0;
  #encoding = -1;
  #highLength = 0;
  readonly #record: StringRecord = {
    key: EMPTY,
    value: EMPTY,
    expireAtMs: -1,
    idleSeconds: -1,
    frequency: -1,
  };

  /** `verify`: whether a wrong checksum is an error (`rdbchecksum`). */
  constructor(visitor: RdbVisitor, verify: boolean) {
    this.#visitor = visitor;
    this.#verify = verify;
  }

  /** Offset behind the last whole record. */
  get offset(): number {
    return this.#base + this.#at;
  }

  /** Takes the next bytes of the file. Returns how many of them lie behind its end: 0 as a rule. */
  feed(chunk: Uint8Array): number {
    if (this.done) return chunk.length;
    this.#waiting.push(chunk);
    this.#waitingBytes += chunk.length;
    const rest = this.#bytes.length - this.#at;
    if (rest + this.#waitingBytes < this.#needed) return 0;
    const joined =
      rest === 0 && this.#waiting.length === 1 ? chunk : new Uint8Array(rest + this.#waitingBytes);
    if (joined !== chunk) {
      joined.set(this.#bytes.subarray(this.#at));
      let to = rest;
      for (const part of this.#waiting) {
        joined.set(part, to);
        to += part.length;
      }
    }
    this.#base += this.#at;
    this.#bytes = joined;
    this.#at = 0;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#parse();
    return this.done ? this.#bytes.length - this.#at : 0;
  }

  /** Says that no more bytes come: an error unless the file was whole. */
  end(): void {
    if (this.done) return;
    const rest = this.#bytes.length - this.#at + this.#waitingBytes;
    throw new RdbError(`Short read: the RDB ends ${rest} bytes into a record, without EOF`, this.offset);
  }

  #parse(): void {
    while (!this.done) {
      const start = this.#at;
      try {
        if (this.version === 0) this.#header();
        else this.#next();
      } catch (error) {
        if (error !== NEED_MORE) throw this.#located(error, start);
        this.#at = start;
        this.#needed -= start;
        return;
      }
      this.#needed = 0;
      if (!this.done) this.#crc.update(this.#bytes, start, this.#at);
    }
  }

  #located(error: unknown, start: number): unknown {
    if (error instanceof RdbError && error.offset < 0) return new RdbError(error.message, this.#base + start);
    return error;
  }

  #header(): void {
    const at = this.#take(MAGIC_BYTES);
    const magic = latin1.decode(this.#bytes.subarray(at, at + MAGIC_BYTES));
    const match = /^(REDIS|VALKEY)(\d+)$/.exec(magic);
    if (match === null) throw new RdbError('Wrong signature trying to load DB from file', 0);
    const version = Number(match[2]);
    const known =
      match[1] === 'REDIS'
        ? version >= format.RDB_VERSION_MIN && version <= format.RDB_VERSION_MAX
        : version === format.VALKEY_RDB_VERSION;
    if (!known) throw new RdbError(`Can't handle RDB format version ${version} of ${match[1]}`, 0);
    this.version = version;
  }

  /** One record with everything that stands before it. */
  #next(): void {
    const record = this.#record;
    record.expireAtMs = -1;
    record.idleSeconds = -1;
    record.frequency = -1;
    for (;;) {
      const type = this.#bytes[this.#take(1)];
      switch (type) {
        case format.OPCODE_EXPIRE_MS:
          record.expireAtMs = this.#milliseconds();
          continue;
        case format.OPCODE_EXPIRE_SECONDS:
          record.expireAtMs = (this.#littleEndian32() | 0) * 1000;
          continue;
        case format.OPCODE_IDLE:
          record.idleSeconds = this.#length();
          continue;
        case format.OPCODE_FREQUENCY:
          record.frequency = this.#bytes[this.#take(1)];
          continue;
        case format.TYPE_STRING:
          record.key = this.#string();
          record.value = this.#string();
          this.#visitor.string(record);
          return;
        default:
          if (type >= format.OPCODE_SLOT_IMPORT) this.#opcode(type);
          else this.#refuse(type);
          return;
      }
    }
  }

  #opcode(opcode: number): void {
    switch (opcode) {
      case format.OPCODE_SELECTDB:
        this.#visitor.selectDatabase(this.#length());
        return;
      case format.OPCODE_RESIZEDB: {
        const keys = this.#length();
        this.#visitor.resize(keys, this.#length());
        return;
      }
      case format.OPCODE_AUX: {
        const name = decoder.decode(this.#string());
        this.#visitor.aux(name, decoder.decode(this.#string()));
        return;
      }
      case format.OPCODE_SLOT_INFO:
        if (this.version >= format.VALKEY_RDB_VERSION || this.version >= 12) {
          for (let k = 0; k < 3; k += 1) this.#length();
          return;
        }
        break;
      case format.OPCODE_FUNCTION2: {
        const code = latin1.decode(this.#string().subarray(0, 200));
        const name = /name\s*=\s*['"]?(\w+)/.exec(code)?.[1] ?? 'without a name';
        throw new RdbError(`Function library '${name}' found, and functions are not supported`, -1);
      }
      case format.OPCODE_MODULE_AUX:
        throw new RdbError(
          `The RDB file contains AUX module data I can't load: no matching module '${this.#moduleName()}'`,
          -1,
        );
      case format.OPCODE_EOF:
        this.#eof();
        return;
    }
    throw new RdbError(`Unknown RDB opcode ${opcode} in a file of version ${this.version}`, -1);
  }

  #refuse(type: number): never {
    const name = format.rdbTypeName(type, this.version);
    if (name === 'unknown') {
      throw new RdbError(`Unknown RDB encoding type ${type} in a file of version ${this.version}`, -1);
    }
    const key = printable(this.#string());
    throw new RdbError(`Key '${key}' is a ${name} (RDB type ${type}), which is not supported`, -1);
  }

  /** Nine characters of six bits each in the upper 54 bits of the module's id. */
  #moduleName(): string {
    const low = this.#length();
    let id = (BigInt(this.#highLength) << 32n) | BigInt(low >>> 0);
    id >>= 10n;
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    let name = '';
    for (let k = 0; k < 9; k += 1, id >>= 6n) name = alphabet[Number(id & 63n)] + name;
    return name;
  }

  #eof(): void {
    if (this.version < format.RDB_VERSION_CHECKSUM) {
      this.done = true;
      return;
    }
    const at = this.#take(8);
    this.#crc.update(this.#bytes, at - 1, at);
    this.done = true;
    if (!this.#verify || this.#crc.equals(this.#bytes, at)) return;
    const found = Buffer.from(this.#bytes.slice(at, at + 8).reverse()).toString('hex');
    if (found === '0'.repeat(16)) return;
    throw new RdbError(`Wrong RDB checksum expected: (${this.#crc}) but got (${found})`, -1);
  }

  /** Moves on by `count` bytes and returns where they start. */
  #take(count: number): number {
    const at = this.#at;
    if (this.#bytes.length - at < count) {
      this.#needed = at + count;
      throw NEED_MORE;
    }
    this.#at = at + count;
    return at;
  }

  /**
   * A plain length. An encoded one, allowed for strings only, leaves its number in #encoding and returns -1.
   */
  #lengthOrEncoding(): number {
    const first = this.#bytes[this.#take(1)];
    this.#highLength = 0;
    if (first < format.LENGTH_14) return first;
    if (first < format.LENGTH_32) return ((first & 63) << 8) | this.#bytes[this.#take(1)];
    if (first === format.LENGTH_32) return this.#bigEndian32();
    if (first === format.LENGTH_64) {
      this.#highLength = this.#bigEndian32();
      return this.#highLength * 0x1_0000_0000 + this.#bigEndian32();
    }
    if (first < format.ENCODED_INT8) throw new RdbError(`Unknown length encoding ${first}`, -1);
    this.#encoding = first;
    return -1;
  }

  #length(): number {
    const length = this.#lengthOrEncoding();
    if (length < 0)
      throw new RdbError(`A length is expected and a string encoding ${this.#encoding} found`, -1);
    return length;
  }

  #string(): Uint8Array {
    const length = this.#lengthOrEncoding();
    if (length >= 0) {
      this.#checkStringBytes(length);
      const at = this.#take(length);
      return this.#bytes.subarray(at, at + length);
    }
    switch (this.#encoding) {
      case format.ENCODED_INT8:
        return encoder.encode(String((this.#bytes[this.#take(1)] << 24) >> 24));
      case format.ENCODED_INT16: {
        const at = this.#take(2);
        return encoder.encode(String(((this.#bytes[at] | (this.#bytes[at + 1] << 8)) << 16) >> 16));
      }
      case format.ENCODED_INT32:
        return encoder.encode(String(this.#littleEndian32() | 0));
      case format.ENCODED_LZF:
        return this.#packed();
    }
    throw new RdbError(`Unknown RDB string encoding type ${this.#encoding & 63}`, -1);
  }

  #packed(): Uint8Array {
    const packed = this.#length();
    const length = this.#length();
    this.#checkStringBytes(Math.max(packed, length));
    if (length > packed * LZF_RATIO_MAX) throw new RdbError('Invalid LZF compressed string: too long', -1);
    const at = this.#take(packed);
    const out = new Uint8Array(length);
    if (!lzfDecompress(this.#bytes, at, at + packed, out, 0, length)) {
      throw new RdbError('Invalid LZF compressed string', -1);
    }
    return out;
  }

  #checkStringBytes(length: number): void {
    if (length <= format.STRING_BYTES_MAX) return;
    throw new RdbError(`A string of ${length} bytes is longer than ${format.STRING_BYTES_MAX}`, -1);
  }

  #bigEndian32(): number {
    const at = this.#take(4);
    const bytes = this.#bytes;
    return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0;
  }

  #littleEndian32(): number {
    const at = this.#take(4);
    const bytes = this.#bytes;
    return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
  }

  /** An int64 in ms. Beyond 2^53 no exact number stands for it, and no clock reaches it. */
  #milliseconds(): number {
    const low = this.#littleEndian32();
    const high = this.#littleEndian32() | 0;
    const value = high * 0x1_0000_0000 + low;
    if (!Number.isSafeInteger(value)) throw new RdbError('An expiry is out of range', -1);
    return Math.max(value, 0);
  }
}
