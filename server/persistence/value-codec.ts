/** How one type of value becomes RDB and comes back from it. */
import type { DetachedValue } from '../values/value-type.ts';
import type { RdbSource } from './rdb-source.ts';
import type { RdbWriter } from './rdb-writer.ts';

/** Builds one value, element by element. */
export interface ValueDecoder {
  /**
   * Reads the next piece; true when the value is whole. The source throws when it has too few bytes, and the
   * same piece is read again later: so state changes only after the last read of a step. Damaged input ends
   * in
   * `source.fail`.
   */
  step(source: RdbSource): boolean;
  /** The value, the caller's from now on; root 0 when it has no elements. */
  result(): DetachedValue;
  /** Frees what was built. */
  abandon(): void;
}

/** Writes a value whose elements stand in a table, element by element and in any order. */
export interface ElementWriter {
  /** What stands before the elements; it says how many there are. */
  head(writer: RdbWriter): void;
  /** The record of one element. */
  element(writer: RdbWriter, element: number): void;
}

/** Writes a value piece by piece as it was when this was made, whatever happens to its key meanwhile. */
export interface PieceWriter {
  /** What stands before the first piece. */
  head(writer: RdbWriter): void;
  /** Writes the next piece, a fraction of a millisecond's work; true at the end. */
  step(writer: RdbWriter): boolean;
  /** Lets go of what is left; called once, at the end or before it. */
  end(): void;
}

export interface ValueCodec {
  /** TYPE_… of structures/record.ts. */
  readonly type: number;
  /** RDB types that `decoder` takes, for files of Redis. */
  readonly reads: readonly number[];
  /** RDB types beyond those that Valkey's own files (version 80) use. */
  readonly readsValkey?: readonly number[];
  /** RDB type under which this version can hold the key's value; -1 when it cannot. */
  rdbType(ref: number, version: number): number;
  /** The value as `rdbType` promised it. */
  write(writer: RdbWriter, ref: number, version: number): void;
  /** How the key's value is written by elements; null while they stand in no table. */
  elements?(ref: number, version: number): ElementWriter | null;
  /** The key's value in pieces; null when it is small enough to be written at once. */
  pieces?(ref: number, version: number): PieceWriter | null;
  /**
   * Reads the rest of a value that is one string in the form it is kept in; null when the value needs a
   * decoder, which begins with the same bytes. Ends as a decoder's step does.
   */
  whole?(rdbType: number, source: RdbSource): DetachedValue | null;
  decoder(rdbType: number): ValueDecoder;
  /** Commands that make the key's value from nothing, a few elements each; for AOF files without RDB. */
  commands(ref: number, key: Uint8Array, put: (words: readonly Uint8Array[]) => void): void;
}
