/**
 * Every setting of the server that the operator knows, one row each: how a change takes effect, who owns it,
 * and its value. The rendered redis.conf, what is set and read back on running servers, and what spec.config
 * may not contain are derived from here.
 */
import type { Effective, Engine } from './effective.ts';

/** `live` takes effect by CONFIG SET; `restart` is read from the file when the server starts. */
export type Change = 'live' | 'restart';

/**
 * `field`: a field of the spec decides it. `operator`: nobody else may, because a cluster in Kubernetes
 * breaks. Both are refused in spec.config by name.
 */
export type Owner = 'field' | 'operator';

/** How the value in the file and the value read back are compared. */
export type Comparison = 'bytes' | 'text';

/** The value as redis.conf writes it, or undefined where the setting does not stand in the file. */
type Value = (effective: Effective) => string | undefined;

type Row = readonly [
  name: string,
  change: Change,
  owner: Owner,
  comparison: Comparison,
  value: Value,
  engines?: readonly Engine[],
];

export const CLIENT_PORT = 6379;
export const BUS_PORT = 16_379;
/** HTTP with /livez, /readyz and /metrics; engine Redwarden only. */
export const ADMIN_PORT = 9121;
export const DATA_FOLDER = '/data';
/** Holds requirepass and masterauth; comes from a Secret. */
export const AUTH_FILE = '/etc/redwarden/auth/auth.conf';

/**
 * The server rewrites by itself only from here on, in multiples of the wanted growth, while a window is set.
 */
const URGENT_FACTOR = 4;

const logs = (effective: Effective): boolean =>
  effective.persistence === 'AOF' || effective.persistence === 'Both';
const fixed =
  (value: string): Value =>
  () =>
    value;
const absent: Value = () => undefined;

function save(effective: Effective): string {
  return effective.save.map(({ seconds, changes }) => `${seconds} ${changes}`).join(' ');
}

function rewriteGrowth({ rewrite }: Effective): string {
  return String(rewrite.window === undefined ? rewrite.growthPercent : rewrite.growthPercent * URGENT_FACTOR);
}

// biome-ignore format: a table, one setting a row
const rows: readonly Row[] = [
  // decided by a field of the spec
  ['maxmemory',                       'live',    'field',    'bytes', (effective) => String(effective.maxmemoryBytes)],
  ['maxmemory-policy',                'live',    'field',    'text',  (effective) => effective.policy],
  ['maxmemory-samples',               'live',    'field',    'text',  (effective) => String(effective.samples)],
  ['appendonly',                      'live',    'field',    'text',  (effective) => (logs(effective) ? 'yes' : 'no')],
  ['appendfsync',                     'live',    'field',    'text',  (effective) => effective.fsync],
  ['auto-aof-rewrite-percentage',     'live',    'field',    'text',  rewriteGrowth],
  ['auto-aof-rewrite-min-size',       'live',    'field',    'bytes', (effective) => String(effective.rewrite.minSizeBytes)],
  ['save',                            'live',    'field',    'text',  save],
  ['cluster-node-timeout',            'live',    'field',    'text',  (effective) => String(effective.nodeTimeoutMs)],
  ['min-replicas-to-write',           'live',    'field',    'text',  (effective) => String(effective.minReplicasToWrite)],
  ['min-slaves-to-write',             'live',    'field',    'text',  absent],
  ['requirepass',                     'live',    'field',    'text',  absent],
  ['masterauth',                      'live',    'field',    'text',  absent],
  ['primaryauth',                     'live',    'field',    'text',  absent],
  // owned, live
  ['cluster-require-full-coverage',   'live',    'operator', 'text',  fixed('no')],
  ['cluster-allow-replica-migration', 'live',    'operator', 'text',  fixed('no')],
  ['cluster-replica-validity-factor', 'live',    'operator', 'text',  fixed('10')],
  ['cluster-slave-validity-factor',   'live',    'operator', 'text',  absent],
  ['cluster-migration-barrier',       'live',    'operator', 'text',  absent],
  ['cluster-preferred-endpoint-type', 'live',    'operator', 'text',  fixed('ip')],
  // owned, from the file or the command line
  ['bind',                            'restart', 'operator', 'text',  fixed('* -::*')],
  ['protected-mode',                  'restart', 'operator', 'text',  fixed('no')],
  ['port',                            'restart', 'operator', 'text',  fixed(String(CLIENT_PORT))],
  ['admin-port',                      'restart', 'operator', 'text',  fixed(String(ADMIN_PORT)), ['Redwarden']],
  ['admin-bind',                      'restart', 'operator', 'text',  absent],
  ['daemonize',                       'restart', 'operator', 'text',  fixed('no')],
  ['supervised',                      'restart', 'operator', 'text',  absent],
  ['pidfile',                         'restart', 'operator', 'text',  absent],
  ['logfile',                         'restart', 'operator', 'text',  absent],
  ['dir',                             'restart', 'operator', 'text',  fixed(DATA_FOLDER)],
  ['dbfilename',                      'restart', 'operator', 'text',  fixed('dump.rdb')],
  ['appenddirname',                   'restart', 'operator', 'text',  fixed('appendonlydir')],
  ['appendfilename',                  'restart', 'operator', 'text',  fixed('appendonly.aof')],
  ['aof-use-rdb-preamble',            'restart', 'operator', 'text',  fixed('yes')],
  ['cluster-enabled',                 'restart', 'operator', 'text',  fixed('yes')],
  ['cluster-config-file',             'restart', 'operator', 'text',  fixed('nodes.conf')],
  ['cluster-port',                    'restart', 'operator', 'text',  fixed(String(BUS_PORT))],
  ['include',                         'restart', 'operator', 'text',  fixed(AUTH_FILE)],
  ['cluster-announce-ip',             'restart', 'operator', 'text',  absent],
  ['cluster-announce-hostname',       'restart', 'operator', 'text',  absent],
  ['cluster-announce-port',           'restart', 'operator', 'text',  absent],
  ['cluster-announce-bus-port',       'restart', 'operator', 'text',  absent],
  ['cluster-announce-tls-port',       'restart', 'operator', 'text',  absent],
  ['replicaof',                       'restart', 'operator', 'text',  absent],
  ['slaveof',                         'restart', 'operator', 'text',  absent],
  ['replica-announce-ip',             'restart', 'operator', 'text',  absent],
  ['replica-announce-port',           'restart', 'operator', 'text',  absent],
  ['slave-announce-ip',               'restart', 'operator', 'text',  absent],
  ['slave-announce-port',             'restart', 'operator', 'text',  absent],
  ['rename-command',                  'restart', 'operator', 'text',  absent],
  ['unixsocket',                      'restart', 'operator', 'text',  absent],
  ['tls-port',                        'restart', 'operator', 'text',  absent],
  ['tls-cluster',                     'restart', 'operator', 'text',  absent],
  ['tls-replication',                 'restart', 'operator', 'text',  absent],
  ['aclfile',                         'restart', 'operator', 'text',  absent],
  ['user',                            'restart', 'operator', 'text',  absent],
];

/** Free settings that servers read at start only. */
const FREE_RESTART: ReadonlySet<string> = new Set([
  'always-show-logo',
  'databases',
  'disable-thp',
  'enable-debug-command',
  'enable-module-command',
  'enable-protected-configs',
  'io-threads',
  'io-threads-do-reads',
  'log-format',
  'rdbchecksum',
  'set-proc-title',
  'socket-mark-id',
  'tcp-backlog',
  'unixsocketperm',
]);

export interface Setting {
  readonly name: string;
  readonly value: string;
  readonly change: Change;
  readonly comparison: Comparison;
}

/** Names that spec.config may not contain, by owner. */
export function reservedNames(owner: Owner): string[] {
  return rows.filter((row) => row[2] === owner).map((row) => row[0]);
}

/** All settings of the file redis.conf, owned ones first, free ones by name after them. */
export function fileSettings(effective: Effective): Setting[] {
  const result: Setting[] = [];
  for (const [name, change, , comparison, value, engines] of rows) {
    const text = value(effective);
    if (text === undefined || (engines !== undefined && !engines.includes(effective.engine))) continue;
    result.push({ name, value: text, change, comparison });
  }
  const free = { ...defaultsOf(effective), ...effective.config };
  for (const [name, value] of Object.entries(free).sort(byName)) {
    result.push({
      name,
      value,
      change: FREE_RESTART.has(name) || !isComparable(name, value) ? 'restart' : 'live',
      comparison: isSize(name, value) ? 'bytes' : 'text',
    });
  }
  return result;
}

/** Defaults of ours where spec.config may say otherwise. */
function defaultsOf(effective: Effective): { readonly [name: string]: string } {
  return {
    'repl-backlog-size': String(effective.reserves.backlogBytes),
    // Waiting for more replicas to share a full sync delays the first one by five seconds.
    'repl-diskless-sync-delay': '1',
    // A server that keeps nothing must not come up with what its last full sync left on the disk.
    'rdb-del-sync-files': 'yes',
  };
}

/** The settings that are set on running servers and read back on every pass. */
export function liveSettings(effective: Effective): Setting[] {
  return fileSettings(effective).filter(({ change }) => change === 'live');
}

function byName(left: readonly [string, string], right: readonly [string, string]): number {
  return left[0] < right[0] ? -1 : 1;
}

function isSize(name: string, value: string): boolean {
  return name === 'repl-backlog-size' || /^\d+(b|kb?|mb?|gb?)$/i.test(value);
}

/**
 * Servers print lists and classes in an order and units of their own: these cannot be compared with the file.
 */
function isComparable(name: string, value: string): boolean {
  return name !== 'notify-keyspace-events' && !/\s/.test(value);
}

const UNITS: { readonly [unit: string]: number } = {
  '': 1,
  b: 1,
  k: 1000,
  kb: 1024,
  m: 1_000_000,
  mb: 1024 ** 2,
  g: 1_000_000_000,
  gb: 1024 ** 3,
};

/** Whether a value read back from a server says the same as the wanted one. */
export function isSameValue(comparison: Comparison, wanted: string, found: string): boolean {
  if (comparison === 'bytes') return parseSize(wanted) === parseSize(found);
  return wanted.toLowerCase() === found.toLowerCase();
}

/** Bytes of a size as redis.conf writes it (`64mb`, `1gb`, `1k` is 1000); NaN when it is none. */
function parseSize(text: string): number {
  const match = /^(\d+)([a-z]*)$/i.exec(text);
  const unit = UNITS[(match?.[2] ?? '').toLowerCase()];
  return match === null || unit === undefined ? Number.NaN : Number(match[1]) * unit;
}
