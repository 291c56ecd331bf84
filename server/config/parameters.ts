/**
 * Every configuration parameter, one row each. Parsing, `CONFIG GET`, `CONFIG SET`, `CONFIG REWRITE`, the
 * TypeScript type of the values and the compatibility table are derived from here.
 *
 * The default stands as `redis.conf` would write it. Flags: `LIVE` can be set while the server runs, `FIXED`
 * only at start, `GUARDED` while it runs if `enable-protected-configs` allows it; `INERT` is accepted and
 * kept so that existing files load, but changes nothing here; `SECRET` is masked in logs; `HIDDEN` shows only
 * by exact name. The optional last element holds an older name of the same parameter.
 */

import { isIPv4, isIPv6 } from 'node:net';
import {
  clamped,
  fileMode,
  INT_MAX,
  INT_MIN,
  INT64_MAX,
  integer,
  integerOr,
  type Kind,
  memory,
  memoryOrPercent,
  oneOf,
  onlyYet,
  someOf,
  text,
  UINT_MAX,
  yesNo,
} from './kinds.ts';
import {
  addresses,
  folder,
  notifyClasses,
  numbers,
  outputLimits,
  primaryAddress,
  savePoints,
} from './special-kinds.ts';
import { titleProblem } from './title-template.ts';

export const LIVE = 1;
export const FIXED = 2;
export const GUARDED = 4;
export const INERT = 8;
export const SECRET = 16;
export const HIDDEN = 32;
/** This server's own: setting a fixed one to what it is anyway is no error. */
export const OWN = 128;
/** Not while a dataset is loaded. */
export const NOT_LOADING = 64;

const MEBIBYTE = 1_048_576n;
const any = text();
const port = integer(0n, 65_535n);
const count = integer(0n, INT_MAX);
const positive = integer(1n, INT_MAX);
const long = integer(0n, INT64_MAX);
const bytes = memory(0n, INT64_MAX);
const percent = integer(1n, 99n);
const tlsPort = onlyYet(port, 0, 'TLS is not available in this version');
const noTls = onlyYet(yesNo, false, 'TLS is not available in this version');
const frequency = clamped(count, 1, 500);
const backlogSize = clamped(memory(1n, INT64_MAX), 16_384, Number.MAX_SAFE_INTEGER);
const guard = oneOf('no', 'yes', 'local');
const onSignal = someOf('default', 'save', 'nosave', 'now', 'force');
const adjustments = numbers(
  3,
  -2000,
  2000,
  'Invalid oom-score-adj-values, elements must be between -2000 and 2000.',
);
const percentiles = numbers(
  0,
  0,
  100,
  'latency-tracking-info-percentiles parameters should sit between [0.0,100.0]',
  'Invalid latency-tracking-info-percentiles parameters',
);

function fileName(what: string): Kind<string> {
  return text((word) => (word.includes('/') ? `${what} can't be a path, just a filename` : undefined));
}

const requiredFileName = text((word) => {
  if (word === '') return "appendfilename can't be empty";
  return word.includes('/') ? "appendfilename can't be a path, just a filename" : undefined;
});

const requiredFolderName = text((word) => {
  if (word === '') return "appenddirname can't be empty";
  return word.includes('/') ? "appenddirname can't be a path, just a dirname" : undefined;
});

const ipv4 = text((word) => (word === '' || isIPv4(word) ? undefined : 'Invalid IPv4 address'));
const ipv6 = text((word) => (word === '' || isIPv6(word) ? undefined : 'Invalid IPv6 address'));

const hostName = text((word) => {
  if (word.length > 255) return 'Hostnames must be less than 256 characters';
  if (/^[a-zA-Z0-9.-]*$/.test(word)) return undefined;
  return 'Hostnames may only contain alphanumeric characters, hyphens or dots';
});

const nodeName = text((word) => {
  if (word.length > 255) return 'Human readable nodename must be less than 256 characters';
  return /^[\x21-\x7e]*$/.test(word) ? undefined : 'Human readable node name contains invalid character';
});

const evictionPolicy = oneOf(
  'volatile-lru',
  'volatile-lrm',
  'volatile-lfu',
  'volatile-random',
  'volatile-ttl',
  'allkeys-lru',
  'allkeys-lrm',
  'allkeys-lfu',
  'allkeys-random',
  'noeviction',
);

// biome-ignore format: a table, one parameter a row
export const parameters = [
  // name                              kind               default                flags            summary                                                                  older name
  // --- network
  ['bind',                             addresses,         '* -::*',              LIVE,            'Addresses to listen on.'],
  ['bind-source-addr',                 any,               '',                    LIVE,            'Address that outgoing links start from.'],
  ['port',                             port,              '6379',                LIVE,            'TCP port for clients; 0 closes it.'],
  ['admin-port',                       port,              '0',                   FIXED | OWN,     'HTTP port of /livez, /readyz and /metrics; 0: none. Not in Redis.'],
  ['admin-bind',                       any,               '0.0.0.0',             FIXED | OWN,     'Address that the HTTP port listens on. Not in Redis.'],
  ['unixsocket',                       any,               '',                    FIXED,           'Path of the Unix socket; empty: none.'],
  ['unixsocketperm',                   fileMode,          '0',                   FIXED,           'Permission bits of the Unix socket.'],
  ['tcp-backlog',                      count,             '511',                 FIXED,           'Connections the kernel queues before they are accepted.'],
  ['tcp-keepalive',                    count,             '300',                 LIVE,            'Seconds between probes of a silent client; 0: none.'],
  ['timeout',                          count,             '0',                   LIVE,            'Seconds after which an idle client is closed; 0: never.'],
  ['protected-mode',                   yesNo,             'yes',                 LIVE,            'Refuse remote clients while there is no password and no bind.'],
  ['maxclients',                       integer(1n, UINT_MAX), '10000',           LIVE,            'Clients connected at the same time.'],
  ['client-output-buffer-limit',       outputLimits,      'normal 0 0 0 replica 256mb 64mb 60 pubsub 32mb 8mb 60', LIVE, 'Bounds of what waits to be sent, by class of client.'],
  ['client-query-buffer-limit',        memory(MEBIBYTE, INT64_MAX), '1gb',       LIVE,            'Bytes one client may send without completing a command.'],
  ['proto-max-bulk-len',               memory(MEBIBYTE, INT64_MAX), '512mb',     LIVE,            'Longest single argument.'],
  ['maxmemory-clients',                memoryOrPercent,   '0',                   LIVE,            'Memory of all client buffers together.'],
  ['socket-mark-id',                   long,              '0',                   FIXED | INERT,   'Mark put on listening sockets.'],
  ['io-threads',                       integer(1n, 128n), '1',                   FIXED | INERT,   'Threads that read and write sockets.'],
  ['io-threads-do-reads',              yesNo,             'no',                  FIXED | INERT | OWN, 'Whether those threads read as well.'],
  // --- process and log
  ['daemonize',                        yesNo,             'no',                  FIXED,           'Run in the background.'],
  ['supervised',                       oneOf('upstart', 'systemd', 'auto', 'no'), 'no', FIXED | INERT, 'How to report readiness to a supervisor.'],
  ['pidfile',                          any,               '',                    FIXED,           'File that receives the process id.'],
  ['dir',                              folder,            '.',                   GUARDED | NOT_LOADING, 'Folder of all data files.'],
  ['loglevel',                         oneOf('debug', 'verbose', 'notice', 'warning', 'nothing'), 'notice', LIVE, 'Least important line that is logged.'],
  ['logfile',                          any,               '',                    FIXED,           'File to log to; empty: standard output.'],
  ['log-format',                       oneOf('redis', 'json'), 'redis',          FIXED | OWN,     'Form of a log line. Not in Redis.'],
  ['syslog-enabled',                   yesNo,             'no',                  FIXED | INERT,   'Log to syslog as well.'],
  ['syslog-ident',                     any,               'redis',               FIXED | INERT,   'Name in syslog.'],
  ['syslog-facility',                  oneOf('user', 'local0', 'local1', 'local2', 'local3', 'local4', 'local5', 'local6', 'local7'), 'local0', FIXED | INERT, 'Facility in syslog.'],
  ['always-show-logo',                 yesNo,             'no',                  FIXED | INERT,   'Print the start-up drawing even when nobody watches.'],
  ['set-proc-title',                   yesNo,             'yes',                 FIXED,           'Show address and mode in the process list.'],
  ['proc-title-template',              text(titleProblem), '{title} {listen-addr} {server-mode}', LIVE, 'Form of the name in the process list.'],
  ['locale-collate',                   any,               '',                    LIVE | INERT,    'Locale that SORT compares by.'],
  ['crash-log-enabled',                yesNo,             'yes',                 LIVE,            'Write a report when the process crashes.'],
  ['crash-memcheck-enabled',           yesNo,             'yes',                 LIVE | INERT,    'Test memory after a crash.'],
  ['use-exit-on-panic',                yesNo,             'no',                  LIVE | INERT | HIDDEN, 'End by exit instead of abort on an assertion.'],
  ['disable-thp',                      yesNo,             'yes',                 FIXED | INERT,   'Turn transparent huge pages off for this process.'],
  ['ignore-warnings',                  any,               '',                    LIVE | INERT,    'Start-up warnings that do not stop the start.'],
  ['oom-score-adj',                    oneOf('no', 'yes', 'relative', 'absolute'), 'no', LIVE | INERT, 'Steer which process the kernel kills first.'],
  ['oom-score-adj-values',             adjustments,       '0 200 800',           LIVE | INERT,    'Kernel scores of primary, replica and child.'],
  ['server_cpulist',                   any,               '',                    FIXED | INERT,   'Processors of the main thread.', 'server-cpulist'],
  ['bio_cpulist',                      any,               '',                    FIXED | INERT,   'Processors of background threads.', 'bio-cpulist'],
  ['aof_rewrite_cpulist',              any,               '',                    FIXED | INERT,   'Processors of the AOF rewrite.', 'aof-rewrite-cpulist'],
  ['bgsave_cpulist',                   any,               '',                    FIXED | INERT,   'Processors of the background save.', 'bgsave-cpulist'],
  ['shutdown-timeout',                 count,             '10',                  LIVE,            'Seconds to wait for lagging replicas before ending.'],
  ['shutdown-on-sigint',               onSignal,          'default',             LIVE,            'What SIGINT does: save, nosave, now, force.'],
  ['shutdown-on-sigterm',              onSignal,          'default',             LIVE,            'What SIGTERM does: save, nosave, now, force.'],
  ['hz',                               frequency,            '10',                  LIVE | INERT,    'Background turns a second, 1 to 500.'],
  ['dynamic-hz',                       yesNo,             'yes',                 LIVE | INERT,    'More background turns with more clients.'],
  ['enable-protected-configs',         guard,             'no',                  FIXED,           'Who may set guarded parameters while the server runs.'],
  ['enable-debug-command',             guard,             'no',                  FIXED,           'Who may call DEBUG.'],
  ['enable-module-command',            guard,             'no',                  FIXED,           'Who may call MODULE.'],
  // --- security
  ['requirepass',                      any,               '',                    LIVE | SECRET,   'Password of the default user; empty: none.'],
  ['aclfile',                          any,               '',                    FIXED,           'File with users.'],
  ['acllog-max-len',                   long,              '128',                 LIVE,            'Entries that ACL LOG keeps.'],
  ['acl-pubsub-default',               oneOf('allchannels', 'resetchannels'), 'resetchannels', LIVE, 'Channels that a new user may use.'],
  // --- keyspace and memory
  ['databases',                        positive,          '16',                  FIXED,           'Number of databases.'],
  ['maxmemory',                        memory(0n, INT64_MAX), '0',               LIVE,            'Bytes of data before keys are evicted; 0: no limit.'],
  ['maxmemory-policy',                 evictionPolicy,    'noeviction',          LIVE,            'Which keys go when the memory is full.'],
  ['maxmemory-samples',                integer(1n, 64n),          '5',                   LIVE,            'Keys compared for each eviction.'],
  ['maxmemory-eviction-tenacity',      integer(0n, 100n), '10',                  LIVE,            'How long one eviction turn may take.'],
  ['lfu-log-factor',                   count,             '10',                  LIVE,            'How slowly the use counter of a key saturates.'],
  ['lfu-decay-time',                   count,             '1',                   LIVE,            'Minutes after which the use counter is lowered.'],
  ['active-expire-effort',             integer(1n, 10n),  '1',                   LIVE | INERT,    'How eagerly expired keys are removed.'],
  ['container-memory-guard',           yesNo,             'yes',                 LIVE,            'Without maxmemory: refuse to add data at 90 % of the container.'],
  ['require-ttl',                      any,               '',                    LIVE,            'Patterns of keys that no write may leave without a time to live.'],
  ['notify-keyspace-events',           notifyClasses,     '',                    LIVE,            'Classes of events published to subscribers.'],
  ['lazyfree-lazy-eviction',           yesNo,             'yes',                 LIVE,            'Free evicted values in the background.'],
  ['lazyfree-lazy-expire',             yesNo,             'yes',                 LIVE,            'Free expired values in the background.'],
  ['lazyfree-lazy-server-del',         yesNo,             'yes',                 LIVE,            'Free overwritten values in the background.'],
  ['lazyfree-lazy-user-del',           yesNo,             'yes',                 LIVE,            'Treat DEL as UNLINK.'],
  ['lazyfree-lazy-user-flush',         yesNo,             'yes',                 LIVE,            'Treat FLUSHALL as FLUSHALL ASYNC.'],
  ['activerehashing',                  yesNo,             'yes',                 LIVE | INERT,    'Rehash in the background.'],
  ['activedefrag',                     yesNo,             'no',                  LIVE | INERT,    'Move values to close gaps in memory.'],
  ['active-defrag-ignore-bytes',       memory(1n, INT64_MAX), '100mb',           LIVE | INERT,    'Waste below which nothing is moved.'],
  ['active-defrag-threshold-lower',    integer(0n, 1000n), '10',                 LIVE | INERT,    'Percent of waste at which moving starts.'],
  ['active-defrag-threshold-upper',    integer(0n, 1000n), '100',                LIVE | INERT,    'Percent of waste with full effort.'],
  ['active-defrag-cycle-min',          percent,           '1',                   LIVE | INERT,    'Least percent of processor time for moving.'],
  ['active-defrag-cycle-max',          percent,           '25',                  LIVE | INERT,    'Most percent of processor time for moving.'],
  ['active-defrag-max-scan-fields',    integer(1n, INT64_MAX), '1000',           LIVE | INERT,    'Larger values are moved in pieces.'],
  ['jemalloc-bg-thread',               yesNo,             'yes',                 LIVE | INERT,    'Return freed pages in the background.'],
  ['tracking-table-max-keys',          long,              '1000000',             LIVE,            'Keys remembered for client-side caching.'],
  ['hash-max-listpack-entries',        long,              '512',                 LIVE,            'Largest hash in the compact form.',                                     'hash-max-ziplist-entries'],
  ['hash-max-listpack-value',          bytes,             '64',                  LIVE,            'Longest value in a compact hash.',                                      'hash-max-ziplist-value'],
  ['list-max-listpack-size',           integer(INT_MIN, INT_MAX), '-2',          LIVE,            'Size of one node of a list.',                                           'list-max-ziplist-size'],
  ['list-compress-depth',              count,             '0',                   LIVE,            'Nodes at both ends that stay uncompressed.'],
  ['set-max-intset-entries',           long,              '512',                 LIVE,            'Largest set of integers in the compact form.'],
  ['set-max-listpack-entries',         long,              '128',                 LIVE,            'Largest set in the compact form.'],
  ['set-max-listpack-value',           long,              '64',                  LIVE,            'Longest member of a compact set.'],
  ['zset-max-listpack-entries',        long,              '128',                 LIVE,            'Largest sorted set in the compact form.',                               'zset-max-ziplist-entries'],
  ['zset-max-listpack-value',          bytes,             '64',                  LIVE,            'Longest member of a compact sorted set.',                               'zset-max-ziplist-value'],
  ['hll-sparse-max-bytes',             bytes,             '3000',                LIVE,            'Largest HyperLogLog in the sparse form.'],
  ['stream-node-max-bytes',            bytes,             '4096',                LIVE,            'Bytes in one node of a stream.'],
  ['stream-node-max-entries',          long,              '100',                 LIVE,            'Entries in one node of a stream.'],
  // --- snapshot
  ['save',                             savePoints,        '3600 1 300 100 60 10000', LIVE,        'When to take a snapshot by itself.'],
  ['dbfilename',                       fileName('dbfilename'), 'dump.rdb',       GUARDED,         'File of the snapshot.'],
  ['rdb-version',                      integerOr(10n, 12n, 80n), '11',                 LIVE,            'Format version of written snapshots. Not in Redis.'],
  ['rdbcompression',                   yesNo,             'yes',                 LIVE,            'Compress long strings in snapshots.'],
  ['rdbchecksum',                      yesNo,             'yes',                 FIXED,           'End snapshots with a checksum and verify it.'],
  ['rdb-del-sync-files',               yesNo,             'no',                  LIVE,            'Remove snapshots made for replicas only.'],
  ['rdb-save-incremental-fsync',       yesNo,             'yes',                 LIVE,            'Flush snapshots piece by piece.'],
  ['rdb-key-save-delay',               integer(INT_MIN, INT_MAX), '0',           LIVE | HIDDEN,   'Microseconds to wait after each saved key, for tests.'],
  ['key-load-delay',                   integer(INT_MIN, INT_MAX), '0',           LIVE | HIDDEN,   'Microseconds to wait after each loaded key, for tests.'],
  ['stop-writes-on-bgsave-error',      yesNo,             'yes',                 LIVE,            'Refuse writes after a failed snapshot.'],
  ['sanitize-dump-payload',            oneOf('no', 'yes', 'clients'), 'no',      LIVE,            'Check the inside of loaded values.'],
  // --- append-only file
  ['appendonly',                       yesNo,             'no',                  LIVE | NOT_LOADING, 'Log every change to the append-only file.'],
  ['appendfilename',                   requiredFileName,  'appendonly.aof',      FIXED,           'First part of the names of append-only files.'],
  ['appenddirname',                    requiredFolderName, 'appendonlydir',      FIXED,           'Folder of the append-only files.'],
  ['appendfsync',                      oneOf('everysec', 'always', 'no'), 'everysec', LIVE,       'When the append-only file reaches the disk.'],
  ['no-appendfsync-on-rewrite',        yesNo,             'no',                  LIVE,            'Do not flush while a rewrite or snapshot runs.'],
  ['auto-aof-rewrite-percentage',      count,             '100',                 LIVE,            'Growth in percent that starts a rewrite; 0: never.'],
  ['auto-aof-rewrite-min-size',        bytes,             '64mb',                LIVE,            'Smallest append-only file that is rewritten.'],
  ['aof-load-truncated',               yesNo,             'yes',                 LIVE,            'Accept a last command that was cut off.'],
  ['aof-use-rdb-preamble',             yesNo,             'yes',                 LIVE,            'Write the base of the append-only file as a snapshot.'],
  ['aof-timestamp-enabled',            yesNo,             'no',                  LIVE,            'Note the time in the append-only file.'],
  ['aof-rewrite-incremental-fsync',    yesNo,             'yes',                 LIVE | INERT,    'Flush rewrites piece by piece.'],
  ['aof-disable-auto-gc',              yesNo,             'no',                  LIVE,            'Keep old append-only files.'],
  // --- replication
  ['replicaof',                        primaryAddress,    '',                    FIXED,           'Host and port of the primary to follow.',                               'slaveof'],
  ['masterauth',                       any,               '',                    LIVE | SECRET,   'Password for the primary.',                                             'primaryauth'],
  ['masteruser',                       any,               '',                    LIVE | SECRET,   'User name for the primary.',                                            'primaryuser'],
  ['replica-serve-stale-data',         yesNo,             'yes',                 LIVE,            'Answer while the link to the primary is down.',                         'slave-serve-stale-data'],
  ['replica-read-only',                yesNo,             'yes',                 LIVE,            'Refuse writes of clients on a replica.',                                'slave-read-only'],
  ['replica-priority',                 count,             '100',                 LIVE,            'Lower is promoted first by Sentinel; 0: never.',                        'slave-priority'],
  ['replica-announced',                yesNo,             'yes',                 LIVE,            'Whether Sentinel reports this replica.'],
  ['replica-announce-ip',              any,               '',                    LIVE,            'Address that the primary reports for this replica.',                    'slave-announce-ip'],
  ['replica-announce-port',            port,              '0',                   LIVE,            'Port that the primary reports for this replica.',                       'slave-announce-port'],
  ['replica-ignore-maxmemory',         yesNo,             'yes',                 LIVE | INERT,    'Leave eviction to the primary.',                                        'slave-ignore-maxmemory'],
  ['replica-ignore-disk-write-errors', yesNo,             'no',                  LIVE | INERT,    'Keep following when the disk fails.'],
  ['replica-lazy-flush',               yesNo,             'no',                  LIVE | INERT,    'Empty a replica in the background before a full sync.',                 'slave-lazy-flush'],
  ['repl-diskless-sync',               yesNo,             'yes',                 LIVE,            'Send snapshots straight to replicas.'],
  ['repl-diskless-sync-delay',         count,             '5',                   LIVE,            'Seconds to wait for more replicas before a full sync.'],
  ['repl-diskless-sync-max-replicas',  count,             '0',                   LIVE,            'Replicas that end the wait early; 0: none.'],
  ['repl-diskless-load',               oneOf('disabled', 'on-empty-db', 'swapdb', 'flush-before-load'), 'disabled', LIVE, 'Load a full sync without a file.'],
  ['repl-disable-tcp-nodelay',         yesNo,             'no',                  LIVE | INERT,    'Send to replicas in fewer, later packets.'],
  ['repl-ping-replica-period',         positive,          '10',                  LIVE,            'Seconds between pings to replicas.',                                    'repl-ping-slave-period'],
  ['repl-timeout',                     positive,          '60',                  LIVE,            'Seconds of silence after which a link is down.'],
  ['repl-backlog-size',                backlogSize,       '1mb',                 LIVE,            'Bytes of history kept for partial resync, at least 16kb.'],
  ['repl-empty-primary-wait',          count,             '60',                  LIVE | OWN,      'Seconds a primary that came up empty waits for replicas with its data; 0: none. Not in Redis.'],
  ['repl-spill-max',                   bytes,             '8gb',                 LIVE | OWN,      'Bytes on disk that slow replicas may keep waiting; 0: only memory. Not in Redis.'],
  ['repl-backlog-ttl',                 long,              '3600',                LIVE,            'Seconds the history outlives the last replica; 0: for ever.'],
  ['min-replicas-to-write',            count,             '0',                   LIVE,            'Good replicas without which writes are refused.',                       'min-slaves-to-write'],
  ['min-replicas-max-lag',             count,             '10',                  LIVE,            'Seconds of lag up to which a replica is good.',                         'min-slaves-max-lag'],
  ['propagation-error-behavior',       oneOf('ignore', 'panic', 'panic-on-replicas'), 'ignore', LIVE,         'What an error in a replicated command does.'],
  // --- cluster
  ['cluster-enabled',                  yesNo,             'no',                  FIXED,           'Run as a node of a cluster.'],
  ['cluster-config-file',              any,               'nodes.conf',          FIXED,           'File that the node keeps its view of the cluster in.'],
  ['cluster-node-timeout',             long,              '15000',               LIVE,            'Milliseconds after which a silent node counts as failing.'],
  ['cluster-port',                     port,              '0',                   FIXED,           'Port of the cluster bus; 0: client port + 10000.'],
  ['cluster-announce-ip',              any,               '',                    LIVE,            'Address that other nodes are told.'],
  ['cluster-announce-hostname',        hostName,          '',                    LIVE,            'Host name that other nodes are told.'],
  ['cluster-announce-human-nodename',  nodeName,          '',                    LIVE,            'Name of the node in logs.'],
  ['cluster-announce-port',            port,              '0',                   LIVE,            'Client port that other nodes are told; 0: port.'],
  ['cluster-announce-tls-port',        port,              '0',                   LIVE | INERT,    'TLS port that other nodes are told; 0: tls-port.'],
  ['cluster-announce-bus-port',        port,              '0',                   LIVE,            'Bus port that other nodes are told; 0: the real one.'],
  ['cluster-require-full-coverage',    yesNo,             'yes',                 LIVE,            'Refuse all keys while some slots have no owner.'],
  ['cluster-replica-validity-factor',  count,             '10',                  LIVE,            'How old a replica’s data may be to take over; 0: any age.',             'cluster-slave-validity-factor'],
  ['cluster-replica-no-failover',      yesNo,             'no',                  LIVE,            'Never take over by itself.',                                            'cluster-slave-no-failover'],
  ['cluster-allow-replica-migration',  yesNo,             'yes',                 LIVE,            'Replicas move to primaries that have none.'],
  ['cluster-migration-barrier',        count,             '1',                   LIVE,            'Replicas a primary keeps before one moves away.'],
  ['cluster-allow-reads-when-down',    yesNo,             'no',                  LIVE,            'Serve reads while the cluster is down.'],
  ['cluster-allow-pubsubshard-when-down', yesNo,          'yes',                 LIVE,            'Serve sharded publish and subscribe while the cluster is down.'],
  ['cluster-link-sendbuf-limit',       bytes,             '0',                   LIVE,            'Bytes waiting for one bus peer before its link is closed.'],
  ['cluster-preferred-endpoint-type',  oneOf('ip', 'hostname', 'unknown-endpoint'), 'ip', LIVE,   'What redirections name.'],
  // --- scripts, slow log, latency
  ['busy-reply-threshold',             long,              '5000',                LIVE | INERT,    'Milliseconds after which a script may be killed.',                      'lua-time-limit'],
  ['slowlog-log-slower-than',          integer(-1n, INT64_MAX), '10000',         LIVE,            'Microseconds from which a command is noted; negative: none.',           'commandlog-execution-slower-than'],
  ['slowlog-max-len',                  long,              '128',                 LIVE,            'Commands the slow log keeps.',                                          'commandlog-slow-execution-max-len'],
  ['latency-monitor-threshold',        long,              '0',                   LIVE,            'Milliseconds from which an event is noted; 0: none.'],
  ['latency-tracking',                 yesNo,             'yes',                 LIVE,            'Keep a latency histogram for each command.'],
  ['latency-tracking-info-percentiles', percentiles,      '50 99 99.9',          LIVE,            'Percentiles that INFO prints.'],
  // --- TLS
  ['tls-port',                         tlsPort,           '0',                   LIVE | INERT,    'TLS port for clients.'],
  ['tls-cert-file',                    any,               '',                    LIVE | INERT,    'Certificate of the server.'],
  ['tls-key-file',                     any,               '',                    LIVE | INERT,    'Key of the server.'],
  ['tls-key-file-pass',                any,               '',                    LIVE | INERT | SECRET, 'Password of that key.'],
  ['tls-client-cert-file',             any,               '',                    LIVE | INERT,    'Certificate for outgoing links.'],
  ['tls-client-key-file',              any,               '',                    LIVE | INERT,    'Key for outgoing links.'],
  ['tls-client-key-file-pass',         any,               '',                    LIVE | INERT | SECRET, 'Password of that key.'],
  ['tls-dh-params-file',               any,               '',                    LIVE | INERT,    'Diffie-Hellman parameters.'],
  ['tls-ca-cert-file',                 any,               '',                    LIVE | INERT,    'Authorities that are trusted.'],
  ['tls-ca-cert-dir',                  any,               '',                    LIVE | INERT,    'Folder of authorities that are trusted.'],
  ['tls-auth-clients',                 oneOf('no', 'yes', 'optional'), 'yes',    LIVE | INERT,    'Whether clients need a certificate.'],
  ['tls-replication',                  noTls,             'no',                  LIVE | INERT,    'Follow the primary by TLS.'],
  ['tls-cluster',                      noTls,             'no',                  LIVE | INERT,    'Speak TLS on the cluster bus.'],
  ['tls-protocols',                    any,               '',                    LIVE | INERT,    'TLS versions.'],
  ['tls-ciphers',                      any,               '',                    LIVE | INERT,    'Ciphers up to TLS 1.2.'],
  ['tls-ciphersuites',                 any,               '',                    LIVE | INERT,    'Ciphers of TLS 1.3.'],
  ['tls-prefer-server-ciphers',        yesNo,             'no',                  LIVE | INERT,    'The server chooses the cipher.'],
  ['tls-session-caching',              yesNo,             'yes',                 LIVE | INERT,    'Resume TLS sessions.'],
  ['tls-session-cache-size',           count,             '20480',               LIVE | INERT,    'Sessions kept.'],
  ['tls-session-cache-timeout',        count,             '300',                 LIVE | INERT,    'Seconds a session is kept.'],
  // --- Valkey's own
  ['commandlog-request-larger-than',   integer(-1n, INT64_MAX), '1048576',       LIVE,            'Bytes from which a request is noted; negative: none.'],
  ['commandlog-large-request-max-len', long,              '128',                 LIVE,            'Large requests that the command log keeps.'],
  ['commandlog-reply-larger-than',     integer(-1n, INT64_MAX), '1048576',       LIVE,            'Bytes from which a reply is noted; negative: none.'],
  ['commandlog-large-reply-max-len',   long,              '128',                 LIVE,            'Large replies that the command log keeps.'],
  ['extended-redis-compatibility',     yesNo,             'no',                  LIVE | INERT,    'Name itself Redis; this server always does.'],
  ['hide-user-data-from-log',          yesNo,             'yes',                 LIVE,            'Leave keys and values out of the log.'],
  ['import-mode',                      yesNo,             'no',                  LIVE,           'Leave expired keys while data is imported.'],
  ['availability-zone',                any,               '',                    LIVE,            'Where the server runs, shown by INFO and HELLO.'],
  ['dual-channel-replication-enabled', yesNo,             'no',                  LIVE | INERT,    'Full sync over a connection of its own.'],
  ['cluster-slot-stats-enabled',       yesNo,             'no',                  LIVE | INERT,    'Count processor time and bytes by slot.'],
  ['cluster-announce-client-ipv4',     ipv4,               '',                    LIVE | INERT,    'IPv4 address that clients are told.'],
  ['cluster-announce-client-ipv6',     ipv6,               '',                    LIVE | INERT,    'IPv6 address that clients are told.'],
  ['cluster-blacklist-ttl',            long,              '60',                  LIVE | INERT,    'Seconds a forgotten node stays forgotten.'],
  ['cluster-manual-failover-timeout',  integer(1n, INT_MAX), '5000',             LIVE | INERT,    'Milliseconds a manual failover may take.'],
  ['cluster-ping-interval',            long,              '0',                   LIVE | INERT | HIDDEN, 'Milliseconds between pings on the bus.'],
  ['log-timestamp-format',             oneOf('legacy', 'iso8601', 'milliseconds'), 'legacy', LIVE | INERT, 'Form of the time in a log line.'],
  ['rdb-version-check',                oneOf('strict', 'relaxed'), 'strict',     LIVE,            'Whether RESTORE and loading refuse a newer version.'],
  ['unixsocketgroup',                  any,               '',                    FIXED,           'Group of the Unix socket.'],
  ['prefetch-batch-max-size',          integer(0n, 128n), '16',                  LIVE | INERT,    'Commands looked at ahead of time.'],
  ['events-per-io-thread',             count,             '2',                   LIVE | INERT | HIDDEN, 'Events for which a thread is woken.'],
  ['active-defrag-cycle-us',           integer(0n, 100_000n), '500',             LIVE | INERT,    'Microseconds of one turn of moving.'],
  ['max-new-connections-per-cycle',    integer(1n, 1000n), '10',                 LIVE | INERT,    'Connections accepted in one turn.'],
  ['max-new-tls-connections-per-cycle', integer(1n, 1000n), '1',                 LIVE | INERT,    'TLS connections accepted in one turn.'],
  ['client-default-resp',              integer(2n, 3n),   '2',                   FIXED | INERT | HIDDEN, 'Protocol of a new connection.'],
  ['watchdog-period',                  count,             '0',                   LIVE | INERT | HIDDEN, 'Milliseconds after which Redis shows the stack of a slow turn.'],
  ['loading-process-events-interval-bytes', integer(1024n, INT_MAX), '2097152',  LIVE | INERT | HIDDEN, 'Bytes loaded between two looks at clients.'],
  ['enable-debug-assert',              yesNo,             'no',                  FIXED | INERT | HIDDEN, 'Check assertions meant for development.'],
  ['debug-context',                    any,               '',                    LIVE | HIDDEN,   'Text for reports of a crash.'],
] as const;

type ParameterRow = (typeof parameters)[number];

/** The name of a parameter, as `CONFIG GET` prints it. */
export type ParameterName = ParameterRow[0];

/** The values of all parameters by name; memory in bytes, times in the unit the summary names. */
export type Values = {
  [Row in ParameterRow as Row[0]]: Row[1] extends Kind<infer T> ? T : never;
};
