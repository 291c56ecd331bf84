/** SORT: the elements of a list, set or sorted set in order, or what they lead to. */
import { NO_EXPIRY } from '../keyspace/database.ts';
import { NOTIFY_GENERIC, NOTIFY_LIST } from '../keyspace/events.ts';
import { keySlot } from '../structures/crc16.ts';
import { parseRangeDouble } from '../structures/double.ts';
import { ENCODING_LISTPACK, TYPE_LIST, TYPE_SET, TYPE_ZSET } from '../structures/record.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { DENYOOM, MOVABLE_KEYS, ONE_KEY, READONLY, type Row, WRITE } from './row.ts';
import { patternSlot, SortPattern } from './sort-pattern.ts';
import { checkKey } from './string-access.ts';
import { touched } from './value-access.ts';

// biome-ignore format: a table, one command a row
export const sortCommands: readonly Row[] = [
  // name     arity flags                           keys     since    run     summary
  ['SORT',    -2,   WRITE | DENYOOM | MOVABLE_KEYS, ONE_KEY, '1.0.0', sort,   'Sorts the elements in a list, a set, or a sorted set, optionally storing the result.', {keys: sortKeys}],
  ['SORT_RO', -2,   READONLY | MOVABLE_KEYS,        ONE_KEY, '7.0.0', sortRo, 'Returns the sorted elements of a list, a set, or a sorted set.', {keys: oneKey}],
];

const NO_NUMBERS = "ERR One or more scores can't be converted into double";

interface SortOptions {
  descending: boolean;
  alpha: boolean;
  first: number;
  /** -1: all. */
  count: number;
  by: SortPattern | null;
  gets: SortPattern[];
  /** Word of the key to store into, 0 for none. */
  store: number;
}

interface Sortable {
  readonly element: Buffer;
  score: number;
  /** What BY led to, with ALPHA. */
  weight: Buffer | null;
}

function sort(call: Call): void {
  run(call, true);
}

function sortRo(call: Call): void {
  run(call, false);
}

function oneKey(call: Call): number {
  call.keyPositions[0] = 1;
  return 1;
}

/** The key, and the last one after STORE: as Redis looks for it, whether the options make sense or not. */
function sortKeys(call: Call): number {
  let store = 0;
  for (let index = 2; index < call.argc; index++) {
    if (call.is(index, 'LIMIT')) index += 2;
    else if (call.is(index, 'GET') || call.is(index, 'BY')) index++;
    else if (call.is(index, 'STORE') && index + 1 < call.argc) store = ++index;
  }
  call.reserveKeys(2);
  call.keyPositions[0] = 1;
  if (store === 0) return 1;
  call.keyPositions[1] = store;
  return 2;
}

function run(call: Call, mayStore: boolean): void {
  const options = sortOptions(call, mayStore);
  if (options === null) return;
  const ref = call.database.read(call.bytes, call.argStart[1], call.argLength[1]);
  const { records } = call.context.keyspace;
  const type = ref === 0 ? TYPE_LIST : records.type(ref);
  if (type !== TYPE_LIST && type !== TYPE_SET && type !== TYPE_ZSET) {
    call.reply.error(errors.WRONG_TYPE);
    return;
  }
  let sorts = options.by === null || !options.by.isConstant;
  if (!sorts && type === TYPE_SET && (options.store !== 0 || call.inScript)) {
    // A set has no order of its own, and replicas must come to the same list.
    sorts = true;
    options.alpha = true;
    options.by = null;
  }
  const elements = ref === 0 ? [] : elementsOf(call, ref, type);
  if (!sorts && options.descending && type !== TYPE_SET) elements.reverse();
  const ordered = sorts ? inOrder(call, elements, options) : elements;
  if (ordered === null) {
    call.reply.error(NO_NUMBERS);
    return;
  }
  const first = Math.min(Math.max(options.first, 0), ordered.length);
  const chosen = ordered.slice(first, options.count < 0 ? ordered.length : first + options.count);
  const results = lookedUp(call, chosen, options.gets);
  if (options.store !== 0) store(call, options.store, results);
  else answer(call, results);
}

function sortOptions(call: Call, mayStore: boolean): SortOptions | null {
  const options: SortOptions = {
    descending: false,
    alpha: false,
    first: 0,
    count: -1,
    by: null,
    gets: [],
    store: 0,
  };
  for (let index = 2; index < call.argc; index++) {
    const more = call.argc - index - 1;
    if (call.is(index, 'ASC')) options.descending = false;
    else if (call.is(index, 'DESC')) options.descending = true;
    else if (call.is(index, 'ALPHA')) options.alpha = true;
    else if (call.is(index, 'LIMIT') && more >= 2) {
      const first = call.integer64(++index);
      const count = first === null ? null : call.integer64(++index);
      if (first === null || count === null) {
        call.reply.error(errors.NOT_INTEGER);
        return null;
      }
      options.first = Number(first);
      options.count = Number(count);
    } else if (mayStore && call.is(index, 'STORE') && more >= 1) options.store = ++index;
    else if (call.is(index, 'BY') && more >= 1) {
      const pattern = readPattern(call, ++index, 'BY');
      if (pattern === null) return null;
      options.by = pattern;
    } else if (call.is(index, 'GET') && more >= 1) {
      const pattern = readPattern(call, ++index, 'GET');
      if (pattern === null) return null;
      options.gets.push(pattern);
    } else {
      call.reply.error(errors.SYNTAX);
      return null;
    }
  }
  return options;
}

/** The pattern of BY or GET; null after answering that other slots or other people's keys may be meant. */
function readPattern(call: Call, index: number, option: 'BY' | 'GET'): SortPattern | null {
  const text = call.copy(index);
  const pattern = new SortPattern(text);
  const { cluster, access } = call.context;
  if (option === 'BY' && pattern.isConstant) return pattern;
  const slot = (): number => keySlot(call.bytes, call.argStart[1], call.argLength[1]);
  if (cluster !== null && !pattern.isElement && patternSlot(text) !== slot()) {
    call.reply.error(
      `ERR ${option} option of SORT denied in Cluster mode when keys formed by the pattern may be in different slots.`,
    );
    return null;
  }
  if (!access.mayReadAllKeys(call)) {
    call.reply.error(`ERR ${option} option of SORT denied due to insufficient ACL permissions.`);
    return null;
  }
  return pattern;
}

/** Copies of all elements, those of a list and of a sorted set in their order. */
function elementsOf(call: Call, ref: number, type: number): Buffer[] {
  const { records, values } = call.context.keyspace;
  const elements: Buffer[] = [];
  if (type === TYPE_LIST) {
    const cursor = values.lists.open(ref, 0, true);
    while (cursor.next()) elements.push(cursor.element.copy());
  } else if (type === TYPE_SET) {
    const cursor = values.sets.newCursor();
    cursor.open(records.encoding(ref), records.root(ref));
    while (cursor.next()) elements.push(cursor.copy());
  } else {
    // As in Redis, SORT leaves a sorted set in its large encoding.
    if (records.encoding(ref) === ENCODING_LISTPACK) call.database.beforeChange(ref);
    const body = values.sortedSets.open(ref);
    if (body.encoding === ENCODING_LISTPACK) body.convert();
    for (let there = body.seek(0); there; there = body.next()) {
      elements.push(Buffer.from(body.bytes.subarray(body.start, body.start + body.length)));
    }
  }
  return elements;
}

/** The elements by value or by what BY leads to; null when that is no number and has to be. */
function inOrder(call: Call, elements: readonly Buffer[], options: SortOptions): Buffer[] | null {
  const { alpha, by } = options;
  const sortables: Sortable[] = [];
  for (const element of elements) {
    const weight = by === null ? element : by.lookUp(call, element);
    const score = alpha || weight === null ? 0 : sortScore(weight);
    if (Number.isNaN(score)) return null;
    sortables.push({ element, score, weight });
  }
  const direction = options.descending ? -1 : 1;
  sortables.sort((left, right) => direction * (alpha ? byText(left, right) : byScore(left, right)));
  return sortables.map((sortable) => sortable.element);
}

/** NaN for what is no number. */
function sortScore(weight: Buffer): number {
  const score = parseRangeDouble(weight, 0, weight.length);
  return Number.isFinite(score) || /inf/i.test(weight.toString('latin1')) ? score : Number.NaN;
}

/** Equal scores stand in the order of their elements' bytes, so that the result is always the same. */
function byScore(left: Sortable, right: Sortable): number {
  if (left.score > right.score) return 1;
  if (left.score < right.score) return -1;
  return Buffer.compare(left.element, right.element);
}

/** What leads to nothing comes first. */
function byText(left: Sortable, right: Sortable): number {
  if (left.weight === null || right.weight === null) {
    if (left.weight === right.weight) return 0;
    return left.weight === null ? -1 : 1;
  }
  return Buffer.compare(left.weight, right.weight);
}

/** For each element itself, or what each GET leads to. */
function lookedUp(call: Call, chosen: Buffer[], gets: readonly SortPattern[]): (Buffer | null)[] {
  if (gets.length === 0) return chosen;
  return chosen.flatMap((element) => gets.map((pattern) => pattern.lookUp(call, element)));
}

function answer(call: Call, results: readonly (Buffer | null)[]): void {
  call.reply.array(results.length);
  for (const result of results) {
    if (result === null) call.reply.nullBulk();
    else call.reply.bulk(result);
  }
}

const NOTHING = Buffer.alloc(0);

function store(call: Call, index: number, results: readonly (Buffer | null)[]): void {
  if (!checkKey(call, index)) return;
  const { keyspace } = call.context;
  const { database, bytes } = call;
  const start = call.argStart[index];
  const length = call.argLength[index];
  if (results.length === 0) {
    if (database.remove(bytes, start, length)) call.notify(NOTIFY_GENERIC, 'del', index);
  } else {
    const { lists } = keyspace.values;
    const { encoding, root } = lists.create();
    const ref = database.putValue(bytes, start, length, TYPE_LIST, encoding, root, NO_EXPIRY);
    const added = results.reduce((sum, result) => sum + (result?.length ?? 0), 0);
    lists.prepareGrowth(ref, added, results.length);
    for (const result of results) {
      const element = result ?? NOTHING;
      lists.push(ref, false, element, 0, element.length);
    }
    touched(call, index);
    keyspace.dirty += results.length - 1;
    call.notify(NOTIFY_LIST, 'sortstore', index);
  }
  call.reply.integer(results.length);
}
