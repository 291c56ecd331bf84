/** FAILOVER: a primary hands its role over. What follows is the replication room's (failover.ts there). */
import type { FailoverTarget } from '../replication/failover.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { ADMIN, NO_KEY, NOSCRIPT, type Row, STALE } from './row.ts';

// biome-ignore format: a table, one command a row
export const failoverCommands: readonly Row[] = [
  // name      arity flags                     keys    since    run       summary
  ['FAILOVER', -1,   ADMIN | NOSCRIPT | STALE, NO_KEY, '6.2.0', failover, 'Starts a coordinated failover from a server to one of its replicas.'],
];

const NOT_IN_CLUSTER = 'ERR FAILOVER not allowed in cluster mode. Use CLUSTER FAILOVER command instead.';

function failover(call: Call): void {
  const { replication, cluster, keyspace } = call.context;
  if (cluster !== null) {
    call.reply.error(NOT_IN_CLUSTER);
    return;
  }
  if (call.argc === 2 && call.is(1, 'ABORT')) {
    if (replication.failover.abort('Failover manually aborted')) call.reply.ok();
    else call.reply.error('ERR No failover in progress.');
    return;
  }
  const request = parse(call);
  if (typeof request === 'string') {
    call.reply.error(request);
    return;
  }
  const refusal = replication.failover.begin(request, keyspace.nowMs);
  if (refusal === null) call.reply.ok();
  else call.reply.error(refusal);
}

/** `[TO host port] [FORCE] [TIMEOUT ms]` in any order, each once; an error when it is something else. */
function parse(call: Call): { target: FailoverTarget | null; timeoutMs: number; force: boolean } | string {
  let target: FailoverTarget | null = null;
  let timeoutMs = 0;
  let force = false;
  for (let index = 1; index < call.argc; index++) {
    if (call.is(index, 'TIMEOUT') && index + 1 < call.argc && timeoutMs === 0) {
      timeoutMs = call.integer(++index);
      if (Number.isNaN(timeoutMs)) return errors.NOT_INTEGER;
      if (timeoutMs <= 0) return 'ERR FAILOVER timeout must be greater than 0';
    } else if (call.is(index, 'TO') && index + 2 < call.argc && target === null) {
      const port = call.integer(index + 2);
      if (Number.isNaN(port)) return errors.NOT_INTEGER;
      target = { host: call.text(index + 1), port };
      index += 2;
    } else if (call.is(index, 'FORCE') && !force) force = true;
    else return errors.SYNTAX;
  }
  return { target, timeoutMs, force };
}
