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

const evictionSettings: readonly ParameterName[] = [
  'maxmemory',
  'maxmemory-policy',
  'maxmemory-samples',
  'container-memory-guard',
  'maxmemory-eviction-tenacity',
  'lfu-decay-time',
  'lfu-log-factor',
];

const lazyFreeSettings: readonly ParameterName[] = [
  'lazyfree-lazy-eviction',
  'lazyfree-lazy-expire',
  'lazyfree-lazy-server-del',
  'lazyfree-lazy-user-del',
  'lazyfree-lazy-user-flush',
];

export function applyLiveSettings(server: Server): void {
  const { config, keyspace, log } = server;
  const { values } = config;
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
  const outputLimits = (): void => {
    server.sessions.outputLimits = values['client-output-buffer-limit'];
  };
  const tracking = (): void => {
    server.tracking.maxKeys = values['tracking-table-max-keys'];
  };
  const notifications = (): void => {
    keyspace.events.flags = values['notify-keyspace-events'];
  };
  const importing = (): void => {
    const { role, writesPaused } = server.replication;
    keyspace.deletesExpired = role === 'primary' && !writesPaused && !values['import-mode'];
    keyspace.eviction.importing = values['import-mode'];
    server.executor.calm = false;
  };
  const level = (): void => {
    log.level = values.loglevel;
  };
  // biome-ignore format: a table
  const rows: readonly (readonly [names: readonly ParameterName[], apply: () => void])[] = [
    [evictionSettings,       () => applyEviction(server)],
    [lazyFreeSettings,       () => applyLazyFree(server)],
    [['requirepass'],        password],
    [['proto-max-bulk-len'], bulk],
    [['client-output-buffer-limit'], outputLimits],
    [['loglevel'],           level],
    [['import-mode'],        importing],
    [observerSettings,       () => applyObserver(server)],
    [limitParameters,        () => applyValueLimits(server)],
    [['notify-keyspace-events'], notifications],
    [['tracking-table-max-keys'], tracking],
    [['repl-backlog-size'], () => server.replication.backlog?.resize(values['repl-backlog-size'])],
  ];
  moveListeners(server);
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

function applyEviction(server: Server): void {
  const { keyspace } = server;
  const { values } = server.config;
  keyspace.eviction.maxmemory = values.maxmemory;
  keyspace.eviction.policy = values['maxmemory-policy'] as typeof keyspace.eviction.policy;
  keyspace.eviction.samples = values['maxmemory-samples'];
  keyspace.eviction.setTenacity(values['maxmemory-eviction-tenacity']);
  const clock = /(lfu|lrm)$/.exec(values['maxmemory-policy'])?.[0] as 'lfu' | 'lrm' | undefined;
  keyspace.useClock(clock ?? 'lru', values['lfu-decay-time'], values['lfu-log-factor']);
  keyspace.eviction.begin();
  server.guard.enabled = values['container-memory-guard'] && values.maxmemory === 0;
  server.guard.tick();
}

function applyLazyFree(server: Server): void {
  const { keyspace } = server;
  const { values } = server.config;
  const { policy } = keyspace.lazyFree;
  policy.eviction = values['lazyfree-lazy-eviction'];
  policy.expire = values['lazyfree-lazy-expire'];
  policy.serverDel = values['lazyfree-lazy-server-del'];
  policy.userDel = values['lazyfree-lazy-user-del'];
  policy.userFlush = values['lazyfree-lazy-user-flush'];
  keyspace.lazyFree.lazily = policy.serverDel;
}

function applyObserver(server: Server): void {
  const { values } = server.config;
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
}

/** Both must succeed or fail within CONFIG SET. */
function moveListeners(server: Server): void {
  const { config } = server;
  const { values } = config;
  config.onChange('port', (port, before) => {
    const moved = server.sessions.moveTo(values.bind, port, values.bind, before);
    return moved ? undefined : 'Unable to listen on this port. Check server logs.';
  });
  config.onChange('bind', (bind, before) => {
    const moved = server.sessions.moveTo(bind, values.port, before, values.port);
    return moved ? undefined : 'Failed to bind to specified addresses.';
  });
}
