import { describe, expect, it } from 'vitest';
import { NO_EXPIRY } from './database.ts';
import { Keyspace } from './keyspace.ts';
import { Stats } from './stats.ts';

const KEYS = 80_000;

/** So many keys that reading ahead makes sense, and where their names lie. */
function filled(perSlot: boolean) {
  const keyspace = new Keyspace({ databases: 1, perSlot, stats: new Stats(), random: () => 0.5 });
  const [database] = keyspace.databases;
  const value = Buffer.alloc(100, 'v');
  for (let index = 0; index < KEYS; index++) {
    const key = Buffer.from(`key:${index}`);
    database.setString(key, 0, key.length, value, 0, value.length, NO_EXPIRY);
  }
  const names = [...Array.from({ length: 70 }, (_, index) => `key:${index * 1100}`), 'none', 'x'.repeat(100)];
  const bytes = Buffer.from(names.join(''));
  const lengths = Int32Array.from(names, (name) => name.length);
  let at = 0;
  const starts = lengths.map((length) => (at += length) - length);
  return { keyspace, database, bytes, starts, lengths, count: names.length };
}

describe('KeyTouch.read', () => {
  it.each([false, true])(
    'goes through all words in steps, and lookups answer as before (a table a slot: %s)',
    (perSlot) => {
      const { keyspace, database, bytes, starts, lengths, count } = filled(perSlot);
      const answers = () =>
        Array.from(starts, (start, word) => database.findAny(bytes, start, lengths[word]));
      const before = answers();
      for (const step of [1, 2]) {
        const stops = [0];
        while (stops[stops.length - 1] < count && stops.length < 10) {
          const from = stops[stops.length - 1];
          stops.push(keyspace.keyTouch.read(database, bytes, starts, lengths, from, count, step));
        }
        expect(stops).toEqual(step === 1 ? [0, 32, 64, 72] : [0, 64, 72]);
      }
      expect(answers()).toEqual(before);
    },
  );

  it('looks at nothing for one word, and while the data is small', () => {
    const { keyspace, database, bytes, starts, lengths } = filled(false);
    expect(keyspace.keyTouch.read(database, bytes, starts, lengths, 5, 6, 1)).toBe(6);
    const small = new Keyspace({ databases: 1, perSlot: false, stats: new Stats(), random: () => 0.5 });
    expect(small.keyTouch.read(small.databases[0], bytes, starts, lengths, 0, 72, 1)).toBe(72);
    expect([keyspace.keyTouch.sum, small.keyTouch.sum]).toEqual([0, 0]);
  });
});
