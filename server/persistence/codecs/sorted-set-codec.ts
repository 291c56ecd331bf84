/**
 * Sorted sets in RDB.
 *
 *   3    count, (member, score as text) ...
 *   5    count, (member, score as double) ...              from the greatest to the smallest
 *   12   one ziplist: member, score, ...                   (up to Redis 6.2)
 *   17   one listpack: member, score, ...
 *
 * Written as 17 while a listpack, as 5 otherwise.
 */
import { BLOCK_BYTES_MAX } from '../../structures/arena.ts';
import { formatDouble17, parseDouble } from '../../structures/double.ts';
import * as listpack from '../../structures/listpack.ts';
import { ListpackBlocks } from '../../structures/listpack-block.ts';
import { ENCODING_LISTPACK, KEY_BYTES_MAX, TYPE_ZSET } from '../../structures/record.ts';
import type { SortedSets } from '../../values/sorted-set.ts';
import type { SortedSetBody } from '../../values/sorted-set-body.ts';
import type { DetachedValue } from '../../values/value-type.ts';
import type { Values } from '../../values/values.ts';
import type { RdbSource } from '../rdb-source.ts';
import { RdbText } from '../rdb-text.ts';
import type { RdbWriter } from '../rdb-writer.ts';
import type { ElementWriter, ValueCodec, ValueDecoder } from '../value-codec.ts';
import { writeName } from './element-name.ts';
import { checkedEntries } from './packed-check.ts';
import { listpackOfZiplist } from './ziplist.ts';

const RDB_ZSET = 3;
const RDB_ZSET_2 = 5;
const RDB_ZSET_ZIPLIST = 12;
const RDB_ZSET_LISTPACK = 17;
const ELEMENTS_PER_COMMAND = 64;
const REFS_MIN = 256;
const NO_REFS = new Uint32Array(0);

export class SortedSetCodec implements ValueCodec {
  readonly type = TYPE_ZSET;
  readonly reads = [RDB_ZSET, RDB_ZSET_2, RDB_ZSET_ZIPLIST, RDB_ZSET_LISTPACK];
  readonly #values: Values;
  readonly #listpacks: ListpackBlocks;
  readonly #text = new RdbText();

  constructor(values: Values) {
    this.#values = values;
    this.#listpacks = new ListpackBlocks(values.store.arena);
  }

  rdbType(ref: number): number {
    const encoding = this.#values.store.records.encoding(ref);
    return encoding === ENCODING_LISTPACK ? RDB_ZSET_LISTPACK : RDB_ZSET_2;
  }

  write(writer: RdbWriter, ref: number): void {
    const body = this.#values.sortedSets.openApart(ref);
    if (body.encoding === ENCODING_LISTPACK) {
      const { blocks } = body.packed;
      const start = blocks.start(body.root);
      writer.string(blocks.segment(body.root), start, start + blocks.bytes(body.root));
      return;
    }
    writer.size(body.count);
    for (let more = body.seek(body.count - 1); more; more = body.previous()) {
      writer.string(body.bytes, body.start, body.start + body.length);
      writer.double(body.score);
    }
  }

  elements(ref: number): ElementWriter | null {
    const { sortedSets, store } = this.#values;
    const { records } = store;
    if (records.encoding(ref) === ENCODING_LISTPACK) return null;
    const count = sortedSets.count(ref);
    return {
      head: (writer) => writer.size(count),
      element: (writer, element) => {
        writeName(writer, records, element);
        writer.double(records.score(element));
      },
    };
  }

  whole(rdbType: number, source: RdbSource): DetachedValue | null {
    if (rdbType !== RDB_ZSET_LISTPACK || source.thorough) return null;
    const before = source.at;
    const text = this.#text;
    source.read(text);
    const pairs = checkedEntries(source, text) / 2;
    const { limits } = this.#values.store;
    if (!Number.isInteger(pairs) || pairs > limits.zsetMaxListpackEntries || text.length > BLOCK_BYTES_MAX) {
      source.at = before;
      return null;
    }
    if (pairs === 0) return { encoding: ENCODING_LISTPACK, root: 0 };
    return { encoding: ENCODING_LISTPACK, root: this.#listpacks.copyIn(text.bytes, text.start) };
  }

  decoder(rdbType: number): ValueDecoder {
    return new SortedSetDecoder(this.#values.sortedSets, rdbType, this.#text);
  }

  commands(ref: number, key: Uint8Array, put: (words: readonly Uint8Array[]) => void): void {
    const name = Buffer.from('ZADD');
    const body = this.#values.sortedSets.openApart(ref);
    let words: Uint8Array[] = [name, key];
    for (let more = body.seek(0); more; more = body.next()) {
      words.push(Buffer.from(formatDouble17(body.score)));
      words.push(Buffer.from(body.bytes.subarray(body.start, body.start + body.length)));
      if (words.length < ELEMENTS_PER_COMMAND * 2 + 2) continue;
      put(words);
      words = [name, key];
    }
    if (words.length > 2) put(words);
  }
}

class SortedSetDecoder implements ValueDecoder {
  readonly #sets: SortedSets;
  readonly #rdbType: number;
  readonly #body: SortedSetBody;
  readonly #text: RdbText;
  /** Records that are in the table and not yet in the order. */
  #refs: Uint32Array = NO_REFS;
  #collected = 0;
  /** Elements that are left; -1 before the count was read. */
  #left = -1;

  /** `text` holds what is read within one step. */
  constructor(sets: SortedSets, rdbType: number, text: RdbText) {
    this.#sets = sets;
    this.#rdbType = rdbType;
    this.#text = text;
    this.#body = sets.detached();
  }

  step(source: RdbSource): boolean {
    if (this.#rdbType === RDB_ZSET_ZIPLIST || this.#rdbType === RDB_ZSET_LISTPACK) {
      this.#packed(source);
      return true;
    }
    if (this.#left < 0) {
      this.#left = source.size();
      // A table takes them in any order; it becomes a listpack in the end when it is small enough.
      this.#body.convert();
      const prepared = source.roomFor(this.#left);
      this.#body.prepare(prepared);
      this.#refs = new Uint32Array(prepared);
      source.settle();
    }
    const text = this.#text;
    const binary = this.#rdbType === RDB_ZSET_2;
    for (; this.#left > 0; this.#left--) {
      source.read(text);
      const score = binary ? source.double() : source.textDouble();
      this.#collect(source, text, score);
      source.settle();
    }
    this.#order();
    return true;
  }

  /** Elements come from the greatest on: they enter the order from the end, which moves none again. */
  #collect(source: RdbSource, text: RdbText, score: number): void {
    if (Number.isNaN(score)) source.fail('Zset with NAN score detected');
    if (text.length > KEY_BYTES_MAX) source.fail('a member of a sorted set is longer than 1 MiB');
    const ref = this.#body.addUnordered(text.bytes, text.start, text.length, score);
    if (ref === 0) source.fail('Duplicate zset fields detected');
    if (this.#collected === this.#refs.length) {
      const grown = new Uint32Array(Math.max(this.#collected * 2, REFS_MIN));
      grown.set(this.#refs);
      this.#refs = grown;
    }
    this.#refs[this.#collected++] = ref;
  }

  #order(): void {
    this.#body.order(this.#refs, this.#collected);
    this.#collected = 0;
  }

  result(): DetachedValue {
    this.#body.settle();
    const { encoding, root } = this.#body;
    if (this.#body.count > 0) return { encoding, root };
    this.abandon();
    return { encoding, root: 0 };
  }

  abandon(): void {
    this.#order();
    this.#sets.release(this.#body.encoding, this.#body.root);
  }

  #packed(source: RdbSource): void {
    let bytes = source.string();
    if (this.#rdbType === RDB_ZSET_ZIPLIST) {
      const converted = listpackOfZiplist(bytes);
      if (typeof converted === 'string') source.fail(converted);
      bytes = converted;
    }
    const problem = listpack.validate(bytes, 0, bytes.length, true);
    if (problem !== '') source.fail(problem);
    const pairs = readPairs(source, bytes);
    if (isInOrder(pairs) && this.#body.takeListpack(bytes, pairs.length)) return;
    this.#body.convert();
    for (const { member, score } of pairs) this.#add(source, member, 0, member.length, score);
  }

  #add(source: RdbSource, bytes: Buffer, start: number, length: number, score: number): void {
    const body = this.#body;
    if (Number.isNaN(score)) source.fail('Zset with NAN score detected');
    if (length > KEY_BYTES_MAX) source.fail('a member of a sorted set is longer than 1 MiB');
    if (body.find(bytes, start, length)) source.fail('Duplicate zset fields detected');
    body.add(bytes, start, length, score);
  }
}

interface Pair {
  readonly member: Buffer;
  readonly score: number;
}

/** What a valid listpack says: pairs of different members, none longer than it may be, and scores. */
function readPairs(source: RdbSource, bytes: Buffer): Pair[] {
  const entry = new listpack.ListpackEntry();
  const pairs: Pair[] = [];
  const seen = new Set<string>();
  for (let at = listpack.first(bytes, 0); at !== 0; ) {
    at = listpack.read(bytes, 0, at, entry);
    const member = entry.copyText(bytes);
    if (at === 0) source.fail('a sorted set has a member without a score');
    at = listpack.read(bytes, 0, at, entry);
    const score = entry.isInteger ? entry.value : parseDouble(bytes, entry.start, entry.length);
    if (Number.isNaN(score)) source.fail('a score of a sorted set is no number');
    if (member.length > KEY_BYTES_MAX) source.fail('a member of a sorted set is longer than 1 MiB');
    const name = member.latin1Slice();
    if (seen.has(name)) source.fail('a sorted set has a member twice');
    seen.add(name);
    pairs.push({ member, score });
  }
  return pairs;
}

/** False for a listpack that was made elsewhere and is not to be trusted. */
function isInOrder(pairs: readonly Pair[]): boolean {
  for (let index = 1; index < pairs.length; index++) {
    const left = pairs[index - 1];
    const right = pairs[index];
    if (left.score > right.score) return false;
    if (left.score === right.score && Buffer.compare(left.member, right.member) > 0) return false;
  }
  return true;
}
