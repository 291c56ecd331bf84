import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { DirectoryLock } from './directory-lock.ts';

const folder = mkdtempSync(join(tmpdir(), 'redwarden-lock-'));
const locks = Array.from({ length: 3 }, () => new DirectoryLock());
const [first, second, third] = locks as [DirectoryLock, DirectoryLock, DirectoryLock];

afterEach(() => {
  for (const lock of locks) lock.release();
  rmSync(folder, { recursive: true, force: true });
});

it.skipIf(process.platform !== 'linux')(
  'DirectoryLock: one holder a name, named to who comes second, free again when released',
  async () => {
    await first.take(folder, 'dump.rdb', 'dump.rdb');
    await first.take(folder, 'dump.rdb', 'dump.rdb');
    await expect(second.take(folder, 'dump.rdb', 'dump.rdb')).rejects.toThrow(
      `Another server, process ${process.pid}, uses dump.rdb in ${folder}`,
    );
    await third.take(folder, 'other.rdb', 'other.rdb');
    first.release();
    await second.take(folder, 'dump.rdb', 'dump.rdb');
    await expect(first.take(`${folder}/none`, 'dump.rdb', 'dump.rdb')).rejects.toThrow('ENOENT');
  },
);
