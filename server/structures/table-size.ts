import { type Arena, SEGMENT_SHIFT, UNIT_MASK } from './arena.ts';
import {
  BUCKET_WORDS,
  DIRECTORY,
  SEGMENTS,
  SHAPE,
  TABLE_HEADER_BYTES,
  TABLE_SEGMENT_BYTES,
} from './table-layout.ts';

/** Bytes of the arena that a table holds besides its records. */
export function tableBytes(arena: Arena, header: number): number {
  const words = arena.words[header >>> SEGMENT_SHIFT];
  const at = (header & UNIT_MASK) << 1;
  const shape = words[at + SHAPE];
  if ((shape & DIRECTORY) === 0) return TABLE_HEADER_BYTES + (shape >>> 16) * BUCKET_WORDS * 4;
  return TABLE_HEADER_BYTES + words[at + SEGMENTS] * TABLE_SEGMENT_BYTES + 4 * 2 ** (shape & 31);
}
