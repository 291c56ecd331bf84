import { describe, expect, it } from 'vitest';
import { Arena, SEGMENT_SHIFT, UNIT_MASK } from './arena.ts';
import { Prng } from './prng.ts';
import { RankTree, RankTreeCursor } from './rank-tree.ts';
import {
  hintOf,
  LEAF_BASE_HIGH,
  LEAF_BASE_LOW,
  LEAF_HINTS,
  LEAF_SHIFT,
  orderOf,
} from './rank-tree-layout.ts';
import { RankTreeNodes } from './rank-tree-nodes.ts';
import { Records } from './record.ts';

interface Element {
  score: number;
  member: Buffer;
  ref: number;
}

function byScoreAndMember(left: Element, right: Element): number {
  return left.score !== right.score ? left.score - right.score : Buffer.compare(left.member, right.member);
}

/** A tree and the sorted array that it must equal. */
class Model {
  readonly arena = new Arena();
  readonly records = new Records(this.arena);
  readonly tree = new RankTree(this.arena, this.records);
  readonly nodes = new RankTreeNodes(this.records);
  readonly header = this.tree.create(7);
  elements: Element[] = [];

  add(score: number, name: string): Element {
    const member = Buffer.from(name);
    const ref = this.records.newScored(1, member, 0, member.length, score);
    const element = { score, member, ref };
    this.tree.insert(this.header, ref);
    this.elements.splice(this.placeOf(element), 0, element);
    return element;
  }

  /** `insertBackward` of elements that are not there yet, in the order given. */
  addBackward(added: readonly (readonly [score: number, name: string])[]): void {
    const fresh = added.map(([score, name]) => {
      const member = Buffer.from(name);
      return { score, member, ref: this.records.newScored(1, member, 0, member.length, score) };
    });
    const refs = Uint32Array.from(fresh.toReversed(), ({ ref }) => ref);
    this.tree.insertBackward(this.header, refs, refs.length);
    this.elements = [...this.elements, ...fresh].sort(byScoreAndMember);
  }

  placeOf(element: Element): number {
    let low = 0;
    let end = this.elements.length;
    while (low < end) {
      const middle = (low + end) >>> 1;
      if (byScoreAndMember(this.elements[middle], element) < 0) low = middle + 1;
      else end = middle;
    }
    return low;
  }

  remove(index: number): void {
    const [element] = this.elements.splice(index, 1);
    this.tree.remove(this.header, element.ref);
    this.records.release(element.ref);
  }

  move(index: number, score: number): void {
    const [element] = this.elements.splice(index, 1);
    this.tree.setScore(this.header, element.ref, score);
    element.score = score;
    this.elements.splice(this.placeOf(element), 0, element);
  }

  removeRange(rank: number, count: number): void {
    const gone: number[] = [];
    this.tree.removeRange(this.header, rank, count, (ref) => gone.push(ref));
    const expected = this.elements.splice(rank, count);
    expect(gone).toEqual(expected.map((element) => element.ref));
    for (const ref of gone) this.records.release(ref);
  }

  /** Every invariant of the tree, and that it holds what the model holds. */
  check(): void {
    const { root, height } = this.tree.shape(this.header);
    const leaves: number[] = [];
    const { count } = this.#checkNode(root, height, leaves);
    expect(count).toBe(this.elements.length);
    expect(this.tree.count(this.header)).toBe(count);
    expect(this.tree.owner(this.header)).toBe(7);
    const refs: number[] = [];
    for (const [index, leaf] of leaves.entries()) {
      expect(this.nodes.previous(leaf)).toBe(leaves[index - 1] ?? 0);
      expect(this.nodes.next(leaf)).toBe(leaves[index + 1] ?? 0);
      if (height > 0) expect(this.nodes.count(leaf)).toBeGreaterThan(0);
      this.#checkHints(leaf);
      for (let place = 0; place < this.nodes.count(leaf); place++) refs.push(this.nodes.refAt(leaf, place));
    }
    expect(refs).toEqual(this.elements.map((element) => element.ref));
  }

  #checkHints(leaf: number): void {
    const words = this.arena.words[leaf >>> SEGMENT_SHIFT];
    const at = (leaf & UNIT_MASK) << 1;
    const base = orderOf(words[at + LEAF_BASE_HIGH], words[at + LEAF_BASE_LOW]);
    for (let place = 0; place < this.nodes.count(leaf); place++) {
      const order = this.nodes.orderOfRef(this.nodes.refAt(leaf, place));
      const hint = this.arena.bytes[leaf >>> SEGMENT_SHIFT][(at << 2) + LEAF_HINTS + place];
      expect(hint).toBe(hintOf(order, base, words[at + LEAF_SHIFT]));
    }
  }

  #checkNode(node: number, height: number, leaves: number[]): { count: number; first: number } {
    const count = this.nodes.count(node);
    if (height === 0) {
      leaves.push(node);
      return { count, first: count === 0 ? 0 : this.nodes.refAt(node, 0) };
    }
    let total = 0;
    expect(count).toBeGreaterThan(0);
    for (let index = 0; index < count; index++) {
      const child = this.#checkNode(this.nodes.child(node, index), height - 1, leaves);
      expect(this.nodes.childCount(node, index)).toBe(child.count);
      expect(this.nodes.first(node, index)).toBe(child.first);
      total += child.count;
    }
    return { count: total, first: this.nodes.first(node, 0) };
  }
}

function scoreOf(random: Prng, kind: number): number {
  if (kind === 0) return random.below(50);
  if (kind === 1) return random.bits() * 1024 + random.below(1024);
  if (kind === 2) return (random.fraction() - 0.5) * 10 ** (random.below(40) - 20);
  if (kind === 3) return 0;
  const special = [
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    0,
    -0,
    Number.MIN_VALUE,
    Number.MAX_VALUE,
  ];
  return special[random.below(special.length)];
}

describe('RankTree', () => {
  it('insertBackward: ascending ones at the end and others in between are where insert puts them', () => {
    const seed = Date.now() >>> 0;
    const random = new Prng(seed);
    for (let round = 0; round < 30; round++) {
      const model = new Model();
      const kind = round % 5;
      for (let batch = 0; batch < 3; batch++) {
        const scored = Array.from(
          { length: random.below(2500) },
          (_, index) => [scoreOf(random, kind), `${batch}:${index}:${random.below(1000)}`] as const,
        );
        const ordered = scored.toSorted((left, right) =>
          left[0] !== right[0]
            ? left[0] - right[0]
            : Buffer.compare(Buffer.from(left[1]), Buffer.from(right[1])),
        );
        // Every third time a few stand elsewhere.
        if (round % 3 === 0)
          for (let k = 0; k < 20; k++) ordered.push(...ordered.splice(random.below(2500), 1));
        model.addBackward(round % 7 === 6 ? scored : ordered);
        try {
          model.check();
        } catch (error) {
          throw new Error(`seed ${seed}, round ${round}`, { cause: error });
        }
      }
    }
  });

  it('equals a sorted array under random inserts, removals, moves and removed ranges', () => {
    for (let run = 0; run < 20; run++) {
      const seed = 7100 + run;
      const random = new Prng(seed);
      const model = new Model();
      const kind = run % 5;
      let serial = 0;
      for (let step = 0; step < 4000; step++) {
        const growing = step % 2000 < 1200;
        const choice = random.below(100);
        const size = model.elements.length;
        if (size === 0 || choice < (growing ? 75 : 25)) {
          model.add(scoreOf(random, kind), `m${random.below(1000)}:${serial++}`);
        } else if (choice < 90) model.remove(random.below(size));
        else if (choice < 99) model.move(random.below(size), scoreOf(random, kind));
        else {
          const rank = random.below(size);
          model.removeRange(rank, Math.min(size - rank, random.below(200)));
        }
        if (step % 500 === 499) model.check();
        if (step % 97 === 0) probe(model, random);
      }
      model.check();
      model.removeRange(0, model.elements.length);
      model.check();
      const used = model.arena.usedBytes;
      model.tree.destroy(model.header);
      expect(used, `seed ${seed}`).toBe(512 + 16);
      expect(model.arena.usedBytes, `seed ${seed}`).toBe(0);
    }
  });

  it('keeps leaves full when elements come in ascending or descending order', () => {
    for (const direction of [1, -1]) {
      const model = new Model();
      for (let index = 0; index < 60_000; index++) {
        const member = Buffer.from(`member:${index}`);
        const ref = model.records.newScored(1, member, 0, member.length, index * direction);
        model.tree.insert(model.header, ref);
      }
      expect(model.tree.heldBytes(model.header) / 60_000).toBeLessThan(direction === 1 ? 5.7 : 6);
    }
  });

  it('holds at most 7 bytes an element after random inserts', () => {
    const model = new Model();
    const random = new Prng(42);
    for (let index = 0; index < 60_000; index++) {
      const member = Buffer.from(`member:${index}`);
      const ref = model.records.newScored(1, member, 0, member.length, random.bits());
      model.tree.insert(model.header, ref);
    }
    expect(model.tree.heldBytes(model.header) / 60_000).toBeLessThan(7);
  });

  it('finds bounds by member when all scores are equal', () => {
    const model = new Model();
    const random = new Prng(43);
    const names = Array.from({ length: 3000 }, (_, index) => `k${(index * 7919) % 3001}`);
    for (const name of names) model.add(0, name);
    names.sort();
    for (let step = 0; step < 300; step++) {
      const member = Buffer.from(`k${random.below(3500)}`);
      const below = model.elements.filter((element) => Buffer.compare(element.member, member) < 0).length;
      const upTo = model.elements.filter((element) => Buffer.compare(element.member, member) <= 0).length;
      expect(model.tree.countBelowMember(model.header, member, 0, member.length, false)).toBe(below);
      expect(model.tree.countBelowMember(model.header, member, 0, member.length, true)).toBe(upTo);
    }
  });

  it('refuses to remove an element that is not in the tree', () => {
    const model = new Model();
    model.add(1, 'a');
    const member = Buffer.from('b');
    const stranger = model.records.newScored(1, member, 0, 1, 1);
    expect(() => model.tree.remove(model.header, stranger)).toThrow('not where its score');
  });
});

/** Ranks, bounds and walks at a random place. */
function probe(model: Model, random: Prng): void {
  const { tree, header, elements } = model;
  const cursor = new RankTreeCursor();
  if (elements.length === 0) return;
  const index = random.below(elements.length);
  const element = elements[index];
  expect(tree.rankOf(header, element.ref)).toBe(index);
  const below = elements.findIndex(({ score }) => score >= element.score);
  const above = elements.findIndex(({ score }) => score > element.score);
  expect(tree.countBelowScore(header, element.score, false)).toBe(below);
  expect(tree.countBelowScore(header, element.score, true)).toBe(above < 0 ? elements.length : above);
  expect(tree.at(header, index, cursor)).toBe(element.ref);
  for (let at = index + 1; at <= Math.min(index + 150, elements.length); at++) {
    expect(tree.next(cursor)).toBe(elements[at]?.ref ?? 0);
  }
  const refs = new Uint32Array(100);
  for (const reverse of [false, true]) {
    tree.at(header, index, cursor);
    for (let at = index; ; ) {
      const max = 1 + random.below(150);
      const count = tree.collect(cursor, reverse, max, refs);
      const expected = Array.from(
        { length: Math.min(max, 100) },
        (_, step) => elements[at + (reverse ? -step : step)],
      );
      expect([...refs.subarray(0, count)]).toEqual(expected.flatMap((other) => other?.ref ?? []));
      at += reverse ? -count : count;
      if (count < Math.min(max, 100)) break;
    }
  }
  tree.at(header, index, cursor);
  for (let at = index - 1; at >= Math.max(index - 150, -1); at--) {
    expect(tree.previous(cursor)).toBe(elements[at]?.ref ?? 0);
  }
}
