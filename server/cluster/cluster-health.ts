/** Whether this node may serve: all slots covered (if demanded), and a majority of the primaries in sight. */
import { SLOT_COUNT } from './bus-message.ts';
import type { ClusterState } from './cluster-state.ts';
import { FAILED, PFAIL } from './node-table.ts';

/** After a start a primary waits, so that others can tell it about a newer configuration. */
const WRITABLE_DELAY_MS = 2000;
const REJOIN_DELAY_MIN_MS = 500;
const REJOIN_DELAY_MAX_MS = 5000;

function slotsCovered(state: ClusterState): boolean {
  if (!state.settings.requireFullCoverage) return true;
  if (state.slots.assignedCount !== SLOT_COUNT) return false;
  for (const node of state.nodes.all()) if (node.slotCount > 0 && node.has(FAILED)) return false;
  return true;
}

/** Recomputes `size` and `ok`. */
export function updateClusterState(state: ClusterState): void {
  state.pending.update = false;
  state.pending.routing = true;
  let reachable = 0;
  let size = 0;
  for (const node of state.nodes.all()) {
    if (!node.isPrimary || node.slotCount === 0) continue;
    size++;
    if (!node.has(FAILED | PFAIL)) reachable++;
  }
  state.size = size;
  if (state.myself.isPrimary && !state.ok && state.now - state.startedAt < WRITABLE_DELAY_MS) return;
  let ok = slotsCovered(state);
  if (reachable < state.quorum) {
    ok = false;
    state.minorityAt = state.now;
  }
  if (ok === state.ok) return;
  const rejoinMs = Math.min(Math.max(state.settings.nodeTimeoutMs, REJOIN_DELAY_MIN_MS), REJOIN_DELAY_MAX_MS);
  if (ok && state.myself.isPrimary && state.now - state.minorityAt < rejoinMs) return;
  state.ok = ok;
  state.environment.log('notice', `Cluster state changed: ${ok ? 'ok' : 'fail'}`);
}
