import { describe, expect, it } from 'vitest';
import { Backlog, type BacklogReader } from './backlog.ts';

/** Numbers in [0, 1) from a seed. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** The byte that stands at a position in every test. */
function byteAt(position: number): number {
  return (position * 31 + Math.floor(position / 251)) & 0xff;
}

function written(backlog: Backlog, length: number): void {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = byteAt(backlog.end + i);
  backlog.append(bytes, 0, length);
}

function readToEnd(backlog: Backlog, position: number): number {
  while (position < backlog.end) {
    const view = backlog.view(position) as Uint8Array;
    for (let i = 0; i < view.length; i++) {
      if (view[i] !== byteAt(position + i)) throw new Error(`wrong byte at position ${position + i}`);
    }
    position += view.length;
  }
  return position;
}

describe('Backlog', () => {
  it('gives back what was appended, across blocks', () => {
    const backlog = new Backlog(1000, 1 << 20);
    for (const length of [1, 47, 48, 49, 65_000, 70_000, 200_000]) written(backlog, length);
    expect(backlog.start).toBe(1000);
    expect(readToEnd(backlog, 1000)).toBe(backlog.end);
    expect(backlog.view(backlog.end)?.length).toBe(0);
  });

  it('keeps the last repl-backlog-size bytes and at most one block more', () => {
    const backlog = new Backlog(0, 200_000);
    written(backlog, 5_000_000);
    expect(backlog.historyBytes).toBeGreaterThanOrEqual(200_000);
    expect(backlog.historyBytes).toBeLessThanOrEqual(200_000 + 2 * 65_536);
    readToEnd(backlog, backlog.start);
  });

  it('keeps what a slow reader has not passed, and gives it back when the reader leaves', () => {
    const backlog = new Backlog(0, 100_000);
    const slow: BacklogReader = { position: 0 };
    backlog.addReader(slow);
    written(backlog, 2_000_000);
    expect(backlog.start).toBe(0);
    readToEnd(backlog, slow.position);
    backlog.removeReader(slow);
    expect(backlog.memoryBytes).toBeLessThanOrEqual(100_000 + 2 * 65_536);
  });

  it('resizes live without losing what still fits', () => {
    const backlog = new Backlog(0, 1_000_000);
    written(backlog, 3_000_000);
    const end = backlog.end;
    backlog.resize(300_000);
    expect(backlog.historyBytes).toBeGreaterThanOrEqual(300_000);
    expect(backlog.historyBytes).toBeLessThanOrEqual(300_000 + 2 * 65_536);
    backlog.resize(2_000_000);
    written(backlog, 1_500_000);
    expect(backlog.historyBytes).toBeGreaterThanOrEqual(1_800_000);
    expect(backlog.end).toBe(end + 1_500_000);
    readToEnd(backlog, backlog.start);
  });

  it('refuses a position that it does not hold', () => {
    const backlog = new Backlog(50, 100_000);
    expect(() => backlog.view(49)).toThrow(RangeError);
    expect(() => backlog.view(51)).toThrow(RangeError);
  });

  it('serves offsets beyond 2^32', () => {
    const backlog = new Backlog(2 ** 40, 100_000);
    written(backlog, 300_000);
    readToEnd(backlog, backlog.start);
  });

  it('holds its promises under random appends, readers and sizes', () => {
    const seed = Date.now() >>> 0;
    console.log(`backlog seed ${seed}`);
    const random = randomFrom(seed);
    const backlog = new Backlog(Math.floor(random() * 1e12), 100_000);
    const first = backlog.end;
    let bytesMax = 100_000;
    const readers: BacklogReader[] = [];
    for (let step = 0; step < 1500; step++) {
      const dice = random();
      if (dice < 0.8) written(backlog, Math.floor(random() ** 4 * 90_000));
      else if (dice < 0.85) {
        const reader = { position: backlog.start + Math.floor(random() * (backlog.historyBytes + 1)) };
        readers.push(reader);
        backlog.addReader(reader);
      } else if (dice < 0.9 && readers.length > 0) {
        backlog.removeReader(readers.shift() as BacklogReader);
      } else if (dice < 0.98 && readers.length > 0) {
        const reader = readers[Math.floor(random() * readers.length)] as BacklogReader;
        reader.position += Math.floor(random() * (backlog.end - reader.position + 1));
      } else {
        bytesMax = 16_384 + Math.floor(random() * 400_000);
        backlog.resize(bytesMax);
      }
      const needed = Math.min(...readers.map((reader) => reader.position), backlog.end);
      expect(backlog.start).toBeLessThanOrEqual(needed);
      expect(backlog.start).toBeGreaterThanOrEqual(first);
      if (step % 150 === 0) readToEnd(backlog, backlog.start);
    }
  });
});
