import { describe, expect, it } from 'vitest';
import { Arena } from './arena.ts';
import { CHUNK_BYTES, Records } from './record.ts';

describe('Records', () => {
  it('keeps type, encoding, clock, mark, lengths and expiry apart', () => {
    const arena = new Arena();
    const records = new Records(arena);
    const ref = arena.allocate(Records.inlineBytes(3, 5, true));
    records.writeHeader(ref, 2 | (3 << 4) | (0xabcdef << 8), 200, 3, 5, 1_763_900_000_123, false);
    records.segment(ref).write('keyvalue', records.keyStart(ref), 'latin1');
    records.setMark(ref, 7);
    records.setEncoding(ref, 1);
    records.setAccessClock(ref, 0x123456);
    expect(records.type(ref)).toBe(2);
    expect(records.encoding(ref)).toBe(1);
    expect(records.accessClock(ref)).toBe(0x123456);
    expect(records.mark(ref)).toBe(7);
    expect([records.keyLength(ref), records.valueLength(ref)]).toEqual([3, 5]);
    expect(records.expiresAtMs(ref)).toBe(1_763_900_000_123);
    expect(records.keyEquals(ref, Buffer.from('xkeyx'), 1, 3)).toBe(true);
    expect(records.keyEquals(ref, Buffer.from('kex'), 0, 3)).toBe(false);
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
