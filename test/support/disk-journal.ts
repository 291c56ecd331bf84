/**
 * What a process did to its files, in order, as `faulty-disk.ts` notes it and `disk-model.ts` replays it.
 *
 *   journal = record*          record = [bytes of the header, uint32 LE][header, JSON][payload]
 *
 * Every record is appended in one write, so that a process that is killed leaves whole records and at most
 * one torn one at the end.
 */
import { readFileSync } from 'node:fs';

/** One thing that happened; inodes are the system's numbers, which are used again after a file has gone. */
export type DiskEvent =
  | { readonly op: 'open'; readonly path: string; readonly inode: number; readonly created: boolean }
  | { readonly op: 'write'; readonly inode: number; readonly offset: number; readonly size: number }
  | { readonly op: 'truncate'; readonly inode: number; readonly bytes: number }
  | { readonly op: 'makeFolder'; readonly path: string }
  | { readonly op: 'rename'; readonly from: string; readonly to: string }
  | { readonly op: 'remove'; readonly path: string }
  /** An fsync begins, of a file or, with `folder`, of a folder. */
  | { readonly op: 'syncBegin'; readonly id: string; readonly inode: number; readonly folder: string | null }
  | { readonly op: 'syncEnd'; readonly id: string };

export interface DiskRecord {
  readonly event: DiskEvent;
  /** When it was noted, ms of the system's monotonic clock. */
  readonly atMs: number;
  /** Bytes of a write. */
  readonly payload: Buffer;
  /** Where the record ends in the journal. */
  readonly end: number;
}

const HEAD_BYTES = 4;
const NOTHING = Buffer.alloc(0);

/** The clock of the journal, which all processes of the machine share. */
export function journalMs(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000;
}

export function encodeRecord(event: DiskEvent, atMs: number, payload: Uint8Array = NOTHING): Buffer {
  const header = Buffer.from(JSON.stringify({ event, atMs }));
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32LE(header.length);
  return Buffer.concat([head, header, payload]);
}

/** All whole records of a journal. */
export function readJournal(path: string): DiskRecord[] {
  const bytes = readFileSync(path);
  const records: DiskRecord[] = [];
  for (let at = 0; at + HEAD_BYTES <= bytes.length; ) {
    const start = at + HEAD_BYTES + bytes.readUInt32LE(at);
    if (start > bytes.length) break;
    const { event, atMs } = JSON.parse(bytes.toString('utf8', at + HEAD_BYTES, start)) as {
      event: DiskEvent;
      atMs: number;
    };
    const end = start + (event.op === 'write' ? event.size : 0);
    if (end > bytes.length) break;
    records.push({ event, atMs, payload: bytes.subarray(start, end), end });
    at = end;
  }
  return records;
}
