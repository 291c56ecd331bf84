import { describe, expect, it } from 'vitest';
import { hashed, murmur64 } from './murmur64.ts';
import { Prng } from './prng.ts';

/** The hash as its author wrote it down, in 64-bit arithmetic. */
function slowly(bytes: Buffer, seed: bigint): bigint {
  const word = (value: bigint): bigint => BigInt.asUintN(64, value);
  const m = 0xc6a4a7935bd1e995n;
  let hash = word(seed ^ word(BigInt(bytes.length) * m));
  const whole = bytes.length - (bytes.length % 8);
  for (let at = 0; at < whole; at += 8) {
    let key = word(bytes.readBigUInt64LE(at) * m);
    key = word((key ^ (key >> 47n)) * m);
    hash = word((hash ^ key) * m);
  }
  for (let at = bytes.length - 1; at >= whole; at--)
    hash ^= BigInt(bytes[at] ?? 0) << BigInt((at - whole) * 8);
  if (whole !== bytes.length) hash = word(hash * m);
  hash = word((hash ^ (hash >> 47n)) * m);
  return hash ^ (hash >> 47n);
}

describe('murmur64', () => {
  it('agrees with 64-bit arithmetic on words of every length', () => {
    const random = new Prng(Date.now());
    for (let round = 0; round < 2000; round++) {
      const bytes = Buffer.from(Array.from({ length: random.below(40) }, () => random.below(256)));
      const seed = random.bits();
      murmur64(bytes, 0, bytes.length, seed);
      const found = (BigInt(hashed.high >>> 0) << 32n) | BigInt(hashed.low >>> 0);
      expect(found, `seed ${random.seed}: ${bytes.toString('hex')}`).toBe(slowly(bytes, BigInt(seed)));
    }
  });

  it('looks only at its range', () => {
    murmur64(Buffer.from('xabcx'), 1, 3, 1);
    const inside = { ...hashed };
    murmur64(Buffer.from('abc'), 0, 3, 1);
    expect(hashed).toEqual(inside);
  });
});
