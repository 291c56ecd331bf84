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
import { MODULE_UINT, moduleName, skipModuleValue } from './rdb-module.ts';
import { NEED_MORE, printable, RdbError, RdbSource } from './rdb-source.ts';
import { RdbText } from './rdb-text.ts';
import type { ValueCodec, ValueDecoder } from './value-codec.ts';

/** What stands before a value; one object for all, valid only during the call. -1 stands for "not given". */
export interface KeyRecord {
  readonly key: RdbText;
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
  string(record: KeyRecord, value: RdbText): void;
  /** A value of another type, the visitor's from now on; root 0: it was empty. */
  value(record: KeyRecord, type: number, value: DetachedValue): void;
}

/** What is being read, in the words of redis-check-rdb. */
export type RdbActivity =
  | 'start'
  | 'read-type'
  | 'read-expire'
  | 'read-key'
  | 'read-object-value'
  | 'check-sum'
  | 'read-len'
  | 'read-aux'
  | 'read-module-aux'
  | 'read-functions';

export interface RdbReaderOptions {
  /** Whether values are looked at for what only a damaged or foreign file can have; true when not given. */
  readonly thorough?: boolean;
  /** Whether files of versions this server does not know are read (`rdb-version-check relaxed`). */
  readonly relaxed?: boolean;
  /** Told what a module left in the file, which is passed over then; without it such a file is refused. */
  readonly skipModule?: (name: string) => void;
  /** Read on as Redis does where nothing is harmed by it: nothing that is read will be kept. */
  readonly lenient?: boolean;
}

const MAGIC_BYTES = 9;
/** The buffer as it is made, and the size above which it is given back when little is left in it. */
const BUFFER_BYTES = 512 * 1024;
const KEPT_BYTES_MAX = 4 * 1024 * 1024;
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
  /** What the file says of its checksum, once it is done: it has none, or it is right. */
  hasChecksum = false;
  activity: RdbActivity = 'start';
  /** RDB type of the key that is being read, -1 between keys; `keyKnown`: its name is in `record`. */
  rdbType = -1;
  keyKnown = false;
  readonly #visitor: RdbVisitor;
  readonly #verify: boolean;
  readonly #options: RdbReaderOptions;
  readonly #crc = new Crc64();
  readonly #codecs: Codecs;
  readonly #source = new RdbSource();
  readonly #text = new RdbText();
  /** Offset of the source's first byte in the file, and up to where the checksum has them. */
  #base = 0;
  #checked = 0;
  /** The value that is being read, element by element. */
  #open: OpenValue | null = null;
  readonly record: KeyRecord = {
    key: new RdbText(),
    expireAtMs: -1,
    idleSeconds: -1,
    frequency: -1,
  };

  /** `verify`: whether a wrong checksum is an error (`rdbchecksum`). */
  constructor(visitor: RdbVisitor, verify: boolean, codecs: Codecs, options: RdbReaderOptions = {}) {
    this.#codecs = codecs;
    this.#visitor = visitor;
    this.#verify = verify;
    this.#options = options;
    this.#source.thorough = options.thorough ?? true;
    this.#source.lenient = options.lenient ?? false;
  }

  /** Offset behind the last whole step: a record, or an element of one. */
  get offset(): number {
    return this.#base + this.#source.at;
  }

  /** Offset behind the last read that found its bytes, also within a step that waits for more. */
  get stoppedAt(): number {
    return this.#base + Math.max(this.#source.at, this.#source.stoppedAt);
  }

  /** What a value that ends too early is called, '' for most. */
  get missing(): string {
    return this.#source.missing;
  }

  /** Says how many bytes the file has. */
  expectBytes(total: number): void {
    this.#source.bytesToCome = total;
  }

  /** Takes the next bytes of the file. Returns how many of them lie behind its end: 0 as a rule. */
  feed(chunk: Uint8Array): number {
    if (this.done) return chunk.length;
    const source = this.#source;
    this.room(chunk.length).set(chunk);
    return this.advance(chunk.length) > 0 ? source.end - source.at : 0;
  }

  /** A place for the next `count` bytes at most: whoever writes there calls `advance`. */
  room(count: number): Buffer {
    const source = this.#source;
    const rest = source.end - source.at;
    // What waits for more bytes stays where it is as long as it can.
    if (source.end >= source.needed || source.bytes.length - source.end < count) {
      let bytes = source.bytes;
      const wanted = rest + count;
      if (bytes.length < wanted || (bytes.length > KEPT_BYTES_MAX && wanted < bytes.length / 4)) {
        bytes = Buffer.allocUnsafeSlow(Math.max(BUFFER_BYTES, wanted, Math.min(source.needed, wanted * 2)));
      }
      source.bytes.copy(bytes, 0, source.at, source.end);
      source.needed -= source.at;
      this.#base += source.at;
      this.#checked = 0;
      source.stoppedAt = 0;
      source.open(bytes);
      source.end = rest;
    }
    return source.bytes.subarray(source.end, source.end + count);
  }

  /** Takes `count` bytes that were written into `room`. Returns how many lie behind the end of the RDB. */
  advance(count: number): number {
    const source = this.#source;
    source.end += count;
    if (source.end < source.needed) return 0;
    source.needed = 0;
    this.#parse();
    return this.done ? source.end - source.at : 0;
  }

  /** Says that no more bytes come: an error unless the file was whole. */
  end(): void {
    if (this.done) return;
    const rest = this.#source.end - this.#source.at;
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
      source.stepStart = source.at;
      try {
        if (this.#open !== null) this.#element(this.#open);
        else if (this.version === 0) this.#header();
        else for (; !this.done && this.#open === null; source.stepStart = source.at) this.#next();
      } catch (error) {
        if (error !== NEED_MORE) {
          this.abandon();
          throw this.#located(error, source.stepStart);
        }
        source.at = source.stepStart;
        break;
      }
      source.needed = 0;
    }
    if (!this.done) this.#check(source.at);
  }

  /** The checksum takes in all bytes before `end`. */
  #check(end: number): void {
    if (end > this.#checked && this.#verify) this.#crc.update(this.#source.bytes, this.#checked, end);
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
    this.#deliver(open.codec.type, open.decoder.result());
  }

  #deliver(type: number, value: DetachedValue): void {
    this.#visitor.value(this.record, type, value);
    this.#endRecord();
  }

  #endRecord(): void {
    const { record } = this;
    record.expireAtMs = -1;
    record.idleSeconds = -1;
    record.frequency = -1;
    this.rdbType = -1;
    this.keyKnown = false;
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
    if (!known && (version < format.RDB_VERSION_MIN || this.#options.relaxed !== true)) {
      throw new RdbError(`Can't handle RDB format version ${version}`, 0);
    }
    this.version = version;
    this.#source.version = version;
  }

  /** One record, or what stands before it: that is kept in `record` until the key comes. */
  #next(): void {
    const { record } = this;
    const source = this.#source;
    this.activity = 'read-type';
    const type = source.bytes[source.take(1)];
    switch (type) {
      case format.OPCODE_EXPIRE_MS:
        this.activity = 'read-expire';
        record.expireAtMs = source.milliseconds();
        return;
      case format.OPCODE_EXPIRE_SECONDS:
        this.activity = 'read-expire';
        record.expireAtMs = Math.max(source.littleEndian32() | 0, 0) * 1000;
        return;
      case format.OPCODE_IDLE:
        record.idleSeconds = source.size();
        return;
      case format.OPCODE_FREQUENCY:
        record.frequency = source.bytes[source.take(1)];
        return;
      case format.TYPE_STRING:
        this.#key(type);
        source.read(this.#text);
        this.#visitor.string(record, this.#text);
        this.#endRecord();
        return;
      default:
        if (type >= format.OPCODE_SLOT_IMPORT) this.#opcode(type);
        else this.#begin(type);
    }
  }

  #key(type: number): void {
    this.rdbType = type;
    this.activity = 'read-key';
    this.#source.missing = '';
    this.#source.read(this.record.key);
    this.keyKnown = true;
    this.activity = 'read-object-value';
  }

  #opcode(opcode: number): void {
    const source = this.#source;
    switch (opcode) {
      case format.OPCODE_SELECTDB:
        this.activity = 'read-len';
        this.#visitor.selectDatabase(source.size());
        return;
      case format.OPCODE_RESIZEDB: {
        this.activity = 'read-len';
        const keys = source.size();
        this.#visitor.resize(keys, source.size());
        return;
      }
      case format.OPCODE_AUX: {
        this.activity = 'read-aux';
        const name = source.string().toString();
        this.#visitor.aux(name, source.string().toString());
        return;
      }
      case format.OPCODE_SLOT_INFO:
        if (this.version < format.RDB_VERSION_FIELD_EXPIRY) break;
        for (let k = 0; k < 3; k += 1) source.size();
        return;
      case format.OPCODE_FUNCTION2:
        this.activity = 'read-functions';
        this.#visitor.library(source.string());
        return;
      case format.OPCODE_FUNCTION_PRE_GA:
        throw new RdbError(`Pre-release function format not supported ${this.version}`, -1);
      case format.OPCODE_MODULE_AUX:
        this.activity = 'read-module-aux';
        this.#moduleAux();
        return;
      case format.OPCODE_EOF:
        this.#eof();
        return;
    }
    throw new RdbError(`Unknown RDB opcode ${opcode} in a file of version ${this.version}`, -1);
  }

  #moduleAux(): void {
    const source = this.#source;
    const name = moduleName(source);
    const { skipModule } = this.#options;
    if (skipModule === undefined) {
      const reason = "The RDB file contains AUX module data I can't load: no matching module";
      throw new RdbError(`${reason} '${name}'`, -1);
    }
    if (source.size() !== MODULE_UINT) throw new RdbError('bad when_opcode', -1);
    source.size();
    skipModule(name);
    skipModuleValue(source, name);
  }

  /** A key of another type than string: values of one string are read at once, the others by elements. */
  #begin(type: number): void {
    const source = this.#source;
    const codec = this.#codecs.reader(type, this.version);
    if (codec === undefined) {
      this.#foreign(type);
      return;
    }
    this.#key(type);
    const whole = codec.whole?.(type, source) ?? null;
    if (whole !== null) {
      this.#deliver(codec.type, whole);
      return;
    }
    this.record.key.keep();
    this.#open = { rdbType: type, codec, decoder: codec.decoder(type) };
  }

  /** The value of a module, or of a type that nobody knows. */
  #foreign(type: number): void {
    const isModule = type === format.TYPE_MODULE || type === format.TYPE_MODULE_OLD;
    if (!isModule && format.rdbTypeName(type, this.version) === 'unknown') {
      throw new RdbError(`Unknown RDB encoding type ${type}`, -1);
    }
    this.#key(type);
    if (!isModule) {
      throw new RdbError(
        `Key '${printable(this.record.key.copy())}' has the unsupported RDB type ${type}`,
        -1,
      );
    }
    const name = moduleName(this.#source);
    if (this.#options.skipModule === undefined || type === format.TYPE_MODULE_OLD) {
      const reason = "The RDB file contains module data I can't load: no matching module type";
      throw new RdbError(`${reason} '${name}'`, -1);
    }
    skipModuleValue(this.#source, name);
    this.#options.skipModule(name);
    this.#endRecord();
  }

  #eof(): void {
    if (this.version < format.RDB_VERSION_CHECKSUM) {
      this.done = true;
      return;
    }
    this.activity = 'check-sum';
    const source = this.#source;
    const at = source.take(8);
    this.#check(at);
    const found = Buffer.from(source.bytes.subarray(at, at + 8))
      .reverse()
      .toString('hex');
    this.hasChecksum = found !== '0'.repeat(16);
    this.done = true;
    if (!this.#verify || !this.hasChecksum || this.#crc.equals(source.bytes, at)) return;
    const expected = `Wrong RDB checksum expected: (${this.#crc}) but got (${found}). Aborting now.`;
    throw new RdbError(`RDB CRC error. ${expected}`, -1);
  }
}
