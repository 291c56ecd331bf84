/** What follows from a command's row: the names of its flags, its group, its ACL categories. */

import { type AclCategory, aclCategoryNames } from '../acl/acl-catalogue.ts';
import type { CommandEntry } from './command-table.ts';
import {
  ADMIN,
  ALLOW_BUSY,
  ASKING,
  BLOCKING,
  DENYOOM,
  FAST,
  LOADING,
  MOVABLE_KEYS,
  NO_ASYNC_LOADING,
  NO_AUTH,
  NO_MANDATORY_KEYS,
  NO_MULTI,
  NOSCRIPT,
  PUBSUB,
  READONLY,
  type Row,
  SKIP_MONITOR,
  SKIP_SLOWLOG,
  STALE,
  WRITE,
} from './row.ts';

/** The names of flags, those that COMMAND INFO shows, in the order in which COMMAND INFO prints them. */
const flagNames: readonly (readonly [flag: number, name: string])[] = [
  [WRITE, 'write'],
  [READONLY, 'readonly'],
  [DENYOOM, 'denyoom'],
  [ADMIN, 'admin'],
  [PUBSUB, 'pubsub'],
  [NOSCRIPT, 'noscript'],
  [BLOCKING, 'blocking'],
  [LOADING, 'loading'],
  [STALE, 'stale'],
  [SKIP_MONITOR, 'skip_monitor'],
  [SKIP_SLOWLOG, 'skip_slowlog'],
  [ASKING, 'asking'],
  [FAST, 'fast'],
  [NO_AUTH, 'no_auth'],
  [NO_MULTI, 'no_multi'],
  [NO_ASYNC_LOADING, 'no_async_loading'],
  [MOVABLE_KEYS, 'movablekeys'],
  [ALLOW_BUSY, 'allow_busy'],
  [NO_MANDATORY_KEYS, 'no_mandatory_keys'],
];

/** The ACL categories that a group of commands belongs to as a whole. */
const categoriesOfGroup: ReadonlyMap<string, readonly AclCategory[]> = new Map<
  string,
  readonly AclCategory[]
>([
  ['generic', ['keyspace']],
  ['string', ['string']],
  ['list', ['list']],
  ['set', ['set']],
  ['sorted_set', ['sortedset']],
  ['sorted-set', ['sortedset']],
  ['hash', ['hash']],
  ['bitmap', ['bitmap']],
  ['hyperloglog', ['hyperloglog']],
  ['geo', ['geo']],
  ['stream', ['stream']],
  ['transactions', ['transaction']],
  ['connection', ['connection']],
  ['scripting', ['scripting']],
]);

/** Commands whose categories are not those of their group. */
const categoriesOfCommand: ReadonlyMap<string, readonly AclCategory[]> = new Map<
  string,
  readonly AclCategory[]
>([
  ['asking', ['connection']],
  ['command', ['connection']],
  ['readonly', ['connection']],
  ['readwrite', ['connection']],
  ['sort', ['set', 'sortedset', 'list']],
  ['sort_ro', ['set', 'sortedset', 'list']],
  ['swapdb', ['keyspace']],
  ['wait', ['connection']],
  ['waitaof', ['connection']],
]);

/** Commands of administrators that run without the flag. */
const administrative: ReadonlySet<string> = new Set(['lastsave', 'role']);

/** Commands that are dangerous although they are no administration. */
const dangerous: ReadonlySet<string> = new Set([
  'flushall',
  'flushdb',
  'info',
  'keys',
  'migrate',
  'restore',
  'restore-asking',
  'role',
  'sort',
  'sort_ro',
  'swapdb',
]);

/** The names of the flags that are set. */
export function flagNamesOf(flags: number): string[] {
  return flagNames.filter(([flag]) => (flags & flag) !== 0).map(([, name]) => name);
}

const groups = new WeakMap<Row, string>();

/** Notes the group of a family's rows and of their subcommands; returns the rows. */
export function inGroup(group: string, rows: readonly Row[]): readonly Row[] {
  for (const row of rows) {
    groups.set(row, row[7]?.group ?? group);
    inGroup(row[7]?.group ?? group, row[7]?.subcommands ?? []);
  }
  return rows;
}

/** The documentation group of a row. */
export function groupOf(row: Row): string {
  return row[7]?.group ?? groups.get(row) ?? 'generic';
}

/** The categories of a command, each with its `@`, in the order of ACL CAT. */
export function aclCategories(entry: CommandEntry): string[] {
  const { flags } = entry;
  const has = (flag: number): boolean => (flags & flag) !== 0;
  const [container = ''] = entry.name.split('|');
  const isContainer = entry.subcommands !== null && container !== 'command';
  const ofGroup = categoriesOfCommand.get(container) ?? categoriesOfGroup.get(groupOf(entry.row)) ?? [];
  const found = new Set<AclCategory>(isContainer ? [] : ofGroup);
  const admin = has(ADMIN) || administrative.has(container);
  // biome-ignore format: a table
  const byFlags: readonly (readonly [AclCategory, boolean])[] = [
    ['read',      has(READONLY) && !found.has('scripting')],
    ['write',     has(WRITE)],
    ['pubsub',    has(PUBSUB)],
    ['admin',     admin],
    ['fast',      has(FAST)],
    ['slow',      !has(FAST)],
    ['blocking',  has(BLOCKING)],
    ['dangerous', admin || dangerous.has(container)],
  ];
  for (const [category, wanted] of byFlags) if (wanted) found.add(category);
  return aclCategoryNames.filter((name) => found.has(name)).map((name) => `@${name}`);
}
