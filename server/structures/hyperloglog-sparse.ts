/** Changes of a HyperLogLog in its sparse form: a run is split, what became equal is joined. */
import { HLL_HEADER_BYTES } from './hyperloglog.ts';

const VALUE_MAX = 32;
const VALUE_RUN_MAX = 4;
const ZERO_RUN_MAX = 64;
/** Runs looked at for joining after a change. */
const JOIN_RUNS = 5;
/** Bytes that a change can add. */
export const GROWTH_BYTES_MAX = 3;

/** A string of its own with room for growth. */
export interface SparseSketch {
  bytes: Buffer;
  length: number;
}

/** What became of a change: see `raiseSparse`. */
export type Raised = 'same' | 'raised' | 'promote' | 'corrupt';

/** Registers that the run at `at` covers. */
function runLength(bytes: Uint8Array, at: number): number {
  const byte = bytes[at];
  if (byte >= 128) return (byte & 3) + 1;
  if (byte < 64) return byte + 1;
  return (((byte & 63) << 8) | bytes[at + 1]) + 1;
}

function runBytes(byte: number): number {
  return byte >= 64 && byte < 128 ? 2 : 1;
}

function valueIn(byte: number): number {
  return ((byte >>> 2) & 31) + 1;
}

function valueRun(value: number, length: number): number {
  return 128 | ((value - 1) << 2) | (length - 1);
}

const NEW_RUNS = new Uint8Array(5);

/** Writes a run of zeros to NEW_RUNS; where the next one goes. */
function putZeros(at: number, length: number): number {
  if (length <= ZERO_RUN_MAX) {
    NEW_RUNS[at] = length - 1;
    return at + 1;
  }
  NEW_RUNS[at] = 64 | ((length - 1) >>> 8);
  NEW_RUNS[at + 1] = (length - 1) & 255;
  return at + 2;
}

/** Writes the run at `at` of `bytes`, cut to `length`, to NEW_RUNS; where the next one goes. */
function putRest(byte: number, at: number, length: number): number {
  if (length === 0) return at;
  if (byte < 128) return putZeros(at, length);
  NEW_RUNS[at] = valueRun(valueIn(byte), length);
  return at + 1;
}

/**
 * Lifts register `index` to `count`. 'promote': only the dense form can hold it, or the string would be
 * longer than `bytesMax`; nothing was changed then.
 */
export function raiseSparse(sketch: SparseSketch, index: number, count: number, bytesMax: number): Raised {
  if (count > VALUE_MAX) return 'promote';
  const { bytes, length } = sketch;
  let first = 0;
  let former = -1;
  let at = HLL_HEADER_BYTES;
  for (let run = 0; at < length; at += runBytes(bytes[at]), first += run) {
    run = runLength(bytes, at);
    if (index < first + run) break;
    former = at;
  }
  if (at >= length) return 'corrupt';
  const byte = bytes[at];
  const run = runLength(bytes, at);
  if (byte >= 128 && valueIn(byte) >= count) return 'same';
  if (run === 1 && runBytes(byte) === 1) bytes[at] = valueRun(count, 1);
  else {
    let end = putRest(byte, 0, index - first);
    NEW_RUNS[end++] = valueRun(count, 1);
    end = putRest(byte, end, first + run - 1 - index);
    const next = at + runBytes(byte);
    const growth = end - runBytes(byte);
    if (growth > 0 && length + growth > bytesMax) return 'promote';
    if (next < length) bytes.copyWithin(next + growth, next, length);
    bytes.set(NEW_RUNS.subarray(0, end), at);
    sketch.length += growth;
  }
  joinRuns(sketch, former < 0 ? HLL_HEADER_BYTES : former);
  return 'raised';
}

/** Joins neighbouring runs of one value from `at` on. */
function joinRuns(sketch: SparseSketch, at: number): void {
  const { bytes } = sketch;
  for (let left = JOIN_RUNS; left > 0 && at < sketch.length; left--) {
    const byte = bytes[at];
    if (byte < 128) {
      at += runBytes(byte);
      continue;
    }
    const next = bytes[at + 1];
    const joined = (byte & 3) + (next & 3) + 2;
    if (at + 1 < sketch.length && next >= 128 && valueIn(next) === valueIn(byte) && joined <= VALUE_RUN_MAX) {
      bytes[at + 1] = valueRun(valueIn(byte), joined);
      bytes.copyWithin(at, at + 1, sketch.length);
      sketch.length--;
    } else at++;
  }
}

/** The runs as PFDEBUG DECODE prints them. */
export function decodeSparse(bytes: Uint8Array, length: number): string {
  const words: string[] = [];
  for (let at = HLL_HEADER_BYTES; at < length; at += runBytes(bytes[at])) {
    const byte = bytes[at];
    const run = runLength(bytes, at);
    if (byte >= 128) words.push(`v:${valueIn(byte)},${run}`);
    else words.push(`${byte < 64 ? 'z' : 'Z'}:${run}`);
  }
  return words.join(' ');
}
