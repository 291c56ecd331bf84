/** What the commands on expiring fields read from their words. */
import { TYPE_HASH } from '../structures/record.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { type ExpiryUnit, expiryUnit, readExpiresAt } from './expiry-arguments.ts';
import { findValue, WRONG } from './value-access.ts';

const BAD_COUNT = 'ERR numfields should be greater than 0 and match the provided number of fields';

/**
 * The word of the first field: after FIELDS, which is looked for from word `from` on, and their number, which
 * must be right for `step` words a field. 0 after an error.
 */
export function firstField(call: Call, from: number, step: number): number {
  let index = from;
  while (index < call.argc - 1 && !call.is(index, 'FIELDS')) index++;
  if (index >= call.argc - 1) {
    call.reply.error(BAD_COUNT);
    return 0;
  }
  return countedFields(call, index + 1, step, BAD_COUNT) ? index + 2 : 0;
}

/** The word behind the number of fields in word `index` is the first of exactly so many. */
export function countedFields(call: Call, index: number, step: number, error: string = BAD_COUNT): boolean {
  const count = call.integer64(index);
  if (count === null) {
    call.reply.error(errors.NOT_INTEGER);
    return false;
  }
  if (count > 0n && count * BigInt(step) === BigInt(call.argc - index - 1)) return true;
  call.reply.error(error);
  return false;
}

/**
 * The hash of `<key> FIELDS <number> <field> …`, about to be changed: 0 when there is none, WRONG after an
 * error was answered.
 */
export function fieldsToChange(call: Call): number {
  if (!call.is(2, 'FIELDS')) {
    call.reply.error(errors.SYNTAX);
    return WRONG;
  }
  if (!countedFields(call, 3, 1)) return WRONG;
  const ref = findValue(call, 1, TYPE_HASH);
  if (ref > 0) call.database.beforeChange(ref);
  return ref;
}

/** Word `index` as unix ms; NaN after an error was answered. A time before 1970 is one. */
export function readFieldExpiry(call: Call, index: number, unit: ExpiryUnit): number {
  const given = call.integer64(index);
  if (given !== null && given < 0n) {
    call.reply.error(errors.invalidExpire(call.entry.name));
    return Number.NaN;
  }
  return readExpiresAt(call, index, unit, false);
}

/** Options of HGETEX and HSETEX. */
export interface FieldOptions {
  /** Word of the time, 0 without one. */
  time: number;
  unit: ExpiryUnit | undefined;
  persist: boolean;
  keepExpiry: boolean;
  /** Key (x) or fields (f) must (x) or must not (n) exist. */
  condition: '' | 'nx' | 'xx';
  fieldCondition: '' | 'fnx' | 'fxx';
}

/** Reads the words 2 to `to` - 1; null after a syntax error. */
export function readFieldOptions(call: Call, to: number, setting: boolean): FieldOptions | null {
  const options: FieldOptions = {
    time: 0,
    unit: undefined,
    persist: false,
    keepExpiry: false,
    condition: '',
    fieldCondition: '',
  };
  for (let index = 2; index < to; index++) {
    const unit = index + 1 < to ? expiryUnit(call, index) : undefined;
    const free = options.unit === undefined && !options.persist && !options.keepExpiry;
    if (unit !== undefined && free) {
      options.unit = unit;
      options.time = ++index;
    } else if (!setting && free && call.is(index, 'PERSIST')) options.persist = true;
    else if (setting && free && call.is(index, 'KEEPTTL')) options.keepExpiry = true;
    else if (!setting || !readCondition(call, index, options)) {
      call.reply.error(errors.SYNTAX);
      return null;
    }
  }
  return options;
}

function readCondition(call: Call, index: number, options: FieldOptions): boolean {
  if (call.is(index, 'FNX') && options.fieldCondition !== 'fxx') options.fieldCondition = 'fnx';
  else if (call.is(index, 'FXX') && options.fieldCondition !== 'fnx') options.fieldCondition = 'fxx';
  else if (call.is(index, 'NX') && options.condition !== 'xx') options.condition = 'nx';
  else if (call.is(index, 'XX') && options.condition !== 'nx') options.condition = 'xx';
  else return false;
  return true;
}
