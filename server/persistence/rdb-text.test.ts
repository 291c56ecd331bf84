import { describe, expect, it } from 'vitest';
import { RdbText } from './rdb-text.ts';

describe('RdbText', () => {
  it('prints integers as Redis stored them', () => {
    const text = new RdbText();
    for (const value of [0, 7, -1, 10, -128, 32767, -70000, 2147483647, -2147483648]) {
      text.setInteger(value);
      expect(String(text)).toBe(String(value));
      expect(text.length).toBe(String(value).length);
    }
  });

  it('keeps a string when the buffer it was a place in changes', () => {
    const text = new RdbText();
    const source = Buffer.from('a key and more');
    text.point(source, 2, 5);
    text.keep();
    source.fill(0);
    expect(String(text)).toBe('key');
    expect(text.copy().toString()).toBe('key');
    text.keep();
    expect(String(text)).toBe('key');
  });

  it('gives a large buffer back with the next small string', () => {
    const text = new RdbText();
    const large = text.room(3_000_000);
    expect(text.length).toBe(3_000_000);
    expect(text.room(10)).not.toBe(large);
    expect(text.bytes.length).toBeLessThan(1000);
  });
});
