import { describe, expect, it } from 'vitest';
import { quote } from './redis-conf.ts';

describe('quote', () => {
  it('leaves plain words and quotes the rest, the empty word included', () => {
    expect(['64mb', '/data', '*', ''].map(quote)).toEqual(['64mb', '/data', '*', '""']);
    expect(quote('two words')).toBe('"two words"');
    expect(quote('tab\t')).toBe('"tab\\x09"');
  });
});
