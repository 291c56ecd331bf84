import { describe, expect, it } from 'vitest';
import { Arena } from './arena.ts';
import { PinnedChunks } from './pinned-chunks.ts';

describe('PinnedChunks', () => {
  it('frees a pinned chunk at the end of its pin, and any other at once', () => {
    const arena = new Arena();
    const usedBytes = arena.usedBytes;
    const pins = new PinnedChunks(arena);
    const [pinned, other, kept] = [arena.allocate(1000), arena.allocate(1000), arena.allocate(1000)];
    pins.pin(pinned);
    pins.pin(kept);
    pins.free(other);
    pins.free(pinned);
    expect([pins.size, pins.has(pinned), pins.has(other)]).toEqual([2, true, false]);
    expect(pins.orphanBytes).toBe(arena.blockBytes(pinned));
    pins.unpin(pinned);
    pins.unpin(kept);
    expect([pins.size, pins.orphanBytes]).toEqual([0, 0]);
    arena.free(kept);
    expect(arena.usedBytes).toBe(usedBytes);
  });

  it('unpinning what is not pinned changes nothing', () => {
    const arena = new Arena();
    const pins = new PinnedChunks(arena);
    const chunk = arena.allocate(100);
    const usedBytes = arena.usedBytes;
    pins.unpin(chunk);
    expect(arena.usedBytes).toBe(usedBytes);
  });
});
