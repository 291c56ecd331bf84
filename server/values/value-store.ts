/** What the values of all types share: memory, the table of elements, limits, the clock. */
import type { Arena } from '../structures/arena.ts';
import type { Records } from '../structures/record.ts';
import { Table } from '../structures/table.ts';
import { TableExpiry } from '../structures/table-expiry.ts';

/** When a compact encoding ends: the config parameters of the same names. */
export interface ValueLimits {
  hashMaxListpackEntries: number;
  hashMaxListpackValue: number;
  setMaxIntsetEntries: number;
  setMaxListpackEntries: number;
  setMaxListpackValue: number;
  zsetMaxListpackEntries: number;
  zsetMaxListpackValue: number;
  /** Elements a node when positive; -1 … -5: 4, 8, 16, 32, 64 KiB a node. */
  listMaxListpackSize: number;
  /** Nodes at either end that stay uncompressed; 0: none is compressed. */
  listCompressDepth: number;
  streamNodeMaxBytes: number;
  streamNodeMaxEntries: number;
  hllSparseMaxBytes: number;
  /** Elements of a list from this size on stand alone; 0: by listMaxListpackSize. */
  quicklistPackedThreshold: number;
}

export class ValueStore {
  readonly arena: Arena;
  readonly records: Records;
  /** Tables of hash fields and of set and sorted-set members. */
  readonly elements: Table;
  /** What has expired in such a table. */
  readonly expiry: TableExpiry;
  /** Random numbers in [0, 1). */
  readonly random: () => number;
  readonly limits: ValueLimits = {
    hashMaxListpackEntries: 512,
    hashMaxListpackValue: 64,
    setMaxIntsetEntries: 512,
    setMaxListpackEntries: 128,
    setMaxListpackValue: 64,
    zsetMaxListpackEntries: 128,
    zsetMaxListpackValue: 64,
    listMaxListpackSize: -2,
    listCompressDepth: 0,
    streamNodeMaxBytes: 4096,
    streamNodeMaxEntries: 100,
    hllSparseMaxBytes: 3000,
    quicklistPackedThreshold: 0,
  };
  /** Number of the running or last snapshot: every new or changed element is stamped with it. */
  epoch = 1;
  /** Hook: an element that the running snapshot has not seen is about to change or to leave its table. */
  elementHook: ((table: number, element: number) => void) | null = null;
  /** Unix ms of this turn. */
  nowMs = 0;
  /** Whether fields that have expired are seen: while the primary's stream or a file is applied. */
  seesExpired = false;

  constructor(arena: Arena, records: Records, random: () => number) {
    this.arena = arena;
    this.records = records;
    this.elements = new Table(arena, records);
    this.expiry = new TableExpiry(arena, records);
    this.random = random;
  }

  /** Must be called before an element's record changes in any way or leaves its table. */
  beforeElement(table: number, element: number): void {
    if (this.elementHook !== null && this.records.mark(element) !== this.epoch)
      this.elementHook(table, element);
  }
}
