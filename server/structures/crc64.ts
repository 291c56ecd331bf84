/**
 * CRC-64 "Jones" as RDB files and DUMP payloads carry it.
 *
 * Reflected polynomial 0x95ac9329ac4bc9b5, start value 0, no final inversion; "123456789" gives
 * e9c6d914c4b8d9ca. Eight bytes a step ("slice by eight"): T[k][b] is the checksum of byte b followed by k
 * zero bytes, so the eight lookups of a step do not depend on each other. 64 bits are two 32-bit halves;
 * O(n), 16 KiB of tables.
 */

const POLYNOMIAL_HIGH = 0x95ac9329 | 0;
const POLYNOMIAL_LOW = 0xac4bc9b5 | 0;

/** Tables in order of zero bytes behind: index = zeros * 256 + byte. */
const HIGH = new Int32Array(8 * 256);
const LOW = new Int32Array(8 * 256);

for (let byte = 0; byte < 256; byte += 1) {
  let high = 0;
  let low = byte;
  for (let bit = 0; bit < 8; bit += 1) {
    const carry = low & 1;
    low = (low >>> 1) | (high << 31);
    high >>>= 1;
    if (carry !== 0) {
      high ^= POLYNOMIAL_HIGH;
      low ^= POLYNOMIAL_LOW;
    }
  }
  HIGH[byte] = high;
  LOW[byte] = low;
}
for (let at = 256; at < 8 * 256; at += 1) {
  const high = HIGH[at - 256];
  const low = LOW[at - 256];
  HIGH[at] = (high >>> 8) ^ HIGH[low & 255];
  LOW[at] = ((low >>> 8) | (high << 24)) ^ LOW[low & 255];
}

/** Fewer bytes are not worth a view of their own. */
const VIEW_BYTES_MIN = 64;
const NO_VIEW = new DataView(new ArrayBuffer(0));

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A running checksum. */
export class Crc64 {
  #high = 0;
  #low = 0;

  /** Upper 32 bits, unsigned. */
  get high(): number {
    return this.#high >>> 0;
  }

  /** Lower 32 bits, unsigned. */
  get low(): number {
    return this.#low >>> 0;
  }

  reset(): void {
    this.#high = 0;
    this.#low = 0;
  }

  update(bytes: Uint8Array, start: number, end: number): void {
    let high = this.#high;
    let low = this.#low;
    let at = start;
    const view = end - start < VIEW_BYTES_MIN ? NO_VIEW : viewOf(bytes);
    for (const last = view === NO_VIEW ? start : end - 7; at < last; at += 8) {
      low ^= view.getInt32(at, true);
      high ^= view.getInt32(at + 4, true);
      const a = 1792 + (low & 255);
      const b = 1536 + ((low >>> 8) & 255);
      const c = 1280 + ((low >>> 16) & 255);
      const d = 1024 + (low >>> 24);
      const e = 768 + (high & 255);
      const f = 512 + ((high >>> 8) & 255);
      const g = 256 + ((high >>> 16) & 255);
      const h = high >>> 24;
      high = HIGH[a] ^ HIGH[b] ^ HIGH[c] ^ HIGH[d] ^ HIGH[e] ^ HIGH[f] ^ HIGH[g] ^ HIGH[h];
      low = LOW[a] ^ LOW[b] ^ LOW[c] ^ LOW[d] ^ LOW[e] ^ LOW[f] ^ LOW[g] ^ LOW[h];
    }
    for (; at < end; at += 1) {
      const index = (low ^ bytes[at]) & 255;
      low = ((low >>> 8) | (high << 24)) ^ LOW[index];
      high = (high >>> 8) ^ HIGH[index];
    }
    this.#high = high;
    this.#low = low;
  }

  /** Writes the checksum as eight little-endian bytes. */
  writeTo(bytes: Uint8Array, at: number): void {
    for (let k = 0; k < 4; k += 1) {
      bytes[at + k] = this.#low >>> (8 * k);
      bytes[at + 4 + k] = this.#high >>> (8 * k);
    }
  }

  /** Whether eight little-endian bytes at `at` are this checksum. */
  equals(bytes: Uint8Array, at: number): boolean {
    let difference = 0;
    for (let k = 0; k < 4; k += 1) {
      difference |= bytes[at + k] ^ ((this.#low >>> (8 * k)) & 255);
      difference |= bytes[at + 4 + k] ^ ((this.#high >>> (8 * k)) & 255);
    }
    return difference === 0;
  }

  /** Sixteen hex digits. */
  toString(): string {
    return this.high.toString(16).padStart(8, '0') + this.low.toString(16).padStart(8, '0');
  }
}
