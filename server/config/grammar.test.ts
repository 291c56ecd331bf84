import { describe, expect, it } from 'vitest';
import { quote, splitWords } from './grammar.ts';

describe('splitWords', () => {
  it.each([
    ['a b  c', ['a', 'b', 'c']],
    ['"a b" \'c d\'', ['a b', 'c d']],
    ['"\\x41\\n\\t\\\\\\""', ['A\n\t\\"']],
    ["'it\\'s \\n'", ["it's \\n"]],
    ['""', ['']],
    ['', []],
    ['a"b c"', ['ab c']],
  ])('%s', (line, words) => {
    expect(splitWords(line)).toEqual(words);
  });

  it.each(['"abc', "'abc", '"a"b', '"a\\'])('refuses %s', (line) => {
    expect(splitWords(line)).toBeUndefined();
  });
});

describe('quote', () => {
  it.each(['', 'plain', 'a "b" \\ \n\r\t\x07\b\x01', 'ünï'])('reads back %j', (text) => {
    expect(splitWords(quote(text))).toEqual([text]);
  });
});
