import { describe, expect, it } from 'vitest';
import { Keyspace } from '../../keyspace/keyspace.ts';
import { Stats } from '../../keyspace/stats.ts';
import { Prng } from '../../structures/prng.ts';
import { ENCODING_LISTPACK, TYPE_LIST } from '../../structures/record.ts';
import { dumpRecord, openPayload, sealPayload } from '../dump-payload.ts';
import { RdbWriter } from '../rdb-writer.ts';
import { RecordWriter } from '../record-writer.ts';
import { ListCodec } from './list-codec.ts';

function make(fill = -2, depth = 0): { keyspace: Keyspace; writer: RecordWriter } {
  const keyspace = new Keyspace({ databases: 1, perSlot: false, stats: new Stats(), random: Math.random });
  keyspace.values.limits.listMaxListpackSize = fill;
  keyspace.values.limits.listCompressDepth = depth;
  return { keyspace, writer: new RecordWriter(keyspace) };
}

type Made = ReturnType<typeof make>;
const name = Buffer.from('key');

function addList({ keyspace }: Made, elements: readonly string[]): number {
  const { lists } = keyspace.values;
  const database = keyspace.databases[0];
  const ref = database.addValue(name, 0, 3, TYPE_LIST, ENCODING_LISTPACK, lists.createRoot());
  for (const element of elements) {
    const bytes = Buffer.from(element, 'latin1');
    lists.prepareGrowth(ref, bytes.length, 1);
    lists.push(ref, false, bytes, 0, bytes.length);
  }
  return ref;
}

/** The elements that a payload brings, or why it is refused. */
function open(made: Made, payload: Uint8Array): string[] | string {
  const { keyspace, writer } = made;
  const opened = openPayload(payload, writer.codecs, { checksum: false });
  if (opened.kind === 'bad-data') return opened.reason;
  if (opened.kind !== 'value') throw new Error(`a ${opened.kind}`);
  const { encoding, root } = opened.value;
  if (root === 0) throw new Error('a value without root');
  const database = keyspace.databases[0];
  const ref = database.putValue(name, 0, 3, TYPE_LIST, encoding, root);
  const cursor = keyspace.values.lists.open(ref, 0, true);
  const found: string[] = [];
  while (cursor.next()) found.push(cursor.element.copy().toString('latin1'));
  return found;
}

const samples = [
  ['a', '1', '-5', '99999999999', '', 'x'.repeat(300)],
  Array.from({ length: 3000 }, (_, index) => `element ${index}`),
  ['short', 'l'.repeat(20_000), '7', 'm'.repeat(300_000)],
];

describe('ListCodec', () => {
  it('brings back what it wrote, with and without compressed nodes', () => {
    for (const depth of [0, 1]) {
      for (const elements of samples) {
        const made = make(-1, depth);
        const payload = dumpRecord(made.writer, addList(made, elements));
        expect(open(make(-2), payload)).toEqual(elements);
        expect(open(make(3, 1), payload)).toEqual(elements);
      }
    }
  });

  it('writes pieces as they were, whatever happens to the list meanwhile', () => {
    for (const depth of [0, 1]) {
      const made = make(7, depth);
      const { lists } = made.keyspace.values;
      const elements = samples[1] ?? [];
      const ref = addList(made, elements);
      const random = new Prng(Date.now() % 1_000_000);
      const pieces = new ListCodec(made.keyspace.values).pieces(ref);
      if (pieces === null) throw new Error('a long list has pieces');
      const writer = new RdbWriter(false);
      writer.byte(18);
      pieces.head(writer);
      do {
        for (let change = 0; change < 20; change++) {
          const kind = random.below(6);
          const bytes = Buffer.from(`new ${random.below(1000)}`);
          const index = random.below(lists.count(ref));
          if (kind < 2) lists.push(ref, kind === 0, bytes, 0, bytes.length);
          else if (kind === 2) lists.dropEnd(ref, random.below(2) === 0);
          else if (kind === 3) lists.replaceAt(ref, index, bytes, 0, bytes.length);
          else if (kind === 4) lists.deleteRange(ref, index, Math.min(3, lists.count(ref) - index));
          else if (lists.open(ref, index, true).next())
            lists.insertAtCursor(ref, true, bytes, 0, bytes.length);
        }
      } while (!pieces.step(writer));
      pieces.end();
      expect(open(make(-2), sealPayload(writer.take(), 11)), `seed ${random.seed}`).toEqual(elements);
      const abandoned = new ListCodec(made.keyspace.values).pieces(ref);
      abandoned?.step(new RdbWriter(false));
      made.keyspace.databases[0].remove(name, 0, 3);
      abandoned?.end();
      made.keyspace.databases[0].flush();
      expect(made.keyspace.arena.usedBytes).toBe(0);
    }
  });

  it('reads lists of strings, ziplists and quicklists of ziplists', () => {
    const made = make();
    const strings = Buffer.from('0102016101ff', 'hex');
    strings[5] = 0x62;
    expect(open(made, sealPayload(strings, 6))).toEqual(['a', 'b']);
    const ziplist = Buffer.from('0f0000000c000000020000f302f6ff', 'hex');
    expect(open(made, sealPayload(Buffer.concat([Buffer.from([10, 15]), ziplist]), 9))).toEqual(['2', '5']);
    const quicklist = Buffer.concat([Buffer.from([14, 2, 15]), ziplist, Buffer.from([15]), ziplist]);
    expect(open(made, sealPayload(quicklist, 9))).toEqual(['2', '5', '2', '5']);
  });

  it('refuses a list without elements', () => {
    expect(open(make(), sealPayload(Buffer.from('1200', 'hex'), 11))).toBe('the value is empty');
    expect(open(make(), sealPayload(Buffer.from('1201020707000000' + '0000ff', 'hex'), 11))).toBe(
      'the value is empty',
    );
  });

  it('refuses every cut and survives garbage without a leak', () => {
    const made = make();
    const whole = dumpRecord(made.writer, addList(made, samples[0] ?? []), false).slice(0, -10);
    made.keyspace.databases[0].remove(name, 0, 3);
    const before = made.keyspace.arena.usedBytes;
    for (let length = 1; length < whole.length; length++) {
      expect(typeof open(made, sealPayload(whole.subarray(0, length), 11))).toBe('string');
    }
    const random = new Prng(Date.now() % 1_000_000);
    for (let round = 0; round < 20_000; round++) {
      const broken = Buffer.from(whole);
      for (let change = random.below(4); change >= 0; change--)
        broken[1 + random.below(40)] = random.below(256);
      try {
        open(made, sealPayload(broken, 11));
      } catch (error) {
        throw new Error(`seed ${random.seed}, round ${round}: ${broken.toString('hex')}`, { cause: error });
      }
    }
    made.keyspace.databases[0].remove(name, 0, 3);
    expect(made.keyspace.arena.usedBytes).toBeLessThanOrEqual(before);
  });
});
