/** What the commands on several sorted sets read from their words. */
import { parseDouble } from '../structures/double.ts';
import { TYPE_SET, TYPE_ZSET } from '../structures/record.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { readAtLeast, readLong } from './list-arguments.ts';
import { type ScoredSource, scoredSource } from './scored-source.ts';

export type Aggregate = 'sum' | 'min' | 'max';

export interface AlgebraRequest {
  /** In the order of the keys, with their weights. */
  readonly sources: readonly ScoredSource[];
  readonly aggregate: Aggregate;
  readonly withScores: boolean;
  /** Of ZINTERCARD; 0: none. */
  readonly limit: number;
}

/** Two scores of one member as one; infinities that cancel each other out give 0. */
export function aggregate(how: Aggregate, left: number, right: number): number {
  if (how !== 'sum') {
    // What is no number (an infinite score times 0) and a zero of the other sign are not less and not more.
    const taken = how === 'min' ? right < left : right > left;
    return taken ? right : left;
  }
  const sum = left + right;
  return Number.isNaN(sum) ? 0 : sum;
}

/**
 * `numkeys key ... [WEIGHTS w ...] [AGGREGATE SUM|MIN|MAX] [WITHSCORES] [LIMIT n]` from word `index` on, as
 * far as the operation takes them; null after an error was answered.
 */
export function readAlgebra(
  call: Call,
  index: number,
  operation: 'union' | 'intersection' | 'difference' | 'cardinality',
  stored: boolean,
): AlgebraRequest | null {
  const count = readLong(call, index);
  if (Number.isNaN(count)) return null;
  if (count < 1) {
    call.reply.error(`ERR at least 1 input key is needed for '${call.entry.name}' command`);
    return null;
  }
  if (count > call.argc - index - 1) return syntaxError(call);
  const sources = readSources(call, index + 1, count);
  if (sources === null) return null;
  const request = { sources, aggregate: 'sum' as Aggregate, withScores: false, limit: 0 };
  const weighs = operation === 'union' || operation === 'intersection';
  for (let at = index + 1 + count; at < call.argc; ) {
    const left = call.argc - at - 1;
    if (weighs && left >= count && call.is(at, 'WEIGHTS')) {
      if (!readWeights(call, at + 1, sources)) return null;
      at += 1 + count;
    } else if (weighs && left >= 1 && call.is(at, 'AGGREGATE')) {
      const how = aggregateIn(call, at + 1);
      if (how === null) return syntaxError(call);
      request.aggregate = how;
      at += 2;
    } else if (!stored && operation !== 'cardinality' && call.is(at, 'WITHSCORES')) {
      request.withScores = true;
      at += 1;
    } else if (operation === 'cardinality' && left >= 1 && call.is(at, 'LIMIT')) {
      request.limit = readAtLeast(call, at + 1, 0, "ERR LIMIT can't be negative");
      if (Number.isNaN(request.limit)) return null;
      at += 2;
    } else return syntaxError(call);
  }
  return request;
}

function syntaxError(call: Call): null {
  call.reply.error(errors.SYNTAX);
  return null;
}

function readSources(call: Call, first: number, count: number): ScoredSource[] | null {
  const { records } = call.context.keyspace;
  const sources: ScoredSource[] = [];
  for (let index = first; index < first + count; index++) {
    const ref = call.database.read(call.bytes, call.argStart[index], call.argLength[index]);
    const type = ref === 0 ? TYPE_ZSET : records.type(ref);
    if (type !== TYPE_ZSET && type !== TYPE_SET) {
      call.reply.error(errors.WRONG_TYPE);
      return null;
    }
    sources.push(scoredSource(call, ref));
  }
  return sources;
}

function readWeights(call: Call, first: number, sources: readonly ScoredSource[]): boolean {
  for (const [offset, source] of sources.entries()) {
    const index = first + offset;
    source.weight = parseDouble(call.bytes, call.argStart[index], call.argLength[index]);
    if (!Number.isNaN(source.weight)) continue;
    call.reply.error('ERR weight value is not a float');
    return false;
  }
  return true;
}

function aggregateIn(call: Call, index: number): Aggregate | null {
  if (call.is(index, 'SUM')) return 'sum';
  if (call.is(index, 'MIN')) return 'min';
  return call.is(index, 'MAX') ? 'max' : null;
}
