import { describe, expect, test } from 'vitest';
import { Prng } from './prng.ts';
import {
  decimal64,
  ID_COMPLETE,
  ID_INVALID,
  ID_OPEN_SEQUENCE,
  ID_WITHOUT_SEQUENCE,
  parseStreamId,
  StreamId,
} from './stream-id.ts';

function parse(text: string): [number, string] {
  const id = new StreamId();
  const bytes = Buffer.from(`x${text}y`);
  return [parseStreamId(bytes, 1, bytes.length - 2, id), id.toString()];
}

function written(id: StreamId): string {
  const target = Buffer.alloc(50);
  const end = id.writeText(target, 3);
  expect(id.textBytes()).toBe(end - 3);
  return target.toString('latin1', 3, end);
}

describe('StreamId', () => {
  test('texts are read as Redis reads them', () => {
    expect(parse('5-3')).toEqual([ID_COMPLETE, '5-3']);
    expect(parse('5')).toEqual([ID_WITHOUT_SEQUENCE, '5-0']);
    expect(parse('5-*')).toEqual([ID_OPEN_SEQUENCE, '5-0']);
    expect(parse('18446744073709551615-18446744073709551615')[0]).toBe(ID_COMPLETE);
    expect(parse('007-+1')).toEqual([ID_COMPLETE, '7-1']);
  });

  test.each(['', '-', '+', 'x', '5-', '-5', '5-x', '5-1-1', '18446744073709551616', '5-**', '5 ', '1e3'])(
    '%j is no id',
    (text) => {
      expect(parse(text)[0]).toBe(ID_INVALID);
    },
  );

  test('random ids survive text, words and bytes', () => {
    const random = new Prng(11);
    const words = new Uint32Array(8);
    const bytes = new Uint8Array(20);
    for (let round = 0; round < 3000; round++) {
      const id = new StreamId();
      const wide = (): number => (random.below(3) === 0 ? random.below(65536) * 65536 + 65535 : 0);
      id.set(wide(), random.below(2 ** 31) * 2 + 1, wide(), random.below(1000));
      expect(written(id)).toBe(id.toString());
      const ms = ((BigInt(id.msHigh) << 32n) | BigInt(id.msLow)).toString();
      expect(decimal64(id.msHigh, id.msLow)).toBe(ms);
      expect(parse(id.toString())).toEqual([ID_COMPLETE, id.toString()]);
      id.writeWords(words, 2);
      id.writeBytes(bytes, 3);
      const again = new StreamId();
      again.readWords(words, 2);
      expect(again.equals(id)).toBe(true);
      again.readBytes(bytes, 3);
      expect(again.compare(id)).toBe(0);
      if (again.increment()) {
        expect(again.compare(id)).toBeGreaterThan(0);
        expect(again.decrement()).toBe(true);
        expect(again.equals(id)).toBe(true);
      }
    }
  });

  test('there is nothing above the last id and nothing below zero', () => {
    const id = new StreamId();
    expect(id.decrement()).toBe(false);
    id.setMax();
    expect(id.increment()).toBe(false);
    expect(id.toString()).toBe('18446744073709551615-18446744073709551615');
    expect(written(id)).toBe('18446744073709551615-18446744073709551615');
  });

  test('carries go through all parts', () => {
    const id = new StreamId();
    id.set(0, 0xffffffff, 0xffffffff, 0xffffffff);
    id.increment();
    expect([id.msHigh, id.msLow, id.seqHigh, id.seqLow]).toEqual([1, 0, 0, 0]);
    id.decrement();
    expect([id.msHigh, id.msLow, id.seqHigh, id.seqLow]).toEqual([0, 0xffffffff, 0xffffffff, 0xffffffff]);
  });
});
