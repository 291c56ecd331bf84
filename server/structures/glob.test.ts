import { describe, expect, it } from 'vitest';
import { isLiteral, matchesGlob } from './glob.ts';
import { Prng } from './prng.ts';

function matches(pattern: string, text: string, fold = false): boolean {
  const bytes = Buffer.from(text, 'latin1');
  return matchesGlob(Buffer.from(pattern, 'latin1'), bytes, 0, bytes.length, fold);
}

/** The same language written down as plainly as possible; the last path of a class is left to the table. */
function slowly(pattern: string, text: string): boolean {
  if (pattern === '') return text === '';
  if (pattern[0] === '*') {
    return slowly(pattern.slice(1), text) || (text !== '' && slowly(pattern, text.slice(1)));
  }
  return (
    text !== '' && (pattern[0] === '?' || pattern[0] === text[0]) && slowly(pattern.slice(1), text.slice(1))
  );
}

describe('matchesGlob', () => {
  it.each([
    ['*', '', true],
    ['', '', true],
    ['', 'a', false],
    ['h?llo', 'hello', true],
    ['h?llo', 'hllo', false],
    ['h*llo', 'heeeello', true],
    ['h*llo*', 'hllo', true],
    ['h[ae]llo', 'hallo', true],
    ['h[ae]llo', 'hillo', false],
    ['h[^e]llo', 'hello', false],
    ['h[^e]llo', 'hbllo', true],
    ['h[a-b]llo', 'hbllo', true],
    ['h[b-a]llo', 'hallo', true],
    ['a\\*c', 'a*c', true],
    ['a\\*c', 'abc', false],
    ['a[\\]]c', 'a]c', true],
    ['[a', 'a', true],
    ['[^a', 'b', true],
    ['a\\', 'a\\', true],
    ['[]a', 'a', false],
    ['*a*b*c*', 'xxaxxbxxcxx', true],
    ['*a*b*c', 'xxaxxbxxcxx', false],
    ['key:\xff*', 'key:\xff\x00', true],
  ])('%j on %j is %j', (pattern, text, wanted) => {
    expect(matches(pattern, text)).toBe(wanted);
  });

  it('ignores the case of letters when asked to', () => {
    expect(matches('HELLO[A-C]*', 'hellobx', true)).toBe(true);
    expect(matches('HELLO', 'hello')).toBe(false);
  });

  it('looks only at the range it is given', () => {
    expect(matchesGlob(Buffer.from('b?'), Buffer.from('abcd'), 1, 3)).toBe(true);
  });

  it('takes bounded time on patterns made to take long', () => {
    expect(matches(`${'*a'.repeat(200)}b`, 'a'.repeat(2000))).toBe(false);
  });

  it('takes no more than a thousand runs of stars', () => {
    expect(matches('*?'.repeat(1000), 'a'.repeat(1000))).toBe(true);
    expect(matches('**?'.repeat(1000), 'a'.repeat(1000))).toBe(true);
    expect(matches('*?'.repeat(1001), 'a'.repeat(1001))).toBe(false);
  });

  it('agrees with the plain definition on random patterns', () => {
    const random = new Prng(Date.now());
    const word = (letters: string): string =>
      Array.from({ length: random.below(8) }, () => letters[random.below(letters.length)]).join('');
    for (let round = 0; round < 5000; round += 1) {
      const pattern = word('ab?*');
      const text = word('ab');
      const message = `seed ${random.seed}: ${pattern} on ${text}`;
      expect(matches(pattern, text), message).toBe(slowly(pattern, text));
    }
  });
});

describe('isLiteral', () => {
  it('is true only without special bytes', () => {
    expect(isLiteral(Buffer.from('abc'))).toBe(true);
    expect(['a*', 'a?', '[a', 'a\\'].some((pattern) => isLiteral(Buffer.from(pattern)))).toBe(false);
  });
});
