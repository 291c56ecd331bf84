/**
 * HyperLogLog with 16384 registers of 6 bits, byte by byte as Redis keeps it in a string.
 *
 *   | HYLL | encoding | 0 0 0 | cardinality, 8 bytes | registers ...    the cardinality's highest bit: stale
 *
 *   dense (encoding 0): 6 bits a register, from the lowest bit of the first byte on; 12304 bytes in all
 *   sparse (encoding 1): runs of registers, until one is above 32 or the string would be too long
 *     00nnnnnn            ZERO   n + 1 registers of 0
 *     01nnnnnn nnnnnnnn   XZERO  n + 1 registers of 0
 *     1vvvvvnn            VAL    n + 1 registers of v + 1
 *
 * The estimate is Ertl's (arXiv 1702.01284), from the histogram of the registers.
 */
import { hashed, murmur64 } from './murmur64.ts';

export const HLL_REGISTERS = 16384;
export const HLL_HEADER_BYTES = 16;
export const HLL_DENSE_BYTES = HLL_HEADER_BYTES + (HLL_REGISTERS * 6) / 8;
export const HLL_SPARSE = 1;
const HLL_DENSE = 0;
const SEED = 0xadc83b19;
const MAGIC = Buffer.from('HYLL');
const ENCODING_AT = 4;
const STALE_AT = 15;
const CARDINALITY_AT = 8;
/** Bits of the hash behind those that choose the register. */
const Q = 50;
const ALPHA = 0.7213475204444817;

/** True when bytes[start, start + length) looks like a HyperLogLog; a sparse one may still be corrupt. */
export function isHyperLogLog(bytes: Uint8Array, start: number, length: number): boolean {
  if (length < HLL_HEADER_BYTES) return false;
  for (let at = 0; at < MAGIC.length; at++) if (bytes[start + at] !== MAGIC[at]) return false;
  const encoding = bytes[start + ENCODING_AT];
  return encoding === HLL_SPARSE || (encoding === HLL_DENSE && length === HLL_DENSE_BYTES);
}

export function isSparse(bytes: Uint8Array, start: number): boolean {
  return bytes[start + ENCODING_AT] === HLL_SPARSE;
}

/** A new HyperLogLog without elements: one XZERO. */
export function emptyHyperLogLog(): Buffer {
  const bytes = Buffer.alloc(HLL_HEADER_BYTES + 2);
  MAGIC.copy(bytes);
  bytes[ENCODING_AT] = HLL_SPARSE;
  bytes[HLL_HEADER_BYTES] = 0x7f;
  bytes[HLL_HEADER_BYTES + 1] = 0xff;
  return bytes;
}

/** Register of the element in the high bits, its count (1 to 51) in the low 6 bits. */
export function placeOf(bytes: Uint8Array, start: number, length: number): number {
  murmur64(bytes, start, length, SEED);
  const { low, high } = hashed;
  const rest = low >>> 14;
  const zeros = rest !== 0 ? 31 - Math.clz32(rest & -rest) : 18 + 31 - Math.clz32(high & -high);
  const count = 1 + (rest === 0 && high === 0 ? Q : Math.min(Q, zeros));
  return ((low & (HLL_REGISTERS - 1)) << 6) | count;
}

/** The stored estimate, null when it is stale. */
export function cachedCount(bytes: Buffer, start: number): bigint | null {
  const value = bytes.readBigUInt64LE(start + CARDINALITY_AT);
  return (bytes[start + STALE_AT] & 128) === 0 ? value : null;
}

export function cacheCount(bytes: Buffer, start: number, count: number): void {
  bytes.writeBigUInt64LE(BigInt(count), start + CARDINALITY_AT);
}

export function markStale(bytes: Uint8Array, start: number): void {
  bytes[start + STALE_AT] |= 128;
}

/** Register `index` of the dense form whose string starts at `start`. */
export function denseRegister(bytes: Uint8Array, start: number, index: number): number {
  const at = start + HLL_HEADER_BYTES + ((index * 6) >>> 3);
  const shift = (index * 6) & 7;
  const next = shift > 2 ? bytes[at + 1] << (8 - shift) : 0;
  return ((bytes[at] >>> shift) | next) & 63;
}

export function setDenseRegister(bytes: Uint8Array, start: number, index: number, count: number): void {
  const at = start + HLL_HEADER_BYTES + ((index * 6) >>> 3);
  const shift = (index * 6) & 7;
  bytes[at] = (bytes[at] & ~(63 << shift)) | (count << shift);
  if (shift <= 2) return;
  bytes[at + 1] = (bytes[at + 1] & ~(63 >>> (8 - shift))) | (count >>> (8 - shift));
}

/** Lifts a dense register to `count`; true when it was lower. */
export function raiseDense(bytes: Uint8Array, start: number, index: number, count: number): boolean {
  if (denseRegister(bytes, start, index) >= count) return false;
  setDenseRegister(bytes, start, index, count);
  return true;
}

/**
 * Writes the runs of a sparse form into `registers` where they are higher; false when it is corrupt. Works on
 * a string of its own, bytes[0, length).
 */
function mergeSparse(registers: Uint8Array, bytes: Uint8Array, length: number): boolean {
  let index = 0;
  for (let at = HLL_HEADER_BYTES; at < length; at++) {
    const byte = bytes[at];
    if (byte < 64) index += byte + 1;
    else if (byte < 128) {
      const low = ++at < length ? bytes[at] : 0;
      index += (((byte & 63) << 8) | low) + 1;
    } else {
      const end = index + (byte & 3) + 1;
      const value = ((byte >>> 2) & 31) + 1;
      // As Redis: what follows a whole set of registers does not matter here.
      if (end > HLL_REGISTERS) break;
      for (; index < end; index++) if (value > registers[index]) registers[index] = value;
    }
  }
  return index === HLL_REGISTERS;
}

/** True when the runs of the sparse bytes[0, length) are exactly as many registers as there are. */
export function isWhole(bytes: Uint8Array, length: number): boolean {
  let registers = 0;
  for (let at = HLL_HEADER_BYTES; at < length; at++) {
    const byte = bytes[at];
    if (byte >= 128) registers += (byte & 3) + 1;
    else if (byte < 64) registers += byte + 1;
    else registers += (((byte & 63) << 8) | (++at < length ? bytes[at] : 0)) + 1;
  }
  return registers === HLL_REGISTERS;
}

/** Lifts `registers` to those of bytes[0, length); false when that is corrupt. */
export function mergeRegisters(registers: Uint8Array, bytes: Uint8Array, length: number): boolean {
  if (isSparse(bytes, 0)) return mergeSparse(registers, bytes, length);
  for (let index = 0; index < HLL_REGISTERS; index++) {
    const value = denseRegister(bytes, 0, index);
    if (value > registers[index]) registers[index] = value;
  }
  return true;
}

/** The dense form of bytes[0, length), header included; null when that is corrupt. */
export function toDense(bytes: Uint8Array, length: number): Buffer | null {
  const registers = new Uint8Array(HLL_REGISTERS);
  if (!mergeRegisters(registers, bytes, length)) return null;
  const dense = Buffer.alloc(HLL_DENSE_BYTES);
  dense.set(bytes.subarray(0, HLL_HEADER_BYTES));
  dense[ENCODING_AT] = HLL_DENSE;
  for (let index = 0; index < HLL_REGISTERS; index++) {
    if (registers[index] !== 0) setDenseRegister(dense, 0, index, registers[index]);
  }
  return dense;
}

/** Estimated number of different elements behind `registers`. */
export function estimate(registers: Uint8Array): number {
  const histogram = new Uint32Array(64);
  for (const value of registers) histogram[value]++;
  let z = HLL_REGISTERS * tau((HLL_REGISTERS - histogram[Q + 1]) / HLL_REGISTERS);
  for (let value = Q; value >= 1; value--) z = (z + histogram[value]) * 0.5;
  z += HLL_REGISTERS * sigma(histogram[0] / HLL_REGISTERS);
  return Math.round((ALPHA * HLL_REGISTERS * HLL_REGISTERS) / z);
}

function sigma(x: number): number {
  if (x === 1) return Infinity;
  let y = 1;
  let z = x;
  for (let former = -1; former !== z; y += y) {
    x *= x;
    former = z;
    z += x * y;
  }
  return z;
}

function tau(x: number): number {
  if (x === 0 || x === 1) return 0;
  let y = 1;
  let z = 1 - x;
  for (let former = -1; former !== z; ) {
    x = Math.sqrt(x);
    former = z;
    y *= 0.5;
    z -= (1 - x) * (1 - x) * y;
  }
  return z / 3;
}
