import { describe, expect, it } from 'vitest';
import { CLASS_BYTES, CLASS_COUNT, classOfBytes, LARGE_CLASS, slabPages } from './size-class.ts';

describe('classOfBytes', () => {
  it('chooses the smallest class that holds the bytes, for every size to 32 KiB', () => {
    for (let bytes = 1; bytes <= 32 * 1024; bytes++) {
      const sizeClass = classOfBytes(bytes);
      const fits = CLASS_BYTES[sizeClass] >= bytes;
      const tight = sizeClass === 0 || CLASS_BYTES[sizeClass - 1] < bytes;
      if (!fits || !tight) expect.fail(`${bytes} bytes became class ${sizeClass}`);
    }
  });

  it('leaves larger blocks to whole pages', () => {
    expect(classOfBytes(32 * 1024 + 1)).toBe(LARGE_CLASS);
  });
});

describe('slabPages', () => {
  it('loses at most an eighth at the end of a slab', () => {
    for (let sizeClass = 0; sizeClass < CLASS_COUNT; sizeClass++) {
      const bytes = slabPages(sizeClass) * 8192;
      expect((bytes % CLASS_BYTES[sizeClass]) / bytes).toBeLessThanOrEqual(0.125);
    }
  });
});
