import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Prng } from '../structures/prng.ts';
import { Backlog } from './backlog.ts';
import { LogCursor } from './log-cursor.ts';
import { Spill } from './spill.ts';
import { spillDisk } from './spill-disk.ts';

const SIZES = { memoryBytes: 1 << 18, writeBehindBytes: 1 << 19, segmentBytes: 1 << 20 };
const DEADLINE_MS = 50_000;
let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'redwarden-spill-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** The byte that stands at a position in every test. */
function byteAt(position: number): number {
  return (position * 31 + Math.floor(position / 251)) & 0xff;
}

function append(log: Backlog, length: number): void {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = byteAt(log.end + i);
  log.append(bytes, 0, length);
}

/** Reads up to `until`, waiting for files; throws at the first byte that is not the one of its position. */
async function read(log: Backlog, cursor: LogCursor, until: number): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (cursor.position < until) {
    if (performance.now() > deadline) throw new Error(`stuck at ${cursor.position} of ${until}`);
    let wake: (error: Error | null) => void = () => {};
    const woken = new Promise<Error | null>((resolve) => {
      wake = resolve;
    });
    let at = cursor.position;
    const check = (bytes: Uint8Array): void => {
      for (const byte of bytes) if (byte !== byteAt(at++)) throw new Error(`wrong byte at ${at - 1}`);
    };
    cursor.pull(log, 100_000, check, wake);
    if (!cursor.reading) continue;
    const error = await woken;
    if (error !== null) throw error;
  }
}

describe('Spill', () => {
  it('gives a slow reader every byte, from files that have no name and go when they were read', async () => {
    const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
    console.log(`spilled log, seed ${seed}`);
    const random = new Prng(seed);
    const spill = new Spill(
      spillDisk(() => folder),
      () => 1 << 30,
      SIZES,
    );
    const log = new Backlog(random.below(1e9), random.below(2) === 0 ? 16_384 : 2_000_000, spill);
    const slow = new LogCursor(log.end);
    const fast = new LogCursor(log.end);
    log.addReader(slow);
    log.addReader(fast);
    for (let round = 0; round < 40; round++) {
      for (let i = random.below(8); i >= 0; i--) append(log, 1 + random.below(200_000));
      await read(log, fast, log.end);
      const steps = random.below(4) === 0 ? log.end - slow.position : 300_000;
      if (random.below(3) === 0)
        await read(log, slow, Math.min(log.end, slow.position + random.below(steps + 1)));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(readdirSync(folder)).toEqual([]);
    expect(log.memoryBytes).toBeLessThan(2_000_000 + SIZES.memoryBytes + SIZES.writeBehindBytes + 2 ** 20);
    await read(log, slow, log.end);
    append(log, 2_500_000);
    log.removeReader(slow);
    log.removeReader(fast);
    // What was being written when nobody needed it any more goes with the log's next bytes.
    await vi.waitFor(() => {
      append(log, 100_000);
      expect([log.spilledBytes, spill.usedBytes]).toEqual([0, 0]);
    }, DEADLINE_MS);
  });

  it('tells who holds the log back when the files are full, and gives all back when the log is closed', async () => {
    const spill = new Spill(
      spillDisk(() => folder),
      () => 3 << 20,
      SIZES,
    );
    const log = new Backlog(0, 16_384, spill);
    const [slow, fast] = [new LogCursor(0), new LogCursor(0)];
    log.addReader(slow);
    log.addReader(fast);
    const told: unknown[] = [];
    log.onTrouble = (reason, readers) => told.push([reason, readers[0] === slow, readers.length]);
    for (let i = 0; i < 100; i++) {
      append(log, 65_536);
      await read(log, fast, log.end);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(told).toEqual([['what waits for it is more than repl-spill-max', true, 1]]);
    expect(spill.usedBytes).toBeLessThanOrEqual(3 << 20);
    log.close();
    expect(spill.usedBytes).toBe(0);
  });

  it('says that no file can be made, and keeps what memory has', async () => {
    const spill = new Spill(
      spillDisk(() => join(folder, 'missing')),
      () => 1 << 30,
      SIZES,
    );
    const log = new Backlog(0, 16_384, spill);
    const slow = new LogCursor(0);
    log.addReader(slow);
    const told: string[] = [];
    log.onTrouble = (reason) => told.push(reason);
    for (let i = 0; i < 20; i++) append(log, 65_536);
    expect([told.length, spill.usedBytes]).toEqual([1, 0]);
    expect(told[0]).toMatch(/^the spill file cannot be written: ENOENT/);
    await read(log, slow, log.end);
  });

  it('keeps memory below the bound of the readers while the disk stands still', () => {
    const standing = { writeNow: () => {}, write: () => {}, read: () => {}, close: () => {} };
    const spill = new Spill({ open: () => standing }, () => 1 << 30, SIZES);
    const log = new Backlog(0, 100_000, spill);
    log.memoryBytesMax = () => 500_000;
    log.addReader(new LogCursor(0));
    let most = 0;
    for (let i = 0; i < 200; i++) {
      append(log, 65_536);
      most = Math.max(most, log.memoryBytes);
    }
    expect(most).toBeLessThanOrEqual(500_000);
    expect(log.spilledBytes + log.memoryBytes).toBeGreaterThanOrEqual(200 * 65_536);
  });

  it('spills nothing when repl-spill-max is 0', () => {
    const spill = new Spill(
      spillDisk(() => folder),
      () => 0,
      SIZES,
    );
    const log = new Backlog(0, 16_384, spill);
    log.addReader(new LogCursor(0));
    for (let i = 0; i < 100; i++) append(log, 65_536);
    expect([log.spilledBytes, log.memoryStart]).toEqual([0, 0]);
  });
});
