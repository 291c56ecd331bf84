/**
 * Lists in RDB.
 *
 *   1    count, elements                                    (up to Redis 2.8, and AOF rewrites of old files)
 *   10   one ziplist
 *   14   count, ziplists                                    (3.2 to 6.2)
 *   18   count, (container, string) ...                     container 1: one long element, 2: a listpack
 *
 * Written as 18. Nodes come back as the nodes they were, unless they are larger than any configuration of
 * Redis makes them; those are divided.
 */
import { BODY_LZF, BODY_PACKED, type ListBodies } from '../../structures/list-body.ts';
import { ListElement } from '../../structures/list-element.ts';
import { fitsListpack } from '../../structures/list-limits.ts';
import * as listpack from '../../structures/listpack.ts';
import type { Quicklists } from '../../structures/quicklist.ts';
import { ENCODING_LISTPACK, ENCODING_QUICKLIST, type Records, TYPE_LIST } from '../../structures/record.ts';
import type { Lists } from '../../values/list.ts';
import type { DetachedValue } from '../../values/value-type.ts';
import type { Values } from '../../values/values.ts';
import { ENCODED_LZF } from '../rdb-format.ts';
import type { RdbSource } from '../rdb-source.ts';
import { RdbText } from '../rdb-text.ts';
import type { RdbWriter } from '../rdb-writer.ts';
import type { PieceWriter, ValueCodec, ValueDecoder } from '../value-codec.ts';
import { countEntries } from './packed-check.ts';
import { listpackOfZiplist } from './ziplist.ts';

const RDB_LIST = 1;
const RDB_LIST_ZIPLIST = 10;
const RDB_LIST_QUICKLIST = 14;
const RDB_LIST_QUICKLIST2 = 18;
const CONTAINER_PLAIN = 1;
const CONTAINER_PACKED = 2;
/** Larger listpacks are divided; smaller ones have fewer entries than a listpack can count. */
const NODE_BYTES_MAX = 128 * 1024;
const ELEMENTS_PER_COMMAND = 64;
/** Lists of more nodes are written in pieces of so many nodes. */
const NODES_PER_PIECE = 4;

export class ListCodec implements ValueCodec {
  readonly type = TYPE_LIST;
  readonly reads = [RDB_LIST, RDB_LIST_ZIPLIST, RDB_LIST_QUICKLIST, RDB_LIST_QUICKLIST2];
  readonly #lists: Lists;
  readonly #records: Records;
  readonly #values: Values;
  readonly #text = new RdbText();

  constructor(values: Values) {
    this.#values = values;
    this.#lists = values.lists;
    this.#records = values.store.records;
  }

  rdbType(): number {
    return RDB_LIST_QUICKLIST2;
  }

  write(writer: RdbWriter, ref: number): void {
    const root = this.#records.root(ref);
    const { quicklists } = this.#lists;
    if (this.#records.encoding(ref) !== ENCODING_QUICKLIST) {
      writer.size(1);
      writeBody(writer, quicklists.bodies, root);
      return;
    }
    writer.size(quicklists.nodes(root));
    for (let node = quicklists.head(root); node !== 0; node = quicklists.next(node)) {
      writeBody(writer, quicklists.bodies, quicklists.body(node));
    }
  }

  pieces(ref: number): PieceWriter | null {
    if (this.#records.encoding(ref) !== ENCODING_QUICKLIST) return null;
    const { quicklists } = this.#lists;
    const root = this.#records.root(ref);
    return quicklists.nodes(root) <= NODES_PER_PIECE ? null : new ListPieces(quicklists, root);
  }

  /** A list of one small node. What is wrong with a damaged one is the decoder's to say. */
  whole(rdbType: number, source: RdbSource): DetachedValue | null {
    if (rdbType !== RDB_LIST_QUICKLIST2 || source.thorough) return null;
    const before = source.at;
    if (source.size() === 1 && source.size() === CONTAINER_PACKED) {
      const text = this.#text;
      source.read(text);
      const entries = countEntries(text.bytes, text.start, text.end);
      const fill = this.#values.store.limits.listMaxListpackSize;
      if (entries > 0 && text.length <= NODE_BYTES_MAX && fitsListpack(fill, text.length, entries, false)) {
        const root = this.#lists.quicklists.bodies.copyIn(text.bytes, text.start);
        return { encoding: ENCODING_LISTPACK, root };
      }
    }
    source.at = before;
    return null;
  }

  decoder(rdbType: number): ValueDecoder {
    return new ListDecoder(this.#lists, rdbType, this.#text);
  }

  commands(ref: number, key: Uint8Array, put: (words: readonly Uint8Array[]) => void): void {
    const name = Buffer.from('RPUSH');
    const cursor = this.#lists.open(ref, 0, true);
    let words: Uint8Array[] = [name, key];
    while (cursor.next()) {
      words.push(cursor.element.copy());
      if (words.length < ELEMENTS_PER_COMMAND + 2) continue;
      put(words);
      words = [name, key];
    }
    if (words.length > 2) put(words);
  }
}

/** Container and content of one node. */
function writeBody(writer: RdbWriter, bodies: ListBodies, body: number): void {
  const kind = bodies.kind(body);
  const bytes = bodies.segment(body);
  if (kind === BODY_PACKED) {
    const start = bodies.packStart(body);
    writer.size(CONTAINER_PACKED);
    writer.string(bytes, start, start + bodies.bytes(body));
  } else if (kind === BODY_LZF) {
    const start = bodies.lzfStart(body);
    const packed = bodies.lzfBytes(body);
    writer.size(CONTAINER_PACKED);
    writer.byte(ENCODED_LZF);
    writer.size(packed);
    writer.size(bodies.bytes(body));
    writer.raw(bytes, start, start + packed);
  } else {
    const element = new ListElement();
    bodies.readPlain(body, element);
    writer.size(CONTAINER_PLAIN);
    writer.string(element.bytes, element.start, element.end);
  }
}

/** The nodes that a quicklist had when this was made: their bodies are pinned until they were written. */
class ListPieces implements PieceWriter {
  readonly #bodies: ListBodies;
  readonly #pinned: Uint32Array;
  #at = 0;

  constructor(quicklists: Quicklists, root: number) {
    this.#bodies = quicklists.bodies;
    this.#pinned = new Uint32Array(quicklists.nodes(root));
    let at = 0;
    for (let node = quicklists.head(root); node !== 0; node = quicklists.next(node)) {
      const body = quicklists.body(node);
      this.#bodies.pin(body);
      this.#pinned[at++] = body;
    }
  }

  head(writer: RdbWriter): void {
    writer.size(this.#pinned.length);
  }

  step(writer: RdbWriter): boolean {
    const end = Math.min(this.#at + NODES_PER_PIECE, this.#pinned.length);
    for (; this.#at < end; this.#at++) {
      const body = this.#pinned[this.#at];
      writeBody(writer, this.#bodies, body);
      this.#bodies.unpin(body);
    }
    return end === this.#pinned.length;
  }

  end(): void {
    for (; this.#at < this.#pinned.length; this.#at++) this.#bodies.unpin(this.#pinned[this.#at]);
  }
}

class ListDecoder implements ValueDecoder {
  readonly #lists: Lists;
  readonly #rdbType: number;
  readonly #list: number;
  readonly #text: RdbText;
  /** Steps that are left; -1 before the count was read. */
  #left = -1;

  /** `text` holds what is read within one step. */
  constructor(lists: Lists, rdbType: number, text: RdbText) {
    this.#lists = lists;
    this.#text = text;
    this.#rdbType = rdbType;
    this.#list = lists.createQuicklist();
    if (rdbType === RDB_LIST_ZIPLIST) this.#left = 1;
  }

  step(source: RdbSource): boolean {
    if (this.#left < 0) {
      this.#left = source.size();
      source.settle();
    }
    while (this.#left > 0) {
      this.#element(source);
      source.settle();
    }
    return true;
  }

  result(): DetachedValue {
    return this.#lists.settle(this.#list);
  }

  abandon(): void {
    this.#lists.quicklists.release(this.#list);
  }

  #element(source: RdbSource): void {
    const { quicklists } = this.#lists;
    let container = CONTAINER_PACKED;
    if (this.#rdbType === RDB_LIST_QUICKLIST2) {
      container = source.size();
      if (container !== CONTAINER_PLAIN && container !== CONTAINER_PACKED) {
        source.fail(`a list node has the unknown container type ${container}`);
      }
    }
    const text = this.#text;
    source.read(text);
    const { bytes, start, length } = text;
    if (length === 0 && this.#rdbType === RDB_LIST_QUICKLIST2) source.fail('a list node without bytes');
    this.#left--;
    if (this.#rdbType === RDB_LIST) quicklists.push(this.#list, false, bytes, start, length);
    else if (container === CONTAINER_PLAIN) {
      const body = quicklists.bodies.createPlain(bytes, start, length);
      quicklists.insertNode(this.#list, quicklists.tail(this.#list), quicklists.newNode(body, 1), true);
    } else if (this.#rdbType === RDB_LIST_QUICKLIST2) this.#listpack(source, bytes, start, length);
    else {
      const converted = listpackOfZiplist(bytes.subarray(start, start + length));
      if (typeof converted === 'string') source.fail(converted);
      this.#listpack(source, converted, 0, converted.length);
    }
  }

  #listpack(source: RdbSource, bytes: Buffer, start: number, length: number): void {
    // A quick walk proves all lengths; only what it does not take for right is looked at by every rule.
    let count = source.thorough ? -1 : countEntries(bytes, start, start + length);
    if (count < 0) {
      const problem = listpack.validate(bytes, start, length, true);
      if (problem !== '') source.fail(problem);
      count = listpack.count(bytes, start);
    }
    const { quicklists, element } = this.#lists;
    if (length > NODE_BYTES_MAX) {
      for (let at = listpack.first(bytes, start); at !== 0; ) {
        at = element.read(bytes, start, at);
        quicklists.push(this.#list, false, element.bytes, element.start, element.end - element.start);
      }
      return;
    }
    // Redis skips nodes without elements.
    if (count === 0) return;
    const node = quicklists.newNode(quicklists.bodies.copyIn(bytes, start), count);
    quicklists.insertNode(this.#list, quicklists.tail(this.#list), node, true);
  }
}
