import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { RdbChunk } from './rdb-chunk.ts';
import { RdbError } from './rdb-source.ts';
import { SideLog, SpillFile } from './side-log.ts';

const folder = mkdtempSync(join(tmpdir(), 'redwarden-side-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function chunk(fill: number, length: number): RdbChunk {
  const bytes = new Uint8Array(length + 5).fill(fill);
  return { bytes, length, marks: Uint32Array.of(fill, fill + 1, 0), markCount: 2 };
}

describe('SideLog', () => {
  it('gives back in order what it took, from memory and from a file that has no name', () => {
    const spill = new SpillFile(() => folder);
    const log = new SideLog(spill, 1000);
    for (let fill = 1; fill <= 20; fill += 1) log.push(chunk(fill, fill * 20));
    expect(log.memoryBytes).toBeLessThanOrEqual(1000);
    expect(spill.bytesTotal).toBeGreaterThan(0);
    expect(readdirSync(folder)).toEqual([]);
    for (let fill = 1; fill <= 20; fill += 1) {
      const { bytes, length, marks, markCount } = log.shift()!;
      expect([length, markCount, marks[0], marks[1]]).toEqual([fill * 20, 2, fill, fill + 1]);
      expect(bytes.subarray(0, length).every((byte) => byte === fill)).toBe(true);
    }
    expect([log.shift(), log.isEmpty, log.memoryBytes]).toEqual([null, true, 0]);
    spill.close();
  });

  it('takes more after it was emptied', () => {
    const log = new SideLog(new SpillFile(() => folder), 1000);
    for (let round = 0; round < 3; round += 1) {
      log.push(chunk(7, 10));
      expect(log.shift()?.length).toBe(10);
      expect(log.isEmpty).toBe(true);
    }
  });

  it('says why the disk does not take it', () => {
    const log = new SideLog(new SpillFile(() => join(folder, 'missing')), 0);
    expect(() => log.push(chunk(1, 10))).toThrow(RdbError);
    expect(() => log.push(chunk(1, 10))).toThrow(/cannot be put aside: No such file or directory/);
  });
});
