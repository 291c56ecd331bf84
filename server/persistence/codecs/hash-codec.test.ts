import { describe, expect, it } from 'vitest';
import { ENCODING_LISTPACK, TYPE_HASH } from '../../structures/record.ts';
import { dumpRecord, sealPayload } from '../dump-payload.ts';
import { RdbError } from '../rdb-source.ts';
import { CodecWorld, name } from './codec-garbage.fuzz.ts';

class World extends CodecWorld {
  /** Fields as name, value and expiry (-1: none) under the key. */
  add(fields: readonly (readonly [string, string, number])[]): number {
    const { hashes } = this.keyspace.values;
    const database = this.keyspace.databases[0];
    database.remove(name, 0, 3);
    const ref = database.addValue(name, 0, 3, TYPE_HASH, ENCODING_LISTPACK, hashes.newRoot());
    for (const [field, value, expiresAtMs] of fields) {
      const key = Buffer.from(field);
      const bytes = Buffer.from(value);
      hashes.set(ref, key, 0, key.length, bytes, 0, bytes.length, expiresAtMs);
    }
    return ref;
  }

  /** The fields that a payload brings, or why it is refused. */
  open(payload: Uint8Array): { encoding: string; fields: (string | number)[][] } | string {
    const ref = this.put(payload);
    if (typeof ref === 'string') return ref;
    const { keyspace } = this;
    const { records } = keyspace;
    const cursor = keyspace.values.hashes.newCursor();
    cursor.open(records.encoding(ref), records.root(ref));
    const fields: (string | number)[][] = [];
    while (cursor.nextAny()) {
      fields.push([cursor.field.copy().toString(), cursor.copyValue().toString(), cursor.expiresAtMs]);
    }
    return { encoding: keyspace.values.hashes.encodingName(ref), fields: fields.sort() };
  }
}

const small = [
  ['a', '1', -1],
  ['b', 'x'.repeat(60), -1],
] as const;
const large = Array.from({ length: 2000 }, (_, index) => [`f${index}`, `v${index}`, -1] as const);
const expiring = [
  ['a', '1', 5000],
  ['b', '2', -1],
  ['c', '3', 4000],
] as const;

describe('HashCodec', () => {
  it('brings back what it wrote in every form', () => {
    for (const [fields, version, encoding] of [
      [small, 11, 'listpack'],
      [[...large].sort(), 11, 'hashtable'],
      [expiring, 12, 'hashtable'],
      [expiring, 80, 'hashtable'],
      [[['long', 'y'.repeat(700_000), -1]], 11, 'hashtable'],
    ] as const) {
      const world = new World();
      world.writer.version = version;
      const payload = dumpRecord(world.writer, world.add(fields as never));
      expect(new World().open(payload)).toEqual({ encoding, fields });
    }
  });

  it('refuses to write field expiries below version 12', () => {
    const world = new World();
    const ref = world.add(expiring);
    expect(() => dumpRecord(world.writer, ref)).toThrow(RdbError);
  });

  it('reads what older and other servers wrote', () => {
    const world = new World();
    const zipmap = Buffer.from(`01${'03666f6f'}${'0300626172'}ff`, 'hex');
    const fields = [['foo', 'bar', -1]];
    const read = (type: number, body: Buffer, version: number) =>
      world.open(sealPayload(Buffer.concat([Buffer.from([type]), body]), version));
    const string = (body: Buffer): Buffer => Buffer.concat([Buffer.from([body.length]), body]);
    expect(read(9, string(zipmap), 5)).toEqual({ encoding: 'listpack', fields });
    const ziplist = Buffer.from('15000000' + '0f000000' + '0200' + '0003666f6f' + '0503626172' + 'ff', 'hex');
    expect(read(13, string(ziplist), 9)).toEqual({ encoding: 'listpack', fields });
    expect(read(4, Buffer.from('0103666f6f03626172', 'hex'), 5)).toEqual({ encoding: 'listpack', fields });
    const earliest = Buffer.alloc(8);
    earliest.writeUInt32LE(1000, 0);
    const ended = {
      encoding: 'hashtable',
      fields: [
        ['b', 'c', -1],
        ['foo', 'bar', 1004],
      ],
    };
    const triples = '0203666f6f03626172'.slice(2);
    expect(read(24, Buffer.concat([earliest, Buffer.from(`0205${triples}0001620163`, 'hex')]), 12)).toEqual(
      ended,
    );
    expect(read(22, Buffer.from(`0243ec${triples}0001620163`, 'hex'), 12)).toEqual(ended);
    const listpack = Buffer.from(
      '1b0000000600' + '83666f6f04' + '8362617204' + 'c3ec02' + '816202' + '816302' + '0001' + 'ff',
      'hex',
    );
    listpack.writeUInt32LE(listpack.length, 0);
    expect(read(25, Buffer.concat([earliest, string(listpack)]), 12)).toEqual(ended);
    expect(read(23, string(listpack), 12)).toEqual(ended);
    const valkey = Buffer.from(`02${triples}ec03000000000000${'01620163'}ffffffffffffffff`, 'hex');
    expect(read(22, valkey, 80)).toEqual(ended);
  });

  it('refuses a field twice, a field without value and nothing at all', () => {
    const world = new World();
    const refused = ['0400', '04020161016101610162', '10070700000000' + '00ff'];
    for (const hex of refused)
      expect(typeof world.open(sealPayload(Buffer.from(hex, 'hex'), 11))).toBe('string');
    const odd = Buffer.from('100a0a0000000100' + '816102' + 'ff', 'hex');
    expect(world.open(sealPayload(odd, 11))).toContain('a hash has a field without a value');
  });

  it('survives garbage in every form without a leak', () => {
    const world = new World();
    const wholes = [small, large.slice(0, 20), expiring].flatMap((fields) =>
      [12, 80].map((version) => world.whole(world.add(fields), version)),
    );
    world.keyspace.databases[0].remove(name, 0, 3);
    world.keyspace.databases[0].fields.clear();
    world.surviveGarbage(wholes, [4, 9, 13, 16, 22, 23, 24, 25]);
  });
});
