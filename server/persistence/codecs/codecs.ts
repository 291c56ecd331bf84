/** All types of values in RDB. Strings are part of the reader and writer themselves. */
import type { Values } from '../../values/values.ts';
import { VALKEY_RDB_VERSION } from '../rdb-format.ts';
import type { ValueCodec } from '../value-codec.ts';
import { HashCodec } from './hash-codec.ts';
import { ListCodec } from './list-codec.ts';
import { SetCodec } from './set-codec.ts';
import { SortedSetCodec } from './sorted-set-codec.ts';
import { StreamCodec } from './stream-codec.ts';

export class Codecs {
  readonly values: Values;
  readonly #byType: (ValueCodec | undefined)[] = [];
  readonly #byRdbType: (ValueCodec | undefined)[] = [];
  readonly #byValkeyType: (ValueCodec | undefined)[] = [];

  constructor(values: Values) {
    this.values = values;
    const codecs: readonly ValueCodec[] = [
      new SortedSetCodec(values),
      new ListCodec(values),
      new SetCodec(values),
      new HashCodec(values),
      new StreamCodec(values.streams),
    ];
    for (const codec of codecs) {
      this.#byType[codec.type] = codec;
      for (const rdbType of codec.reads) this.#byRdbType[rdbType] = codec;
      for (const rdbType of codec.readsValkey ?? []) this.#byValkeyType[rdbType] = codec;
    }
  }

  /** The codec of a type of values. */
  of(type: number): ValueCodec {
    const codec = this.#byType[type];
    if (codec === undefined) throw new Error(`no codec for values of type ${type}`);
    return codec;
  }

  /** Who reads an RDB type in a file of this version; undefined when nobody does. */
  reader(rdbType: number, version: number): ValueCodec | undefined {
    const valkey = version >= VALKEY_RDB_VERSION ? this.#byValkeyType[rdbType] : undefined;
    return valkey ?? this.#byRdbType[rdbType];
  }
}
