/** The options of SET, GETEX and MSETEX. */
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { type ExpiryUnit, expiryUnit } from './expiry-arguments.ts';

/** What must hold for the command to act; the last four compare the value, or its digest, with a word. */
export type Condition = '' | 'NX' | 'XX' | 'IFEQ' | 'IFNE' | 'IFDEQ' | 'IFDNE';

/** Options as they were given. */
export interface StringOptions {
  condition: Condition;
  /** Word that the condition compares with. */
  comparison: number;
  /** GET: answer with the old value. */
  answersOld: boolean;
  keepsExpiry: boolean;
  persists: boolean;
  unit: ExpiryUnit | undefined;
  /** Word that holds the time of `unit`. */
  time: number;
}

/** Which options a command has besides the times. */
export type OptionForm = 'set' | 'get' | 'several';

const COMPARING: readonly Condition[] = ['IFEQ', 'IFNE', 'IFDEQ', 'IFDNE'];

const options: StringOptions = {
  condition: '',
  comparison: 0,
  answersOld: false,
  keepsExpiry: false,
  persists: false,
  unit: undefined,
  time: 0,
};

/**
 * Reads the words from `index` on; null after answering a syntax error. The result is valid until the next
 * call.
 */
export function readStringOptions(call: Call, index: number, form: OptionForm): StringOptions | null {
  options.condition = '';
  options.comparison = 0;
  options.answersOld = false;
  options.keepsExpiry = false;
  options.persists = false;
  options.unit = undefined;
  for (; index < call.argc; index++) {
    const taken = readTime(call, index) || readFlag(call, index, form) || readComparison(call, index, form);
    if (taken === 0) {
      call.reply.error(errors.SYNTAX);
      return null;
    }
    index += taken - 1;
  }
  return options;
}

/**
 * The words that a time takes, 0 when there is none here. The same unit may come again; the last time counts.
 */
function readTime(call: Call, index: number): number {
  const unit = expiryUnit(call, index);
  if (unit === undefined || index + 1 >= call.argc) return 0;
  if (options.keepsExpiry || options.persists || (options.unit !== undefined && options.unit !== unit))
    return 0;
  options.unit = unit;
  options.time = index + 1;
  return 2;
}

function readFlag(call: Call, index: number, form: OptionForm): number {
  if (form === 'get') {
    if (!call.is(index, 'PERSIST') || options.unit !== undefined) return 0;
    options.persists = true;
    return 1;
  }
  const { condition } = options;
  if (call.is(index, 'NX') && (condition === '' || condition === 'NX')) options.condition = 'NX';
  else if (call.is(index, 'XX') && (condition === '' || condition === 'XX')) options.condition = 'XX';
  else if (call.is(index, 'GET') && form === 'set') options.answersOld = true;
  else if (call.is(index, 'KEEPTTL') && options.unit === undefined) options.keepsExpiry = true;
  else return 0;
  return 1;
}

function readComparison(call: Call, index: number, form: OptionForm): number {
  if (form !== 'set' || options.condition !== '' || index + 1 >= call.argc) return 0;
  const condition = comparingCondition(call, index);
  if (condition === undefined) return 0;
  options.condition = condition;
  options.comparison = index + 1;
  return 2;
}

/** IFEQ, IFNE, IFDEQ or IFDNE at word `index`. */
export function comparingCondition(call: Call, index: number): Condition | undefined {
  return COMPARING.find((name) => call.is(index, name));
}
