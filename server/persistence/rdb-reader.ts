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
import type { DetachedValue } from '../values/value-type.ts';
import type { Codecs } from './codecs/codecs.ts';
import * as format from './rdb-format.ts';
import { NEED_MORE, printable, RdbError, RdbSource } from './rdb-source.ts';
import type { ValueCodec, ValueDecoder } from './value-codec.ts';

/** What stands before a value; one object for all, valid only during the call. -1 stands for "not given". */
export interface KeyRecord {
  key: Uint8Array;
  expireAtMs: number;
  idleSeconds: number;
  frequency: number;
}

/** Takes what the reader finds. A method that throws ends the reading; its error passes through. */
export interface RdbVisitor {
  /** A field of the header, such as redis-ver, repl-id, aof-base. */
  aux(name: string, value: string): void;
  /** The code of a library of functions; valid only during the call. */
  library(code: Uint8Array): void;
  selectDatabase(index: number): void;
  /** How many keys the database has, a hint. */
  resize(keys: number, expires: number): void;
  /** The value's bytes are valid only during the call. */
  string(record: KeyRecord, value: Uint8Array): void;
  /** A value of another type, the visitor's from now on; root 0: it was empty. */
  value(record: KeyRecord, type: number, value: DetachedValue): void;
}

const EMPTY = new Uint8Array(0);
const MAGIC_BYTES = 9;
const decoder = new TextDecoder();
const latin1 = new TextDecoder('latin1');

interface OpenValue {
  readonly rdbType: number;
  readonly codec: ValueCodec;
  readonly decoder: ValueDecoder;
}

export class RdbReader {
  /** From the header, 0 before it was read. */
  version = 0;
  /** The file ended with EOF and, where there is one, a right checksum. */
  done = false;
  readonly #visitor: RdbVisitor;
  readonly #verify: boolean;
  readonly #crc = new Crc64();
  readonly #codecs: Codecs;
  readonly #source = new RdbSource();
  /** Offset of the source's first byte in the file, and up to where the checksum has them. */
  #base = 0;
  #checked = 0;
  /** The value that is being read, element by element. */
  #open: OpenValue | null = null;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  readonly #record: KeyRecord = {
    key: EMPTY,
    expireAtMs: -1,
    idleSeconds: -1,
    frequency: -1,
  };

  /** `verify`: whether a wrong checksum is an error (`rdbchecksum`). */
  constructor(visitor: RdbVisitor, verify: boolean, codecs: Codecs) {
    this.#codecs = codecs;
    this.#visitor = visitor;
    this.#verify = verify;
  }

  /** Offset behind the last whole step: a record, or an element of one. */
  get offset(): number {
    return this.#base + this.#source.at;
  }

  /** Takes the next bytes of the file. Returns how many of them lie behind its end: 0 as a rule. */
  feed(chunk: Uint8Array): number {
    if (this.done) return chunk.length;
    const source = this.#source;
    this.#waiting.push(chunk);
    this.#waitingBytes += chunk.length;
    const rest = source.bytes.length - source.at;
    if (rest + this.#waitingBytes < source.needed) return 0;
    const joined =
      rest === 0 && this.#waiting.length === 1 ? chunk : new Uint8Array(rest + this.#waitingBytes);
    if (joined !== chunk) {
      joined.set(source.bytes.subarray(source.at));
      let to = rest;
      for (const part of this.#waiting) {
        joined.set(part, to);
        to += part.length;
      }
    }
    this.#base += source.at;
    source.bytes = joined;
    source.at = 0;
    this.#checked = 0;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#parse();
    return this.done ? source.bytes.length - source.at : 0;
  }

  /** Says that no more bytes come: an error unless the file was whole. */
  end(): void {
    if (this.done) return;
    const source = this.#source;
    const rest = source.bytes.length - source.at + this.#waitingBytes;
    throw new RdbError(`Short read: the RDB ends ${rest} bytes into a record, without EOF`, this.offset);
  }

  /** Frees what a value that is not whole holds; nothing may be fed any more. */
  abandon(): void {
    this.#open?.decoder.abandon();
    this.#open = null;
  }

  #parse(): void {
    const source = this.#source;
    while (!this.done) {
      const start = source.at;
      try {
        if (this.#open !== null) this.#element(this.#open);
        else if (this.version === 0) this.#header();
        else this.#next();
      } catch (error) {
        if (error !== NEED_MORE) {
          this.abandon();
          throw this.#located(error, start);
        }
        source.at = start;
        source.needed -= start;
        break;
      }
      source.needed = 0;
    }
    if (!this.done) this.#check(source.at);
  }

  /** The checksum takes in all bytes before `end`. */
  #check(end: number): void {
    if (end > this.#checked) this.#crc.update(this.#source.bytes, this.#checked, end);
    this.#checked = end;
  }

  #element(open: OpenValue): void {
    try {
      if (!open.decoder.step(this.#source)) return;
    } catch (error) {
      if (!(error instanceof RdbError)) throw error;
      throw new RdbError(format.damageText(open.rdbType, error.message), error.offset);
    }
    this.#open = null;
    this.#visitor.value(this.#record, open.codec.type, open.decoder.result());
  }

  #located(error: unknown, start: number): unknown {
    if (error instanceof RdbError && error.offset < 0) return new RdbError(error.message, this.#base + start);
    return error;
  }

  #header(): void {
    const at = this.#source.take(MAGIC_BYTES);
    const magic = latin1.decode(this.#source.bytes.subarray(at, at + MAGIC_BYTES));
    const match = /^(REDIS|VALKEY)(\d+)$/.exec(magic);
    if (match === null) throw new RdbError('Wrong signature trying to load DB from file', 0);
    const version = Number(match[2]);
    const known =
      match[1] === 'REDIS'
        ? version >= format.RDB_VERSION_MIN && version <= format.RDB_VERSION_MAX
        : version === format.VALKEY_RDB_VERSION;
    if (!known) throw new RdbError(`Can't handle RDB format version ${version} of ${match[1]}`, 0);
    this.version = version;
    this.#source.version = version;
  }

  /** One record with everything that stands before it. */
  #next(): void {
    const record = this.#record;
    record.expireAtMs = -1;
    record.idleSeconds = -1;
    record.frequency = -1;
    for (;;) {
      const type = this.#source.bytes[this.#source.take(1)];
      switch (type) {
        case format.OPCODE_EXPIRE_MS:
          record.expireAtMs = this.#source.milliseconds();
          continue;
        case format.OPCODE_EXPIRE_SECONDS:
          record.expireAtMs = (this.#source.littleEndian32() | 0) * 1000;
          continue;
        case format.OPCODE_IDLE:
          record.idleSeconds = this.#source.size();
          continue;
        case format.OPCODE_FREQUENCY:
          record.frequency = this.#source.bytes[this.#source.take(1)];
          continue;
        case format.TYPE_STRING:
          record.key = this.#source.string();
          this.#visitor.string(record, this.#source.string());
          return;
        default:
          if (type >= format.OPCODE_SLOT_IMPORT) this.#opcode(type);
          else this.#begin(type);
          return;
      }
    }
  }

  #opcode(opcode: number): void {
    switch (opcode) {
      case format.OPCODE_SELECTDB:
        this.#visitor.selectDatabase(this.#source.size());
        return;
      case format.OPCODE_RESIZEDB: {
        const keys = this.#source.size();
        this.#visitor.resize(keys, this.#source.size());
        return;
      }
      case format.OPCODE_AUX: {
        const name = decoder.decode(this.#source.string());
        this.#visitor.aux(name, decoder.decode(this.#source.string()));
        return;
      }
      case format.OPCODE_SLOT_INFO:
        if (this.version >= format.VALKEY_RDB_VERSION || this.version >= 12) {
          for (let k = 0; k < 3; k += 1) this.#source.size();
          return;
        }
        break;
      case format.OPCODE_FUNCTION2:
        this.#visitor.library(this.#source.string());
        return;
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

  /** A value that is read element by element: its key must outlive these bytes. */
  #begin(type: number): void {
    const codec = this.#codecs.reader(type, this.version);
    if (codec === undefined) this.#refuse(type);
    this.#record.key = this.#source.string().slice();
    this.#open = { rdbType: type, codec, decoder: codec.decoder(type) };
  }

  #refuse(type: number): never {
    const name = format.rdbTypeName(type, this.version);
    if (name === 'unknown') {
      throw new RdbError(`Unknown RDB encoding type ${type} in a file of version ${this.version}`, -1);
    }
    const key = printable(this.#source.string());
    throw new RdbError(`Key '${key}' is a ${name} (RDB type ${type}), which is not supported`, -1);
  }

  /** Nine characters of six bits each in the upper 54 bits of the module's id. */
  #moduleName(): string {
    const low = this.#source.size();
    let id = (BigInt(this.#source.highLength) << 32n) | BigInt(low >>> 0);
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
    const at = this.#source.take(8);
    this.#check(at);
    this.done = true;
    if (!this.#verify || this.#crc.equals(this.#source.bytes, at)) return;
    const found = Buffer.from(this.#source.bytes.slice(at, at + 8).reverse()).toString('hex');
    if (found === '0'.repeat(16)) return;
    throw new RdbError(`Wrong RDB checksum expected: (${this.#crc}) but got (${found})`, -1);
  }
}
