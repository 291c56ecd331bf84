/**
 * What of a pod's memory limit is not for data. maxmemory is the rest, when it is not written by hand.
 *
 *     limit = maxmemory + runtime + client buffers + replication backlog + snapshot + fragmentation
 */
import type { Engine } from './effective.ts';
import { MEBIBYTE } from './quantity.ts';

export interface MemoryReserves {
  /** The program itself, empty. */
  readonly runtimeBytes: number;
  readonly clientBuffersBytes: number;
  /** The value of repl-backlog-size. */
  readonly backlogBytes: number;
  /**
   * Redwarden: the side log of a snapshot. Stock engines: pages that are copied while a forked child writes.
   */
  readonly snapshotBytes: number;
  readonly fragmentationBytes: number;
  readonly totalBytes: number;
}

/** Reserves for a pod with this memory limit; `snapshots`: it ever writes a file or feeds a replica. */
export function reserveMemory(limitBytes: number, engine: Engine, snapshots: boolean): MemoryReserves {
  const forks = engine !== 'Redwarden';
  const runtimeBytes = (forks ? 16 : 112) * MEBIBYTE;
  const clientBuffersBytes = Math.max(8 * MEBIBYTE, share(limitBytes, 32));
  const backlogBytes = Math.min(64 * MEBIBYTE, Math.max(MEBIBYTE, share(limitBytes, 64)));
  const snapshotBytes = snapshots
    ? forks
      ? share(limitBytes, 4)
      : Math.max(8 * MEBIBYTE, share(limitBytes, 32))
    : 0;
  const fragmentationBytes = share(limitBytes, 16);
  return {
    runtimeBytes,
    clientBuffersBytes,
    backlogBytes,
    snapshotBytes,
    fragmentationBytes,
    totalBytes: runtimeBytes + clientBuffersBytes + backlogBytes + snapshotBytes + fragmentationBytes,
  };
}

/** One part of `parts`, in whole MiB. */
function share(bytes: number, parts: number): number {
  return Math.floor(bytes / parts / MEBIBYTE) * MEBIBYTE;
}
