import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { contentKey, ensureArtefact } from './cache.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'cache-test-'));
  vi.stubEnv('REDWARDEN_CACHE', directory);
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true });
});

const ignore = (): void => {};
const key = 'a'.repeat(16);

describe('ensureArtefact', () => {
  it('builds once, also when two ask at the same time', async () => {
    let builds = 0;
    const build = async (out: string): Promise<void> => {
      builds++;
      writeFileSync(path.join(out, 'made'), '');
    };
    const asked = await Promise.all([1, 2].map(() => ensureArtefact('thing', key, build, ignore)));
    expect(asked[0]).toBe(asked[1]);
    expect(existsSync(path.join(asked[0]!, 'made'))).toBe(true);
    await ensureArtefact('thing', key, build, ignore);
    expect(builds).toBe(1);
  });

  it('leaves nothing of a build that failed, and builds again', async () => {
    const failing = ensureArtefact(
      'thing',
      key,
      async () => {
        throw new Error('no compiler');
      },
      ignore,
    );
    await expect(failing).rejects.toThrow('no compiler');
    expect(readdirSync(directory)).toEqual([]);
    expect(existsSync(await ensureArtefact('thing', key, async () => {}, ignore))).toBe(true);
  });

  it('takes over from a process that died while building', async () => {
    writeFileSync(path.join(directory, `thing-${key}.lock`), '999999999');
    mkdirSync(path.join(directory, `thing-${key}.partial`));
    expect(existsSync(await ensureArtefact('thing', key, async () => {}, ignore))).toBe(true);
  });

  it('removes versions that nobody has used for two weeks, and no other artefact', async () => {
    for (const name of ['thing-0000000000000000', 'thing-more-0000000000000000', 'thing-1111111111111111']) {
      mkdirSync(path.join(directory, name));
    }
    const longAgo = new Date(Date.now() - 20 * 24 * 3600_000);
    utimesSync(path.join(directory, 'thing-0000000000000000'), longAgo, longAgo);
    utimesSync(path.join(directory, 'thing-more-0000000000000000'), longAgo, longAgo);
    await ensureArtefact('thing', key, async () => {}, ignore);
    expect(readdirSync(directory).sort()).toEqual([
      'thing-1111111111111111',
      `thing-${key}`,
      'thing-more-0000000000000000',
    ]);
  });
});

describe('contentKey', () => {
  it('changes with a name, a content and a word, and with nothing else', () => {
    writeFileSync(path.join(directory, 'a'), '1');
    const first = contentKey(directory, ['.'], ['go1']);
    utimesSync(path.join(directory, 'a'), new Date(0), new Date(0));
    expect(contentKey(directory, ['.'], ['go1'])).toBe(first);
    expect(contentKey(directory, ['.'], ['go2'])).not.toBe(first);
    writeFileSync(path.join(directory, 'a'), '2');
    expect(contentKey(directory, ['.'], ['go1'])).not.toBe(first);
    writeFileSync(path.join(directory, 'a'), '1');
    writeFileSync(path.join(directory, 'b'), '');
    expect(contentKey(directory, ['.'], ['go1'])).not.toBe(first);
  });
});
