import { expect, it } from 'vitest';
import { compareSeeds, FIRST_SEED, show } from './server-pair.ts';

it('compareSeeds stops at the first seed with a difference and names it', async () => {
  const seeds: number[] = [];
  const run = compareSeeds(3, async (seed) => {
    seeds.push(seed - FIRST_SEED);
    return seed === FIRST_SEED + 1 ? 'ours is not theirs' : undefined;
  });
  await expect(run).rejects.toThrow(`SEED=${FIRST_SEED + 1}: ours is not theirs`);
  expect(seeds).toEqual([0, 1]);
});

it('show cuts long words and keeps their length', () => {
  expect(show(['SET', Buffer.from([0, 255]), 'x'.repeat(80)])).toBe(
    `"SET" "\\u0000\u00ff" "${'x'.repeat(20)}… (80)"`,
  );
});
