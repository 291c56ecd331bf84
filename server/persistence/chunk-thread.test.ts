import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ChunkOutput, type OutputEvents, type SnapshotOutput } from './chunk-output.ts';
import { ChunkThread } from './chunk-thread.ts';
import { CHUNK_ROOM } from './rdb-chunk.ts';
import { RdbWriter } from './rdb-writer.ts';

const folder = mkdtempSync(join(tmpdir(), 'redwarden-chunks-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What came back for each target, and how it ended. */
class Recorder implements OutputEvents {
  readonly bytes = new Map<number, Buffer>();
  readonly over = new Map<number, Error | null>();
  relay(bytes: Uint8Array, targets: readonly number[]): boolean {
    for (const target of targets) {
      this.bytes.set(target, Buffer.concat([this.bytes.get(target) ?? Buffer.alloc(0), bytes]));
    }
    return true;
  }
  ended(target: number): void {
    this.over.set(target, null);
  }
  failed(target: number, error: Error): void {
    this.over.set(target, error);
  }
  async until(count: number): Promise<void> {
    const endMs = Date.now() + 10_000;
    while (this.over.size < count) {
      if (Date.now() > endMs) throw new Error('the output does not end');
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

function feed(output: SnapshotOutput): void {
  const writer = new RdbWriter('later', CHUNK_ROOM);
  for (let k = 0; k < 30_000; k += 1) {
    const value = Buffer.from(`value ${k % 100} `.repeat(10));
    writer.string(value, 0, value.length);
    if (writer.length > CHUNK_ROOM / 2) output.chunk(writer.takeChunk(output.empty(), CHUNK_ROOM));
  }
  output.chunk(writer.takeChunk(null, CHUNK_ROOM));
}

describe('ChunkThread', () => {
  it('writes a file and hands back bytes, as ChunkOutput does on this thread', async () => {
    const results: Buffer[] = [];
    for (const thread of [true, false]) {
      const events = new Recorder();
      const file = join(folder, `file-${thread}`);
      writeFileSync(file, '');
      const broken = (error: Error): void => events.failed(9, error);
      const output = thread ? new ChunkThread(events, broken) : new ChunkOutput(events);
      output.open(0, file, true, true);
      output.open(1, null, true, true);
      output.open(2, null, false, true);
      for (const target of [0, 1, 2]) output.own(target, Buffer.from('HEAD'));
      feed(output);
      expect(output.drainTo(0, 10_000)).toBe(true);
      expect(output.pendingBytes).toBe(0);
      for (const target of [0, 1, 2]) output.end(target);
      await events.until(3);
      output.close();
      expect([...events.over.values()]).toEqual([null, null, null]);
      const written = readFileSync(file);
      expect(written.equals(events.bytes.get(1)!)).toBe(true);
      const bare = events.bytes.get(2)!;
      expect(bare.subarray(-8)).toEqual(Buffer.alloc(8));
      expect(bare.subarray(0, -8).equals(written.subarray(0, -8))).toBe(true);
      results.push(written);
    }
    expect(results[0]!.equals(results[1]!)).toBe(true);
  });

  it('tells which target cannot be written, with the system error, and serves the others', async () => {
    const events = new Recorder();
    const output = new ChunkThread(events, () => {});
    output.open(0, join(folder, 'missing', 'file'), true, true);
    output.open(1, null, true, true);
    feed(output);
    for (const target of [0, 1]) output.end(target);
    await events.until(2);
    output.close();
    expect(events.over.get(0)).toMatchObject({ code: 'ENOENT', syscall: 'open' });
    expect(events.over.get(1)).toBeNull();
  });

  it('gives up waiting at its deadline', () => {
    const output = new ChunkThread(new Recorder(), () => {});
    feed(output);
    // The thread has not even started.
    expect(output.drainTo(0, 0)).toBe(false);
    output.close();
  });
});
