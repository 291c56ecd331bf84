/**
 * Which history of changes this server's dataset belongs to, and whether a replica can continue in it.
 *
 *   id   since `secondOffset`:       ....................|=========>   the history being written
 *   id2  before `secondOffset`:      ===================>|             the one it grew out of
 *
 * On promotion the old primary's id becomes `id2`, valid up to the offset of the switch, so that the other
 * replicas of that primary continue with the promoted one. Offsets count from 1, as PSYNC writes them.
 */

export interface ReplicationIds {
  /** 40 hex digits. */
  readonly id: string;
  /** 40 hex digits; zeros when there is none. */
  readonly id2: string;
  /** First offset that `id2` does not cover; -1 when there is none. */
  readonly secondOffset: number;
}

export const NO_REPLICATION_ID = '0'.repeat(40);
export const REPLICATION_ID_LENGTH = 40;

/** A fresh history. `random` fills the array it is given. */
export function newReplicationId(random: (bytes: Uint8Array) => void): string {
  const bytes = new Uint8Array(REPLICATION_ID_LENGTH / 2);
  random(bytes);
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function freshIds(id: string): ReplicationIds {
  return { id, id2: NO_REPLICATION_ID, secondOffset: -1 };
}

/** The history branches here: `offset` is the last byte both have in common, `id` names what follows. */
export function branchIds(ids: ReplicationIds, offset: number, id: string): ReplicationIds {
  return { id, id2: ids.id, secondOffset: offset + 1 };
}

/** What a replica asks for: the history it knows and the first offset it lacks. */
export interface PsyncRequest {
  /** 40 hex digits or `?`. */
  readonly id: string;
  /** -1 for a full resync. */
  readonly offset: number;
}

export type PsyncDecision =
  | { readonly kind: 'continue' /** Bytes of the log that the replica lacks. */; readonly bytes: number }
  | { readonly kind: 'full'; readonly cause: FullSyncCause /** For the log. */; readonly reason: string };

export type FullSyncCause = 'requested' | 'id-mismatch' | 'second-id-exceeded' | 'no-backlog' | 'ahead';

/** What the log can serve: positions, see backlog.ts. Null while there is no log. */
export interface LogBounds {
  readonly start: number;
  readonly end: number;
}

/** `replica` names the peer in the reason. */
export function decidePsync(
  ids: ReplicationIds,
  log: LogBounds | null,
  request: PsyncRequest,
  replica: string,
): PsyncDecision {
  if (request.id === '?') {
    return { kind: 'full', cause: 'requested', reason: `Full resync requested by replica ${replica}` };
  }
  const asked = request.id.toLowerCase();
  if (asked !== ids.id) {
    if (asked !== ids.id2 || ids.secondOffset < 0) {
      const reason =
        `Partial resynchronization not accepted: Replication ID mismatch (Replica asked for ` +
        `'${request.id}', my replication IDs are '${ids.id}' and '${ids.id2}')`;
      return { kind: 'full', cause: 'id-mismatch', reason };
    }
    if (request.offset > ids.secondOffset) {
      const reason =
        `Partial resynchronization not accepted: Requested offset for second ID was ` +
        `${request.offset}, but I can reply up to ${ids.secondOffset}`;
      return { kind: 'full', cause: 'second-id-exceeded', reason };
    }
  }
  const position = request.offset - 1;
  if (log !== null && position >= log.start && position <= log.end) {
    return { kind: 'continue', bytes: log.end - position };
  }
  const lack =
    `Unable to partial resync with replica ${replica} for lack of backlog ` +
    `(Replica request was: ${request.offset}).`;
  if (log !== null && position > log.end) {
    const ahead =
      `${lack} Warning: replica ${replica} tried to PSYNC with an offset that is greater than ` +
      `the master replication offset.`;
    return { kind: 'full', cause: 'ahead', reason: ahead };
  }
  return { kind: 'full', cause: 'no-backlog', reason: lack };
}
