/** A call as the rules of users see it. One object, taken over call by call. */
import type { AclRequest } from '../acl/acl-check.ts';
import type { Call } from './call.ts';
import type { CommandEntry } from './command-table.ts';
import { channelsAsKeys, keyAccess } from './key-access.ts';
import { NO_AUTH } from './row.ts';

/** Which words of these commands are channels: the first and, unless it is the only one, all after it. */
const channelWords: ReadonlyMap<string, { readonly only: boolean; readonly patterns: boolean }> = new Map([
  ['publish', { only: true, patterns: false }],
  ['spublish', { only: true, patterns: false }],
  ['subscribe', { only: false, patterns: false }],
  ['ssubscribe', { only: false, patterns: false }],
  ['psubscribe', { only: false, patterns: true }],
]);

const NOTHING = new Int32Array(0);

export class CallRequest implements AclRequest {
  id = 0;
  free = false;
  argumentIndex = 1;
  bytes: Uint8Array = new Uint8Array(0);
  argc = 0;
  argStart: Int32Array = NOTHING;
  argLength: Int32Array = NOTHING;
  channelsFrom = 0;
  channelsTo = 0;
  channelsArePatterns = false;
  #call: Call | null = null;
  #entry: CommandEntry | null = null;

  take(call: Call, entry: CommandEntry): this {
    this.#call = call;
    this.#entry = entry;
    this.id = entry.id;
    this.free = (entry.flags & NO_AUTH) !== 0;
    this.argumentIndex = entry.isSubcommand ? 2 : 1;
    this.bytes = call.bytes;
    this.argc = call.argc;
    this.argStart = call.argStart;
    this.argLength = call.argLength;
    const channels = channelWords.get(entry.name);
    this.channelsFrom = 1;
    this.channelsTo = channels === undefined ? 0 : channels.only ? 2 : call.argc;
    this.channelsArePatterns = channels?.patterns ?? false;
    return this;
  }

  findKeys(): number {
    const entry = this.#entry;
    if (entry === null || this.#call === null || !entry.hasKeys || channelsAsKeys.has(entry.name)) return 0;
    return Math.max(entry.findKeys(this.#call), 0);
  }

  keyWord(index: number): number {
    return this.#call === null ? 0 : this.#call.keyPositions[index];
  }

  keyAccess(index: number): number {
    if (this.#call === null || this.#entry === null) return 0;
    return keyAccess(this.#call, this.#entry, index);
  }
}
