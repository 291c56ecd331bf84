import { describe, expect, it } from 'vitest';
import { RdbWriter } from './rdb-writer.ts';
import { StringPacker } from './string-packer.ts';

const SEED = Number(process.env['SEED'] ?? Date.now() % 1e9);

function random(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** A string that compresses well, badly or is a number. */
function text(next: (below: number) => number): Buffer {
  const kind = next(4);
  if (kind === 0) return Buffer.from(String(next(1e9)));
  const length = next(kind === 1 ? 30 : 3000);
  return Buffer.from(Array.from({ length }, () => (kind === 2 ? 97 + next(3) : next(256))));
}

describe('StringPacker', () => {
  it(`makes of marked chunks, cut anywhere between words, what a writer makes at once (seed ${SEED})`, () => {
    const next = random(SEED);
    for (let round = 0; round < 60; round += 1) {
      const whole = new RdbWriter(true);
      const marked = new RdbWriter('later', 64);
      const packer = new StringPacker();
      const parts: Uint8Array[] = [];
      const cut = (): void => {
        parts.push(Buffer.from(packer.pack(marked.takeChunk(null, 64))));
      };
      for (let word = next(80); word >= 0; word -= 1) {
        const bytes = text(next);
        if (next(5) === 0) {
          // A string that is written piece by piece.
          whole.string(bytes, 0, bytes.length);
          if (bytes.length <= 11) marked.string(bytes, 0, bytes.length);
          else {
            marked.openString(bytes.length);
            for (let at = 0; at < bytes.length; ) {
              const count = Math.min(1 + next(700), bytes.length - at);
              if (next(2) === 0) cut();
              marked.raw(bytes, at, at + count);
              at += count;
            }
          }
        } else {
          for (const writer of [whole, marked]) writer.string(bytes, 0, bytes.length);
          for (const writer of [whole, marked]) writer.size(word * 1000);
        }
        if (next(6) === 0) cut();
      }
      cut();
      expect(Buffer.concat(parts).equals(whole.take())).toBe(true);
    }
  });

  it('appends a chunk with its marks', () => {
    const value = Buffer.alloc(500, 'ab');
    const inner = new RdbWriter('later', 0);
    inner.string(value, 0, value.length);
    const outer = new RdbWriter('later', 0);
    outer.byte(7);
    outer.append(inner.takeChunk(null, 0));
    const whole = new RdbWriter(true);
    whole.byte(7);
    whole.string(value, 0, value.length);
    expect(Buffer.from(new StringPacker().pack(outer.takeChunk(null, 0)))).toEqual(Buffer.from(whole.take()));
  });

  it('refuses a mark where no string begins', () => {
    const chunk = { bytes: Uint8Array.of(0xc3, 1), length: 2, marks: Uint32Array.of(0), markCount: 1 };
    expect(() => new StringPacker().pack(chunk)).toThrow(/no string begins/);
  });
});
