import { describe, expect, it } from 'vitest';
import { GaveUp, waitUntil, withDeadline } from './wait-until.ts';

describe('waitUntil', () => {
  it('asks until there is a value', async () => {
    let asked = 0;
    const value = await waitUntil('three', 20_000, async () => (++asked === 3 ? asked : undefined), 1);
    expect(value).toBe(3);
  });

  it('says at the deadline what it waited for and the last error', async () => {
    const waiting = waitUntil(
      'a thing',
      20,
      async () => {
        throw new Error('still missing');
      },
      1,
    );
    await expect(waiting).rejects.toThrow(/^a thing: not after 0 s; last: still missing$/);
  });

  it('stops at once when the probe gives up', async () => {
    let asked = 0;
    const waiting = waitUntil('a thing', 60_000, async () => {
      asked++;
      throw new GaveUp('it is gone for good');
    });
    await expect(waiting).rejects.toThrow('it is gone for good');
    expect(asked).toBe(1);
  });
});

describe('withDeadline', () => {
  it('passes the value on, and fails when there is none in time', async () => {
    expect(await withDeadline('a value', 20_000, Promise.resolve(1))).toBe(1);
    await expect(withDeadline('a value', 10, new Promise(() => {}))).rejects.toThrow('a value: not after');
  });
});
