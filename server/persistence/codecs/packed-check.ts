/** A quick look at listpacks that come out of RDB; `listpack.validate` says what is wrong with a bad one. */
import * as listpack from '../../structures/listpack.ts';
import type { RdbSource } from '../rdb-source.ts';
import type { RdbText } from '../rdb-text.ts';

/**
 * Entries of the listpack in bytes[start, end), -1 when it is damaged or written in an odd way: sizes, both
 * lengths of every entry and the count agree, so that no walk in either direction leaves it.
 */
export function countEntries(bytes: Buffer, start: number, end: number): number {
  const stop = end - 1;
  if (end - start < listpack.EMPTY_BYTES || bytes[stop] !== listpack.END) return -1;
  if (listpack.totalBytes(bytes, start) !== end - start) return -1;
  let at = start + listpack.HEADER_BYTES;
  let counted = 0;
  while (at < stop) {
    const head = bytes[at];
    let size = 1;
    if (head >= 0x80) {
      if (head < 0xc0) size = 1 + (head & 0x3f);
      else {
        at = longEntryEnd(bytes, start, at, stop);
        if (at < 0) return -1;
        counted++;
        continue;
      }
    }
    // The byte behind a short entry says its length; the end mark is no such length.
    if (at + size >= stop || bytes[at + size] !== size) return -1;
    at += size + 1;
    counted++;
  }
  if (at !== stop) return -1;
  const known = bytes[start + 4] | (bytes[start + 5] << 8);
  return known === listpack.COUNT_UNKNOWN || known === counted ? counted : -1;
}

/** End of an entry that is neither a small number nor a short string, -1 when it is damaged. */
function longEntryEnd(bytes: Buffer, start: number, at: number, stop: number): number {
  const head = bytes[at];
  if (head > 0xf4 || stop - at < 5) {
    // Too near to the end for five bytes: only a short number may stand there.
    if (head > 0xf1 || head === 0xf0 || stop - at < 3) return -1;
  }
  const next = at + listpack.entryBytes(bytes, at);
  if (next > stop) return -1;
  return listpack.previous(bytes, start, next - start) === at - start ? next : -1;
}

/** Entries of the listpack that a text holds; fails with the reason when it is damaged. */
export function checkedEntries(source: RdbSource, text: RdbText): number {
  const entries = countEntries(text.bytes, text.start, text.end);
  if (entries >= 0) return entries;
  const problem = listpack.validate(text.bytes, text.start, text.length, true);
  if (problem !== '') source.fail(problem);
  // Lengths that nobody writes like that, and yet say the same.
  let walked = 0;
  const { bytes, start } = text;
  for (let at = listpack.first(bytes, start); at !== 0; at = listpack.next(bytes, start, at)) walked++;
  return walked;
}
