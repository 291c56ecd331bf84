import { describe, expect, it } from 'vitest';
import { Keyspace } from '../keyspace/keyspace.ts';
import { Stats } from '../keyspace/stats.ts';
import { Crc64 } from '../structures/crc64.ts';
import { Codecs } from './codecs/codecs.ts';
import { dumpRecord, openPayload, sealPayload } from './dump-payload.ts';
import { type KeyRecord, RdbReader, type RdbVisitor } from './rdb-reader.ts';
import { RdbError } from './rdb-source.ts';
import type { RdbText } from './rdb-text.ts';
import { canonicalInt32, RdbWriter, rdbTrailer } from './rdb-writer.ts';
import { RecordWriter } from './record-writer.ts';

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

const keyspace = new Keyspace({ databases: 1, perSlot: false, stats: new Stats(), random: Math.random });
const codecs = new Codecs(keyspace.values);

/** The DUMP payload of a string. */
function dumpString(value: Uint8Array): Uint8Array {
  const key = encode('k');
  const database = keyspace.databases[0];
  database.setString(key, 0, 1, value, 0, value.length, -1);
  return dumpRecord(new RecordWriter(keyspace), database.find(key, 0, 1));
}

/** Writes what it sees as lines of text. */
class Recorder implements RdbVisitor {
  readonly lines: string[] = [];
  aux(name: string, value: string): void {
    this.lines.push(`aux ${name}=${value}`);
  }
  library(code: Uint8Array): void {
    this.lines.push(`library ${decode(code)}`);
  }
  selectDatabase(index: number): void {
    this.lines.push(`db ${index}`);
  }
  resize(keys: number, expires: number): void {
    this.lines.push(`resize ${keys} ${expires}`);
  }
  value(): void {
    this.lines.push('a value that is no string');
  }
  string(record: KeyRecord, value: RdbText): void {
    const { key, expireAtMs, idleSeconds, frequency } = record;
    this.lines.push(`${key}=${value} ${expireAtMs} ${idleSeconds} ${frequency}`);
  }
}

function read(bytes: Uint8Array, chunkBytes = bytes.length): string[] {
  const recorder = new Recorder();
  const reader = new RdbReader(recorder, true, codecs);
  for (let at = 0; at < bytes.length; at += chunkBytes) reader.feed(bytes.subarray(at, at + chunkBytes));
  reader.end();
  return recorder.lines;
}

function seal(writer: RdbWriter): Uint8Array {
  const body = writer.take();
  const crc = new Crc64();
  crc.update(body, 0, body.length);
  return Buffer.concat([body, rdbTrailer(crc, true)]);
}

function put(
  writer: RdbWriter,
  key: string,
  value: string,
  expireAtMs = -1,
  idle = -1,
  frequency = -1,
): void {
  writer.attributes(expireAtMs, idle, frequency);
  writer.key(0, encode(key), 0, encode(key).length);
  writer.string(encode(value), 0, encode(value).length);
}

function sample(): Uint8Array {
  const writer = new RdbWriter(true);
  writer.header(11, [
    ['redis-ver', '7.2.0'],
    ['aof-base', '1'],
  ]);
  writer.selectDatabase(0);
  writer.resize(7, 1);
  put(writer, 'a', 'text');
  put(writer, '12', '-7', 1_800_000_000_123);
  put(writer, 'n300', '300', -1, 12);
  put(writer, 'n70000', '-70000', -1, -1, 200);
  writer.selectDatabase(9);
  put(writer, 'long', 'abc'.repeat(10_000));
  put(
    writer,
    'noise',
    Array.from({ length: 300 }, (_, k) => String.fromCharCode(33 + ((k * k * 7) % 90))).join(''),
  );
  put(writer, '', '');
  return seal(writer);
}

function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(RdbError);
    return (error as Error).message;
  }
  throw new Error('no error');
}

describe('canonicalInt32', () => {
  it('takes only what prints back as the same bytes', () => {
    for (const text of ['0', '7', '-1', '2147483647', '-2147483648']) {
      expect(canonicalInt32(encode(text), 0, text.length)).toBe(Number(text));
    }
    for (const text of [
      '',
      '-',
      '-0',
      '00',
      '01',
      '+1',
      ' 1',
      '1 ',
      '2147483648',
      '-2147483649',
      '99999999999',
      '1a',
    ]) {
      expect(canonicalInt32(encode(text), 0, text.length), text).toBeNaN();
    }
  });
});

describe('RdbReader', () => {
  it('reads back what RdbWriter wrote, whatever the chunks are', () => {
    const bytes = sample();
    const lines = read(bytes);
    expect(lines.slice(0, 8)).toEqual([
      'aux redis-ver=7.2.0',
      'aux aof-base=1',
      'db 0',
      'resize 7 1',
      'a=text -1 -1 -1',
      '12=-7 1800000000123 -1 -1',
      'n300=300 -1 12 -1',
      'n70000=-70000 -1 -1 200',
    ]);
    expect(lines[9]).toBe(`long=${'abc'.repeat(10_000)} -1 -1 -1`);
    expect(lines.length).toBe(12);
    for (const chunkBytes of [1, 2, 3, 7, 64, 1000]) expect(read(bytes, chunkBytes)).toEqual(lines);
    expect(bytes.length).toBeLessThan(2000);
  });

  it('encodes lengths of every width', () => {
    const writer = new RdbWriter(false);
    writer.header(11, []);
    for (const size of [0, 63, 64, 16383, 16384, 0xffff_ffff, 0x1_0000_0000, 2 ** 52]) writer.resize(size, 1);
    expect(read(seal(writer)).map((line) => Number(line.split(' ')[1]))).toEqual([
      0,
      63,
      64,
      16383,
      16384,
      0xffff_ffff,
      0x1_0000_0000,
      2 ** 52,
    ]);
  });

  it('returns the bytes behind the end, as an old AOF has them', () => {
    const bytes = sample();
    const reader = new RdbReader(new Recorder(), true, codecs);
    expect(reader.feed(Buffer.concat([bytes, encode('*1\r\n')]))).toBe(4);
    expect(reader.feed(encode('more'))).toBe(4);
  });

  it('says where a file ends too early', () => {
    const bytes = sample();
    for (let length = 0; length < bytes.length; length += 7) {
      expect(messageOf(() => read(bytes.subarray(0, length)))).toMatch(/Short read/);
    }
  });

  it('refuses a wrong checksum, and takes zeros for none', () => {
    const bytes = sample();
    const wrong = bytes.slice();
    wrong[wrong.length - 1] ^= 1;
    expect(messageOf(() => read(wrong))).toMatch(/Wrong RDB checksum expected: \([0-9a-f]{16}\) but got/);
    const none = bytes.slice().fill(0, bytes.length - 8);
    expect(read(none).length).toBe(12);
  });

  it('hands out libraries, and refuses other types, modules and opcodes by name and offset', () => {
    const with_ = (version: number, ...body: number[]): Uint8Array => {
      const writer = new RdbWriter(false);
      writer.header(version, []);
      writer.raw(Uint8Array.from(body), 0, body.length);
      return seal(writer);
    };
    expect(messageOf(() => read(with_(11, 7, 1, 104, 0x81, 0, 0, 0, 0, 0, 0, 0, 0)))).toBe(
      "The RDB file contains module data I can't load: no matching module type 'AAAAAAAAA'",
    );
    expect(messageOf(() => read(with_(11, 16, 1, 104, 1, 0)))).toMatch(
      /Hash listpack integrity check failed/,
    );
    expect(messageOf(() => read(with_(11, 99)))).toMatch(/Unknown RDB encoding type 99/);
    expect(messageOf(() => read(with_(80, 243)))).toMatch(/Unknown RDB opcode 243 in a file of version 80/);
    const library = [...encode('#!lua name=mylib\n')];
    expect(read(with_(11, 245, library.length, ...library))).toEqual(['library #!lua name=mylib\n']);
    expect(messageOf(() => read(with_(11, 247, 0x81, 0, 0, 0, 0, 0, 0, 0, 0)))).toMatch(/'AAAAAAAAA'/);
    const skipped: string[] = [];
    const skipping = new RdbReader(new Recorder(), true, codecs, {
      skipModule: (name) => skipped.push(name),
    });
    const id = [0x81, 0, 0, 0, 0, 0, 0, 4, 0];
    // A number, a double, a string; then a key of the module, with a float.
    const aux = [247, ...id, 2, 1, 1, 5, 4, 1, 2, 3, 4, 5, 6, 7, 8, 5, 2, 104, 105, 0];
    skipping.feed(with_(11, ...aux, 7, 1, 104, ...id, 3, 1, 2, 3, 4, 0, 0, 1, 97, 1, 98));
    skipping.end();
    expect(skipped).toEqual(['AAAAAAAAB', 'AAAAAAAAB']);
    expect(read(with_(12, 244, 1, 2, 3))).toEqual([]);
    let offset = -1;
    try {
      read(with_(11, 0, 1, 97, 1, 98, 99));
    } catch (error) {
      offset = (error as RdbError).offset;
    }
    expect(offset).toBe(14);
  });

  it('reads versions 1 to 12 and VALKEY080, and no other', () => {
    for (const head of ['REDIS0001', 'REDIS0012', 'VALKEY080']) {
      expect(read(Uint8Array.of(...encode(head), 0, 1, 97, 1, 98, 255, 0, 0, 0, 0, 0, 0, 0, 0))).toHaveLength(
        1,
      );
    }
    for (const head of ['REDIS0000', 'REDIS0013', 'REDIS0080', 'VALKEY011']) {
      expect(messageOf(() => read(encode(`${head}xxxx`)))).toMatch(/Can't handle RDB format version/);
    }
    expect(messageOf(() => read(encode('HELLO WORLD')))).toMatch(/Wrong signature/);
  });

  it('answers damaged files with one RdbError and nothing else', () => {
    const seed = Date.now() & 0x7fffffff;
    let state = seed | 1;
    const next = (below: number): number => {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      return (state >>> 0) % below;
    };
    const original = sample();
    for (let round = 0; round < 4000; round += 1) {
      const bytes = original.slice(0, next(4) === 0 ? 9 + next(original.length - 9) : original.length);
      for (let k = 0; k <= next(4); k += 1) bytes[9 + next(bytes.length - 9)] = next(256);
      try {
        read(bytes, 1 + next(bytes.length));
      } catch (error) {
        expect(error, `seed ${seed} round ${round}`).toBeInstanceOf(RdbError);
        expect((error as RdbError).offset).toBeGreaterThanOrEqual(0);
      }
    }
  });
});

describe('openPayload', () => {
  it('opens what dumpString made', () => {
    for (const value of ['', '7', '-40000', 'text', 'x'.repeat(5000)]) {
      const bytes = encode(value);
      const opened = openPayload(dumpString(bytes), codecs);
      expect(opened.kind === 'string' && decode(opened.value)).toBe(value);
    }
  });

  it('opens a payload that Redis made', () => {
    const opened = openPayload(Buffer.from(`00036261720a00${'00'.repeat(8)}`, 'hex'), codecs);
    expect(opened.kind).toBe('bad-footer');
    const sealed = sealPayload(Buffer.from('0003626172', 'hex'), 10);
    expect(openPayload(sealed, codecs).kind).toBe('string');
  });

  it('tells a bad footer from bad data', () => {
    const good = dumpString(encode('abc'));
    expect(openPayload(good.slice(0, 5), codecs).kind).toBe('bad-footer');
    const flipped = good.slice();
    flipped[2] ^= 1;
    expect(openPayload(flipped, codecs).kind).toBe('bad-footer');
    expect(openPayload(sealPayload(encode('\0\x03ab'), 11), codecs).kind).toBe('bad-data');
    expect(openPayload(sealPayload(encode('\0\x03abcd'), 11), codecs).kind).toBe('bad-data');
    expect(openPayload(sealPayload(Uint8Array.of(4, 0), 11), codecs).kind).toBe('bad-data');
    expect(openPayload(sealPayload(Uint8Array.of(0, 1, 97), 13), codecs).kind).toBe('bad-footer');
  });
});
