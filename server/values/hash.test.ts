import { describe, expect, it } from 'vitest';
import { Arena } from '../structures/arena.ts';
import { Prng } from '../structures/prng.ts';
import { CHUNK_BYTES, ENCODING_LISTPACK, Records, TYPE_HASH } from '../structures/record.ts';
import {
  FIELD_NEW,
  FIELD_UPDATED,
  FIELD_WAS_EXPIRED,
  Hashes,
  KEEP_FIELD_EXPIRY,
  NO_FIELD_EXPIRY,
} from './hash.ts';
import { ValueStore } from './value-store.ts';

class World {
  readonly prng: Prng;
  readonly arena = new Arena();
  readonly records = new Records(this.arena);
  readonly store: ValueStore;
  readonly hashes: Hashes;

  constructor(seed: number) {
    this.prng = new Prng(seed);
    this.store = new ValueStore(this.arena, this.records, () => this.prng.fraction());
    this.hashes = new Hashes(this.store);
    this.store.nowMs = 1000;
  }

  key(): number {
    const ref = this.arena.allocate(12);
    const root = this.hashes.newRoot();
    this.records.writeHeader(ref, TYPE_HASH | (ENCODING_LISTPACK << 4), 1, 0, root, -1, false);
    return ref;
  }

  set(ref: number, field: string, value: string, expiresAtMs = NO_FIELD_EXPIRY): number {
    const name = Buffer.from(field);
    const bytes = Buffer.from(value);
    return this.hashes.set(ref, name, 0, name.length, bytes, 0, bytes.length, expiresAtMs);
  }

  get(ref: number, field: string): string | null {
    const name = Buffer.from(field);
    const entry = this.hashes.newEntry();
    return this.hashes.get(ref, name, 0, name.length, entry) ? entry.copyValue().toString() : null;
  }

  delete(ref: number, field: string): boolean {
    const name = Buffer.from(field);
    return this.hashes.delete(ref, name, 0, name.length);
  }

  expiry(ref: number, field: string): number {
    const name = Buffer.from(field);
    return this.hashes.fieldExpiry(ref, name, 0, name.length);
  }

  expire(ref: number, field: string, expiresAtMs: number): void {
    const name = Buffer.from(field);
    this.hashes.setFieldExpiry(ref, name, 0, name.length, expiresAtMs);
  }

  contents(ref: number): Map<string, string> {
    const cursor = this.hashes.newCursor();
    cursor.open(this.records.encoding(ref), this.records.root(ref));
    const found = new Map<string, string>();
    while (cursor.next()) found.set(cursor.field.copy().toString(), cursor.copyValue().toString());
    return found;
  }

  free(ref: number): void {
    this.hashes.release(this.records.encoding(ref), this.records.root(ref));
    this.arena.free(ref);
  }
}

describe('Hashes', () => {
  it('is a listpack until a field too many or too long', () => {
    const world = new World(1);
    world.store.limits.hashMaxListpackEntries = 4;
    const many = world.key();
    for (const field of ['a', 'b', 'c', 'd', 'a']) world.set(many, field, '1');
    expect(world.hashes.encodingName(many)).toBe('listpack');
    world.set(many, 'e', '1');
    expect(world.hashes.encodingName(many)).toBe('hashtable');
    expect([...world.contents(many)].length).toBe(5);
    const long = world.key();
    world.set(long, 'f', 'x'.repeat(64));
    expect(world.hashes.encodingName(long)).toBe('listpack');
    world.set(long, 'f', 'x'.repeat(65));
    expect(world.hashes.encodingName(long)).toBe('hashtable');
    expect(world.hashes.count(long)).toBe(1);
  });

  it('keeps values longer than a chunk', () => {
    const world = new World(1);
    const ref = world.key();
    const long = 'v'.repeat(CHUNK_BYTES * 2 + 7);
    expect(world.set(ref, 'f', long)).toBe(FIELD_NEW);
    expect(world.get(ref, 'f')).toBe(long);
    world.expire(ref, 'f', 5000);
    expect(world.get(ref, 'f')).toBe(long);
    const copy = world.hashes.copy(ref);
    expect(world.set(ref, 'f', 'short', KEEP_FIELD_EXPIRY)).toBe(FIELD_UPDATED);
    expect([world.get(ref, 'f'), world.expiry(ref, 'f')]).toEqual(['short', 5000]);
    world.hashes.release(copy.encoding, copy.root);
    world.free(ref);
    expect(world.arena.usedBytes).toBe(0);
  });

  it('hides a field that has ended until it is removed or written over', () => {
    const world = new World(1);
    const ref = world.key();
    world.set(ref, 'stays', '1');
    world.set(ref, 'goes', '2');
    world.expire(ref, 'goes', 2000);
    expect(world.hashes.encodingName(ref)).toBe('hashtable');
    expect(world.hashes.expiring(ref)).toBe(1);
    world.store.nowMs = 2000;
    expect([world.get(ref, 'goes'), world.expiry(ref, 'goes')]).toEqual([null, Number.NaN]);
    expect(world.delete(ref, 'goes')).toBe(false);
    expect(world.hashes.count(ref)).toBe(2);
    expect([...world.contents(ref).keys()]).toEqual(['stays']);
    world.store.seesExpired = true;
    expect(world.get(ref, 'goes')).toBe('2');
    world.store.seesExpired = false;
    expect(world.set(ref, 'goes', '3')).toBe(FIELD_WAS_EXPIRED);
    expect(world.hashes.expiring(ref)).toBe(0);
    expect(world.get(ref, 'goes')).toBe('3');
  });

  it('holds what a map holds under random changes, with and without expiries', () => {
    const seed = Date.now() & 0xffffff;
    const world = new World(seed);
    const { prng, hashes } = world;
    world.store.limits.hashMaxListpackEntries = 12;
    for (let round = 0; round < 40; round++) {
      const model = new Map<string, { value: string; expiresAtMs: number }>();
      const ref = world.key();
      const alphabet = 3 + prng.below(2000);
      for (let step = 0; step < 400; step++) {
        const field = `f${prng.below(alphabet)}`;
        const known = model.get(field);
        const live = known !== undefined && (known.expiresAtMs < 0 || known.expiresAtMs > world.store.nowMs);
        const action = prng.below(10);
        if (action < 5) {
          const value = prng.below(2) === 0 ? String(prng.below(100_000)) : 'v'.repeat(prng.below(70));
          const expiresAtMs = prng.below(4) === 0 ? world.store.nowMs + prng.below(200) - 20 : -1;
          const answer = world.set(ref, field, value, Math.max(expiresAtMs, -1));
          const expected = known === undefined ? FIELD_NEW : live ? FIELD_UPDATED : FIELD_WAS_EXPIRED;
          expect(answer, `seed ${seed} round ${round} step ${step}`).toBe(expected);
          model.set(field, { value, expiresAtMs });
        } else if (action < 7) {
          expect(world.delete(ref, field), `seed ${seed}`).toBe(live);
          if (live) model.delete(field);
        } else if (action === 7 && live) {
          const expiresAtMs = prng.below(3) === 0 ? -1 : world.store.nowMs + prng.below(100);
          world.expire(ref, field, expiresAtMs);
          model.set(field, { value: known.value, expiresAtMs });
        } else if (action === 8) world.store.nowMs += prng.below(10);
        else if (action === 9 && hashes.expiring(ref) > 0) {
          let expired = 0;
          let from = 0;
          do from = hashes.expireFields(ref, from, 1, world.store.nowMs, () => expired++);
          while (from !== 0);
          for (const [name, { expiresAtMs }] of model) {
            if (expiresAtMs >= 0 && expiresAtMs <= world.store.nowMs) {
              model.delete(name);
              expired--;
            }
          }
          expect(expired, `seed ${seed}`).toBe(0);
        }
        const now = model.get(field);
        const seen = now !== undefined && (now.expiresAtMs < 0 || now.expiresAtMs > world.store.nowMs);
        expect(world.get(ref, field), `seed ${seed}`).toBe(seen ? now.value : null);
        expect(hashes.count(ref), `seed ${seed}`).toBe(model.size);
      }
      const expiries = [...model.values()].map((entry) => entry.expiresAtMs).filter((ms) => ms >= 0);
      expect(hashes.expiring(ref), `seed ${seed}`).toBe(expiries.length);
      const earliest = hashes.earliestExpiry(world.records.encoding(ref), world.records.root(ref));
      expect(earliest).toBeLessThanOrEqual(Math.min(...expiries, Number.POSITIVE_INFINITY));
      const copy = hashes.copy(ref);
      expect(hashes.expiringOf(copy.encoding, copy.root)).toBe(expiries.length);
      hashes.release(copy.encoding, copy.root);
      world.free(ref);
    }
    expect(world.arena.usedBytes).toBe(0);
  });
});
