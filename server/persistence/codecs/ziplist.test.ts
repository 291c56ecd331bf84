import { describe, expect, it } from 'vitest';
import { first, ListpackEntry, read, validate } from '../../structures/listpack.ts';
import { Prng } from '../../structures/prng.ts';
import { listpackOfZiplist, listpackOfZipmap } from './ziplist.ts';

function texts(listpack: Buffer | string): string[] {
  if (typeof listpack === 'string') throw new Error(listpack);
  expect(validate(listpack, 0, listpack.length, true)).toBe('');
  const entry = new ListpackEntry();
  const found: string[] = [];
  for (let at = first(listpack, 0); at !== 0; ) {
    at = read(listpack, 0, at, entry);
    found.push(entry.copyText(listpack).toString());
  }
  return found;
}

/** A ziplist of entries given as encoding and data. */
function ziplist(...entries: string[]): Buffer {
  const parts: Buffer[] = [];
  let before = 0;
  let tail = 10;
  let at = 10;
  for (const hex of entries) {
    const data = Buffer.from(hex, 'hex');
    const long = Buffer.alloc(5, 254);
    long.writeUInt32LE(before, 1);
    const part = Buffer.concat([before < 254 ? Buffer.from([before]) : long, data]);
    parts.push(part);
    before = part.length;
    tail = at;
    at += part.length;
  }
  const header = Buffer.alloc(10);
  header.writeUInt32LE(at + 1, 0);
  header.writeUInt32LE(tail, 4);
  header.writeUInt16LE(entries.length, 8);
  return Buffer.concat([header, ...parts, Buffer.from([0xff])]);
}

const LONG = `412c${'61'.repeat(300)}`;
const entries = ['03616263', 'f1', 'fd', 'fe80', 'c0ff7f', 'f0000080', 'd000000080', 'e00000000000000080'];
const good = ziplist(...entries, LONG, '80000000020000', '023132', '00');

describe('listpackOfZiplist', () => {
  it('reads every encoding', () => {
    expect(texts(listpackOfZiplist(good))).toEqual([
      ...['abc', '0', '12', '-128', '32767', '-8388608', '-2147483648', '-9223372036854775808'],
      ...['a'.repeat(300), '\0\0', '12', ''],
    ]);
  });

  it('refuses every cut and survives garbage', () => {
    for (let length = 0; length < good.length; length++) {
      expect(typeof listpackOfZiplist(good.subarray(0, length))).toBe('string');
    }
    const prng = new Prng(Date.now());
    for (let round = 0; round < 20_000; round++) {
      const broken = Buffer.from(good);
      for (let change = prng.below(5); change >= 0; change--) {
        broken[prng.below(2) === 0 ? prng.below(40) : prng.below(broken.length)] = prng.below(256);
      }
      const listpack = listpackOfZiplist(broken);
      if (typeof listpack === 'string') continue;
      expect(validate(listpack, 0, listpack.length, true), `seed ${prng.seed} round ${round}`).toBe('');
    }
  });
});

describe('listpackOfZipmap', () => {
  const pairs = '02' + '03666f6f' + '030262617200' + '00' + '0268690001' + '31' + 'ff';
  it('reads fields and values and skips free bytes', () => {
    const zipmap = Buffer.from(`02${'03666f6f'}${'0302626172'}0000${'026869'}${'0100'}31ff`, 'hex');
    expect(texts(listpackOfZipmap(zipmap))).toEqual(['foo', 'bar', 'hi', '1']);
    expect(listpackOfZipmap(Buffer.from('00ff', 'hex'))).toBe('a zipmap without fields');
  });

  it('refuses what is cut off and survives garbage', () => {
    const zipmap = Buffer.from(pairs, 'hex');
    const prng = new Prng(Date.now());
    for (let length = 0; length < zipmap.length; length++) listpackOfZipmap(zipmap.subarray(0, length));
    expect(typeof listpackOfZipmap(Buffer.from('0103666f6fff', 'hex'))).toBe('string');
    expect(typeof listpackOfZipmap(Buffer.from('01fe000000ff', 'hex'))).toBe('string');
    for (let round = 0; round < 20_000; round++) {
      const broken = Buffer.from(zipmap);
      for (let change = prng.below(4); change >= 0; change--) {
        broken[prng.below(broken.length)] = prng.below(256);
      }
      const listpack = listpackOfZipmap(broken);
      if (typeof listpack === 'string') continue;
      expect(validate(listpack, 0, listpack.length, true), `seed ${prng.seed} round ${round}`).toBe('');
    }
  });
});
