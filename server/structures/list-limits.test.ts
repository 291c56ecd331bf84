import { describe, expect, it } from 'vitest';
import {
  clampCompressDepth,
  clampFill,
  exceedsNode,
  exceedsWithElement,
  fitsListpack,
  isLargeElement,
} from './list-limits.ts';

describe('exceedsNode', () => {
  it('counts bytes for a negative fill, each step down twice as many', () => {
    for (const [fill, bytes] of [
      [-1, 4096],
      [-2, 8192],
      [-3, 16384],
      [-4, 32768],
      [-5, 65536],
      [-9, 65536],
    ] as const) {
      expect(exceedsNode(fill, bytes, 1_000_000)).toBe(false);
      expect(exceedsNode(fill, bytes + 1, 1)).toBe(true);
    }
  });

  it('counts elements for a positive fill, and 8 KiB at most', () => {
    expect(exceedsNode(5, 100, 5)).toBe(false);
    expect(exceedsNode(5, 100, 6)).toBe(true);
    expect(exceedsNode(0, 100, 1)).toBe(false);
    expect(exceedsNode(0, 100, 2)).toBe(true);
    expect(exceedsNode(5, 8193, 2)).toBe(true);
  });
});

describe('exceedsWithElement', () => {
  it('guesses eight bytes beside the element', () => {
    expect(exceedsWithElement(-1, 4000, 3, 88)).toBe(false);
    expect(exceedsWithElement(-1, 4000, 3, 89)).toBe(true);
    expect(exceedsWithElement(4, 100, 3, 10)).toBe(false);
    expect(exceedsWithElement(4, 100, 4, 10)).toBe(true);
  });
});

describe('fitsListpack', () => {
  it('asks for half of the limit when the list has shrunk', () => {
    expect(fitsListpack(-2, 8192, 9, false)).toBe(true);
    expect(fitsListpack(-2, 8193, 9, false)).toBe(false);
    expect(fitsListpack(-2, 4096, 9, true)).toBe(true);
    expect(fitsListpack(-2, 4097, 9, true)).toBe(false);
    expect(fitsListpack(5, 1_000_000, 5, false)).toBe(true);
    expect(fitsListpack(5, 50, 3, true)).toBe(false);
    expect(fitsListpack(5, 50, 2, true)).toBe(true);
    expect(fitsListpack(0, 50, 1, true)).toBe(false);
  });
});

describe('isLargeElement', () => {
  it('follows the fill, the threshold of tests and what fits a block', () => {
    expect(isLargeElement(-1, 4096, 0)).toBe(false);
    expect(isLargeElement(-1, 4097, 0)).toBe(true);
    expect(isLargeElement(3, 8192, 0)).toBe(false);
    expect(isLargeElement(3, 8193, 0)).toBe(true);
    expect(isLargeElement(-1, 5, 5)).toBe(true);
    expect(isLargeElement(-1, 5000, 1 << 30)).toBe(false);
    expect(isLargeElement(-5, 65_537, 1 << 30)).toBe(true);
  });
});

it('clampFill and clampCompressDepth keep to what a list can hold', () => {
  expect([-100, -5, -2, 0, 7, 99_999].map(clampFill)).toEqual([-5, -5, -2, 0, 7, 32_767]);
  expect([-1, 0, 3, 99_999].map(clampCompressDepth)).toEqual([0, 0, 3, 65_535]);
});
