/** HyperLogLogs: how many different elements there are, in at most 12 KiB. */
import { NOTIFY_STRING } from '../keyspace/events.ts';
import {
  cacheCount,
  cachedCount,
  denseRegister,
  emptyHyperLogLog,
  estimate,
  HLL_DENSE_BYTES,
  HLL_HEADER_BYTES,
  HLL_REGISTERS,
  isHyperLogLog,
  isSparse,
  isWhole,
  markStale,
  mergeRegisters,
  placeOf,
  raiseDense,
  setDenseRegister,
  toDense,
} from '../structures/hyperloglog.ts';
import {
  decodeSparse,
  GROWTH_BYTES_MAX,
  raiseSparse,
  type SparseSketch,
} from '../structures/hyperloglog-sparse.ts';
import { Prng } from '../structures/prng.ts';
import { ENCODING_RAW, TYPE_STRING } from '../structures/record.ts';
import type { Call } from './call.ts';
import {
  ADMIN,
  ALL_KEYS,
  DENYOOM,
  FAST,
  type KeyPlace,
  MAY_REPLICATE,
  NO_KEY,
  ONE_KEY,
  READONLY,
  type Row,
  WRITE,
} from './row.ts';
import { changeInPlace, checkKey, growString } from './string-access.ts';
import { findValue, readValue, touched } from './value-access.ts';

const SECOND_KEY: KeyPlace = [2, 2, 1];

// biome-ignore format: a table, one command a row
export const hyperloglogCommands: readonly Row[] = [
  // name        arity flags                     keys        since    run         summary
  ['PFADD',      -2,   WRITE | DENYOOM | FAST,   ONE_KEY,    '2.8.9', pfadd,      'Adds elements to a HyperLogLog key. Creates the key if it doesn\'t exist.'],
  ['PFCOUNT',    -2,   READONLY | MAY_REPLICATE, ALL_KEYS,   '2.8.9', pfcount,    'Returns the approximated cardinality of the set(s) observed by the HyperLogLog key(s).'],
  ['PFDEBUG',    3,    WRITE | DENYOOM | ADMIN,  SECOND_KEY, '2.8.9', pfdebug,    'Internal commands for debugging HyperLogLog values.'],
  ['PFMERGE',    -2,   WRITE | DENYOOM,          ALL_KEYS,   '2.8.9', pfmerge,    'Merges one or more HyperLogLog values into a single key.'],
  ['PFSELFTEST', 1,    ADMIN,                    NO_KEY,     '2.8.9', pfselftest, 'An internal command for testing HyperLogLog values.'],
];

const NO_SKETCH = 'WRONGTYPE Key is not a valid HyperLogLog string value.';
const CORRUPT = 'INVALIDOBJ Corrupted HLL object detected';
const NO_KEY_THERE = 'ERR The specified key does not exist';

function pfadd(call: Call): void {
  const ref = findSketch(call, 1);
  if (ref < 0 || !checkKey(call, 1)) return;
  const { records } = call.context.keyspace;
  if (ref !== 0 && !records.chunked(ref) && !isSparse(records.segment(ref), records.valueStart(ref))) {
    addDense(call, ref);
    return;
  }
  const sketch = ref === 0 ? ownedSketch(emptyHyperLogLog()) : loadSketch(call, ref);
  let updated = ref === 0 ? 1 : 0;
  for (let index = 2; index < call.argc; index++) {
    const place = placeOf(call.bytes, call.argStart[index], call.argLength[index]);
    const raised = raise(call, sketch, place >>> 6, place & 63);
    if (raised === null) {
      call.reply.error(CORRUPT);
      return;
    }
    if (raised) updated++;
  }
  if (updated === 0) records.setEncoding(ref, ENCODING_RAW);
  else {
    markStale(sketch.bytes, 0);
    storeSketch(call, ref, sketch, updated);
  }
  call.reply.integer(updated > 0 ? 1 : 0);
}

function addDense(call: Call, ref: number): void {
  const { keyspace } = call.context;
  const { records } = keyspace;
  changeInPlace(call, ref);
  const bytes = records.segment(ref);
  const start = records.valueStart(ref);
  let updated = 0;
  for (let index = 2; index < call.argc; index++) {
    const place = placeOf(call.bytes, call.argStart[index], call.argLength[index]);
    if (raiseDense(bytes, start, place >>> 6, place & 63)) updated++;
  }
  if (updated > 0) {
    markStale(bytes, start);
    touched(call, 1);
    keyspace.dirty += updated - 1;
    call.notify(NOTIFY_STRING, 'pfadd', 1);
  }
  call.reply.integer(updated > 0 ? 1 : 0);
}

function pfcount(call: Call): void {
  if (call.argc > 2) {
    const registers = mergedRegisters(call, 1);
    if (registers !== null) call.reply.integer(estimate(registers.values));
    return;
  }
  const ref = readSketch(call, 1);
  if (ref < 0) return;
  if (ref === 0) {
    call.reply.integer(0);
    return;
  }
  const sketch = loadSketch(call, ref);
  const known = cachedCount(sketch.bytes, 0);
  if (known !== null) {
    call.reply.integer64(BigInt.asIntN(64, known));
    return;
  }
  const registers = new Uint8Array(HLL_REGISTERS);
  const whole = !isSparse(sketch.bytes, 0) || isWhole(sketch.bytes, sketch.length);
  if (!whole || !mergeRegisters(registers, sketch.bytes, sketch.length)) {
    call.reply.error(CORRUPT);
    return;
  }
  const count = estimate(registers);
  cacheCount(sketch.bytes, 0, count);
  changeInPlace(call, ref);
  call.context.keyspace.records.writeValue(ref, 0, sketch.bytes, 0, HLL_HEADER_BYTES);
  touched(call, 1);
  call.reply.integer(count);
}

function pfdebug(call: Call): void {
  if (call.is(1, 'SIMD')) {
    if (call.is(2, 'ON') || call.is(2, 'OFF')) call.reply.simple('disabled');
    else call.reply.error('ERR Argument must be ON or OFF');
    return;
  }
  const ref = findSketch(call, 2);
  if (ref < 0) return;
  if (ref === 0) {
    call.reply.error(NO_KEY_THERE);
    return;
  }
  const sketch = loadSketch(call, ref);
  const sparse = isSparse(sketch.bytes, 0);
  if (call.is(1, 'GETREG') || call.is(1, 'TODENSE')) {
    if (sparse && !makeDense(sketch)) {
      call.reply.error(CORRUPT);
      return;
    }
    if (sparse) storeAt(call, 2, ref, sketch);
    if (call.is(1, 'TODENSE')) call.reply.integer(sparse ? 1 : 0);
    else {
      call.reply.array(HLL_REGISTERS);
      for (let at = 0; at < HLL_REGISTERS; at++) call.reply.integer(denseRegister(sketch.bytes, 0, at));
    }
  } else if (call.is(1, 'DECODE')) {
    if (sparse) call.reply.bulkLatin1(decodeSparse(sketch.bytes, sketch.length));
    else call.reply.error('ERR HLL encoding is not sparse');
  } else if (call.is(1, 'ENCODING')) call.reply.simple(sparse ? 'sparse' : 'dense');
  else call.reply.error(`ERR Unknown PFDEBUG subcommand '${call.text(1)}'`);
}

function pfmerge(call: Call): void {
  if (!checkKey(call, 1)) return;
  const merged = mergedRegisters(call, 1);
  if (merged === null) return;
  const ref = findSketch(call, 1);
  if (ref < 0) return;
  const sketch = ref === 0 ? ownedSketch(emptyHyperLogLog()) : loadSketch(call, ref);
  if (merged.dense && isSparse(sketch.bytes, 0) && !makeDense(sketch)) {
    call.reply.error(CORRUPT);
    return;
  }
  for (let index = 0; index < HLL_REGISTERS; index++) {
    const value = merged.values[index];
    if (merged.dense) setDenseRegister(sketch.bytes, 0, index, value);
    else if (value !== 0) raise(call, sketch, index, value);
  }
  markStale(sketch.bytes, 0);
  storeSketch(call, ref, sketch, 1);
  call.reply.ok();
}

const SELF_TEST_CYCLES = 20;
/** Redis goes to ten million, which would hold up others for seconds here. */
const SELF_TEST_ELEMENTS = 1_000_000;

function pfselftest(call: Call): void {
  const failure = registerFailure() ?? estimateFailure(call);
  if (failure === null) call.reply.ok();
  else call.reply.error(`ERR TESTFAILED ${failure}`);
}

function registerFailure(): string | null {
  const random = new Prng(Date.now());
  const dense = Buffer.alloc(HLL_DENSE_BYTES);
  for (let cycle = 0; cycle < SELF_TEST_CYCLES; cycle++) {
    const wanted = Array.from({ length: HLL_REGISTERS }, () => random.below(64));
    for (const [index, value] of wanted.entries()) setDenseRegister(dense, 0, index, value);
    for (const [index, value] of wanted.entries()) {
      const found = denseRegister(dense, 0, index);
      if (found !== value) return `Register ${index} should be ${value} but is ${found}`;
    }
  }
  return null;
}

function estimateFailure(call: Call): string | null {
  const random = new Prng(Date.now());
  const sketch = ownedSketch(emptyHyperLogLog());
  const registers = new Uint8Array(HLL_REGISTERS);
  const element = Buffer.alloc(8);
  element.writeUInt32LE(random.bits(), 4);
  for (let count = 1, checkpoint = 1; count <= SELF_TEST_ELEMENTS; count++) {
    element.writeUInt32LE(count);
    const place = placeOf(element, 0, 8);
    registers[place >>> 6] = Math.max(registers[place >>> 6], place & 63);
    raise(call, sketch, place >>> 6, place & 63);
    if (count !== checkpoint) continue;
    checkpoint *= 10;
    const stored = new Uint8Array(HLL_REGISTERS);
    mergeRegisters(stored, sketch.bytes, sketch.length);
    const found = estimate(stored);
    if (found !== estimate(registers)) return 'dense/sparse disagree';
    const most = count === 10 ? 1 : Math.ceil((1.04 / Math.sqrt(HLL_REGISTERS)) * 6 * count);
    if (Math.abs(found - count) > most)
      return `Too big error. card:${count} abserr:${Math.abs(found - count)}`;
  }
  return null;
}

// --- what the commands share

/** The HyperLogLog in word `index` for a change: its record, 0 when there is none, -1 after an error. */
function findSketch(call: Call, index: number): number {
  return checked(call, findValue(call, index, TYPE_STRING));
}

function readSketch(call: Call, index: number): number {
  return checked(call, readValue(call, index, TYPE_STRING));
}

const HEAD = Buffer.alloc(HLL_HEADER_BYTES);

function checked(call: Call, ref: number): number {
  if (ref <= 0) return ref;
  const { records } = call.context.keyspace;
  const length = records.valueLength(ref);
  if (length >= HLL_HEADER_BYTES) records.copyValue(ref, 0, HLL_HEADER_BYTES, HEAD, 0);
  if (length >= HLL_HEADER_BYTES && isHyperLogLog(HEAD, 0, length)) return ref;
  call.reply.error(NO_SKETCH);
  return -1;
}

function ownedSketch(bytes: Buffer): SparseSketch {
  const room = Buffer.alloc(Math.max(HLL_DENSE_BYTES, bytes.length + GROWTH_BYTES_MAX));
  room.set(bytes);
  return { bytes: room, length: bytes.length };
}

function loadSketch(call: Call, ref: number): SparseSketch {
  const { records } = call.context.keyspace;
  const length = records.valueLength(ref);
  const bytes = Buffer.alloc(Math.max(HLL_DENSE_BYTES, length + GROWTH_BYTES_MAX));
  records.copyValue(ref, 0, length, bytes, 0);
  return { bytes, length };
}

/** Turns a sketch dense; false when it is corrupt. */
function makeDense(sketch: SparseSketch): boolean {
  const dense = toDense(sketch.bytes, sketch.length);
  if (dense === null) return false;
  sketch.bytes = dense;
  sketch.length = dense.length;
  return true;
}

/** Lifts a register, in the dense form if need be: whether it was lower; null when the sketch is corrupt. */
function raise(call: Call, sketch: SparseSketch, index: number, count: number): boolean | null {
  if (!isSparse(sketch.bytes, 0)) return raiseDense(sketch.bytes, 0, index, count);
  if (sketch.length + GROWTH_BYTES_MAX > sketch.bytes.length) {
    sketch.bytes = Buffer.concat([sketch.bytes], sketch.bytes.length * 2);
  }
  const bytesMax = call.context.keyspace.values.limits.hllSparseMaxBytes;
  const raised = raiseSparse(sketch, index, count, bytesMax);
  if (raised === 'corrupt') return null;
  if (raised !== 'promote') return raised === 'raised';
  return makeDense(sketch) ? raiseDense(sketch.bytes, 0, index, count) : null;
}

/** Puts a sketch into the key in word 1 and tells listeners; `changes` are counted. */
function storeSketch(call: Call, ref: number, sketch: SparseSketch, changes: number): void {
  storeAt(call, 1, ref, sketch);
  call.context.keyspace.dirty += changes - 1;
  call.notify(NOTIFY_STRING, 'pfadd', 1);
}

function storeAt(call: Call, index: number, ref: number, sketch: SparseSketch): void {
  const target = growString(call, index, ref, sketch.length);
  call.context.keyspace.records.writeValue(target, 0, sketch.bytes, 0, sketch.length);
}

/** The highest registers of the keys in the words from `first` on; null after an error was answered. */
function mergedRegisters(call: Call, first: number): { values: Uint8Array; dense: boolean } | null {
  const values = new Uint8Array(HLL_REGISTERS);
  let dense = false;
  for (let index = first; index < call.argc; index++) {
    const ref = readSketch(call, index);
    if (ref < 0) return null;
    if (ref === 0) continue;
    const sketch = loadSketch(call, ref);
    if (!isSparse(sketch.bytes, 0)) dense = true;
    if (!mergeRegisters(values, sketch.bytes, sketch.length)) {
      call.reply.error(CORRUPT);
      return null;
    }
  }
  return { values, dense };
}
