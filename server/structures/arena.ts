/**
 * Memory of the data, outside the JavaScript heap: blocks of bytes in segments of 4 MiB.
 *
 *   ref (uint32, in units of 8 bytes)
 *   +-------------13 bits-------------+----------19 bits----------+
 *   | segment                         | unit within the segment   |      8192 segments = 32 GiB
 *   +---------------------------------+---------------------------+
 *
 *   segment = 512 pages of 8 KiB, the last one left free
 *   slab = 2, 8 or 32 pages cut into blocks of one size class; blocks above 32 KiB are runs of whole pages
 *          (a slab with one block)
 *
 * Invariants: ref 0 is never handed out; a free block's first word links to the next free block of its slab;
 * a slab stands in its class's list exactly while it has a free block; `usedBytes` is the sum of the sizes of
 * the blocks handed out. Complexity: alloc and free O(1), a new slab O(pages of a segment).
 * A segment without a used page goes back to the system with the next `releaseSome`. Random frees empty no
 * segment:
 * `startLeaving` chooses the emptiest ones, nothing is allocated there any more, and who holds refs moves
 * their blocks away.
 */
import { CLASS_BYTES, CLASS_COUNT, classOfBytes, LARGE_CLASS, slabPages } from './size-class.ts';

export const SEGMENT_BYTES = 4 * 1024 * 1024;
/** Segment of a ref: `ref >>> SEGMENT_SHIFT`. */
export const SEGMENT_SHIFT = 19;
/** Unit within the segment: `ref & UNIT_MASK`. */
export const UNIT_MASK = 0x7ffff;
const SEGMENTS_MAX = 8192;
const PAGE_BYTES = 8192;
const PAGE_UNITS_SHIFT = 10;
const PAGES_PER_SEGMENT = SEGMENT_BYTES / PAGE_BYTES;
/**
 * Bytes that a segment asks the system for: with the C library's header just 4 MiB, so that segments are made
 * of the processor's large pages. One byte more, and half of the data would lie in small ones, whose
 * addresses the processor forgets sooner.
 */
const BACKED_BYTES = SEGMENT_BYTES - 32;
const USABLE_PAGES = PAGES_PER_SEGMENT - 1;
/** Largest block: what is usable of a segment, less the reserved first page. */
export const BLOCK_BYTES_MAX = (USABLE_PAGES - 1) * PAGE_BYTES;

const NO_BYTES = Buffer.alloc(0);
const NO_WORDS = new Uint32Array(0);

export class OutOfArena extends Error {}

/** Grows a table of numbers to hold `index`. */
function grown(table: Uint32Array<ArrayBuffer>, index: number): Uint32Array<ArrayBuffer> {
  if (index < table.length) return table;
  const next = new Uint32Array(Math.max(1024, table.length * 2, index + 1));
  next.set(table);
  return next;
}

/** What `countUsed` finds: bytes used by segment, blocks used by size class. */
export class UsedMemory {
  readonly segments: Float64Array;
  readonly blocks = new Float64Array(CLASS_COUNT + 1);

  constructor(segments: number) {
    this.segments = new Float64Array(segments);
  }
}

export class Arena {
  /** Bytes of every segment; index with `(ref & UNIT_MASK) << 3`. Length 0 where a segment was given back. */
  readonly bytes: Buffer[] = [];
  /** The same memory as 32-bit words; index with `(ref & UNIT_MASK) << 1`. */
  readonly words: Uint32Array[] = [];
  /** Sum of the sizes of all blocks handed out, in bytes. */
  usedBytes = 0;
  /** Segments held from the system, in bytes. */
  reservedBytes = 0;

  /** Empty segments that `releaseSome` has not given back yet. */
  #idle: ArrayBuffer[] = [];
  /** Segments and slabs that are to become empty: 1 each. */
  #leaving = new Uint8Array(0);
  #slabLeaving = new Uint8Array(0);
  #someLeave = false;
  readonly #pageUsed: Uint8Array[] = [];
  #freePages = new Uint16Array(64);
  /** Slab of every page, by global page number; 0 = free. */
  #pageSlab = new Uint32Array(PAGES_PER_SEGMENT * 64);
  readonly #partial = new Uint32Array(CLASS_COUNT);
  #slabStart = new Uint32Array(1024);
  #slabClass = new Uint32Array(1024);
  #slabCapacity = new Uint32Array(1024);
  #slabFree = new Uint32Array(1024);
  #slabFresh = new Uint32Array(1024);
  #slabUsed = new Uint32Array(1024);
  #slabNext = new Uint32Array(1024);
  #slabPrevious = new Uint32Array(1024);
  #slabCount = 1;
  #freeSlab = 0;

  /**
   * A block of at least `bytes` (1 … BLOCK_BYTES_MAX); its content is undefined. Throws OutOfArena at 32 GiB.
   */
  allocate(bytes: number): number {
    const sizeClass = classOfBytes(bytes);
    if (sizeClass === LARGE_CLASS) return this.#allocatePages(bytes);
    let slab = this.#partial[sizeClass];
    if (slab === 0) slab = this.#newSlab(sizeClass);
    const size = CLASS_BYTES[sizeClass];
    let ref = this.#slabFree[slab];
    if (ref !== 0) {
      this.#slabFree[slab] = this.words[ref >>> SEGMENT_SHIFT][(ref & UNIT_MASK) << 1];
    } else {
      ref = this.#slabStart[slab] + this.#slabFresh[slab]++ * (size >>> 3);
    }
    this.usedBytes += size;
    if (++this.#slabUsed[slab] === this.#slabCapacity[slab]) this.#unlink(slab, sizeClass);
    return ref;
  }

  /** Gives a block back. The ref must come from `allocate` and be live. */
  free(ref: number): void {
    const slab = this.#pageSlab[ref >>> PAGE_UNITS_SHIFT];
    const sizeClass = this.#slabClass[slab];
    if (sizeClass === LARGE_CLASS) {
      this.usedBytes -= this.#slabCapacity[slab] * PAGE_BYTES;
      this.#releaseSlab(slab, this.#slabCapacity[slab]);
      return;
    }
    this.usedBytes -= CLASS_BYTES[sizeClass];
    this.words[ref >>> SEGMENT_SHIFT][(ref & UNIT_MASK) << 1] = this.#slabFree[slab];
    this.#slabFree[slab] = ref;
    const used = this.#slabUsed[slab]--;
    if (this.#someLeave && this.#slabLeaving[slab] === 1) {
      if (used !== 1) return;
      if (this.#linked(slab, sizeClass)) this.#unlink(slab, sizeClass);
      this.#releaseSlab(slab, slabPages(sizeClass));
    } else if (used === this.#slabCapacity[slab]) this.#link(slab, sizeClass);
    else if (used === 1 && (this.#slabNext[slab] !== 0 || this.#slabPrevious[slab] !== 0)) {
      this.#unlink(slab, sizeClass);
      this.#releaseSlab(slab, slabPages(sizeClass));
    }
  }

  /** Frees every block at once. No ref from before may be used any more. O(segments); see `releaseSome`. */
  clear(): void {
    for (const bytes of this.bytes) if (bytes.length !== 0) this.#idle.push(bytes.buffer as ArrayBuffer);
    this.bytes.length = 0;
    this.words.length = 0;
    this.usedBytes = 0;
    this.#pageUsed.length = 0;
    this.#freePages = new Uint16Array(64);
    this.#pageSlab = new Uint32Array(PAGES_PER_SEGMENT * 64);
    this.#partial.fill(0);
    this.#slabCount = 1;
    this.#freeSlab = 0;
    this.#leaving.fill(0);
    this.#someLeave = false;
  }

  /**
   * Gives at most `segmentsMax` empty segments back to the system: half a millisecond each. False when there
   * was none.
   */
  releaseSome(segmentsMax: number): boolean {
    if (this.#idle.length === 0) return false;
    for (const buffer of this.#idle.splice(0, segmentsMax)) {
      // transfer(0) frees the memory now; waiting for a major collection would keep it for minutes.
      buffer.transfer(0);
      this.reservedBytes -= SEGMENT_BYTES;
    }
    return true;
  }

  /** Slabs there have ever been: what `countUsed` and `relink` go through. */
  get slabs(): number {
    return this.#slabCount;
  }

  /** Adds what slabs [from, to) hold: bytes to their segments, blocks to their classes. */
  countUsed(used: UsedMemory, from: number, to: number): void {
    for (let slab = Math.max(from, 1); slab < to; slab++) {
      const blocks = this.#slabUsed[slab];
      if (blocks === 0) continue;
      const sizeClass = this.#slabClass[slab];
      const bytes = sizeClass === LARGE_CLASS ? PAGE_BYTES : CLASS_BYTES[sizeClass];
      used.segments[this.#slabStart[slab] >>> SEGMENT_SHIFT] += blocks * bytes;
      used.blocks[sizeClass] += blocks;
    }
  }

  /**
   * Chooses the emptiest segments to become empty, so that the others still hold all with `roomFactor` times
   * the bytes used. Returns the segments there are, fullest first: `leaveSlabs` for each in this order and
   * `relink` over all slabs must follow.
   */
  startLeaving(used: UsedMemory, roomFactor: number): number[] {
    const held: number[] = [];
    for (let segment = 0; segment < used.segments.length; segment++) {
      if (segment < this.bytes.length && this.bytes[segment].length !== 0) held.push(segment);
    }
    held.sort((a, b) => used.segments[b] - used.segments[a]);
    const kept = Math.ceil((this.usedBytes * roomFactor) / SEGMENT_BYTES);
    this.#leaving = new Uint8Array(this.bytes.length);
    for (const segment of held.slice(kept)) if (segment !== 0) this.#leaving[segment] = 1;
    this.#slabLeaving = new Uint8Array(this.#slabStart.length);
    this.#someLeave = true;
    return held;
  }

  /**
   * The slabs of a segment stay as long as `room` says that their class still needs some: blocks of each
   * class that are to find a place, which sinks with every slab that stays.
   */
  leaveSlabs(segment: number, room: Float64Array): void {
    const first = segment * PAGES_PER_SEGMENT;
    for (let page = first; page < first + PAGES_PER_SEGMENT; page++) {
      const slab = this.#pageSlab[page];
      if (slab === 0 || this.#slabStart[slab] >>> PAGE_UNITS_SHIFT !== page) continue;
      const sizeClass = this.#slabClass[slab];
      if (this.#leaving[segment] === 1) this.#slabLeaving[slab] = 1;
      else if (sizeClass === LARGE_CLASS) continue;
      else if (room[sizeClass] <= 0) this.#slabLeaving[slab] = 1;
      else room[sizeClass] -= this.#slabCapacity[slab];
    }
  }

  /** Whether the block at ref is to be moved. */
  leaves(ref: number): boolean {
    return this.#someLeave && this.#slabLeaving[this.#pageSlab[ref >>> PAGE_UNITS_SHIFT]] === 1;
  }

  /** A copy of the block at ref, which is freed: the ref of the copy. */
  move(ref: number): number {
    const bytes = this.blockBytes(ref);
    const next = this.allocate(bytes);
    const start = (ref & UNIT_MASK) << 3;
    const source = this.bytes[ref >>> SEGMENT_SHIFT];
    const target = this.bytes[next >>> SEGMENT_SHIFT];
    source.copy(target, (next & UNIT_MASK) << 3, start, start + bytes);
    this.free(ref);
    return next;
  }

  /** What did not become empty is used again; `relink` over all slabs must follow. */
  stopLeaving(): void {
    this.#leaving.fill(0);
    this.#slabLeaving.fill(0);
    this.#someLeave = false;
  }

  /**
   * Slabs [from, to) with free blocks stand in their lists exactly when they are not leaving; empty ones go:
   * the last of its class that a list keeps may be all that holds a segment.
   */
  relink(from: number, to: number): void {
    for (let slab = Math.max(from, 1); slab < to; slab++) {
      const capacity = this.#slabCapacity[slab];
      const sizeClass = this.#slabClass[slab];
      if (capacity === 0 || sizeClass === LARGE_CLASS) continue;
      const linked = this.#linked(slab, sizeClass);
      const empty = this.#slabUsed[slab] === 0;
      const wanted = !empty && this.#slabUsed[slab] < capacity && this.#slabLeaving[slab] !== 1;
      if (linked && !wanted) this.#unlink(slab, sizeClass);
      else if (!linked && wanted) this.#link(slab, sizeClass);
      if (empty) this.#releaseSlab(slab, slabPages(sizeClass));
    }
  }

  #linked(slab: number, sizeClass: number): boolean {
    return this.#slabNext[slab] !== 0 || this.#slabPrevious[slab] !== 0 || this.#partial[sizeClass] === slab;
  }

  /** Size of the block at ref, in bytes: what `allocate` rounded up to. */
  blockBytes(ref: number): number {
    const slab = this.#pageSlab[ref >>> PAGE_UNITS_SHIFT];
    const sizeClass = this.#slabClass[slab];
    return sizeClass === LARGE_CLASS ? this.#slabCapacity[slab] * PAGE_BYTES : CLASS_BYTES[sizeClass];
  }

  /** What `allocate(bytes)` would hand out, in bytes. */
  static roundUp(bytes: number): number {
    const sizeClass = classOfBytes(bytes);
    return sizeClass === LARGE_CLASS ? Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES : CLASS_BYTES[sizeClass];
  }

  #allocatePages(bytes: number): number {
    if (bytes > BLOCK_BYTES_MAX) throw new OutOfArena(`a block of ${bytes} bytes is larger than a segment`);
    const pages = Math.ceil(bytes / PAGE_BYTES);
    const slab = this.#takeSlab(pages, LARGE_CLASS, pages);
    this.usedBytes += pages * PAGE_BYTES;
    return this.#slabStart[slab];
  }

  #newSlab(sizeClass: number): number {
    const pages = slabPages(sizeClass);
    const slab = this.#takeSlab(pages, sizeClass, Math.floor((pages * PAGE_BYTES) / CLASS_BYTES[sizeClass]));
    this.#link(slab, sizeClass);
    return slab;
  }

  #takeSlab(pages: number, sizeClass: number, capacity: number): number {
    const page = this.#takePages(pages);
    let slab = this.#freeSlab;
    if (slab !== 0) this.#freeSlab = this.#slabNext[slab];
    else {
      slab = this.#slabCount++;
      this.#growSlabTables(slab);
    }
    this.#slabStart[slab] = page << PAGE_UNITS_SHIFT;
    this.#slabClass[slab] = sizeClass;
    this.#slabCapacity[slab] = capacity;
    this.#slabFree[slab] = 0;
    this.#slabFresh[slab] = 0;
    // A block of whole pages is used as long as it lives.
    this.#slabUsed[slab] = sizeClass === LARGE_CLASS ? capacity : 0;
    this.#slabNext[slab] = 0;
    this.#slabPrevious[slab] = 0;
    this.#pageSlab.fill(slab, page, page + pages);
    return slab;
  }

  #growSlabTables(slab: number): void {
    if (slab < this.#slabStart.length) return;
    this.#slabStart = grown(this.#slabStart, slab);
    this.#slabClass = grown(this.#slabClass, slab);
    this.#slabCapacity = grown(this.#slabCapacity, slab);
    this.#slabFree = grown(this.#slabFree, slab);
    this.#slabFresh = grown(this.#slabFresh, slab);
    this.#slabUsed = grown(this.#slabUsed, slab);
    this.#slabNext = grown(this.#slabNext, slab);
    this.#slabPrevious = grown(this.#slabPrevious, slab);
  }

  #releaseSlab(slab: number, pages: number): void {
    const page = this.#slabStart[slab] >>> PAGE_UNITS_SHIFT;
    if (this.#someLeave) this.#slabLeaving[slab] = 0;
    this.#slabCapacity[slab] = 0;
    this.#slabUsed[slab] = 0;
    this.#pageSlab.fill(0, page, page + pages);
    this.#slabNext[slab] = this.#freeSlab;
    this.#freeSlab = slab;
    const segment = Math.floor(page / PAGES_PER_SEGMENT);
    const first = page % PAGES_PER_SEGMENT;
    this.#pageUsed[segment].fill(0, first, first + pages);
    this.#freePages[segment] += pages;
    if (this.#freePages[segment] === USABLE_PAGES && segment !== 0) this.#dropSegment(segment);
  }

  #takePages(pages: number): number {
    for (let segment = 0; segment < this.bytes.length; segment++) {
      if (this.#freePages[segment] < pages || this.#leaving[segment] === 1) continue;
      const first = this.bytes[segment].length === 0 ? 0 : this.#findRun(segment, pages);
      if (first < 0) continue;
      if (this.bytes[segment].length === 0) this.#makeSegment(segment);
      return this.#markPages(segment, first, pages);
    }
    const segment = this.bytes.length;
    if (segment >= SEGMENTS_MAX)
      throw new OutOfArena('the data reached 32 GiB, the most one server can hold');
    this.#makeSegment(segment);
    return this.#markPages(segment, segment === 0 ? 1 : 0, pages);
  }

  #markPages(segment: number, first: number, pages: number): number {
    this.#pageUsed[segment].fill(1, first, first + pages);
    this.#freePages[segment] -= pages;
    return segment * PAGES_PER_SEGMENT + first;
  }

  #findRun(segment: number, pages: number): number {
    const used = this.#pageUsed[segment];
    let run = 0;
    for (let page = 0; page < PAGES_PER_SEGMENT; page++) {
      run = used[page] === 0 ? run + 1 : 0;
      if (run === pages) return page - pages + 1;
    }
    return -1;
  }

  #makeSegment(segment: number): void {
    const idle = this.#idle.pop();
    if (idle === undefined) this.reservedBytes += SEGMENT_BYTES;
    const buffer = idle ?? new ArrayBuffer(BACKED_BYTES);
    this.bytes[segment] = Buffer.from(buffer);
    this.words[segment] = new Uint32Array(buffer);
    if (this.#pageUsed[segment] === undefined) {
      this.#pageUsed[segment] = new Uint8Array(PAGES_PER_SEGMENT);
      if (segment >= this.#freePages.length) {
        const next = new Uint16Array(this.#freePages.length * 2);
        next.set(this.#freePages);
        this.#freePages = next;
      }
      this.#pageSlab = grown(this.#pageSlab, (segment + 1) * PAGES_PER_SEGMENT - 1);
      this.#freePages[segment] = PAGES_PER_SEGMENT;
      this.#markPages(segment, USABLE_PAGES, 1);
    }
    // Page 0 of segment 0 holds ref 0, which means "none" everywhere.
    if (segment === 0) this.#markPages(0, 0, 1);
  }

  /** An empty segment waits for `releaseSome` or for new data: giving it back takes half a millisecond. */
  #dropSegment(segment: number): void {
    this.#idle.push(this.bytes[segment].buffer as ArrayBuffer);
    this.bytes[segment] = NO_BYTES;
    this.words[segment] = NO_WORDS;
    if (this.#someLeave) this.#leaving[segment] = 0;
  }

  #link(slab: number, sizeClass: number): void {
    const head = this.#partial[sizeClass];
    this.#slabNext[slab] = head;
    this.#slabPrevious[slab] = 0;
    if (head !== 0) this.#slabPrevious[head] = slab;
    this.#partial[sizeClass] = slab;
  }

  #unlink(slab: number, sizeClass: number): void {
    const next = this.#slabNext[slab];
    const previous = this.#slabPrevious[slab];
    if (next !== 0) this.#slabPrevious[next] = previous;
    if (previous !== 0) this.#slabNext[previous] = next;
    else this.#partial[sizeClass] = next;
    this.#slabNext[slab] = 0;
    this.#slabPrevious[slab] = 0;
  }
}
