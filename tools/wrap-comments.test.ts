import { describe, expect, it } from 'vitest';
import { wrapComments } from './wrap-comments.ts';

const words = (count: number): string => Array.from({ length: count }, () => 'word').join(' ');

describe('wrapComments', () => {
  it('breaks prose and lets the rest begin the next line', () => {
    const text = `/**\n * ${words(25)}\n * next\n */`;
    expect(wrapComments(text)).toBe(`/**\n * ${words(21)}\n * ${words(4)} next\n */`);
  });

  it('makes three lines of a long one-line comment', () => {
    expect(wrapComments(`  /** ${words(25)} */`)).toBe(`  /**\n   * ${words(21)}\n   * ${words(4)}\n   */`);
  });

  it('keeps lists, drawings, code and what is short', () => {
    const text = [
      `// ${words(25)}`,
      '// - item',
      ` *   drawing    ${words(30)}`,
      `const a = ${words(30)};`,
      '// short',
      '',
    ].join('\n');
    const wrapped = wrapComments(text).split('\n');
    expect(wrapped.slice(1)).toEqual([`// ${words(4)}`, ...text.split('\n').slice(1)]);
    expect(wrapComments(wrapped.join('\n'))).toBe(wrapped.join('\n'));
  });
});
