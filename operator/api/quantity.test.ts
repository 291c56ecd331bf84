import { describe, expect, it } from 'vitest';
import { formatBytes, parseDuration, parseQuantity } from './quantity.ts';

describe('parseQuantity', () => {
  it.each([
    ['512Mi', 536_870_912],
    ['2Gi', 2_147_483_648],
    ['1.5Ki', 1536],
    ['1G', 1_000_000_000],
    ['250m', 0.25],
    ['1e3', 1000],
    [' 5'.trim(), 5],
    [1024, 1024],
  ])('reads %s', (text, value) => {
    expect(parseQuantity(text)).toBeCloseTo(value, 9);
  });

  it.each(['', '5 Gb', 'Gi', '5GiB', '--5', Number.NaN])('refuses %s', (text) => {
    expect(parseQuantity(text)).toBeUndefined();
  });
});

describe('formatBytes', () => {
  it('uses the largest unit that is exact, and parses back', () => {
    expect([0, 1000, 1536, 536_870_912].map(formatBytes)).toEqual(['0', '1000', '1536', '512Mi']);
    for (const bytes of [1, 1023, 1024, 5 * 1024 ** 3, 123_456_789]) {
      expect(parseQuantity(formatBytes(bytes))).toBe(bytes);
    }
  });
});

describe('parseDuration', () => {
  it('adds the parts', () => {
    expect(parseDuration('5s')).toBe(5000);
    expect(parseDuration('1h30m')).toBe(5_400_000);
    expect(parseDuration('500ms')).toBe(500);
  });

  it.each(['', '5', '2 hours', 's', '5d'])('refuses %j', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });
});
