import { describe, expect, it } from 'vitest';
import { Arena } from './arena.ts';
import { CHUNK_BYTES, copyBytes, Records } from './record.ts';

describe('Records', () => {
  it('keeps type, encoding, clock, mark, lengths and expiry apart', () => {
    const arena = new Arena();
    const records = new Records(arena);
    const ref = arena.allocate(Records.inlineBytes(3, 5, true));
    records.writeHeader(ref, 0 | (3 << 4) | (0xabcdef << 8), 200, 3, 5, 1_763_900_000_123, false);
    records.segment(ref).write('keyvalue', records.keyStart(ref), 'latin1');
    records.setMark(ref, 7);
    records.setEncoding(ref, 1);
    records.setAccessClock(ref, 0x123456);
    expect(records.type(ref)).toBe(0);
    expect(records.encoding(ref)).toBe(1);
    expect(records.accessClock(ref)).toBe(0x123456);
    expect(records.mark(ref)).toBe(7);
    expect([records.keyLength(ref), records.valueLength(ref)]).toEqual([3, 5]);
    expect(records.expiresAtMs(ref)).toBe(1_763_900_000_123);
    expect(records.keyEquals(ref, Buffer.from('xkeyx'), 1, 3)).toBe(true);
    expect(records.keyEquals(ref, Buffer.from('kex'), 0, 3)).toBe(false);
  });

  it('keeps the root of a value that is no string, and the name and the score of elements', () => {
    const arena = new Arena();
    const records = new Records(arena);
    const key = Buffer.from('xnamex');
    const hash = arena.allocate(Records.inlineBytes(4, 0, true));
    records.writeHeader(hash, 4 | (2 << 4), 9, 4, 0xfedcba98, 1_763_900_000_123, false);
    copyBytes(key, 1, 5, records.segment(hash), records.keyStart(hash));
    expect([records.type(hash), records.encoding(hash), records.root(hash)]).toEqual([4, 2, 0xfedcba98]);
    expect(records.tailBytes(hash)).toBe(0);
    const member = records.newMember(3, key, 1, 4);
    const scored = records.newScored(255, key, 1, 4, -0.1);
    const field = records.newField(0, key, 1, 4, Buffer.from('-value-'), 1, 5, 1_763_900_000_456);
    const plain = records.newField(0, key, 1, 4, Buffer.from('-value-'), 1, 5, -1);
    for (const ref of [hash, member, scored, field, plain])
      expect([records.keyEquals(ref, key, 1, 4), records.keyLength(ref)]).toEqual([true, 4]);
    expect([member, scored, field].map((ref) => records.mark(ref))).toEqual([3, 255, 0]);
    expect(records.score(scored)).toBe(-0.1);
    expect([member, scored, plain].map((ref) => records.expiresAtMs(ref))).toEqual([-1, -1, -1]);
    expect(records.expiresAtMs(field)).toBe(1_763_900_000_456);
    for (const ref of [field, plain]) {
      const start = records.valueStart(ref);
      expect(records.segment(ref).latin1Slice(start, start + records.valueLength(ref))).toBe('value');
      expect(records.tailBytes(ref)).toBe(5);
    }
    for (const ref of [hash, member, scored, field, plain]) records.release(ref);
    expect(arena.usedBytes).toBe(0);
  });

  it('keeps a field whose value is longer than a chunk', () => {
    const arena = new Arena();
    const records = new Records(arena);
    const value = Buffer.alloc(CHUNK_BYTES + 5, 'xyz');
    const ref = records.newField(0, Buffer.from('f'), 0, 1, value, 0, value.length, -1);
    const copy = Buffer.alloc(value.length);
    records.copyValue(ref, 0, value.length, copy, 0);
    expect(copy.equals(value)).toBe(true);
    records.release(ref);
    expect(arena.usedBytes).toBe(0);
  });

  it('reads and writes across the chunks of a large value, and frees them', () => {
    const arena = new Arena();
    const records = new Records(arena);
    const length = CHUNK_BYTES * 2 + 10;
    const ref = arena.allocate(Records.inlineBytes(1, Records.chunkCount(length) * 4, false));
    records.writeHeader(ref, 0, 0, 1, length, -1, true);
    for (let index = 0; index < 3; index++) records.setChunk(ref, index, arena.allocate(CHUNK_BYTES));
    const value = Buffer.alloc(length, 'abcdefg');
    records.writeValue(ref, 0, value, 0, length);
    records.writeValue(ref, CHUNK_BYTES - 2, Buffer.from('WXYZ'), 0, 4);
    value.write('WXYZ', CHUNK_BYTES - 2);
    const copy = Buffer.alloc(length);
    records.copyValue(ref, 0, length, copy, 0);
    expect(copy.equals(value)).toBe(true);
    records.release(ref);
    expect(arena.usedBytes).toBe(0);
  });
});
