import { describe, expect, it } from 'vitest';
import { ListElement } from './list-element.ts';
import * as listpack from './listpack.ts';
import { textEntryBytes, writeEmpty, writeTextEntry } from './listpack-edit.ts';

function packOf(word: string): Buffer {
  const source = Buffer.from(word, 'latin1');
  const pack = Buffer.alloc(word.length + 32);
  writeEmpty(pack, 0);
  const added = textEntryBytes(source, 0, source.length);
  writeTextEntry(pack, listpack.HEADER_BYTES, source, 0, source.length);
  pack[listpack.HEADER_BYTES + added] = listpack.END;
  return pack;
}

describe('ListElement', () => {
  it('shows strings where they lie and integers as text', () => {
    const element = new ListElement();
    for (const word of [
      '',
      'abc',
      '0',
      '-1',
      '127',
      '4096',
      '-9223372036854775808',
      '007',
      'x'.repeat(5000),
    ]) {
      const pack = packOf(word);
      expect(element.read(pack, 0, listpack.first(pack, 0))).toBe(0);
      expect(element.copy().toString('latin1')).toBe(word);
      const needle = Buffer.from(`>${word}`);
      expect(element.equals(needle, 1, word.length)).toBe(true);
      expect(element.equals(needle, 0, word.length + 1)).toBe(false);
      expect(element.equals(needle, 0, word.length)).toBe(word.length === 0);
    }
  });
});
