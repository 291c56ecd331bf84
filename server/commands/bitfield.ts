/** BITFIELD: integers of 1 to 64 bits anywhere in a string. */
import { NOTIFY_STRING } from '../keyspace/events.ts';
import { fitBitfield, type Overflow, readBitfield, writeBitfield } from '../structures/bits.ts';
import { type Call, parseInteger64 } from './call.ts';
import * as errors from './errors.ts';
import { changeInPlace, checkKey, findString, growString, readString } from './string-access.ts';
import { touched } from './value-access.ts';

const BAD_OFFSET = 'ERR bit offset is not an integer or out of range';
const BAD_TYPE =
  'ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.';
const BAD_OVERFLOW = 'ERR Invalid OVERFLOW type specified';
const ONLY_GET = 'ERR BITFIELD_RO only supports the GET subcommand';
const HASH = 35;
const SIGNED = 105;
const UNSIGNED = 117;
/** Bytes that a field of 64 bits touches at most. */
const WINDOW_BYTES = 9;

interface Step {
  readonly action: 'GET' | 'SET' | 'INCRBY';
  readonly overflow: Overflow;
  readonly signed: boolean;
  readonly bits: number;
  readonly offset: number;
  readonly amount: bigint;
}

export function bitfield(call: Call): void {
  const steps = readSteps(call);
  if (steps !== null) runSteps(call, steps);
}

export function bitfieldRo(call: Call): void {
  const steps = readSteps(call);
  if (steps === null) return;
  if (steps.some((step) => step.action !== 'GET')) call.reply.error(ONLY_GET);
  else runSteps(call, steps);
}

/**
 * Word `index` as the position of a bit within the longest string; `#n` is the n-th field when `bits` is not
 * 0. -1 after an error was answered.
 */
export function bitOffset(call: Call, index: number, bits: number): number {
  const start = call.argStart[index];
  const end = start + call.argLength[index];
  const numbered = bits > 0 && call.bytes[start] === HASH && end > start;
  let offset = numbered ? Number.NaN : call.integer(index);
  if (Number.isNaN(offset)) {
    const wide = parseInteger64(call.bytes, start + (numbered ? 1 : 0), end);
    offset = wide === null ? -1 : Number(wide) * (numbered ? bits : 1);
  }
  const trusted = call.client.kind === 'primary' || call.client.kind === 'aof';
  const most = trusted ? Number.MAX_SAFE_INTEGER : call.context.config.values['proto-max-bulk-len'] * 8;
  if (offset >= 0 && offset < most) return offset;
  call.reply.error(BAD_OFFSET);
  return -1;
}

function readSteps(call: Call): Step[] | null {
  const steps: Step[] = [];
  let overflow: Overflow = 'WRAP';
  for (let index = 2; index < call.argc; ) {
    const more = call.argc - index - 1;
    const action = call.is(index, 'GET') ? 'GET' : call.is(index, 'SET') ? 'SET' : 'INCRBY';
    if (call.is(index, 'OVERFLOW') && more >= 1) {
      const named = (['WRAP', 'SAT', 'FAIL'] as const).find((name) => call.is(index + 1, name));
      if (named === undefined) {
        call.reply.error(BAD_OVERFLOW);
        return null;
      }
      overflow = named;
      index += 2;
      continue;
    }
    if (!call.is(index, action) || more < (action === 'GET' ? 2 : 3)) {
      call.reply.error(errors.SYNTAX);
      return null;
    }
    const step = readStep(call, index, action, overflow);
    if (step === null) return null;
    steps.push(step);
    index += action === 'GET' ? 3 : 4;
  }
  return steps;
}

function readStep(call: Call, index: number, action: Step['action'], overflow: Overflow): Step | null {
  const start = call.argStart[index + 1];
  const kind = call.argLength[index + 1] > 0 ? call.bytes[start] : 0;
  const width = parseInteger64(call.bytes, start + 1, start + call.argLength[index + 1]);
  const signed = kind === SIGNED;
  if ((!signed && kind !== UNSIGNED) || width === null || width < 1n || width > (signed ? 64n : 63n)) {
    call.reply.error(BAD_TYPE);
    return null;
  }
  const bits = Number(width);
  const offset = bitOffset(call, index + 2, bits);
  if (offset < 0) return null;
  const amount = action === 'GET' ? 0n : call.integer64(index + 3);
  if (amount === null) {
    call.reply.error(errors.NOT_INTEGER);
    return null;
  }
  return { action, overflow, signed, bits, offset, amount };
}

const WINDOW = Buffer.alloc(WINDOW_BYTES);

function runSteps(call: Call, steps: readonly Step[]): void {
  const writes = steps.filter((step) => step.action !== 'GET');
  let ref = writes.length === 0 ? readString(call, 1) : findString(call, 1);
  if (ref < 0 || !checkKey(call, 1)) return;
  const { keyspace } = call.context;
  let grown = false;
  if (writes.length > 0) {
    const last = Math.max(...writes.map((step) => step.offset + step.bits - 1));
    const needed = Math.floor(last / 8) + 1;
    grown = ref === 0 || keyspace.records.valueLength(ref) < needed;
    if (grown) ref = growString(call, 1, ref, needed);
    else changeInPlace(call, ref);
  }
  call.reply.array(steps.length);
  let changes = 0;
  for (const step of steps) if (runStep(call, ref, step, grown)) changes++;
  if (changes === 0) return;
  // One change was counted when the string grew.
  if (!grown) touched(call, 1);
  keyspace.dirty += changes - 1;
  call.notify(NOTIFY_STRING, 'setbit', 1);
}

/** Runs one step and answers it; true when the string has changed. */
function runStep(call: Call, ref: number, step: Step, grown: boolean): boolean {
  const { records } = call.context.keyspace;
  const { bits, signed, amount, action } = step;
  const from = Math.floor(step.offset / 8);
  const within = step.offset % 8;
  const length = ref === 0 ? 0 : records.valueLength(ref);
  const there = Math.max(0, Math.min(WINDOW_BYTES, length - from));
  WINDOW.fill(0);
  if (there > 0) records.copyValue(ref, from, there, WINDOW, 0);
  const raw = readBitfield(WINDOW, within, bits);
  const former = signed ? BigInt.asIntN(bits, raw) : raw;
  if (action === 'GET') {
    call.reply.integer64(former);
    return false;
  }
  const wanted = action === 'SET' ? valueToSet(amount, bits, signed) : former + amount;
  const value = fitBitfield(wanted, bits, signed, step.overflow);
  if (value === null) {
    call.reply.nullBulk();
    return false;
  }
  call.reply.integer64(action === 'SET' ? former : value);
  writeBitfield(WINDOW, within, bits, value);
  records.writeValue(ref, from, WINDOW, 0, there);
  return grown || value !== former;
}

/**
 * What SET is given, as Redis takes it: a field without sign takes a number without sign, so that -1 is
 * larger than any field; and the distance of the lowest numbers to a signed field's maximum overflows, which
 * makes them too large instead of too small.
 */
function valueToSet(amount: bigint, bits: number, signed: boolean): bigint {
  if (!signed) return BigInt.asUintN(64, amount);
  const distance = (1n << BigInt(bits - 1)) - 1n - amount;
  return bits < 64 && distance >= 1n << 63n ? BigInt.asUintN(64, amount) : amount;
}
