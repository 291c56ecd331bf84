import { describe, expect, it } from 'vitest';
import { crc16, keySlot } from './crc16.ts';

function slotOf(key: string): number {
  const bytes = Buffer.from(key);
  return keySlot(bytes, 0, bytes.length);
}

describe('crc16', () => {
  it('gives the check value of CRC-16/XMODEM', () => {
    expect(crc16(Buffer.from('123456789'), 0, 9)).toBe(0x31c3);
  });
});

describe('keySlot', () => {
  it('hashes what stands in the first pair of braces, when it is not empty', () => {
    expect(slotOf('foo')).toBe(12182);
    expect(slotOf('{foo}bar')).toBe(slotOf('foo'));
    expect(slotOf('x{foo}{bar}')).toBe(slotOf('foo'));
    expect(slotOf('foo{}{bar}')).not.toBe(slotOf('bar'));
    expect(slotOf('foo{{bar}}zap')).toBe(slotOf('{bar'));
    expect(slotOf('foo{bar')).not.toBe(slotOf('bar'));
  });

  it('does not look beyond the end of the key for a closing brace', () => {
    const bytes = Buffer.from('{ab}c');
    expect(keySlot(bytes, 0, 3)).toBe(slotOf('{ab'));
  });
});
