import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AofDirectory } from './aof-directory.ts';
import { EMPTY_MANIFEST, nextBase, withIncrement } from './aof-manifest.ts';

describe('AofDirectory', () => {
  let parent = '';
  let events: string[] = [];
  let listens = true;

  beforeEach(() => {
    parent = mkdtempSync(join(tmpdir(), 'redwarden-aof-'));
    events = [];
    listens = true;
  });
  afterEach(() => rmSync(parent, { recursive: true }));

  function make(): AofDirectory {
    const note = (event: string, milliseconds: number): void => {
      expect(milliseconds).toBeGreaterThanOrEqual(0);
      events.push(event);
    };
    const directory = new AofDirectory(
      () => parent,
      'aof',
      'a.aof',
      () => (listens ? note : null),
    );
    directory.create();
    return directory;
  }

  it('tells how long renames and looks at files took when somebody listens', () => {
    const directory = make();
    const manifest = withIncrement(EMPTY_MANIFEST, 'a.aof');
    directory.write(manifest);
    expect(events).toEqual(['aof-rename']);
    expect(directory.bytes(manifest.increments[0]?.name ?? '')).toBe(0);
    expect(events).toEqual(['aof-rename', 'aof-fstat']);
    listens = false;
    directory.write(manifest);
    expect(directory.bytesTotal).toBe(0);
    expect(events).toHaveLength(2);
  });

  it('takes the temporary increment over by one rename and the manifest by another', () => {
    const directory = make();
    writeFileSync(directory.temporaryIncrement, 'x');
    const taken = directory.swap(nextBase(EMPTY_MANIFEST, 'a.aof', 'rdb'), 1, true, () => {});
    expect(events).toEqual(['aof-rename', 'aof-rename']);
    expect(directory.bytes(taken ?? '')).toBe(1);
  });
});
