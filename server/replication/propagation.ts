/**
 * Where every effect on the data goes: the AOF, the replication backlog, a slot on its way out.
 * `execute` and the keyspace (expiry, eviction) are the only callers; commands cannot forget it.
 */

/** A reader of the stream of changes. Bytes are whole commands in RESP and valid only during the call. */
export interface ChangeSink {
  append(bytes: Uint8Array, start: number, end: number): void;
  /** Database of the last SELECT that this sink was given; -1 makes the next change begin with one. */
  selectedDatabase: number;
}

const SELECT_BYTES: Uint8Array[] = [];
const encoder = new TextEncoder();
const MULTI = encoder.encode('*1\r\n$5\r\nMULTI\r\n');
const EXEC = encoder.encode('*1\r\n$4\r\nEXEC\r\n');

function selectBytes(database: number): Uint8Array {
  const text = String(database);
  SELECT_BYTES[database] ??= encoder.encode(`*2\r\n$6\r\nSELECT\r\n$${text.length}\r\n${text}\r\n`);
  return SELECT_BYTES[database] as Uint8Array;
}

/** Encodes a command as RESP; strings are UTF-8. */
export function encodeCommand(words: readonly (string | Uint8Array)[]): Uint8Array {
  const parts: Uint8Array[] = [encoder.encode(`*${words.length}\r\n`)];
  let size = (parts[0] as Uint8Array).length;
  for (const word of words) {
    const bytes = typeof word === 'string' ? encoder.encode(word) : word;
    const head = encoder.encode(`$${bytes.length}\r\n`);
    parts.push(head, bytes, encoder.encode('\r\n'));
    size += head.length + bytes.length + 2;
  }
  const out = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Where effects may go: a script chooses by redis.set_repl. */
export const TO_FILE = 1;
export const TO_REPLICAS = 2;
export const TO_ALL = TO_FILE | TO_REPLICAS;

const HELD_BYTES_KEPT = 64 * 1024;

export class Propagation {
  readonly #sinks: ChangeSink[] = [];
  readonly #targets = new Map<ChangeSink, number>();
  /** Sinks that are told nothing for now. */
  readonly #silenced: ChangeSink[] = [];
  /** Where what comes now is to go: TO_FILE, TO_REPLICAS, both or neither. */
  targets = TO_ALL;
  #unit = false;
  /** The first command of a unit waits: only a second one makes a transaction of it. */
  #held: Uint8Array = new Uint8Array(HELD_BYTES_KEPT);
  #heldLength = 0;
  #heldDatabase = 0;
  #heldTargets = 0;
  /** Sinks that were given MULTI. */
  readonly #opened = new Set<ChangeSink>();
  #isTransaction = false;

  /** Nobody is told of changes until `silence(false)`: what is replayed has been told. */
  silence(silent: boolean): void {
    if (silent) this.#silenced.push(...this.#sinks.splice(0));
    else this.#sinks.push(...this.#silenced.splice(0));
  }

  /** True when somebody listens; a server with neither AOF nor backlog skips the encoding. */
  get active(): boolean {
    return this.#sinks.length !== 0;
  }

  /** `target` says what the sink is: TO_FILE or TO_REPLICAS. */
  addSink(sink: ChangeSink, target: number): void {
    sink.selectedDatabase = -1;
    this.#sinks.push(sink);
    this.#targets.set(sink, target);
  }

  removeSink(sink: ChangeSink): void {
    const at = this.#sinks.indexOf(sink);
    if (at >= 0) this.#sinks.splice(at, 1);
    this.#targets.delete(sink);
    this.#opened.delete(sink);
  }

  /** A transaction or a script is running. */
  get inUnit(): boolean {
    return this.#unit;
  }

  /** One command in canonical RESP. */
  bytes(database: number, bytes: Uint8Array, start: number, end: number): void {
    if (!this.#unit) {
      this.#send(this.targets, database, bytes, start, end);
      return;
    }
    if (this.targets === 0) return;
    if (!this.#isTransaction && this.#heldLength === 0) {
      this.#hold(database, bytes, start, end);
      return;
    }
    this.#isTransaction = true;
    this.#releaseHeld();
    this.#send(this.targets, database, bytes, start, end);
  }

  /** A published message: replicas pass it on, no file keeps it. */
  message(database: number, words: readonly (string | Uint8Array)[]): void {
    const { targets } = this;
    this.targets = targets & TO_REPLICAS;
    this.words(database, words);
    this.targets = targets;
  }

  /** One command by its words, for effects that differ from what the client sent. */
  words(database: number, words: readonly (string | Uint8Array)[]): void {
    if (this.#sinks.length === 0) return;
    const bytes = encodeCommand(words);
    this.bytes(database, bytes, 0, bytes.length);
  }

  /**
   * What follows until `endUnit` belongs together: wrapped into MULTI and EXEC when it is more than one
   * command.
   */
  beginUnit(): void {
    this.#unit = true;
  }

  endUnit(): void {
    this.#unit = false;
    this.#releaseHeld();
    this.#isTransaction = false;
    for (const sink of this.#opened) sink.append(EXEC, 0, EXEC.length);
    this.#opened.clear();
    if (this.#held.length > HELD_BYTES_KEPT) this.#held = new Uint8Array(HELD_BYTES_KEPT);
  }

  #hold(database: number, bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    if (length > this.#held.length) this.#held = new Uint8Array(length);
    this.#held.set(bytes.subarray(start, end));
    this.#heldLength = length;
    this.#heldDatabase = database;
    this.#heldTargets = this.targets;
  }

  #releaseHeld(): void {
    const length = this.#heldLength;
    if (length === 0) return;
    this.#heldLength = 0;
    this.#send(this.#heldTargets, this.#heldDatabase, this.#held, 0, length);
  }

  #send(targets: number, database: number, bytes: Uint8Array, start: number, end: number): void {
    for (const sink of this.#sinks) {
      if (targets !== TO_ALL && ((this.#targets.get(sink) ?? 0) & targets) === 0) continue;
      if (this.#isTransaction && !this.#opened.has(sink)) {
        this.#opened.add(sink);
        sink.append(MULTI, 0, MULTI.length);
      }
      if (sink.selectedDatabase !== database) {
        const select = selectBytes(database);
        sink.append(select, 0, select.length);
        sink.selectedDatabase = database;
      }
      sink.append(bytes, start, end);
    }
  }
}
