/** The two states in which the operator keeps its hands still. */
import { act, type Decision, NOTHING } from './decision.ts';
import type { Snapshot } from './snapshot.ts';

/** Owner references and the claim policy of the StatefulSets do the deleting; nothing is created any more. */
export function deletion(snapshot: Snapshot): Decision {
  return snapshot.deleting
    ? act([], 'the resource is being deleted: nothing is created or changed')
    : NOTHING;
}

export function paused(snapshot: Snapshot): Decision {
  if (!snapshot.paused) return NOTHING;
  return act([], 'the annotation redwarden.dev/paused is true: nothing is changed until it is removed');
}
