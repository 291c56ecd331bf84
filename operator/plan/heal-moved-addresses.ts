/**
 * Members that came back under a new address are introduced again, by node id and before anything is
 * forgotten. When all pods restart at once every table is stale and gossip reaches nobody: only somebody
 * who knows the new addresses can help.
 */
import { act, type Decision, NOTHING } from './decision.ts';
import type { LiveMember, Snapshot, TableEntry } from './snapshot.ts';
import { type Step, targetOf } from './step.ts';
import { topologyOf } from './topology.ts';

/** Introductions in one pass: with more, the ones before have had time to spread by gossip. */
const MEETS_MAX = 64;

export function healMovedAddresses(snapshot: Snapshot): Decision {
  const { live, byNodeId } = topologyOf(snapshot);
  const steps: Step[] = [];
  const moved = new Set<string>();
  for (const via of live) {
    for (const entry of via.server.table) {
      const peer = byNodeId.get(entry.nodeId);
      if (peer === undefined || entry.myself || !isStale(entry, peer)) continue;
      moved.add(peer.pod.name);
      if (steps.length < MEETS_MAX) steps.push({ kind: 'meet', via: targetOf(via), peer: targetOf(peer) });
    }
  }
  if (steps.length === 0) return NOTHING;
  return act(steps, `${[...moved].sort().join(', ')} moved to a new address that others do not know yet`);
}

/**
 * Members announce the address of their pod. A link says nothing: one that is still being opened to where
 * nobody is any more counts as connected, and clients would be sent there.
 */
function isStale(entry: TableEntry, peer: LiveMember): boolean {
  if (entry.handshake) return false;
  return entry.noAddress || entry.host !== peer.address.host || entry.port !== peer.address.port;
}
