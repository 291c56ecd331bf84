/**
 * LZF, the compression of strings in RDB files.
 *
 * A stream of chunks, told apart by their first byte c:
 *   000nnnnn                    n + 1 literal bytes follow
 *   lllooooo oooooooo           copy l + 2 bytes (l = 1..6) from offset o + 1 back
 *   111ooooo llllllll oooooooo  copy l + 9 bytes from offset o + 1 back
 * Offsets reach 8 KiB back, copies are at most 264 bytes. The compressor is greedy with one candidate a hash
 * (three bytes), O(n); positions of earlier calls are told apart by a base that grows, so the table is not
 * cleared.
 */

const HASH_BITS = 14;
const HASH_SHIFT = 32 - HASH_BITS;
const HASH_FACTOR = 0x9e3779b1;
/** After 2^6 misses in a row every second position is looked at, after twice as many every third. */
const MISSES_SHIFT = 6;
const OFFSET_MAX = 1 << 13;
const COPY_MAX = 264;
const LITERAL_MAX = 32;
const BASE_MAX = 0x7000_0000;

/** Position + base of the last occurrence of a hash; a value below the call's base is from another input. */
const seen = new Int32Array(1 << HASH_BITS);
let base = 1;

function takeBase(length: number): number {
  if (base > BASE_MAX - length) {
    seen.fill(0);
    base = 1;
  }
  const mine = base;
  base += length;
  return mine;
}

/** Length of the copy that two positions allow, 3 to 264; `from` < `at`. */
function matchLength(bytes: Uint8Array, from: number, at: number, end: number): number {
  const most = Math.min(COPY_MAX, end - at);
  let length = 3;
  while (length < most && bytes[from + length] === bytes[at + length]) length += 1;
  return length;
}

/** Writes bytes[start, end) as they are, in runs; returns where they end, -1 beyond `outEnd`. */
function writeLiterals(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  to: number,
  outEnd: number,
): number {
  const count = end - start;
  if (to + count + Math.ceil(count / LITERAL_MAX) > outEnd) return -1;
  for (let at = start; at < end; ) {
    const stop = Math.min(at + LITERAL_MAX, end);
    out[to++] = stop - at - 1;
    while (at < stop) out[to++] = bytes[at++];
  }
  return to;
}

/**
 * Compresses bytes[start, end) into out[outStart, outEnd). Returns the bytes written, 0 when they do not fit:
 * callers pass a limit below the input's length and store the input as it is on 0. Where nothing repeats for
 * long, it looks at fewer and fewer positions.
 */
export function lzfCompress(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  outStart: number,
  outEnd: number,
): number {
  const shift = takeBase(end - start) - start;
  const stop = end - 2;
  let to = outStart;
  let literal = start;
  let misses = 0;
  let at = start;
  while (at < stop) {
    const three = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16);
    const index = Math.imul(three, HASH_FACTOR) >>> HASH_SHIFT;
    const from = seen[index] - shift;
    seen[index] = at + shift;
    if (
      from < start ||
      at - from > OFFSET_MAX ||
      (bytes[from] | (bytes[from + 1] << 8) | (bytes[from + 2] << 16)) !== three
    ) {
      misses += 1;
      at += 1 + (misses >>> MISSES_SHIFT);
      continue;
    }
    misses = 0;
    if (literal < at) to = writeLiterals(bytes, literal, at, out, to, outEnd);
    if (to < 0 || to + 3 > outEnd) return 0;
    const length = matchLength(bytes, from, at, end);
    const offset = at - from - 1;
    if (length < 9) out[to++] = ((length - 2) << 5) | (offset >> 8);
    else {
      out[to++] = (7 << 5) | (offset >> 8);
      out[to++] = length - 9;
    }
    out[to++] = offset & 255;
    at += length;
    literal = at;
    // The two positions before the next one are where the next copy most often comes from.
    for (let back = at - 2; back < at && at < stop; back += 1) {
      const last = bytes[back] | (bytes[back + 1] << 8) | (bytes[back + 2] << 16);
      seen[Math.imul(last, HASH_FACTOR) >>> HASH_SHIFT] = back + shift;
    }
  }
  if (literal < end) to = writeLiterals(bytes, literal, end, out, to, outEnd);
  return to < 0 ? 0 : to - outStart;
}

/** Larger memory is not kept alive for the next call. */
const VIEWED_BYTES_MAX = 8 * 1024 * 1024;

/**
 * A view of the memory that the last call read, or wrote: mostly the next one goes on there. Four bytes by a
 * view take a third of the time of four single ones.
 */
class LastView {
  #buffer: ArrayBufferLike | null = null;
  #view: DataView = new DataView(new ArrayBuffer(0));

  of({ buffer }: Uint8Array): DataView {
    if (buffer === this.#buffer) return this.#view;
    const view = new DataView(buffer);
    if (buffer.byteLength > VIEWED_BYTES_MAX) return view;
    this.#buffer = buffer;
    this.#view = view;
    return view;
  }
}

const lastSource = new LastView();
const lastTarget = new LastView();

/**
 * Decompresses bytes[start, end) into exactly out[outStart, outEnd).
 * Returns false for damaged input: a copy from before the start, too few or too many bytes.
 */
export function lzfDecompress(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  outStart: number,
  outEnd: number,
): boolean {
  const source = lastSource.of(bytes);
  const target = lastTarget.of(out);
  const first = out.byteOffset + outStart;
  const last = out.byteOffset + outEnd;
  const stopAt = bytes.byteOffset + end;
  let at = bytes.byteOffset + start;
  let to = first;
  while (at < stopAt) {
    const control = source.getUint8(at++);
    if (control < 32) {
      const count = control + 1;
      if (at + count > stopAt || to + count > last) return false;
      const stop = at + count;
      for (const fours = stop - 3; at < fours; at += 4, to += 4) {
        target.setInt32(to, source.getInt32(at, true), true);
      }
      while (at < stop) target.setUint8(to++, source.getUint8(at++));
      continue;
    }
    let length = control >> 5;
    if (length === 7) {
      if (at >= stopAt) return false;
      length += source.getUint8(at++);
    }
    if (at >= stopAt) return false;
    let from = to - ((control & 31) << 8) - source.getUint8(at++) - 1;
    length += 2;
    if (from < first || to + length > last) return false;
    const stop = to + length;
    // The copy may begin within what it writes: byte by byte then.
    if (to - from >= 4) {
      for (const fours = stop - 3; to < fours; to += 4, from += 4) {
        target.setInt32(to, target.getInt32(from, true), true);
      }
    }
    while (to < stop) target.setUint8(to++, target.getUint8(from++));
  }
  return to === last;
}
