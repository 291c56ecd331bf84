/** WAIT and WAITAOF: the answer comes when enough servers have what the client wrote before. */

import type { Reply } from '../wire/reply.ts';
import { parseTimeoutMs, UNBLOCKED_BY_ROLE } from './blocking.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { BLOCKING, NO_KEY, type Row } from './row.ts';

const TIPS = { tips: ['request_policy:all_shards', 'response_policy:agg_min'] };

// biome-ignore format: a table, one command a row
export const waitCommands: readonly Row[] = [
  // name      arity flags     keys    since    run      summary
  ['WAIT',     3,    BLOCKING, NO_KEY, '3.0.0', wait,    'Blocks until the asynchronous replication of all preceding write commands sent by the connection is completed.', TIPS],
  ['WAITAOF',  4,    BLOCKING, NO_KEY, '7.2.0', waitaof, 'Blocks until all of the preceding write commands sent by the connection are written to the append-only file of the primary and/or replicas.', TIPS],
];

const ON_REPLICA = 'cannot be used with replica instances. Please also note that';
const WAIT_ON_REPLICA =
  `ERR WAIT ${ON_REPLICA} since Redis 4.0 if a replica is configured to be writable ` +
  '(which is not the default) writes to replicas are just local and are not propagated.';
const WAITAOF_ON_REPLICA = `ERR WAITAOF ${ON_REPLICA} writes to replicas are just local and are not propagated.`;
const NO_LOCAL_FILE = 'ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.';

function wait(call: Call): void {
  const { replication } = call.context;
  if (replication.role === 'replica') {
    call.reply.error(WAIT_ON_REPLICA);
    return;
  }
  const wanted = call.integer64(1);
  if (wanted === null) {
    call.reply.error(errors.NOT_INTEGER);
    return;
  }
  const timeoutMs = parseTimeoutMs(call, 2);
  if (timeoutMs < 0) return;
  const offset = call.client.writeOffset;
  const count = (): number => replication.primary.countAcknowledged(offset);
  answerWhen(
    call,
    timeoutMs,
    () => count() >= wanted,
    (reply) => reply.integer(count()),
  );
}

function waitaof(call: Call): void {
  const { replication, persistence, config } = call.context;
  const local = call.integer64(1);
  if (local === null || local < 0n || local > 1n) {
    call.reply.error(
      local === null ? errors.NOT_INTEGER : 'ERR value is out of range, value must between 0 and 1',
    );
    return;
  }
  const wanted = call.integer64(2);
  if (wanted === null || wanted < 0n) {
    call.reply.error('ERR value is out of range, must be positive');
    return;
  }
  const timeoutMs = parseTimeoutMs(call, 3);
  if (timeoutMs < 0) return;
  if (replication.role === 'replica') {
    call.reply.error(WAITAOF_ON_REPLICA);
    return;
  }
  const needsFile = local === 1n;
  const impossible = (): boolean => needsFile && !config.values.appendonly;
  if (impossible()) {
    call.reply.error(NO_LOCAL_FILE);
    return;
  }
  const { writeOffset, fileOffset } = call.client;
  const inFile = (): boolean => persistence.isInFile(fileOffset);
  const count = (): number => replication.primary.countFiled(writeOffset);
  answerWhen(
    call,
    timeoutMs,
    () => impossible() || ((!needsFile || inFile()) && count() >= wanted),
    (reply) => {
      if (impossible()) {
        reply.error(NO_LOCAL_FILE);
        return;
      }
      reply.array(2);
      reply.integer(inFile() ? 1 : 0);
      reply.integer(count());
    },
  );
}

/** Answers with what `write` makes as soon as `ready`, and when the time is over; 0: for ever. */
function answerWhen(
  call: Call,
  timeoutMs: number,
  ready: () => boolean,
  write: (reply: Reply) => void,
): void {
  const { client, context } = call;
  if (ready() || !call.mayBlock) {
    write(call.reply);
    return;
  }
  const answer = call.defer();
  let waiting = true;
  const finish = (make: (reply: Reply) => void): void => {
    if (!waiting) return;
    waiting = false;
    client.waiting = null;
    answer(make);
  };
  client.waiting = {
    timeOut: () => finish(write),
    fail: (error) => finish((reply) => reply.error(error)),
  };
  context.replication.primary.waitForAcks({
    timeoutMs,
    ready,
    done: (outcome) => finish(outcome === null ? (reply) => reply.error(UNBLOCKED_BY_ROLE) : write),
    abandoned: () => !waiting || context.clients.byId(client.id) !== client,
  });
}
