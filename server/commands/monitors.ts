/** MONITOR: connections that are shown every command that is run. */
import type { Call } from './call.ts';
import type { Client } from './client.ts';
import type { CommandEntry } from './command-table.ts';
import { redactedWords } from './redaction.ts';
import { ADMIN, SKIP_MONITOR } from './row.ts';

export class Monitors {
  readonly #clients = new Set<Client>();

  /** Somebody watches. */
  watched = false;

  has(client: Client): boolean {
    return this.#clients.has(client);
  }

  add(client: Client): void {
    this.#clients.add(client);
    this.watched = true;
  }

  delete(client: Client): void {
    this.#clients.delete(client);
    this.watched = this.#clients.size > 0;
  }

  /** Before a command runs: a script stands before what it calls. */
  before(call: Call): void {
    if ((call.entry.flags & SKIP_MONITOR) !== 0) this.#show(call);
  }

  /** After a command has run, or has begun to wait for a key; that it is run again is not shown. */
  after(call: Call, entry: CommandEntry): void {
    if ((entry.flags & (SKIP_MONITOR | ADMIN)) !== 0 || call.runsAgain) return;
    this.#show(call);
  }

  #show(call: Call): void {
    const words = redactedWords(call, call.argc).map(quoted);
    const micros = Math.floor((performance.timeOrigin + performance.now()) * 1000);
    const time = `${Math.floor(micros / 1e6)}.${String(micros % 1e6).padStart(6, '0')}`;
    const source = call.inScript ? 'lua' : call.client.link.remoteAddress;
    const line = `+${time} [${call.client.databaseIndex} ${source}] ${words.join(' ')}\r\n`;
    const bytes = Buffer.from(line, 'latin1');
    for (const client of this.#clients) client.link.write(bytes);
  }
}

/** A word in quotes with escapes, as C programs print bytes. */
function quoted(word: Uint8Array): string {
  let text = '"';
  for (const byte of word) {
    if (byte === 0x22 || byte === 0x5c) text += `\\${String.fromCharCode(byte)}`;
    else if (byte >= 0x20 && byte < 0x7f) text += String.fromCharCode(byte);
    else text += escapes.get(byte) ?? `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return `${text}"`;
}

const escapes: ReadonlyMap<number, string> = new Map([
  [7, '\\a'],
  [8, '\\b'],
  [9, '\\t'],
  [10, '\\n'],
  [13, '\\r'],
]);
