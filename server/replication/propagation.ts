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

export class Propagation {
  readonly #sinks: ChangeSink[] = [];
  #transaction = false;
  #transactionOpened = false;

  /** True when somebody listens; a server with neither AOF nor backlog skips the encoding. */
  get active(): boolean {
    return this.#sinks.length !== 0;
  }

  addSink(sink: ChangeSink): void {
    sink.selectedDatabase = -1;
    this.#sinks.push(sink);
  }

  removeSink(sink: ChangeSink): void {
    const at = this.#sinks.indexOf(sink);
    if (at >= 0) this.#sinks.splice(at, 1);
  }

  /** One command in canonical RESP. */
  bytes(database: number, bytes: Uint8Array, start: number, end: number): void {
    for (const sink of this.#sinks) {
      if (sink.selectedDatabase !== database) {
        const select = selectBytes(database);
        sink.append(select, 0, select.length);
        sink.selectedDatabase = database;
      }
      if (this.#transaction && !this.#transactionOpened) sink.append(MULTI, 0, MULTI.length);
      sink.append(bytes, start, end);
    }
    if (this.#transaction) this.#transactionOpened = true;
  }

  /** One command by its words, for effects that differ from what the client sent. */
  words(database: number, words: readonly (string | Uint8Array)[]): void {
    if (this.#sinks.length === 0) return;
    const bytes = encodeCommand(words);
    this.bytes(database, bytes, 0, bytes.length);
  }

  /** What follows until `endTransaction` is wrapped into MULTI and EXEC, if it is anything at all. */
  beginTransaction(): void {
    this.#transaction = true;
    this.#transactionOpened = false;
  }

  endTransaction(): void {
    if (this.#transactionOpened) for (const sink of this.#sinks) sink.append(EXEC, 0, EXEC.length);
    this.#transaction = false;
    this.#transactionOpened = false;
  }
}
