/** The types of values and the memory they share. Strings are records themselves and stand in no row here. */
import { TYPE_STRING } from '../structures/record.ts';
import { TableTidy } from '../structures/table-tidy.ts';
import { Hashes } from './hash.ts';
import { Lists } from './list.ts';
import { Sets } from './set.ts';
import { SortedSets } from './sorted-set.ts';
import { Streams } from './stream.ts';
import type { ValueStore } from './value-store.ts';
import type { ValueType } from './value-type.ts';

export class Values {
  readonly store: ValueStore;
  readonly sortedSets: SortedSets;
  readonly sets: Sets;
  readonly hashes: Hashes;
  readonly lists: Lists;
  readonly streams: Streams;
  readonly #tidy: TableTidy;
  readonly #types: (ValueType | undefined)[] = [];

  constructor(store: ValueStore) {
    this.store = store;
    this.#tidy = new TableTidy(store.arena, store.records);
    this.sortedSets = new SortedSets(store);
    this.sets = new Sets(store);
    this.hashes = new Hashes(store);
    this.lists = new Lists(store);
    this.streams = new Streams(store);
    const types: readonly ValueType[] = [this.streams, this.lists, this.sets, this.hashes, this.sortedSets];
    for (const type of types) this.#types[type.type] = type;
  }

  get limits(): ValueStore['limits'] {
    return this.store.limits;
  }

  get elements(): ValueStore['elements'] {
    return this.store.elements;
  }

  /** The type with this number; a record never carries one that is not there. */
  of(type: number): ValueType {
    const found = this.#types[type];
    if (found === undefined) throw new Error(`no values of type ${type}`);
    return found;
  }

  /** Name of a key's type as TYPE prints it. */
  nameOf(type: number): string {
    return type === TYPE_STRING ? 'string' : this.of(type).name;
  }

  /** After elements have left the value of the key at `ref`: see TableTidy.shrink. */
  shrink(ref: number): void {
    const { records, random } = this.store;
    const table = this.of(records.type(ref)).tableOf?.(records.encoding(ref), records.root(ref)) ?? 0;
    if (table !== 0) this.#tidy.shrink(table, random);
  }

  /** Frees the value of the key at `ref`, which is no string. */
  release(ref: number): void {
    const { records } = this.store;
    this.of(records.type(ref)).release(records.encoding(ref), records.root(ref));
  }
}
