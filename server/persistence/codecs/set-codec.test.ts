import { describe, expect, it } from 'vitest';
import { TYPE_SET } from '../../structures/record.ts';
import { dumpRecord, sealPayload } from '../dump-payload.ts';
import { CodecWorld, name } from './codec-garbage.fuzz.ts';

class World extends CodecWorld {
  add(members: readonly string[]): number {
    const { sets } = this.keyspace.values;
    const database = this.keyspace.databases[0];
    database.remove(name, 0, 3);
    const first = Buffer.from(members[0]);
    const encoding = sets.encodingFor(first, 0, first.length, members.length);
    const ref = database.addValue(name, 0, 3, TYPE_SET, encoding, sets.newRoot(encoding));
    for (const member of members) {
      const bytes = Buffer.from(member);
      sets.add(ref, bytes, 0, bytes.length);
    }
    return ref;
  }

  /** Encoding and members that a payload brings, or why it is refused. */
  open(payload: Uint8Array): [string, string[]] | string {
    const { sets } = this.keyspace.values;
    const ref = this.put(payload);
    if (typeof ref === 'string') return ref;
    const { records } = this.keyspace;
    const cursor = sets.newCursor();
    cursor.open(records.encoding(ref), records.root(ref));
    const members: string[] = [];
    while (cursor.next()) members.push(cursor.copy().toString());
    return [sets.encodingName(ref), members.sort()];
  }
}

const integers = ['-5', '12', '7000000000'];
const mixed = ['-5', '12', '007', 'text'];
const many = Array.from({ length: 1000 }, (_, index) => `m${index}`);

describe('SetCodec', () => {
  it('brings back what it wrote in every form', () => {
    for (const [members, encoding] of [
      [integers, 'intset'],
      [mixed, 'listpack'],
      [many, 'hashtable'],
    ] as const) {
      for (const version of [10, 11]) {
        const world = new World();
        world.writer.version = version;
        const payload = dumpRecord(world.writer, world.add(members));
        expect(new World().open(payload)).toEqual([encoding, [...members].sort()]);
      }
    }
  });

  it('becomes a table when the limits here are lower', () => {
    const world = new World();
    const { limits } = world.keyspace.values;
    const payloads = [integers, mixed].map((members) => dumpRecord(world.writer, world.add(members)));
    limits.setMaxIntsetEntries = 2;
    limits.setMaxListpackEntries = 2;
    for (const payload of payloads) expect(world.open(payload)[0]).toBe('hashtable');
  });

  it('reads an intset that is longer than a block', () => {
    const world = new World();
    const count = 524_000;
    const intset = Buffer.alloc(8 + count * 8);
    intset.writeUInt32LE(8, 0);
    intset.writeUInt32LE(count, 4);
    for (let index = 0; index < count; index++) intset.writeBigInt64LE(BigInt(index) << 32n, 8 + index * 8);
    const head = Buffer.from([11, 0x80, 0, 0, 0, 0]);
    head.writeUInt32BE(intset.length, 2);
    const [encoding, members] = world.open(sealPayload(Buffer.concat([head, intset]), 11));
    expect([encoding, members?.length]).toEqual(['hashtable', count]);
  }, 30_000);

  it('refuses a member twice, disorder and nothing at all', () => {
    const world = new World();
    const refused = [
      '0200',
      '0202016101' + '61',
      '0b080200000000000000',
      '0b0c02000000020000000500' + '0500',
    ];
    for (const hex of [...refused, '140a0a0000000200' + '816102' + '8161', '1407070000000000ff']) {
      expect(typeof world.open(sealPayload(Buffer.from(hex, 'hex'), 11)), hex).toBe('string');
    }
    const twice = Buffer.from('140d0d0000000200' + '816102816102' + 'ff', 'hex');
    expect(world.open(sealPayload(twice, 11))).toContain('a set has a member twice');
  });

  it('survives garbage in every form without a leak', () => {
    const world = new World();
    const wholes = [integers, mixed, many.slice(0, 200)].map((members) => world.whole(world.add(members)));
    world.surviveGarbage(wholes, [2, 11, 20]);
  });
});
