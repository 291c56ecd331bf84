/** The options of XADD and XTRIM, and XTRIM. */
import { NOTIFY_STREAM } from '../keyspace/events.ts';
import { ID_INVALID, ID_OPEN_SEQUENCE, StreamId } from '../structures/stream-id.ts';
import type { Trim } from '../values/stream-entries.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { findStream, isCharacter, readId, readInteger, readNewId, streamsOf } from './stream-arguments.ts';
import { touched } from './value-access.ts';

const LIMIT_NODES = 100;
const LIMIT_MAX = 1_000_000;
const LIMIT_UNBOUNDED_NODES = 10_000;
const BOTH_STRATEGIES = 'ERR syntax error, MAXLEN and MINID options at the same time are not compatible';

/** What the options of XADD or XTRIM say. Reused: one command runs at a time. */
class TrimOptions implements Trim {
  trims = false;
  maxLength = 0;
  minId: StreamId | null = null;
  approximate = false;
  limit = 0;
  /** Word of the length or id to trim to. */
  argument = 0;
  createsStream = true;
  /** The id of a new entry stood among the words, its sequence too. */
  idGiven = false;
  sequenceGiven = false;
  readonly id = new StreamId();
  readonly ownMinId = new StreamId();

  reset(): void {
    this.trims = false;
    this.maxLength = 0;
    this.minId = null;
    this.approximate = false;
    this.limit = 0;
    this.argument = 0;
    this.createsStream = true;
    this.idGiven = false;
    this.sequenceGiven = false;
  }
}

export const trimOptions = new TrimOptions();

/** Reads the options of XADD or XTRIM into `trimOptions`: the word behind them, -1 after an error. */
export function readTrimOptions(call: Call, adds: boolean): number {
  const options = trimOptions;
  options.reset();
  let limitGiven = false;
  let index = 2;
  for (; index < call.argc; index++) {
    const more = call.argc - 1 - index;
    if (adds && isCharacter(call, index, '*')) break;
    if (more > 0 && (call.is(index, 'MAXLEN') || call.is(index, 'MINID'))) {
      index = readStrategy(call, index, more);
      if (index < 0) return -1;
    } else if (more > 0 && call.is(index, 'LIMIT')) {
      options.limit = readInteger(call, ++index);
      if (Number.isNaN(options.limit)) return -1;
      if (options.limit < 0) return refuse(call, 'ERR The LIMIT argument must be >= 0.');
      limitGiven = true;
    } else if (adds && call.is(index, 'NOMKSTREAM')) options.createsStream = false;
    else if (adds) {
      const kind = readNewId(call, index, options.id);
      if (kind === ID_INVALID) return -1;
      options.idGiven = true;
      options.sequenceGiven = kind !== ID_OPEN_SEQUENCE;
      break;
    } else return refuse(call, errors.SYNTAX);
  }
  if (options.limit !== 0 && !options.trims)
    return refuse(call, 'ERR syntax error, LIMIT cannot be used without specifying a trimming strategy');
  if (!adds && !options.trims)
    return refuse(call, 'ERR syntax error, XTRIM must be called with a trimming strategy');
  return settleLimit(call, limitGiven) ? index : -1;
}

/** MAXLEN or MINID in word `index`: the word of its argument, -1 after an error. */
function readStrategy(call: Call, index: number, more: number): number {
  const options = trimOptions;
  if (options.trims) return refuse(call, BOTH_STRATEGIES);
  const byLength = call.is(index, 'MAXLEN');
  options.approximate = more >= 2 && isCharacter(call, index + 1, '~');
  if (options.approximate || (more >= 2 && isCharacter(call, index + 1, '='))) index++;
  index++;
  if (byLength) {
    options.maxLength = readInteger(call, index);
    if (Number.isNaN(options.maxLength)) return -1;
    if (options.maxLength < 0) return refuse(call, 'ERR The MAXLEN argument must be >= 0.');
  } else {
    if (!readId(call, index, options.ownMinId)) return -1;
    options.minId = options.ownMinId;
  }
  options.trims = true;
  options.argument = index;
  return index;
}

function settleLimit(call: Call, given: boolean): boolean {
  const options = trimOptions;
  const { kind } = call.client;
  if (kind === 'primary' || kind === 'aof') {
    // The primary has trimmed already and says to what.
    options.limit = 0;
  } else if (given) {
    if (options.approximate) return true;
    call.reply.error('ERR syntax error, LIMIT cannot be used without the special ~ option');
    return false;
  } else if (options.approximate) {
    const nodes = LIMIT_NODES * streamsOf(call).limits.streamNodeMaxEntries;
    options.limit = nodes <= 0 ? LIMIT_UNBOUNDED_NODES : Math.min(nodes, LIMIT_MAX);
  } else options.limit = 0;
  return true;
}

function refuse(call: Call, error: string): -1 {
  call.reply.error(error);
  return -1;
}

/**
 * The words of the command as they are propagated: an approximate trim becomes the exact one that it was, a
 * made id (null: keep) takes the place of word `idWord`.
 */
export function propagateTrimmed(call: Call, stream: number, idWord: number, id: StreamId | null): void {
  if (!call.context.propagation.active) return;
  const options = trimOptions;
  const words: (string | Uint8Array)[] = [];
  for (let index = 0; index < call.argc; index++) {
    const start = call.argStart[index];
    words.push(call.bytes.subarray(start, start + call.argLength[index]));
  }
  if (id !== null) words[idWord] = id.toString();
  if (options.trims && options.approximate) {
    words[options.argument - 1] = '=';
    words[options.argument] = trimmedTo(call, stream);
  }
  call.propagateAs(words);
}

function trimmedTo(call: Call, stream: number): string {
  const streams = streamsOf(call);
  if (trimOptions.minId === null) return String(streams.length(stream));
  const first = new StreamId();
  if (!streams.entries.edge(stream, false, true, first)) first.setMax();
  return first.toString();
}

export function xtrim(call: Call): void {
  if (readTrimOptions(call, false) < 0) return;
  const stream = findStream(call, 1);
  if (stream < 0) return;
  const removed = stream === 0 ? 0 : streamsOf(call).entries.trim(stream, trimOptions);
  if (removed > 0) {
    call.notify(NOTIFY_STREAM, 'xtrim', 1);
    if (trimOptions.approximate) propagateTrimmed(call, stream, 0, null);
    touched(call, 1);
  }
  call.reply.integer(removed);
}
