import { describe, expect, it } from 'vitest';
import { Arena, BLOCK_BYTES_MAX, OutOfArena, SEGMENT_BYTES, SEGMENT_SHIFT, UNIT_MASK } from './arena.ts';
import { Prng } from './prng.ts';

describe('Arena', () => {
  it('never hands out overlapping blocks, and blocks keep their bytes', () => {
    const seed = Date.now() & 0xffff;
    const prng = new Prng(seed);
    const random = () => prng.fraction();
    const arena = new Arena();
    const live: { ref: number; bytes: number; fill: number }[] = [];
    for (let step = 0; step < 20_000; step++) {
      if (live.length > 0 && random() < 0.45) {
        const at = Math.floor(random() * live.length);
        const [block] = live.splice(at, 1);
        const start = (block.ref & UNIT_MASK) << 3;
        const bytes = arena.bytes[block.ref >>> SEGMENT_SHIFT].subarray(start, start + block.bytes);
        if (!bytes.every((byte) => byte === block.fill)) expect.fail(`seed ${seed} step ${step}`);
        arena.free(block.ref);
      } else {
        const bytes = 1 + Math.floor(random() ** 6 * 100_000);
        const ref = arena.allocate(bytes);
        const fill = step & 0xff;
        const start = (ref & UNIT_MASK) << 3;
        expect(arena.blockBytes(ref)).toBeGreaterThanOrEqual(bytes);
        arena.bytes[ref >>> SEGMENT_SHIFT].fill(fill, start, start + bytes);
        live.push({ ref, bytes, fill });
      }
    }
    const used = live.reduce((sum, { ref }) => sum + arena.blockBytes(ref), 0);
    expect(arena.usedBytes, `seed ${seed}`).toBe(used);
    for (const { ref } of live) arena.free(ref);
    expect(arena.usedBytes, `seed ${seed}`).toBe(0);
  });

  it('loses at most 12.5 % to a size class between 128 bytes and 32 KiB', () => {
    for (let bytes = 128; bytes <= 32 * 1024; bytes++) {
      const rounded = Arena.roundUp(bytes);
      if (rounded < bytes || rounded > bytes * 1.125 + 8) expect.fail(`${bytes} became ${rounded}`);
    }
  });

  it('gives empty segments back to the system', () => {
    const arena = new Arena();
    const refs = Array.from({ length: 100 }, () => arena.allocate(1024 * 1024));
    expect(arena.reservedBytes).toBeGreaterThan(100 * 1024 * 1024);
    for (const ref of refs) arena.free(ref);
    arena.releaseSome(1000);
    expect(arena.reservedBytes).toBeLessThanOrEqual(8 * 1024 * 1024);
  });

  it('clear frees everything, reuses the segments and gives back the others a few at a time', () => {
    const arena = new Arena();
    for (let block = 0; block < 40; block++) arena.allocate(1024 * 1024);
    for (let block = 0; block < 1000; block++) arena.allocate(100);
    const reserved = arena.reservedBytes;
    arena.clear();
    expect(arena.usedBytes).toBe(0);
    const refs = Array.from({ length: 1000 }, () => arena.allocate(100));
    expect(new Set(refs).size).toBe(1000);
    expect(refs.includes(0)).toBe(false);
    expect(arena.reservedBytes).toBe(reserved);
    arena.releaseSome(3);
    expect(arena.reservedBytes).toBe(reserved - 3 * SEGMENT_BYTES);
    arena.releaseSome(1000);
    expect(arena.reservedBytes).toBe(SEGMENT_BYTES);
    for (const ref of refs) arena.free(ref);
    expect(arena.usedBytes).toBe(0);
  });

  it('refuses a block that is larger than a segment', () => {
    expect(() => new Arena().allocate(BLOCK_BYTES_MAX + 1)).toThrow(OutOfArena);
  });
});
