import { describe, expect, it } from 'vitest';
import { Arena } from '../structures/arena.ts';
import { Prng } from '../structures/prng.ts';
import { ENCODING_LISTPACK, ENCODING_SKIPLIST, Records, TYPE_ZSET } from '../structures/record.ts';
import { SortedSets } from './sorted-set.ts';
import type { SortedSetBody } from './sorted-set-body.ts';
import { ValueStore } from './value-store.ts';

type Pair = readonly [member: string, score: number];

function makeStore() {
  const arena = new Arena();
  const records = new Records(arena);
  const store = new ValueStore(arena, records, Math.random);
  return { arena, records, store, sets: new SortedSets(store) };
}

/** A key's record that holds nothing but the root. */
function makeKey(made: ReturnType<typeof makeStore>): number {
  const body = made.sets.detached();
  const ref = made.arena.allocate(16);
  made.records.writeHeader(ref, TYPE_ZSET | (body.encoding << 4), 1, 1, body.root, -1, false);
  return ref;
}

function contents(body: SortedSetBody): Pair[] {
  const pairs: Pair[] = [];
  for (let more = body.seek(0); more; more = body.next()) {
    const member = Buffer.from(body.bytes.subarray(body.start, body.start + body.length)).toString('latin1');
    pairs.push([member, body.score]);
  }
  return pairs;
}

function backwards(body: SortedSetBody): Pair[] {
  const pairs: Pair[] = [];
  for (let more = body.seek(body.count - 1); more; more = body.previous()) {
    const member = Buffer.from(body.bytes.subarray(body.start, body.start + body.length)).toString('latin1');
    pairs.push([member, body.score]);
  }
  return pairs.reverse();
}

function inOrder(left: Pair, right: Pair): number {
  if (left[1] !== right[1]) return left[1] - right[1];
  return left[0] < right[0] ? -1 : 1;
}

describe('SortedSets', () => {
  it('equals a sorted map under random changes in both encodings', () => {
    for (let run = 0; run < 12; run++) {
      const random = new Prng(900 + run);
      const made = makeStore();
      made.store.limits.zsetMaxListpackEntries = run % 3 === 0 ? 10_000 : 40;
      const ref = makeKey(made);
      const model = new Map<string, number>();
      for (let step = 0; step < 1500; step++) {
        const name = random.below(3) === 0 ? String(random.below(400) - 200) : `m${random.below(300)}`;
        const member = Buffer.from(name);
        const score = random.below(2) === 0 ? random.below(20) : (random.fraction() - 0.5) * 1e9;
        const body = made.sets.open(ref);
        const has = body.find(member, 0, member.length);
        expect(has ? body.score : undefined, `seed ${random.seed} step ${step}`).toBe(model.get(name));
        if (has && random.below(3) === 0) {
          body.removeFound();
          model.delete(name);
        } else if (has) {
          const rank = [...model].sort(inOrder).findIndex(([other]) => other === name);
          if (step % 20 === 0) expect(body.rankOfFound()).toBe(rank);
          body.setFoundScore(member, 0, member.length, score);
          model.set(name, score);
        } else {
          body.add(member, 0, member.length, score);
          model.set(name, score);
        }
        if (step % 100 === 99) {
          const expected = [...model].sort(inOrder);
          expect(contents(made.sets.open(ref)), `seed ${random.seed}`).toEqual(expected);
          expect(backwards(made.sets.open(ref))).toEqual(expected);
          expect(made.sets.count(ref)).toBe(expected.length);
          const below = made.sets.open(ref).countBelowScore(7, false);
          expect(below).toBe(expected.filter(([, own]) => own < 7).length);
          expect(made.sets.open(ref).countBelowScore(7, true)).toBe(
            expected.filter(([, own]) => own <= 7).length,
          );
        }
        if (step % 500 === 400) {
          const expected = [...model].sort(inOrder);
          const rank = random.below(expected.length);
          const count = Math.min(10, expected.length - rank);
          made.sets.open(ref).removeRange(rank, count);
          for (const [gone] of expected.slice(rank, rank + count)) model.delete(gone);
        }
      }
      expect(made.records.encoding(ref)).toBe(run % 3 === 0 ? ENCODING_LISTPACK : ENCODING_SKIPLIST);
      const copy = made.sets.copy(ref);
      const before = contents(made.sets.open(ref));
      let root = made.records.root(ref);
      while (root !== 0) root = made.sets.releaseSome(made.records.encoding(ref), root, 100);
      expect(contents(made.sets.detached().open(0, copy.encoding, copy.root))).toEqual(before);
      made.sets.release(copy.encoding, copy.root);
    }
  });

  it('leaves nothing in the arena when it is released', () => {
    const made = makeStore();
    const body = made.sets.detached();
    for (let index = 0; index < 5000; index++) {
      const member = Buffer.from(`member ${index}`);
      expect(body.find(member, 0, member.length)).toBe(false);
      body.add(member, 0, member.length, index % 37);
    }
    expect(body.encoding).toBe(ENCODING_SKIPLIST);
    let slices = 0;
    for (let root = body.root; root !== 0; slices++) root = made.sets.releaseSome(body.encoding, root, 100);
    expect(slices).toBeGreaterThan(55);
    expect(made.arena.usedBytes).toBe(0);
  });

  it('keeps special scores in both encodings', () => {
    for (const entries of [0, 128]) {
      const made = makeStore();
      made.store.limits.zsetMaxListpackEntries = entries;
      const body = made.sets.detached();
      const scores = [
        Number.NEGATIVE_INFINITY,
        -(2 ** 62),
        -1.5,
        0,
        5e-324,
        2 ** 53,
        2 ** 60,
        1e300,
        Infinity,
      ];
      for (const [index, score] of scores.entries()) {
        const member = Buffer.from(`m${index}`);
        body.find(member, 0, member.length);
        body.add(member, 0, member.length, score);
      }
      expect(contents(body).map(([, score]) => score)).toEqual(scores);
    }
  });

  it('finds bounds by member', () => {
    const made = makeStore();
    for (const entries of [0, 128]) {
      made.store.limits.zsetMaxListpackEntries = entries;
      const body = made.sets.detached();
      for (const name of ['1', '10', 'a', 'aa', 'b']) {
        body.find(Buffer.from(name), 0, name.length);
        body.add(Buffer.from(name), 0, name.length, 0);
      }
      const bound = (name: string, inclusive: boolean): number =>
        body.countBelowMember(Buffer.from(name), 0, name.length, inclusive);
      expect([bound('10', false), bound('10', true), bound('', true), bound('ab', false)]).toEqual([
        1, 2, 0, 4,
      ]);
      expect([bound('c', false), bound('a', false), bound('a', true)]).toEqual([5, 2, 3]);
    }
  });
});
