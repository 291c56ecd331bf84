/**
 * Before a primary ends in order, its best replica takes over: no timeout, no election by surprise, no lost
 * write.
 */
import { RespClient, RespFailure } from '../wire/client.ts';
import { RespError } from '../wire/reply-parser.ts';
import { type ClusterState, MANUAL_FAILOVER_TIMEOUT_MS } from './cluster-state.ts';
import { type ClusterNode, FAILED, NO_FAILOVER, PFAIL } from './node-table.ts';

export type HandOverResult = 'done' | 'no-replica' | 'timeout';

export interface Credentials {
  /** Empty: the default user. */
  readonly username: string;
  /** Empty: no AUTH is sent. */
  readonly password: string;
}

const LOOK_EVERY_MS = 20;
const CALL_MS_MAX = 2000;

/** Replicas that could take over, the one with most data first. */
export function successors(state: ClusterState): ClusterNode[] {
  return state.myself.replicas
    .filter((replica) => !replica.has(FAILED | PFAIL | NO_FAILOVER) && replica.link !== null)
    .sort((one, other) => other.offset - one.offset);
}

/**
 * Asks each replica in turn for a manual failover (`options`: FORCE) and waits until we are its replica, or
 * until the deadline.
 */
export async function handOverTo(
  state: ClusterState,
  credentials: Credentials,
  deadlineMs: number,
  options: readonly string[] = [],
): Promise<HandOverResult> {
  if (!state.myself.isPrimary || state.myself.slotCount === 0) return 'no-replica';
  const until = state.now + deadlineMs;
  const candidates = successors(state);
  if (candidates.length === 0) return 'no-replica';
  for (const replica of candidates) {
    const remaining = until - state.now;
    if (remaining <= 0) break;
    state.environment.log('notice', `Handing over to replica ${replica.id}`);
    const reason = await askFailover(replica, credentials, Math.min(remaining, CALL_MS_MAX), options);
    if (reason !== null) {
      state.environment.log('warning', `Replica ${replica.id} does not take over: ${reason}`);
      continue;
    }
    const attemptUntil = Math.min(until, state.now + MANUAL_FAILOVER_TIMEOUT_MS);
    while (state.now < attemptUntil) {
      if (!state.myself.isPrimary || state.myself.slotCount === 0) return 'done';
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  }
  return 'timeout';
}

/** Why the replica refuses or cannot be asked, or null when it has begun. */
async function askFailover(
  replica: ClusterNode,
  credentials: Credentials,
  callMs: number,
  options: readonly string[],
): Promise<string | null> {
  const { username, password } = credentials;
  const client = await RespClient.connect({
    host: replica.ip,
    port: replica.port,
    connectDeadlineMs: callMs,
    ...(password === '' ? {} : username === '' ? { password } : { username, password }),
  });
  if (client instanceof RespFailure) return client.message;
  const answer = await client.call(['CLUSTER', 'FAILOVER', ...options], { deadlineMs: callMs });
  client.close();
  return answer instanceof RespFailure || answer instanceof RespError ? answer.message : null;
}
