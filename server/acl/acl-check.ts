/** Whether a user may run a command with these words. */
import { matchesGlob } from '../structures/glob.ts';
import { type AclSelector, type ChannelPattern, KEY_READ } from './acl-selector.ts';
import type { AclUser } from './acl-user.ts';

/** A command with its words, as far as permissions ask for them. Words are bytes[start, start + length). */
export interface AclRequest {
  /** The command's number. */
  readonly id: number;
  /** Everybody may run it. */
  readonly free: boolean;
  /** The word that `+command|argument` is about. */
  readonly argumentIndex: number;
  readonly bytes: Uint8Array;
  readonly argc: number;
  readonly argStart: Int32Array;
  readonly argLength: Int32Array;
  /** Finds the keys; their number. */
  findKeys(): number;
  /** The word of key `index`. */
  keyWord(index: number): number;
  /** KEY_READ, KEY_WRITE, both; 0 when the key is only named. */
  keyAccess(index: number): number;
  /** Words [channelsFrom, channelsTo) are channels, or patterns of them. */
  readonly channelsFrom: number;
  readonly channelsTo: number;
  readonly channelsArePatterns: boolean;
}

/** What is denied; a later one in this order says more. */
export type DenialReason = 'command' | 'key' | 'channel';

const WEIGHT: Readonly<Record<DenialReason, number>> = { command: 0, key: 1, channel: 2 };

export interface Denial {
  readonly reason: DenialReason;
  /** The word that is denied; 0 for the command. */
  readonly word: number;
}

const COMMAND_DENIED: Denial = { reason: 'command', word: 0 };

/** Null when the user may; otherwise what no selector allows, the most telling of it. */
export function denialOf(user: AclUser, request: AclRequest): Denial | null {
  if (user.unrestricted) return null;
  let found = COMMAND_DENIED;
  for (const selector of user.selectors) {
    const denial = denialBySelector(selector, request);
    if (denial === null) return null;
    const more = WEIGHT[denial.reason] - WEIGHT[found.reason];
    if (more > 0 || (more === 0 && denial.word > found.word)) found = denial;
  }
  return found;
}

function denialBySelector(selector: AclSelector, request: AclRequest): Denial | null {
  if (
    !selector.allCommands &&
    !request.free &&
    !selector.allows(request.id) &&
    !hasFirstArgument(selector, request)
  ) {
    return COMMAND_DENIED;
  }
  if (!selector.allKeys) {
    const count = request.findKeys();
    for (let key = 0; key < count; key++) {
      const word = request.keyWord(key);
      if (!allowsKey(selector, request, word, request.keyAccess(key))) return { reason: 'key', word };
    }
  }
  if (!selector.allChannels) {
    for (let word = request.channelsFrom; word < request.channelsTo; word++) {
      if (!allowsChannel(selector.channels, request, word)) return { reason: 'channel', word };
    }
  }
  return null;
}

function hasFirstArgument(selector: AclSelector, request: AclRequest): boolean {
  const names = selector.firstArgumentsOf(request.id);
  const index = request.argumentIndex;
  if (names === undefined || request.argc <= index) return false;
  const start = request.argStart[index];
  const word = Buffer.prototype.latin1Slice.call(request.bytes, start, start + request.argLength[index]);
  return names.includes(word.toLowerCase());
}

function allowsKey(selector: AclSelector, request: AclRequest, word: number, access: number): boolean {
  const start = request.argStart[word];
  return allowsKeyBytes(selector, request.bytes, start, request.argLength[word], access);
}

function allowsKeyBytes(
  selector: AclSelector,
  bytes: Uint8Array,
  start: number,
  length: number,
  access: number,
): boolean {
  if (selector.allKeys) return true;
  for (const pattern of selector.keys) {
    if ((pattern.access & access) !== access) continue;
    if (matchesGlob(pattern.bytes, bytes, start, start + length)) return true;
  }
  return false;
}

function allowsChannel(patterns: readonly ChannelPattern[], request: AclRequest, word: number): boolean {
  const start = request.argStart[word];
  const length = request.argLength[word];
  return allowsChannelBytes(patterns, request.bytes, start, length, request.channelsArePatterns);
}

/** A pattern of channels is allowed when it stands among the user's as it is. */
export function allowsChannelBytes(
  patterns: readonly ChannelPattern[],
  bytes: Uint8Array,
  start: number,
  length: number,
  isPattern: boolean,
): boolean {
  for (const pattern of patterns) {
    if (isPattern) {
      if (Buffer.compare(pattern.bytes, bytes.subarray(start, start + length)) === 0) return true;
    } else if (matchesGlob(pattern.bytes, bytes, start, start + length)) return true;
  }
  return false;
}

/** True when one selector lets the user read every key with a command: SORT's BY and GET look at any. */
export function mayReadAllKeys(user: AclUser, commandId: number): boolean {
  return user.selectors.some((selector) => {
    if (!selector.allCommands && !selector.allows(commandId)) return false;
    return (
      selector.allKeys || selector.keys.some(({ text, access }) => text === '*' && (access & KEY_READ) !== 0)
    );
  });
}

/**
 * The channels that a user keeps when it becomes `next`; null when it loses none, so that no subscriber has
 * to go.
 */
export function channelsAfter(previous: AclUser, next: AclUser): readonly ChannelPattern[] | null {
  if (next.selectors.some(({ allChannels }) => allChannels)) return null;
  const kept = next.selectors.flatMap(({ channels }) => channels);
  const names = new Set(kept.map(({ text }) => text));
  const losesNone = previous.selectors.every(
    ({ allChannels, channels }) => !allChannels && channels.every(({ text }) => names.has(text)),
  );
  return losesNone ? null : kept;
}
