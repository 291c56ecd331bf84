import { describe, expect, it } from 'vitest';
import { encodeCommand } from './propagation.ts';
import { StreamError, StreamScanner } from './stream-scanner.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

const UNITS = [
  [['SET', 'a', '1']],
  [['PING']],
  [['MULTI'], ['SET', 'b', 'MULTI'], ['EXEC', 'not lone'], ['EXEC']],
  [['SELECT', '3']],
  [['SET', 'big', 'x'.repeat(300)]],
  [['MULTI'], ['EXEC']],
  [['SET', '', '']],
].map((commands) => joined(commands.map((words) => encodeCommand(words))));

describe('StreamScanner', () => {
  it('finds the same ends for any way the stream is cut in two', () => {
    const stream = joined(UNITS);
    const ends = [0];
    for (const unit of UNITS) ends.push((ends.at(-1) as number) + unit.length);
    for (let cut = 0; cut <= stream.length; cut++) {
      const scanner = new StreamScanner();
      const first = scanner.scan(stream, 0, cut);
      expect([cut, first]).toEqual([cut, Math.max(...ends.filter((end) => end <= cut))]);
      expect(scanner.scan(stream, first, stream.length)).toBe(stream.length);
    }
  });

  it('finds the same ends byte by byte', () => {
    const stream = joined(UNITS);
    const scanner = new StreamScanner();
    const found: number[] = [];
    let start = 0;
    for (let end = 1; end <= stream.length; end++) {
      const next = scanner.scan(stream, start, end);
      if (next !== start) found.push(next);
      start = next;
    }
    expect(found.length).toBe(UNITS.length);
    expect(start).toBe(stream.length);
  });

  it('counts empty lines as part of the stream', () => {
    const stream = bytesOf('\n\r\n*1\r\n$4\r\nPING\r\n\n');
    expect(new StreamScanner().scan(stream, 0, stream.length)).toBe(stream.length);
  });

  it('refuses what is no command', () => {
    for (const text of ['+OK\r\n', '*x\r\n', '*1\r\n:5\r\n', '*99999999\r\n', '*1\r\n$9999999999\r\n']) {
      const stream = bytesOf(text);
      expect(() => new StreamScanner().scan(stream, 0, stream.length), text).toThrow(StreamError);
    }
  });
});
