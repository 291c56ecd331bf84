/** CRC-16/XMODEM and the slot of a key, as the cluster specification defines them. */

export const SLOT_COUNT = 16384;

const TABLE = new Uint16Array(256);
for (let index = 0; index < 256; index++) {
  let value = index << 8;
  for (let bit = 0; bit < 8; bit++) value = value & 0x8000 ? (value << 1) ^ 0x1021 : value << 1;
  TABLE[index] = value & 0xffff;
}

export function crc16(bytes: Uint8Array, start: number, end: number): number {
  let crc = 0;
  for (let at = start; at < end; at++) crc = ((crc << 8) & 0xffff) ^ TABLE[(crc >>> 8) ^ bytes[at]];
  return crc;
}

const OPEN = 0x7b;
const CLOSE = 0x7d;

/** Slot of the key: of the part between the first `{` and the next `}` when it is not empty. */
export function keySlot(bytes: Uint8Array, start: number, length: number): number {
  const end = start + length;
  for (let at = start; at < end; at++) {
    if (bytes[at] !== OPEN) continue;
    let close = at + 1;
    while (close < end && bytes[close] !== CLOSE) close++;
    if (close > at + 1 && close < end) return crc16(bytes, at + 1, close) & 0x3fff;
    break;
  }
  return crc16(bytes, start, end) & 0x3fff;
}
