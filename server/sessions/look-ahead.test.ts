import { describe, expect, it } from 'vitest';
import { Keyspace } from '../keyspace/keyspace.ts';
import { Stats } from '../keyspace/stats.ts';
import { ENCODING_INTSET, TYPE_SET } from '../structures/record.ts';
import { LookAhead } from './look-ahead.ts';

function makeKeyspace(perSlot: boolean): Keyspace {
  const keyspace = new Keyspace({ databases: 1, perSlot, stats: new Stats(), random: () => 0.5 });
  const database = keyspace.databases[0];
  // More than a processor's cache holds.
  const filler = Buffer.alloc(200_000);
  for (let index = 0; index < 60; index++) {
    const key = Buffer.from(`filler:${index}`);
    database.setString(key, 0, key.length, filler, 0, filler.length, -1);
  }
  const { sets } = keyspace.values;
  const key = Buffer.from('set');
  const ref = database.addValue(key, 0, 3, TYPE_SET, ENCODING_INTSET, sets.newRoot(ENCODING_INTSET));
  for (let index = 0; index < 2000; index++) {
    const member = Buffer.from(`member:${index}`);
    sets.add(ref, member, 0, member.length);
  }
  return keyspace;
}

function commands(words: readonly (readonly string[])[]): Buffer {
  const text = words.map((each) => [
    `*${each.length}`,
    ...each.flatMap((word) => [`$${word.length}`, word]),
    '',
  ]);
  return Buffer.from(text.map((each) => each.join('\r\n')).join(''));
}

describe('LookAhead', () => {
  it('reads to the last whole command, and changes nothing', () => {
    for (const perSlot of [false, true]) {
      const keyspace = makeKeyspace(perSlot);
      const lookAhead = new LookAhead(keyspace);
      const before = keyspace.arena.words.map((words) => words.slice());
      const batches = [
        [['GET', 'filler:1'], ['PING'], ['SET', 'filler:2', 'x'], ['GET', 'nobody']],
        Array.from({ length: 20 }, (_, index) => ['SADD', 'set', `member:${index * 7}`]),
        Array.from({ length: 20 }, () => ['LPUSH', 'no list yet', 'element']),
        [
          ['SMEMBERS', 'set'],
          ['SCARD', 'set'],
        ],
      ];
      for (const batch of batches) {
        const whole = commands(batch);
        const bytes = Buffer.concat([whole, Buffer.from('*2\r\n$3\r\nGE')]);
        expect(lookAhead.read(0, bytes, 0, bytes.length)).toBe(whole.length);
      }
      expect(keyspace.arena.words.map((words) => words.slice())).toEqual(before);
    }
  });

  it('says when nothing is worth reading: one key without a table of elements', () => {
    const lookAhead = new LookAhead(makeKeyspace(false));
    const read = (words: readonly (readonly string[])[]): boolean => {
      const bytes = commands(words);
      lookAhead.read(0, bytes, 0, bytes.length);
      return lookAhead.idle;
    };
    expect(
      read([
        ['LPUSH', 'list', 'a'],
        ['LPUSH', 'list', 'b'],
      ]),
    ).toBe(true);
    expect(
      read([
        ['SADD', 'set', 'a'],
        ['SADD', 'set', 'b'],
      ]),
    ).toBe(false);
    expect(
      read([
        ['GET', 'filler:1'],
        ['GET', 'filler:2'],
      ]),
    ).toBe(false);
  });
});
