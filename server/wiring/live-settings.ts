/** Parameters that act on a part when they change: applied at start, and by CONFIG SET. */
import type { ParameterName } from '../config/parameters.ts';
import type { Server } from '../server.ts';
import { applyValueLimits, limitParameters } from './value-limits.ts';

/** What the observer of commands is set by. */
const observerSettings: readonly ParameterName[] = [
  'slowlog-log-slower-than',
  'slowlog-max-len',
  'commandlog-request-larger-than',
  'commandlog-large-request-max-len',
  'commandlog-reply-larger-than',
  'commandlog-large-reply-max-len',
  'latency-monitor-threshold',
  'latency-tracking',
];

export function applyLiveSettings(server: Server): void {
  const { config, keyspace, log } = server;
  const { values } = config;
  const memory = (): void => {
    keyspace.eviction.maxmemory = values.maxmemory;
    keyspace.eviction.policy = values['maxmemory-policy'] as typeof keyspace.eviction.policy;
    keyspace.eviction.samples = values['maxmemory-samples'];
    const lfu = values['maxmemory-policy'].endsWith('lfu');
    keyspace.useLfu(lfu, values['lfu-decay-time'], values['lfu-log-factor']);
    if (values.maxmemory > 0 && server.replication.role === 'primary') keyspace.eviction.makeRoom();
  };
  const password = (): void => {
    const { users } = server.access;
    users.setDefaultPassword(Buffer.from(values.requirepass).toString('latin1'));
    // Who is signed in stays so, as in Redis; a removed password lets everybody in.
    if (values.requirepass !== '') return;
    for (const client of server.clients.all()) client.authenticated = true;
  };
  const bulk = (): void => {
    server.sessions.parser.bulkBytesMax = values['proto-max-bulk-len'];
  };
  const notifications = (): void => {
    keyspace.events.flags = values['notify-keyspace-events'];
  };
  const observed = (): void => {
    server.observer.configure({
      slowerThan: values['slowlog-log-slower-than'],
      slowLengthMax: values['slowlog-max-len'],
      requestLargerThan: values['commandlog-request-larger-than'],
      requestLengthMax: values['commandlog-large-request-max-len'],
      replyLargerThan: values['commandlog-reply-larger-than'],
      replyLengthMax: values['commandlog-large-reply-max-len'],
      latencyThreshold: values['latency-monitor-threshold'],
      latencyTracking: values['latency-tracking'],
    });
  };
  const level = (): void => {
    log.level = values.loglevel;
  };
  // biome-ignore format: a table
  const rows: readonly (readonly [names: readonly ParameterName[], apply: () => void])[] = [
    [['maxmemory', 'maxmemory-policy', 'maxmemory-samples', 'lfu-decay-time', 'lfu-log-factor'], memory],
    [['requirepass'],        password],
    [['proto-max-bulk-len'], bulk],
    [['loglevel'],           level],
    [observerSettings,       observed],
    [limitParameters,        () => applyValueLimits(server)],
    [['notify-keyspace-events'], notifications],
  ];
  for (const [names, apply] of rows) {
    apply();
    for (const name of names) {
      config.onChange(name, () => {
        apply();
        return undefined;
      });
    }
  }
}
