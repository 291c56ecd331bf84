/**
 * When a node is dead. We alone: no pong within the node timeout makes it PFAIL. Together: when a majority of
 * the primaries reported it within twice the timeout it is FAIL, and the one that counts the majority tells
 * everybody.
 */
import { broadcastFail } from './bus-send.ts';
import type { ClusterState } from './cluster-state.ts';
import { type ClusterNode, FAILED, PFAIL } from './node-table.ts';

/** Failure reports and the mark of a failed primary with slots last this many node timeouts. */
const REPORT_VALIDITY_FACTOR = 2;
const UNDO_FACTOR = 2;

/** True when the report is new, false when it renews one. */
export function addFailureReport(state: ClusterState, node: ClusterNode, reporter: ClusterNode): boolean {
  const isNew = !node.failureReports.has(reporter);
  node.failureReports.set(reporter, state.now);
  return isNew;
}

function dropOldReports(state: ClusterState, node: ClusterNode): void {
  if (node.failureReports.size === 0) return;
  const validSince = state.now - state.settings.nodeTimeoutMs * REPORT_VALIDITY_FACTOR;
  for (const [reporter, at] of node.failureReports) {
    if (at < validSince) node.failureReports.delete(reporter);
  }
}

/** True when there was a report. */
export function removeFailureReport(state: ClusterState, node: ClusterNode, reporter: ClusterNode): boolean {
  const removed = node.failureReports.delete(reporter);
  dropOldReports(state, node);
  return removed;
}

export function failureReportCount(state: ClusterState, node: ClusterNode): number {
  dropOldReports(state, node);
  return node.failureReports.size;
}

/** PFAIL becomes FAIL when enough primaries, perhaps ourselves among them, hold the node to be dead. */
export function markFailingIfAgreed(state: ClusterState, node: ClusterNode): void {
  if (!node.has(PFAIL) || node.has(FAILED)) return;
  const failures = failureReportCount(state, node) + (state.myself.isPrimary ? 1 : 0);
  if (failures < state.quorum) return;
  state.environment.log('notice', `Marking node ${node.id} as failing (quorum reached).`);
  markFailed(state, node);
  broadcastFail(state, node.id);
}

export function markFailed(state: ClusterState, node: ClusterNode): void {
  node.clear(PFAIL);
  node.set(FAILED);
  node.failedAt = state.now;
  state.updateSoon();
  state.saveSoon();
}

/**
 * A failed node has answered. A primary with slots stays failed for a while, so that a failover in progress
 * is not undone.
 */
export function clearFailureIfAllowed(state: ClusterState, node: ClusterNode): void {
  if (!node.has(FAILED)) return;
  if (node.isReplica || node.slotCount === 0) {
    const what = node.isReplica ? 'replica' : 'master without slots';
    state.environment.log('notice', `Clear FAIL state for node ${node.id}: ${what} is reachable again.`);
  } else {
    if (state.now - node.failedAt <= state.settings.nodeTimeoutMs * UNDO_FACTOR) return;
    state.environment.log(
      'notice',
      `Clear FAIL state for node ${node.id}: ` +
        'is reachable again and nobody is serving its slots after some time.',
    );
  }
  node.clear(FAILED);
  state.updateSoon();
  state.saveSoon();
}

/** A pong came: whatever we suspected alone is over. */
export function noteAnswer(state: ClusterState, node: ClusterNode): void {
  node.pongReceivedAt = state.now;
  node.pingSentAt = 0;
  if (node.has(PFAIL)) {
    node.clear(PFAIL);
    state.updateSoon();
    state.saveSoon();
  } else if (node.has(FAILED)) {
    clearFailureIfAllowed(state, node);
  }
}

/** Suspects a node that has been silent for the node timeout. Any data counts as a sign of life. */
export function suspectIfSilent(state: ClusterState, node: ClusterNode): void {
  if (node.pingSentAt === 0 || node.has(PFAIL | FAILED)) return;
  const silentMs = Math.min(state.now - node.pingSentAt, state.now - node.dataReceivedAt);
  if (silentMs <= state.settings.nodeTimeoutMs) return;
  state.environment.log('debug', `*** NODE ${node.id} possibly failing`);
  node.set(PFAIL);
  state.updateSoon();
  // With one primary nobody else would ever agree.
  if (state.myself.isPrimary && state.size === 1) markFailingIfAgreed(state, node);
}
