import { expect, it } from 'vitest';
import { Prng } from './prng.ts';
import { productHigh } from './product.ts';

it('productHigh is the high half of the product of any two 32-bit integers', () => {
  const random = new Prng(Date.now());
  const edges = [0, 1, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff];
  for (let round = 0; round < 20000; round++) {
    const left = random.below(4) === 0 ? (edges[random.below(edges.length)] as number) : random.bits();
    const right = random.below(4) === 0 ? (edges[random.below(edges.length)] as number) : random.bits();
    const wanted = Number((BigInt(left) * BigInt(right)) >> 32n);
    expect(productHigh(left, right) >>> 0, `seed ${random.seed}: ${left} * ${right}`).toBe(wanted);
  }
});
