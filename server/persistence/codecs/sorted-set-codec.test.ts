import { describe, expect, it } from 'vitest';
import { TYPE_ZSET } from '../../structures/record.ts';
import { dumpRecord, sealPayload } from '../dump-payload.ts';
import { CodecWorld, name } from './codec-garbage.fuzz.ts';

type Pair = readonly [member: string, score: number];

class World extends CodecWorld {
  add(pairs: readonly Pair[]): number {
    const { sortedSets } = this.keyspace.values;
    const body = sortedSets.detached();
    for (const [member, score] of pairs) {
      const bytes = Buffer.from(member);
      body.addNew(bytes, 0, bytes.length, score);
    }
    const { encoding, root } = body;
    return this.keyspace.databases[0].putValue(name, 0, 3, TYPE_ZSET, encoding, root);
  }

  /** Encoding and elements that a payload brings, or why it is refused. */
  open(payload: Uint8Array): [string, Pair[]] | string {
    const { sortedSets } = this.keyspace.values;
    const ref = this.put(payload);
    if (typeof ref === 'string') return ref;
    const body = sortedSets.open(ref);
    const pairs: Pair[] = [];
    for (let more = body.seek(0); more; more = body.next()) {
      const member = Buffer.from(body.bytes.subarray(body.start, body.start + body.length));
      pairs.push([member.toString(), body.score]);
    }
    return [sortedSets.encodingName(ref), pairs];
  }
}

const few: Pair[] = [
  ['least', Number.NEGATIVE_INFINITY],
  ['12', -1.5],
  ['a', 0],
  ['b', 0],
  ['huge', 2 ** 60],
  ['most', Number.POSITIVE_INFINITY],
];
const many: Pair[] = Array.from({ length: 1000 }, (_, index) => [`m${index}`, index / 8]);

describe('SortedSetCodec', () => {
  it('brings back what it wrote in both encodings', () => {
    for (const [pairs, encoding] of [
      [few, 'listpack'],
      [many, 'skiplist'],
    ] as const) {
      const world = new World();
      const payload = dumpRecord(world.writer, world.add(pairs));
      expect(new World().open(payload)).toEqual([encoding, pairs]);
    }
  });

  it('takes the encoding that the limits here ask for', () => {
    const world = new World();
    const payload = dumpRecord(world.writer, world.add(few));
    const large = dumpRecord(world.writer, world.add(many));
    world.keyspace.values.limits.zsetMaxListpackEntries = 2;
    expect(world.open(payload)[0]).toBe('skiplist');
    world.keyspace.values.limits.zsetMaxListpackEntries = 5000;
    expect(world.open(large)).toEqual(['listpack', many]);
  });

  it('reads scores as text, as Redis before 2.8 wrote them, and ziplists', () => {
    const text = Buffer.from('03' + '03' + '0161' + '03312e35' + '0162ff' + '0163fe', 'hex');
    expect(new World().open(sealPayload(text, 11))).toEqual([
      'listpack',
      [
        ['b', Number.NEGATIVE_INFINITY],
        ['a', 1.5],
        ['c', Number.POSITIVE_INFINITY],
      ],
    ]);
    const ziplist = Buffer.from(`0c10${'10000000'}${'0d000000'}${'0200'}${'000161'}${'03f3'}ff`, 'hex');
    expect(new World().open(sealPayload(ziplist, 11))).toEqual(['listpack', [['a', 2]]]);
  });

  it('puts a listpack that is out of order into order', () => {
    const payload = Buffer.from('1111110000000400' + '816102' + '0501' + '816202' + '0101' + 'ff', 'hex');
    payload[1] = payload.length - 2;
    payload.writeUInt32LE(payload.length - 2, 2);
    expect(new World().open(sealPayload(payload, 11))).toEqual([
      'listpack',
      [
        ['b', 1],
        ['a', 5],
      ],
    ]);
  });

  it('refuses a member twice, a member without a score, scores that are none and nothing at all', () => {
    const listpack = (entries: number, body: string): string => {
      const bytes = Buffer.from(`00000000${'0000'}${body}ff`, 'hex');
      bytes.writeUInt32LE(bytes.length, 0);
      bytes.writeUInt16LE(entries, 4);
      return `11${bytes.length.toString(16).padStart(2, '0')}${bytes.toString('hex')}`;
    };
    const refused = [
      '0500',
      `0502${`0161${'00'.repeat(8)}`.repeat(2)}`,
      '0501' + '0161' + '000000000000f87f',
      '0301' + '0161fd',
      listpack(4, '816102' + '0101' + '816102' + '0201'),
      listpack(3, '816102' + '0101' + '816202'),
      listpack(2, '816102' + '816202'),
      listpack(0, ''),
    ];
    for (const hex of refused) {
      expect(typeof new World().open(sealPayload(Buffer.from(hex, 'hex'), 11)), hex).toBe('string');
    }
  });

  it('survives garbage in every form without a leak', () => {
    const world = new World();
    const wholes = [few, many.slice(0, 200)].map((pairs) => world.whole(world.add(pairs)));
    world.surviveGarbage(wholes, [3, 5, 12, 17]);
  });

  it('gives commands that make the same sorted set', () => {
    const world = new World();
    const commands: string[][] = [];
    const ref = world.add(many.slice(0, 100));
    world.writer.codecs.of(TYPE_ZSET).commands(ref, name, (words) => {
      commands.push(words.map((word) => Buffer.from(word).toString()));
    });
    expect(commands.map((words) => words.length)).toEqual([130, 74]);
    expect(commands[0].slice(0, 6)).toEqual(['ZADD', 'key', '0', 'm0', '0.125', 'm1']);
  });
});
