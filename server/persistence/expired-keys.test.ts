import { expect, it } from 'vitest';
import { ExpiredKeys } from './expired-keys.ts';

it('ExpiredKeys keeps what the backlog could tell of, in order, and nothing when it is more', () => {
  const keys = new ExpiredKeys(100);
  for (let at = 0; at < 4; at += 1) keys.add(at, Buffer.from(`k${at}`));
  expect(keys.keys.map(([database, key]) => `${database} ${key}`)).toEqual(['0 k0', '1 k1', '2 k2', '3 k3']);
  expect(keys.tooMany).toBe(false);
  keys.add(4, Buffer.alloc(20));
  expect([keys.tooMany, keys.keys.length]).toEqual([true, 0]);
  keys.add(5, Buffer.from('k'));
  expect([keys.tooMany, keys.keys.length]).toEqual([true, 0]);
});
