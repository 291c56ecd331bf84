import { describe, expect, it } from 'vitest';
import { Crc64 } from './crc64.ts';

const POLYNOMIAL = 0x95ac9329ac4bc9b5n;

function slow(bytes: Uint8Array): string {
  let crc = 0n;
  for (const byte of bytes) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1n ? (crc >> 1n) ^ POLYNOMIAL : crc >> 1n;
  }
  return crc.toString(16).padStart(16, '0');
}

describe('Crc64', () => {
  it('gives the published check value', () => {
    const crc = new Crc64();
    crc.update(new TextEncoder().encode('123456789'), 0, 9);
    expect(crc.toString()).toBe('e9c6d914c4b8d9ca');
  });

  it('equals the bit by bit definition for every length and split', () => {
    const bytes = new Uint8Array(100);
    for (let k = 0; k < bytes.length; k += 1) bytes[k] = (k * 167 + 13) & 255;
    for (let length = 0; length <= bytes.length; length += 1) {
      const crc = new Crc64();
      const split = (length * 5) % (length + 1);
      crc.update(bytes, 0, split);
      crc.update(bytes, split, length);
      expect(crc.toString()).toBe(slow(bytes.subarray(0, length)));
    }
  });

  it('writes and compares little-endian bytes', () => {
    const crc = new Crc64();
    crc.update(new TextEncoder().encode('123456789'), 0, 9);
    const out = new Uint8Array(10);
    crc.writeTo(out, 1);
    expect(Buffer.from(out).toString('hex')).toBe('00cad9b8c414d9c6e900');
    expect(crc.equals(out, 1)).toBe(true);
    out[4] ^= 1;
    expect(crc.equals(out, 1)).toBe(false);
    crc.reset();
    expect(crc.toString()).toBe('0'.repeat(16));
  });
});
