/**
 * What the tests of codecs share: a keyspace with one key, payloads that become its value, damaged payloads.
 */
import { Keyspace } from '../../keyspace/keyspace.ts';
import { Stats } from '../../keyspace/stats.ts';
import { Prng } from '../../structures/prng.ts';
import { dumpRecord, openPayload, sealPayload } from '../dump-payload.ts';
import { RecordWriter } from '../record-writer.ts';

/** The key of every value. */
export const name: Buffer = Buffer.from('key');
const ROUNDS = 20_000;

/** A payload without its version and checksum. */
export interface Whole {
  readonly body: Buffer;
  readonly version: number;
}

export class CodecWorld {
  readonly keyspace: Keyspace = new Keyspace({
    databases: 1,
    perSlot: false,
    stats: new Stats(),
    random: Math.random,
  });
  readonly writer: RecordWriter = new RecordWriter(this.keyspace);

  /** What the record is dumped as. */
  whole(ref: number, version = 11): Whole {
    this.writer.version = version;
    return { body: Buffer.from(dumpRecord(this.writer, ref, false).subarray(0, -10)), version };
  }

  /** Makes what a payload brings the value of the key: its record, or why it is refused. */
  put(payload: Uint8Array): number | string {
    const opened = openPayload(payload, this.writer.codecs, { checksum: false });
    if (opened.kind === 'bad-data') return opened.reason;
    if (opened.kind !== 'value') throw new Error(`a ${opened.kind}`);
    const { encoding, root } = opened.value;
    if (root === 0) throw new Error('a value without root');
    return this.keyspace.databases[0].putValue(name, 0, name.length, opened.type, encoding, root);
  }

  /**
   * Reads the payloads with bytes changed and ends cut off, some as another one of `rdbTypes`; throws when
   * one of them is an error of ours, or when what they took is not given back.
   */
  surviveGarbage(wholes: readonly Whole[], rdbTypes: readonly number[]): void {
    const { keyspace, writer } = this;
    const prng = new Prng(Date.now() % 1_000_000);
    keyspace.databases[0].remove(name, 0, name.length);
    const before = keyspace.arena.usedBytes;
    for (let round = 0; round < ROUNDS; round++) {
      const { body, version } = wholes[round % wholes.length];
      const broken = Buffer.from(body.subarray(0, 1 + prng.below(body.length)));
      if (prng.below(3) === 0) broken[0] = rdbTypes[prng.below(rdbTypes.length)];
      for (let change = prng.below(4); change > 0; change--) {
        broken[prng.below(broken.length)] = prng.below(256);
      }
      try {
        const opened = openPayload(sealPayload(broken, version), writer.codecs, { checksum: false });
        if (opened.kind === 'value')
          keyspace.values.of(opened.type).release(opened.value.encoding, opened.value.root);
      } catch (error) {
        throw new Error(`seed ${prng.seed} round ${round}: ${broken.toString('hex')}`, { cause: error });
      }
    }
    const left = keyspace.arena.usedBytes - before;
    if (left !== 0) throw new Error(`seed ${prng.seed}: ${left} bytes were not given back`);
  }
}
