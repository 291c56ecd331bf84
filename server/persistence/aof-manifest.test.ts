import { describe, expect, it } from 'vitest';
import {
  AofManifestError,
  EMPTY_MANIFEST,
  formatManifest,
  nextBase,
  parseManifest,
  withBase,
  withIncrement,
  withoutHistory,
} from './aof-manifest.ts';

function errorOf(text: string): AofManifestError {
  try {
    parseManifest(text);
  } catch (error) {
    expect(error).toBeInstanceOf(AofManifestError);
    return error as AofManifestError;
  }
  throw new Error('no error');
}

describe('parseManifest', () => {
  it('reads what Redis writes', () => {
    const text =
      'file appendonly.aof.2.base.rdb seq 2 type b\n' +
      'file appendonly.aof.1.incr.aof seq 1 type h\n' +
      'file appendonly.aof.2.incr.aof seq 2 type i\n' +
      'file "with blank.3.incr.aof" seq 3 type i\n';
    const manifest = parseManifest(text);
    expect(manifest.base).toEqual({ name: 'appendonly.aof.2.base.rdb', sequence: 2 });
    expect(manifest.increments.map((file) => file.name)).toEqual([
      'appendonly.aof.2.incr.aof',
      'with blank.3.incr.aof',
    ]);
    expect(manifest.history).toHaveLength(1);
    expect(manifest.incrementSequence).toBe(3);
    expect(formatManifest(manifest)).toBe(text);
  });

  it('skips comments and fields of later versions', () => {
    const manifest = parseManifest('# note\nfile a.1.incr.aof seq 1 type i startoffset 12\n#end');
    expect(manifest.increments).toEqual([{ name: 'a.1.incr.aof', sequence: 1 }]);
  });

  it('names what is wrong as Redis does', () => {
    const base = 'file a.1.base.rdb seq 1 type b\n';
    expect(errorOf('').message).toBe('Found an empty AOF manifest');
    expect(errorOf('\n').message).toBe('Invalid AOF manifest file format');
    expect(errorOf('file a seq 1\n').message).toBe('Invalid AOF manifest file format');
    expect(errorOf('file a seq x type b\n').message).toBe('Invalid AOF manifest file format');
    expect(errorOf('file "a seq 1 type b\n').message).toBe('Invalid AOF manifest file format');
    expect(errorOf('file x/a seq 1 type b\n').message).toBe("File can't be a path, just a filename");
    expect(errorOf('file a seq 1 type z\n').message).toBe('Unknown AOF file type');
    expect(errorOf(base + base).message).toBe('Found duplicate base file information');
    expect(errorOf(`file ${'a'.repeat(1100)} seq 1 type b\n`).message).toMatch(/too long line/);
    expect(errorOf('file a seq 1 type b').message).toMatch(/too long line/);
    const error = errorOf(`${base}file b seq 2 type i\nfile c seq 2 type i\n`);
    expect(error.message).toBe('Found a non-monotonic sequence number');
    expect(error.line).toBe(3);
    expect(error.text).toBe('file c seq 2 type i');
  });
});

describe('withBase', () => {
  it('turns everything before the rewrite into history and keeps what came since', () => {
    const first = withIncrement(EMPTY_MANIFEST, 'a');
    const base = nextBase(first, 'a', 'rdb');
    expect(base.name).toBe('a.1.base.rdb');
    const second = withIncrement(withIncrement(withBase(first, base, 1), 'a'), 'a');
    const done = withBase(second, nextBase(second, 'a', 'rdb'), 3);
    expect(done.base?.name).toBe('a.2.base.rdb');
    expect(done.increments.map((file) => file.sequence)).toEqual([3]);
    expect(done.history.map((file) => file.name)).toEqual(['a.1.incr.aof', 'a.2.incr.aof', 'a.1.base.rdb']);
    expect(parseManifest(formatManifest(done))).toEqual(done);
    expect(withoutHistory(done).history).toEqual([]);
  });
});
