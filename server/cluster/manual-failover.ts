/**
 * A hand-over that somebody asked for. The replica sends MFSTART; the primary stops writes and says so with
 * its offset in every ping; the replica waits until it has applied that much, then holds an election in which
 * the votes are given although the primary is alive. Both sides give up after five seconds.
 */
import { type BusHeader, MESSAGE_PAUSED, PING } from './bus-message.ts';
import { sendManualFailoverStart } from './bus-send.ts';
import { type ClusterState, MANUAL_FAILOVER_TIMEOUT_MS } from './cluster-state.ts';
import { bumpEpochWithoutConsensus, resetElection, takeOverPrimary } from './election.ts';
import { sendPing } from './gossip.ts';
import type { ClusterNode } from './node-table.ts';

/**
 * The primary's writes stay paused longer than the failover may last, so that nothing is written into a lost
 * race.
 */
const PAUSE_FACTOR = 2;
const ASK_AGAIN_MS = 1000;

export function resetManualFailover(state: ClusterState): void {
  const { manual } = state;
  if (manual.replica !== null) state.environment.replication.resumeWrites();
  manual.endsAt = 0;
  manual.replica = null;
  manual.primaryOffset = -1;
  manual.canStart = false;
}

export function abortManualFailoverIfLate(state: ClusterState): void {
  if (state.manual.endsAt === 0 || state.manual.endsAt >= state.now) return;
  state.environment.log('warning', 'Manual failover timed out.');
  resetManualFailover(state);
}

/**
 * As a replica, on the order of a person. `force` does not ask the primary, `takeover` asks nobody.
 * The caller has checked that we are a replica with a known primary.
 */
export function startManualFailover(state: ClusterState, mode: 'normal' | 'force' | 'takeover'): void {
  resetManualFailover(state);
  state.manual.endsAt = state.now + MANUAL_FAILOVER_TIMEOUT_MS;
  // An election that expired a moment ago must not make this one wait for its retry time.
  resetElection(state);
  if (mode === 'takeover') {
    state.environment.log('notice', 'Taking over the master (user request).');
    bumpEpochWithoutConsensus(state);
    takeOverPrimary(state);
  } else if (mode === 'force') {
    state.environment.log('notice', 'Forced failover user request accepted.');
    state.manual.canStart = true;
    state.pending.failover = true;
  } else if (state.myself.primary !== null) {
    state.environment.log('notice', 'Manual failover user request accepted.');
    askPrimary(state);
  }
}

function askPrimary(state: ClusterState): void {
  if (state.myself.primary === null) return;
  state.manual.askedAt = state.now;
  sendManualFailoverStart(state, state.myself.primary);
}

/** As a primary: one of our replicas asks to take over. */
export function acceptManualFailover(state: ClusterState, replica: ClusterNode): void {
  if (replica.primary !== state.myself || !state.myself.isPrimary) return;
  resetManualFailover(state);
  const deadline = state.now + MANUAL_FAILOVER_TIMEOUT_MS;
  state.manual.endsAt = deadline;
  state.manual.replica = replica;
  state.environment.replication.pauseWrites(MANUAL_FAILOVER_TIMEOUT_MS * PAUSE_FACTOR);
  state.environment.log('warning', `Manual failover requested by replica ${replica.id}.`);
  if (replica.link !== null) sendPing(state, replica.link, PING);
}

/** As a replica: our primary has paused and its header says at which offset. */
export function noteInPausedPrimary(state: ClusterState, sender: ClusterNode, header: BusHeader): void {
  const { manual, myself } = state;
  if (manual.endsAt === 0 || myself.primary !== sender || manual.primaryOffset !== -1) return;
  if ((header.messageFlags & MESSAGE_PAUSED) === 0) return;
  manual.primaryOffset = header.offset;
  state.pending.manual = true;
  state.environment.log(
    'notice',
    `Received replication offset for paused master manual failover: ${header.offset}`,
  );
}

/** As a replica: starts the election once the paused stream has been applied to its end. */
export function advanceManualFailover(state: ClusterState): void {
  const { manual } = state;
  if (manual.endsAt === 0 || manual.canStart) return;
  if (manual.primaryOffset === -1) {
    // A primary that had not heard yet that we follow it has ignored us.
    if (state.now - manual.askedAt >= ASK_AGAIN_MS) askPrimary(state);
    return;
  }
  if (manual.primaryOffset !== state.environment.replication.offset()) return;
  manual.canStart = true;
  state.pending.failover = true;
  state.environment.log('notice', 'All master replication stream processed, manual failover can start.');
}
