/**
 * `require-ttl`: a write that would leave a key whose name matches without a time to live is refused. Looked
 * at before the command runs, by what each command does to the time to live of the keys it writes; commands
 * that only take away are never refused. While the parameter is empty nobody comes here.
 */
import { KEY_WRITE } from '../acl/acl-selector.ts';
import { matchesGlob } from '../structures/glob.ts';
import type { Call } from './call.ts';
import type { CommandEntry } from './command-table.ts';
import { expiryUnit } from './expiry-arguments.ts';
import { keyAccess } from './key-access.ts';
import { DENYOOM, WRITE } from './row.ts';
import { comparingCondition } from './string-options.ts';

/**
 * Whether the key in word `index` has a time to live after the command; true as well when it will not change.
 */
type Outcome = (call: Call, index: number) => boolean;

const names = (text: string, outcome: Outcome): [string, Outcome][] =>
  text.split(' ').map((name) => [name, outcome]);

/** Commands that do otherwise than change a value in its place. */
const outcomes: ReadonlyMap<string, Outcome> = new Map([
  ...names('setex psetex expire pexpire expireat pexpireat', () => true),
  ...names('getset mset sort bitop sdiffstore sinterstore sunionstore', () => false),
  ...names('zdiffstore zinterstore zunionstore zrangestore', () => false),
  ...names('geosearchstore georadius georadiusbymember', () => false),
  ...names('setnx msetnx', isThere),
  ...names('copy rename renamenx move', takesFromFirst),
  ['set', (call, index) => readsTime(call, 3, index)],
  ['msetex', (call, index) => readsTime(call, 2 + call.integer(1) * 2, index)],
  ['getex', (call, index) => !call.is(call.argc - 1, 'PERSIST') || !hasTtl(call, index)],
  ['persist', (call, index) => !hasTtl(call, index)],
  ...names('restore restore-asking', (call) => !call.is(2, '0')),
]);

let parsedFrom = '';
let patterns: readonly Buffer[] = [];

/** Why a command may not run for the sake of `require-ttl`; null when it may. */
export function ttlRefusal(call: Call, entry: CommandEntry): string | null {
  const text = call.context.config.values['require-ttl'];
  if (text === '' || (entry.flags & WRITE) === 0) return null;
  const outcome = outcomes.get(entry.name) ?? ((entry.flags & DENYOOM) === 0 ? null : hasTtl);
  if (outcome === null) return null;
  if (text !== parsedFrom) {
    parsedFrom = text;
    patterns = text
      .split(/\s+/)
      .filter((word) => word !== '')
      .map((word) => Buffer.from(word));
  }
  const count = entry.findKeys(call);
  for (let key = 0; key < count; key++) {
    const index = call.keyPositions[key];
    if ((keyAccess(call, entry, key) & KEY_WRITE) === 0) continue;
    const pattern = matching(call, index);
    if (pattern === null || outcome(call, index)) continue;
    return refusalOf(call.text(index), pattern);
  }
  return null;
}

function refusalOf(key: string, pattern: string): string {
  const what = `the key '${key}' would be left without a time to live`;
  return `TTLREQUIRED ${what}, which require-ttl '${pattern}' demands: set it in the same command`;
}

function matching(call: Call, index: number): string | null {
  const start = call.argStart[index];
  const end = start + call.argLength[index];
  return patterns.find((pattern) => matchesGlob(pattern, call.bytes, start, end))?.toString() ?? null;
}

/**
 * The record of the key in word `index`, 0 when there is none. The call's database may be another one yet.
 */
function find(call: Call, index: number): number {
  const database = call.context.keyspace.databases[call.client.databaseIndex];
  return database.find(call.bytes, call.argStart[index], call.argLength[index]);
}

function isThere(call: Call, index: number): boolean {
  return find(call, index) !== 0;
}

function hasTtl(call: Call, index: number): boolean {
  const ref = find(call, index);
  return ref !== 0 && call.context.keyspace.records.expires(ref);
}

/** The value in word 1 comes here with its time to live, if there is one. */
function takesFromFirst(call: Call): boolean {
  return !isThere(call, 1) || hasTtl(call, 1);
}

/** The options of SET from word `from` on name a time, or keep the one there is. */
function readsTime(call: Call, from: number, index: number): boolean {
  for (let at = from; at < call.argc; at++) {
    if (expiryUnit(call, at) !== undefined) return true;
    if (call.is(at, 'KEEPTTL')) return hasTtl(call, index);
    if (comparingCondition(call, at) !== undefined) at++;
  }
  return false;
}
