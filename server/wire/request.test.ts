import { describe, expect, it } from 'vitest';
import { Prng } from '../structures/prng.ts';
import { INCOMPLETE, MALFORMED, RequestParser, splitWords } from './request.ts';

function words(parser: RequestParser): string[] {
  return Array.from({ length: parser.argc }, (_, index) => {
    const start = parser.argStart[index];
    return Buffer.from(parser.bytes.subarray(start, start + parser.argLength[index])).toString('latin1');
  });
}

function problem(text: string, authenticated = true): string {
  const parser = new RequestParser();
  const bytes = Buffer.from(text, 'latin1');
  return parser.parse(bytes, 0, bytes.length, authenticated) === MALFORMED ? parser.problem : 'none';
}

describe('RequestParser', () => {
  it('finds the words of an array of bulk strings and calls it canonical', () => {
    const parser = new RequestParser();
    const bytes = Buffer.from('*3\r\n$3\r\nSET\r\n$1\r\na\r\n$0\r\n\r\n');
    expect(parser.parse(bytes, 0, bytes.length, true)).toBe(bytes.length);
    expect(words(parser)).toEqual(['SET', 'a', '']);
    expect(parser.canonical).toBe(true);
  });

  it('reads inline commands with quotes and escapes', () => {
    const parser = new RequestParser();
    const bytes = Buffer.from("set \"a \\x41\\n\" 'it\\'s'\r\nrest");
    expect(parser.parse(bytes, 0, bytes.length, true)).toBe(bytes.length - 4);
    expect(words(parser)).toEqual(['set', 'a A\n', "it's"]);
    expect(parser.canonical).toBe(false);
  });

  it('skips empty and negative arrays and blank lines', () => {
    for (const text of ['*0\r\n', '*-1\r\n', '\r\n', '   \n']) {
      const parser = new RequestParser();
      expect(parser.parse(Buffer.from(text), 0, text.length, true), JSON.stringify(text)).toBe(text.length);
      expect(parser.argc).toBe(0);
    }
  });

  it('asks for at least one more byte of a frame torn anywhere, and for no more than the frame has', () => {
    const whole = Buffer.from('*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$12\r\nhello world!\r\n');
    for (let length = 0; length < whole.length; length++) {
      const parser = new RequestParser();
      if (length === 0) continue;
      expect(parser.parse(whole, 0, length, true), `${length} bytes`).toBe(INCOMPLETE);
      expect(parser.missing).toBeGreaterThan(0);
      expect(length + parser.missing).toBeLessThanOrEqual(whole.length);
    }
  });

  it('answers malformed frames with the words of Redis', () => {
    expect(problem('*x\r\n')).toBe('Protocol error: invalid multibulk length');
    expect(problem('*1048577\r\n')).toBe('Protocol error: invalid multibulk length');
    expect(problem('*1\r\nPING\r\n')).toBe("Protocol error: expected '$', got 'P'");
    expect(problem('*1\r\n$-5\r\n')).toBe('Protocol error: invalid bulk length');
    expect(problem('*1\r\n$536870913\r\n')).toBe('Protocol error: invalid bulk length');
    expect(problem('set "a\r\n')).toBe('Protocol error: unbalanced quotes in request');
    expect(problem('x'.repeat(70_000))).toBe('Protocol error: too big inline request');
    expect(problem(`*${'1'.repeat(70_000)}`)).toBe('Protocol error: too big mbulk count string');
    expect(problem('*11\r\n', false)).toBe('Protocol error: unauthenticated multibulk length');
    expect(problem('*1\r\n$16385\r\n', false)).toBe('Protocol error: unauthenticated bulk length');
  });

  it('waits for the end of an inline command behind a zero byte, as Redis does', () => {
    const parser = new RequestParser();
    const bytes = Buffer.from('PI\0NG\r\nPING\r\n');
    expect(parser.parse(bytes, 0, bytes.length, true)).toBe(INCOMPLETE);
    expect(parser.missing).toBe(1);
    expect(problem(`PI\0NG\r\n${'x'.repeat(70_000)}`)).toBe('Protocol error: too big inline request');
  });

  it('never throws and never reads past the end on mutated frames', () => {
    const seed = Date.now() & 0xffff;
    const prng = new Prng(seed);
    const whole = Buffer.from(
      '*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$12\r\nhello world!\r\nget a\r\n*1\r\n$4\r\nPING\r\n',
    );
    const parser = new RequestParser();
    for (let round = 0; round < 20_000; round++) {
      const bytes = Buffer.from(whole);
      for (let count = prng.below(4); count >= 0; count--) bytes[prng.below(bytes.length)] = prng.below(256);
      const end = 1 + prng.below(bytes.length);
      let at = 0;
      while (at < end) {
        const next = parser.parse(bytes, at, end, true);
        if (next < 0) break;
        if (next <= at || next > end) expect.fail(`seed ${seed} round ${round}: ${at} -> ${next} of ${end}`);
        at = next;
      }
    }
  });
});

describe('splitWords', () => {
  it('refuses a quote that closes inside a word', () => {
    expect(splitWords(Buffer.from('"a"b'))).toBeNull();
    expect(splitWords(Buffer.from("'a"))).toBeNull();
  });
});
