/** Union, intersection and difference of sorted sets and sets; a set's members have score 1. */
import { NOTIFY_ZSET } from '../keyspace/events.ts';
import type { SortedSetBody } from '../values/sorted-set-body.ts';
import type { Call } from './call.ts';
import { countedKeys } from './pop-request.ts';
import { DENYOOM, MOVABLE_KEYS, NO_KEY, ONE_KEY, READONLY, type Row, WRITE } from './row.ts';
import type { ScoredSource } from './scored-source.ts';
import { sortedSetsOf, storeResult, writeElement, writeElementsHead } from './sorted-set-access.ts';
import { type AlgebraRequest, aggregate, readAlgebra } from './sorted-set-algebra-arguments.ts';

const STORES = WRITE | DENYOOM | MOVABLE_KEYS;
const READS = READONLY | MOVABLE_KEYS;
const COUNTED = { keys: (call: Call): number => countedKeys(call, 1) };
const STORED = { keys: storedKeys };

// biome-ignore format: a table, one command a row
export const sortedSetAlgebraCommands: readonly Row[] = [
  // name         arity flags   keys     since    run          summary
  ['ZDIFF',       -3,   READS,  NO_KEY,  '6.2.0', zdiff,       'Returns the difference between multiple sorted sets.', COUNTED],
  ['ZDIFFSTORE',  -4,   STORES, ONE_KEY, '6.2.0', zdiffstore,  'Stores the difference of multiple sorted sets in a key.', STORED],
  ['ZINTER',      -3,   READS,  NO_KEY,  '6.2.0', zinter,      'Returns the intersect of multiple sorted sets.', COUNTED],
  ['ZINTERCARD',  -3,   READS,  NO_KEY,  '7.0.0', zintercard,  'Returns the number of members of the intersect of multiple sorted sets.', COUNTED],
  ['ZINTERSTORE', -4,   STORES, ONE_KEY, '2.0.0', zinterstore, 'Stores the intersect of multiple sorted sets in a key.', STORED],
  ['ZUNION',      -3,   READS,  NO_KEY,  '6.2.0', zunion,      'Returns the union of multiple sorted sets.', COUNTED],
  ['ZUNIONSTORE', -4,   STORES, ONE_KEY, '2.0.0', zunionstore, 'Stores the union of multiple sorted sets in a key.', STORED],
];

function zdiff(call: Call): void {
  answer(call, 'difference', difference);
}

function zdiffstore(call: Call): void {
  store(call, 'difference', difference, 'zdiffstore');
}

function zinter(call: Call): void {
  answer(call, 'intersection', intersection);
}

function zintercard(call: Call): void {
  const request = readAlgebra(call, 1, 'cardinality', false);
  if (request === null) return;
  let count = 0;
  intersect(request, () => {
    count++;
    return request.limit === 0 || count < request.limit;
  });
  call.reply.integer(count);
}

function zinterstore(call: Call): void {
  store(call, 'intersection', intersection, 'zinterstore');
}

function zunion(call: Call): void {
  answer(call, 'union', union);
}

function zunionstore(call: Call): void {
  store(call, 'union', union, 'zunionstore');
}

// --- what the commands share

type Operation = 'union' | 'intersection' | 'difference';
type Operator = (request: AlgebraRequest, result: SortedSetBody) => void;

/** The destination, then the keys that `numkeys` counts. */
function storedKeys(call: Call): number {
  const count = countedKeys(call, 2);
  if (count < 0) return -1;
  call.reserveKeys(count + 1);
  call.keyPositions[0] = 1;
  for (let key = 0; key < count; key++) call.keyPositions[key + 1] = key + 3;
  return count + 1;
}

function answer(call: Call, operation: Operation, operator: Operator): void {
  const request = readAlgebra(call, 1, operation, false);
  if (request === null) return;
  const result = collect(call, request, operator);
  writeElementsHead(call.reply, result.count, request.withScores);
  for (let more = result.seek(0); more; more = result.next())
    writeElement(call.reply, result, request.withScores);
  sortedSetsOf(call).release(result.encoding, result.root);
}

function store(call: Call, operation: Operation, operator: Operator, event: string): void {
  const request = readAlgebra(call, 2, operation, true);
  if (request === null) return;
  const result = collect(call, request, operator);
  result.settle();
  storeResult(call, 1, result, NOTIFY_ZSET, event);
}

/** The result as a table, whatever its size: a listpack would make 0 of a score of -0. */
function collect(call: Call, request: AlgebraRequest, operator: Operator): SortedSetBody {
  const result = sortedSetsOf(call).detached();
  result.convert();
  operator(request, result);
  return result;
}

function union(request: AlgebraRequest, result: SortedSetBody): void {
  for (const source of bySize(request.sources)) {
    source.begin();
    while (source.next()) {
      const score = source.weighted(source.score);
      const { bytes, start, length } = source;
      if (!result.find(bytes, start, length)) result.add(bytes, start, length, score);
      else {
        const both = aggregate(request.aggregate, result.score, score);
        if (!Object.is(both, result.score)) result.setFoundScore(bytes, start, length, both);
      }
    }
  }
}

function intersection(request: AlgebraRequest, result: SortedSetBody): void {
  intersect(request, (source, score) => {
    result.addNew(source.bytes, source.start, source.length, score);
    return true;
  });
}

/** Calls `found` with the smallest source at every common member, until it answers false. */
function intersect(request: AlgebraRequest, found: (source: ScoredSource, score: number) => boolean): void {
  const [smallest, ...others] = bySize(request.sources);
  if (smallest === undefined || smallest.count === 0) return;
  smallest.begin();
  while (smallest.next()) {
    const { bytes, start, length } = smallest;
    let score = smallest.weighted(smallest.score);
    let common = true;
    for (const other of others) {
      if (!other.find(bytes, start, length)) {
        common = false;
        break;
      }
      score = aggregate(request.aggregate, score, other.foundScore * other.weight);
    }
    if (common && !found(smallest, score)) return;
  }
}

function difference(request: AlgebraRequest, result: SortedSetBody): void {
  const [first, ...others] = request.sources;
  if (first === undefined) return;
  first.begin();
  while (first.next()) {
    const { bytes, start, length, score } = first;
    if (!others.some((other) => other.find(bytes, start, length))) result.addNew(bytes, start, length, score);
  }
}

/** Smaller ones first; scores are added up in this order, and sums of doubles depend on it. */
function bySize(sources: readonly ScoredSource[]): ScoredSource[] {
  return [...sources].sort((left, right) => left.count - right.count);
}
