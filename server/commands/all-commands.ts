/** Every family of commands. */

import { aclCommands } from './acl.ts';
import { bitmapCommands } from './bitmap.ts';
import { clusterCommands } from './cluster.ts';
import { inGroup } from './command-facts.ts';
import { commandCommands } from './command-introspection.ts';
import { configCommands } from './config.ts';
import { connectionCommands } from './connection.ts';
import { debugCommands } from './debug.ts';
import { dumpCommands } from './dump.ts';
import { expireCommands } from './expire.ts';
import { failoverCommands } from './failover.ts';
import { functionCommands } from './functions.ts';
import { genericCommands } from './generic.ts';
import { geoCommands } from './geo.ts';
import { geoSearchCommands } from './geo-search.ts';
import { hashCommands } from './hash.ts';
import { hashExCommands } from './hash-ex.ts';
import { hashExpiryCommands } from './hash-expiry.ts';
import { hashNumberCommands } from './hash-number.ts';
import { hashRandomCommands } from './hash-random.ts';
import { hyperloglogCommands } from './hyperloglog.ts';
import { infoCommands } from './info.ts';
import { latencyCommands } from './latency.ts';
import { listCommands } from './list.ts';
import { listBlockingCommands } from './list-blocking.ts';
import { listMovingCommands } from './list-moving.ts';
import { memoryCommands } from './memory.ts';
import { migrateCommands } from './migrate.ts';
import { moduleCommands } from './module.ts';
import { persistenceCommands } from './persistence.ts';
import { pubsubCommands } from './pubsub.ts';
import { replicationCommands } from './replication.ts';
import type { Row } from './row.ts';
import { scriptingCommands } from './scripting.ts';
import { serverCommands } from './server.ts';
import { setCommands } from './set.ts';
import { setAlgebraCommands } from './set-algebra.ts';
import { setRandomCommands } from './set-random.ts';
import { slowLogCommands } from './slow-log.ts';
import { sortCommands } from './sort.ts';
import { sortedSetCommands } from './sorted-set.ts';
import { sortedSetAlgebraCommands } from './sorted-set-algebra.ts';
import { sortedSetBlockingCommands } from './sorted-set-blocking.ts';
import { sortedSetPopCommands } from './sorted-set-pop.ts';
import { sortedSetRandomCommands } from './sorted-set-random.ts';
import { sortedSetRangeCommands } from './sorted-set-range.ts';
import { streamCommands } from './stream.ts';
import { streamClaimCommands } from './stream-claim.ts';
import { streamDeleteCommands } from './stream-delete.ts';
import { streamGroupCommands } from './stream-group.ts';
import { streamInfoCommands } from './stream-info.ts';
import { streamReadCommands } from './stream-read.ts';
import { stringCommands } from './string.ts';
import { transactionCommands } from './transaction.ts';
import { waitCommands } from './wait.ts';

export const allCommands: readonly Row[] = [
  ...inGroup('bitmap', bitmapCommands),
  ...inGroup('server', aclCommands),
  ...inGroup('cluster', clusterCommands),
  ...inGroup('server', commandCommands),
  ...inGroup('server', configCommands),
  ...inGroup('connection', connectionCommands),
  ...inGroup('server', debugCommands),
  ...inGroup('generic', dumpCommands),
  ...inGroup('generic', expireCommands),
  ...inGroup('generic', genericCommands),
  ...inGroup('hash', hashCommands),
  ...inGroup('hash', hashExCommands),
  ...inGroup('hash', hashExpiryCommands),
  ...inGroup('hash', hashNumberCommands),
  ...inGroup('hash', hashRandomCommands),
  ...inGroup('hyperloglog', hyperloglogCommands),
  ...inGroup('geo', geoCommands),
  ...inGroup('geo', geoSearchCommands),
  ...inGroup('server', infoCommands),
  ...inGroup('server', latencyCommands),
  ...inGroup('list', listCommands),
  ...inGroup('list', listBlockingCommands),
  ...inGroup('list', listMovingCommands),
  ...inGroup('server', memoryCommands),
  ...inGroup('generic', migrateCommands),
  ...inGroup('server', moduleCommands),
  ...inGroup('server', persistenceCommands),
  ...inGroup('pubsub', pubsubCommands),
  ...inGroup('server', replicationCommands),
  ...inGroup('server', failoverCommands),
  ...inGroup('generic', waitCommands),
  ...inGroup('scripting', functionCommands),
  ...inGroup('scripting', scriptingCommands),
  ...inGroup('server', serverCommands),
  ...inGroup('set', setCommands),
  ...inGroup('set', setAlgebraCommands),
  ...inGroup('set', setRandomCommands),
  ...inGroup('server', slowLogCommands),
  ...inGroup('generic', sortCommands),
  ...inGroup('sorted_set', sortedSetCommands),
  ...inGroup('sorted_set', sortedSetAlgebraCommands),
  ...inGroup('sorted_set', sortedSetBlockingCommands),
  ...inGroup('sorted_set', sortedSetPopCommands),
  ...inGroup('sorted_set', sortedSetRandomCommands),
  ...inGroup('sorted_set', sortedSetRangeCommands),
  ...inGroup('stream', streamCommands),
  ...inGroup('stream', streamClaimCommands),
  ...inGroup('stream', streamDeleteCommands),
  ...inGroup('stream', streamGroupCommands),
  ...inGroup('stream', streamInfoCommands),
  ...inGroup('stream', streamReadCommands),
  ...inGroup('string', stringCommands),
  ...inGroup('transactions', transactionCommands),
];
