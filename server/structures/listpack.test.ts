import { describe, expect, it } from 'vitest';
import { Arena } from './arena.ts';
import * as listpack from './listpack.ts';
import { ListpackBlocks } from './listpack-block.ts';
import { insertText, writeEmpty } from './listpack-edit.ts';
import { Prng } from './prng.ts';

function contents(blocks: ListpackBlocks, ref: number): string[] {
  const entry = new listpack.ListpackEntry();
  const texts: string[] = [];
  for (let at = blocks.first(ref); at !== 0; ) {
    at = blocks.read(ref, at, entry);
    const text = entry.copyText(blocks.segment(ref));
    expect(text.length).toBe(entry.textLength());
    texts.push(text.toString('latin1'));
  }
  return texts;
}

function raw(blocks: ListpackBlocks, ref: number): Buffer {
  return blocks.segment(ref).subarray(blocks.start(ref), blocks.start(ref) + blocks.bytes(ref));
}

function appended(...texts: string[]): string {
  const blocks = new ListpackBlocks(new Arena());
  let ref = blocks.create();
  for (const text of texts) ref = blocks.append(ref, Buffer.from(text), 0, text.length);
  return raw(blocks, ref).toString('hex');
}

describe('listpack', () => {
  it('encodes every kind of entry as Redis does', () => {
    expect(appended()).toBe('070000000000ff');
    expect(appended('0', '127')).toBe('0b000000020000017f01ff');
    expect(appended('128', '-1', '4095', '-4096')).toBe('130000000400c08002dfff02cfff02d00002ff');
    expect(appended('4096', '-4097', '32767')).toBe('130000000300f1001003f1ffef03f1ff7f03ff');
    expect(appended('32768', '-8388608')).toBe('110000000200f200800004f200008004ff');
    expect(appended('8388608', '-2147483648')).toBe('130000000200f30000800005f30000008005ff');
    expect(appended('2147483648')).toBe('110000000100f4000000800000000009ff');
    expect(appended('-9223372036854775808')).toBe('110000000100f4000000000000008009ff');
    expect(appended('abc', '01', '')).toBe('120000000300836162630482303103' + '8001ff');
    expect(appended('x'.repeat(64))).toBe(`4a0000000100e040${'78'.repeat(64)}42ff`);
    expect(appended('x'.repeat(126))).toBe(`890000000100e07e${'78'.repeat(126)}0180ff`);
    const long = appended('x'.repeat(4096));
    expect(long.slice(0, 22)).toBe('0e1000000100f000100000');
    expect(long.slice(-6)).toBe('2085ff');
  });

  it('finds integers by value, strings by bytes, and skips', () => {
    const blocks = new ListpackBlocks(new Arena());
    let ref = blocks.create();
    for (const text of ['5', 'a', '7', '5', '12345678901234', '007']) {
      ref = blocks.append(ref, Buffer.from(text), 0, text.length);
    }
    const find = (text: string, skip: number): number => {
      const at = blocks.find(ref, Buffer.from(text), 0, text.length, skip);
      for (let index = 0; index < 6; index++) if (blocks.seek(ref, index) === at) return index;
      return -1;
    };
    expect([find('5', 0), find('5', 1), find('7', 1), find('a', 1)]).toEqual([0, 0, 2, -1]);
    expect([find('12345678901234', 0), find('007', 0), find('07', 0), find('', 0)]).toEqual([4, 5, -1, -1]);
    expect(blocks.seek(ref, 6)).toBe(0);
    expect(blocks.seek(ref, -7)).toBe(0);
    const fourth = blocks.seek(ref, 3);
    expect(blocks.seek(ref, -3)).toBe(fourth);
    const seven = Buffer.from('07');
    expect(listpack.equals(blocks.segment(ref), blocks.start(ref), fourth, seven, 0, 2)).toBe(false);
  });

  it('finds what a search through an array finds, whatever the entries and the skip', () => {
    const prng = new Prng(Date.now());
    const blocks = new ListpackBlocks(new Arena());
    for (let round = 0; round < 300; round++) {
      const model = Array.from({ length: prng.below(20) }, () => randomText(prng));
      let ref = blocks.create();
      for (const text of model) ref = blocks.append(ref, Buffer.from(text, 'latin1'), 0, text.length);
      for (let attempt = 0; attempt < 20; attempt++) {
        const text = prng.below(2) === 0 ? randomText(prng) : (model[prng.below(model.length)] ?? '');
        const skip = prng.below(3);
        const at = blocks.find(ref, Buffer.from(`x${text}`, 'latin1'), 1, text.length, skip);
        const index = model.findIndex((other, place) => place % (skip + 1) === 0 && other === text);
        expect(at, `seed ${prng.seed}`).toBe(index < 0 ? 0 : blocks.seek(ref, index));
      }
      blocks.free(ref);
    }
  });

  it('counts beyond 65534 by walking and knows the count again below', () => {
    const blocks = new ListpackBlocks(new Arena());
    let ref = blocks.create();
    for (let index = 0; index < 65_540; index++) ref = blocks.appendNumber(ref, index & 63);
    expect(raw(blocks, ref).readUInt16LE(4)).toBe(65535);
    expect(blocks.count(ref)).toBe(65_540);
    expect(listpack.validate(raw(blocks, ref), 0, blocks.bytes(ref), true)).toBe('');
    ref = blocks.deleteRange(ref, -10, 10);
    expect(blocks.count(ref)).toBe(65_530);
    expect(raw(blocks, ref).readUInt16LE(4)).toBe(65_530);
  });

  it('works on an ordinary buffer as well', () => {
    const bytes = Buffer.alloc(100, 0xee);
    writeEmpty(bytes, 10);
    insertText(bytes, 10, listpack.end(bytes, 10), Buffer.from('one'), 0, 3);
    insertText(bytes, 10, listpack.first(bytes, 10), Buffer.from('-12'), 0, 3);
    expect(listpack.validate(bytes, 10, listpack.totalBytes(bytes, 10), true)).toBe('');
    expect(listpack.count(bytes, 10)).toBe(2);
    expect(bytes[9]).toBe(0xee);
  });

  it('stays what a plain array is under random changes', () => {
    const prng = new Prng(Date.now());
    const arena = new Arena();
    const blocks = new ListpackBlocks(arena);
    for (let round = 0; round < 40; round++) {
      let ref = blocks.create();
      let model: string[] = [];
      for (let step = 0; step < 150; step++) {
        const text = randomText(prng);
        const source = Buffer.from(text, 'latin1');
        const index = model.length === 0 ? 0 : prng.below(model.length);
        const at = blocks.seek(ref, prng.below(2) === 0 ? index : index - model.length);
        const action = prng.below(10);
        if (action < 3 || at === 0) {
          ref = blocks.append(ref, source, 0, source.length);
          model.push(text);
        } else if (action === 3) {
          ref = blocks.prepend(ref, source, 0, source.length);
          model.unshift(text);
        } else if (action === 4) {
          ref = blocks.insert(ref, at, source, 0, source.length);
          model.splice(index, 0, text);
        } else if (action === 5) {
          ref = blocks.insertAfter(ref, at, source, 0, source.length);
          model.splice(index + 1, 0, text);
        } else if (action === 6) {
          ref = blocks.replace(ref, at, source, 0, source.length);
          model[index] = text;
        } else if (action === 7) {
          const entries = 1 + prng.below(prng.below(20) + 1);
          ref = blocks.deleteRange(ref, index, entries);
          model.splice(index, entries);
        } else if (action === 8) {
          const number = prng.below(1 << 30) * 4096 - 2 ** 41;
          ref =
            prng.below(2) === 0 ? blocks.appendNumber(ref, number) : blocks.replaceNumber(ref, at, number);
          if (blocks.count(ref) > model.length) model.push(String(number));
          else model[index] = String(number);
        } else {
          const other = blocks.copy(ref);
          if (model.length < 500) {
            ref = blocks.merge(ref, other);
            model = [...model, ...model];
          } else blocks.free(other);
        }
        const reason = listpack.validate(raw(blocks, ref), 0, blocks.bytes(ref), true);
        expect(reason, `seed ${prng.seed} round ${round} step ${step}`).toBe('');
        if (step % 16 === 0) expect(contents(blocks, ref), `seed ${prng.seed}`).toEqual(model);
      }
      expect(contents(blocks, ref), `seed ${prng.seed} round ${round}`).toEqual(model);
      expect(backwards(blocks, ref)).toBe(model.length);
      blocks.free(ref);
    }
    expect(arena.usedBytes).toBe(0);
  });
});

function backwards(blocks: ListpackBlocks, ref: number): number {
  let seen = 0;
  for (let at = blocks.last(ref); at !== 0; at = blocks.previous(ref, at)) seen++;
  return seen;
}

function randomText(prng: Prng): string {
  const kind = prng.below(6);
  if (kind === 0) return String(prng.below(300) - 150);
  if (kind === 1) return String(BigInt.asIntN(64, (BigInt(prng.bits()) << 32n) | BigInt(prng.bits())));
  if (kind === 2) return String(prng.below(2 ** 32) - 2 ** 31);
  if (kind === 3) return 'y'.repeat(prng.below(200));
  if (kind === 4) return 'z'.repeat(prng.below(3) * 4096 + prng.below(4));
  return String.fromCharCode(prng.below(256)).repeat(1 + prng.below(70));
}

describe('validate', () => {
  it('never reads beyond the end and refuses every cut', () => {
    const prng = new Prng(Date.now());
    const blocks = new ListpackBlocks(new Arena());
    let ref = blocks.create();
    for (let index = 0; index < 20; index++) {
      const source = Buffer.from(randomText(prng), 'latin1');
      ref = blocks.append(ref, source, 0, source.length);
    }
    const whole = Buffer.from(raw(blocks, ref));
    for (let length = 0; length < whole.length; length++) {
      expect(listpack.validate(whole, 0, length, true)).not.toBe('');
    }
    for (let round = 0; round < 20_000; round++) {
      const broken = Buffer.from(whole.subarray(0, Math.min(whole.length, 7 + prng.below(whole.length))));
      for (let change = prng.below(4); change >= 0; change--) {
        broken[prng.below(broken.length)] = prng.below(256);
      }
      if (prng.below(2) === 0) broken.writeUInt32LE(broken.length, 0);
      if (prng.below(2) === 0) broken[broken.length - 1] = 0xff;
      if (listpack.validate(broken, 0, broken.length, true) !== '') continue;
      // What passes must be safe to walk both ways and to the same number of entries.
      let forwards = 0;
      for (let at = listpack.first(broken, 0); at !== 0; at = listpack.next(broken, 0, at)) forwards++;
      for (let at = listpack.last(broken, 0); at !== 0; at = listpack.previous(broken, 0, at)) forwards--;
      expect(forwards, `seed ${prng.seed} round ${round}`).toBe(0);
    }
  });
});
