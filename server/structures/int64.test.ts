import { describe, expect, it } from 'vitest';
import { compareInt64, Int64, int64TextLength, parseInt64, writeInt64Text } from './int64.ts';
import { Prng } from './prng.ts';

function parse(text: string): bigint | null {
  const into = new Int64();
  const bytes = Buffer.from(`x${text}x`);
  return parseInt64(bytes, 1, text.length, into) ? into.toBigInt() : null;
}

function write(high: number, low: number): string {
  const target = Buffer.alloc(24);
  return target.toString('latin1', 2, writeInt64Text(high, low, target, 2));
}

describe('parseInt64', () => {
  it('refuses what Redis does not store as an integer', () => {
    const refused = ['', '-', '+1', '01', '-0', '00', '1.0', ' 1', '1 ', '9223372036854775808'];
    for (const text of [
      ...refused,
      '-9223372036854775809',
      '123456789012345678901',
      '99999999999999999999',
    ]) {
      expect(parse(text), text).toBeNull();
    }
  });

  it('reads and writes every integer of 64 bits as BigInt does', () => {
    const prng = new Prng(Date.now());
    const edges = [0n, 1n, -1n, (1n << 63n) - 1n, -(1n << 63n), 1n << 53n, -(1n << 53n), 10n ** 18n];
    for (let round = 0; round < 20_000; round++) {
      const bits = BigInt(prng.below(64));
      const random = ((BigInt(prng.bits()) << 32n) | BigInt(prng.bits())) >> bits;
      const value = BigInt.asIntN(64, edges[round] ?? (prng.below(2) === 0 ? random : -random));
      const into = new Int64();
      const text = value.toString();
      expect(parseInt64(Buffer.from(text), 0, text.length, into), text).toBe(true);
      expect(into.toBigInt(), `seed ${prng.seed}`).toBe(value);
      expect(write(into.high, into.low), `seed ${prng.seed}`).toBe(text);
      expect(int64TextLength(into.high, into.low)).toBe(text.length);
      if (into.safe) {
        const other = new Int64();
        other.setNumber(Number(value));
        expect([other.high, other.low]).toEqual([into.high, into.low]);
      }
    }
  });
});

describe('compareInt64', () => {
  it('orders negative before positive and low words unsigned', () => {
    expect(compareInt64(-1, 0xffffffff, 0, 0)).toBeLessThan(0);
    expect(compareInt64(0, 0xffffffff, 0, 1)).toBeGreaterThan(0);
    expect(compareInt64(3, 7, 3, 7)).toBe(0);
  });
});
