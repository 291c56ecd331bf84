/**
 * Bits in bytes as the bitmap commands count them: bit 0 is the highest bit of byte 0. Ranges of whole bytes
 * take a 32-bit word a step.
 */

/** Bits that are set in bytes[start, end). */
export function countBits(bytes: Uint8Array, start: number, end: number): number {
  let count = 0;
  const alignedStart = Math.min(end, start + ((4 - ((bytes.byteOffset + start) & 3)) & 3));
  for (; start < alignedStart; start++) count += bitsIn(bytes[start]);
  const words = (end - start) >>> 2;
  if (words > 0) {
    const view = new Uint32Array(bytes.buffer, bytes.byteOffset + start, words);
    for (let at = 0; at < words; at++) count += bitsIn(view[at]);
    start += words * 4;
  }
  for (; start < end; start++) count += bitsIn(bytes[start]);
  return count;
}

/** Bits that are set in a 32-bit word. */
function bitsIn(word: number): number {
  word -= (word >>> 1) & 0x55555555;
  word = (word & 0x33333333) + ((word >>> 2) & 0x33333333);
  return Math.imul((word + (word >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** The first byte of bytes[start, end) that has a bit of value `bit`; `end` when there is none. */
export function firstByteWith(bytes: Uint8Array, start: number, end: number, bit: number): number {
  const skipped = bit === 0 ? 0xff : 0;
  const alignedStart = Math.min(end, start + ((4 - ((bytes.byteOffset + start) & 3)) & 3));
  for (; start < alignedStart; start++) if (bytes[start] !== skipped) return start;
  const words = (end - start) >>> 2;
  if (words > 0) {
    const view = new Uint32Array(bytes.buffer, bytes.byteOffset + start, words);
    const skippedWord = bit === 0 ? 0xffffffff : 0;
    let at = 0;
    while (at < words && view[at] === skippedWord) at++;
    start += at * 4;
  }
  while (start < end && bytes[start] === skipped) start++;
  return start;
}

/**
 * Position in a byte, 0 for the highest bit, of the first bit of value `bit` from `from` to `to`; 8: none.
 */
export function firstBitIn(byte: number, bit: number, from: number, to: number): number {
  for (let at = from; at <= to; at++) if (((byte >>> (7 - at)) & 1) === bit) return at;
  return 8;
}

/** How several bitmaps become one. The last four look at the first bitmap and at all others. */
export type BitOperation = 'AND' | 'OR' | 'XOR' | 'NOT' | 'DIFF' | 'DIFF1' | 'ANDOR' | 'ONE';

/**
 * Combines bitmaps as if all were as long as the longest, in a buffer of that length. DIFF: the first without
 * the others; DIFF1: the others without the first; ANDOR: the first and any other; ONE: in exactly one.
 */
export function combineBits(operation: BitOperation, sources: readonly Uint8Array[]): Buffer {
  const length = sources.reduce((longest, source) => Math.max(longest, source.length), 0);
  const words = Math.ceil(length / 4);
  const inputs = sources.map((source) => asWords(source, words));
  const result = new Uint32Array(words);
  const [first = result, ...others] = inputs;
  if (operation === 'NOT') for (let at = 0; at < words; at++) result[at] = ~first[at];
  else if (operation === 'AND' || operation === 'OR' || operation === 'XOR') {
    result.set(first);
    for (const other of others) combinePair(operation, result, other);
  } else if (operation === 'ONE') combineOne(inputs, result);
  else {
    for (const other of others) combinePair('OR', result, other);
    for (let at = 0; at < words; at++) {
      if (operation === 'DIFF') result[at] = first[at] & ~result[at];
      else if (operation === 'DIFF1') result[at] &= ~first[at];
      else result[at] &= first[at];
    }
  }
  return Buffer.from(result.buffer, 0, length);
}

function asWords(source: Uint8Array, words: number): Uint32Array {
  const view = new Uint32Array(words);
  new Uint8Array(view.buffer).set(source);
  return view;
}

function combinePair(operation: 'AND' | 'OR' | 'XOR', target: Uint32Array, other: Uint32Array): void {
  const words = target.length;
  if (operation === 'AND') for (let at = 0; at < words; at++) target[at] &= other[at];
  else if (operation === 'OR') for (let at = 0; at < words; at++) target[at] |= other[at];
  else for (let at = 0; at < words; at++) target[at] ^= other[at];
}

function combineOne(inputs: readonly Uint32Array[], result: Uint32Array): void {
  for (let at = 0; at < result.length; at++) {
    let once = 0;
    let more = 0;
    for (const input of inputs) {
      more |= once & input[at];
      once |= input[at];
    }
    result[at] = once & ~more;
  }
}

/** `bits` (1 to 64) bits from bit `offset` on, as an integer without sign. */
export function readBitfield(bytes: Uint8Array, offset: number, bits: number): bigint {
  let value = 0n;
  for (let done = 0; done < bits; ) {
    const within = (offset + done) % 8;
    const take = Math.min(8 - within, bits - done);
    const byte = bytes[Math.floor((offset + done) / 8)];
    value = (value << BigInt(take)) | BigInt((byte >>> (8 - within - take)) & ((1 << take) - 1));
    done += take;
  }
  return value;
}

/** Writes the lowest `bits` bits of `value` from bit `offset` on. */
export function writeBitfield(bytes: Uint8Array, offset: number, bits: number, value: bigint): void {
  let rest = BigInt.asUintN(bits, value);
  for (let left = bits; left > 0; ) {
    const end = offset + left;
    const within = ((end - 1) % 8) + 1;
    const take = Math.min(within, left);
    const shift = 8 - within;
    const mask = ((1 << take) - 1) << shift;
    const at = Math.floor((end - 1) / 8);
    bytes[at] = (bytes[at] & ~mask) | ((Number(rest & 0xffn) << shift) & mask);
    rest >>= BigInt(take);
    left -= take;
  }
}

/** What happens when a bitfield would leave its range. */
export type Overflow = 'WRAP' | 'SAT' | 'FAIL';

/** `value` within a field of `bits` bits; null when it does not fit and `overflow` is FAIL. */
export function fitBitfield(value: bigint, bits: number, signed: boolean, overflow: Overflow): bigint | null {
  const wrapped = signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value);
  if (wrapped === value || overflow === 'WRAP') return wrapped;
  if (overflow === 'FAIL') return null;
  const high = signed ? (1n << BigInt(bits - 1)) - 1n : (1n << BigInt(bits)) - 1n;
  if (value > 0n) return high;
  return signed ? -high - 1n : 0n;
}
