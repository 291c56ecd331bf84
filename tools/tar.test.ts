import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type Tree, writeTar } from './tar.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'redwarden-tar-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function listing(tree: Tree): string {
  const file = path.join(folder, 'x.tar');
  writeFileSync(file, writeTar(tree));
  return execFileSync('tar', ['--numeric-owner', '--utc', '-tvf', file], { encoding: 'utf8' });
}

const file = (text: string) => ({ kind: 'file', content: Buffer.from(text), mode: 0o644 }) as const;

describe('writeTar', () => {
  it('is read by tar, with modes, owners, links and the folders above', () => {
    const long = `${'folder-with-a-long-name/'.repeat(6)}file.js`;
    const tree: Tree = new Map();
    tree.set(long, file('deep'));
    tree.set('bin/sh', { kind: 'link', target: 'busybox' });
    tree.set('tmp', { kind: 'folder', mode: 0o1777 });
    tree.set('data', { kind: 'folder', mode: 0o755, owner: 65_532 });
    const text = listing(tree);
    expect(text).toContain(long);
    expect(text).toMatch(/lrwxrwxrwx 0\/0 +0 1970-01-01 00:00 bin\/sh -> busybox/);
    expect(text).toMatch(/drwxrwxrwt 0\/0 .* tmp\//);
    expect(text).toMatch(/drwxr-xr-x 65532\/65532 .* data\//);
    expect(text).toMatch(/drwxr-xr-x 0\/0 .* bin\//);
  });

  it('gives the same bytes in whatever order entries were added', () => {
    const entries = [
      ['b/c', file('1')],
      ['a', file('2')],
    ] as const;
    expect(writeTar(new Map(entries))).toEqual(writeTar(new Map([...entries].reverse())));
  });

  it('refuses a path that does not fit', () => {
    expect(() => writeTar(new Map([['x'.repeat(101), file('')]]))).toThrow(/too long/);
  });
});
