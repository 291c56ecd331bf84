/** A piece of an RDB on its way from the writer to where it goes. */
export interface RdbChunk {
  /** The first `length` bytes count; the rest is room for the next use. */
  readonly bytes: Uint8Array;
  readonly length: number;
  /** Where in `bytes` strings begin, with their length, that are to be compressed; ascending. */
  readonly marks: Uint32Array;
  readonly markCount: number;
}

/** Bytes of a chunk as a rule; one that holds a longer piece is as long as it. */
export const CHUNK_ROOM = 256 * 1024;
