/** Every family of commands. */
import { bitmapCommands } from './bitmap.ts';
import { clusterCommands } from './cluster.ts';
import { inGroup } from './command-facts.ts';
import { commandCommands } from './command-introspection.ts';
import { configCommands } from './config.ts';
import { connectionCommands } from './connection.ts';
import { dumpCommands } from './dump.ts';
import { expireCommands } from './expire.ts';
import { genericCommands } from './generic.ts';
import { hyperloglogCommands } from './hyperloglog.ts';
import { infoCommands } from './info.ts';
import { listCommands } from './list.ts';
import { listBlockingCommands } from './list-blocking.ts';
import { listMovingCommands } from './list-moving.ts';
import { migrateCommands } from './migrate.ts';
import { persistenceCommands } from './persistence.ts';
import { pubsubCommands } from './pubsub.ts';
import { replicationCommands } from './replication.ts';
import type { Row } from './row.ts';
import { scriptingCommands } from './scripting.ts';
import { serverCommands } from './server.ts';
import { stringCommands } from './string.ts';
import { transactionCommands } from './transaction.ts';

export const allCommands: readonly Row[] = [
  ...inGroup('bitmap', bitmapCommands),
  ...inGroup('cluster', clusterCommands),
  ...inGroup('server', commandCommands),
  ...inGroup('server', configCommands),
  ...inGroup('connection', connectionCommands),
  ...inGroup('generic', dumpCommands),
  ...inGroup('generic', expireCommands),
  ...inGroup('generic', genericCommands),
  ...inGroup('hyperloglog', hyperloglogCommands),
  ...inGroup('server', infoCommands),
  ...inGroup('list', listCommands),
  ...inGroup('list', listBlockingCommands),
  ...inGroup('list', listMovingCommands),
  ...inGroup('generic', migrateCommands),
  ...inGroup('server', persistenceCommands),
  ...inGroup('pubsub', pubsubCommands),
  ...inGroup('server', replicationCommands),
  ...inGroup('scripting', scriptingCommands),
  ...inGroup('server', serverCommands),
  ...inGroup('string', stringCommands),
  ...inGroup('transactions', transactionCommands),
];
