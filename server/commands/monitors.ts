/** MONITOR: connections that are shown every command that is run. */
import type { Call } from './call.ts';
import type { Client } from './client.ts';
import { redactedWords } from './redaction.ts';
import { ADMIN, SKIP_MONITOR } from './row.ts';

export class Monitors {
  readonly #clients = new Set<Client>();

  get count(): number {
    return this.#clients.size;
  }

  add(client: Client): void {
    this.#clients.add(client);
  }

  delete(client: Client): void {
    this.#clients.delete(client);
  }

  /** Shows a command that has been run. */
  show(call: Call): void {
    if ((call.entry.flags & (SKIP_MONITOR | ADMIN)) !== 0) return;
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
