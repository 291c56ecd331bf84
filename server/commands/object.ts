/** OBJECT: what the server knows of a key beside its value. */
import { lfuCounter } from '../keyspace/lfu.ts';
import { TYPE_STRING } from '../structures/record.ts';
import { type Call, parseInteger } from './call.ts';
import { findKey } from './find-key.ts';
import { writeHelp } from './help.ts';
import { encodingNameOf } from './object-encoding.ts';

const LFU_IS_OFF =
  'ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.';
const LFU_IS_ON =
  'ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.';

/** What Redis answers for shared objects; they are the integers below 10,000. */
const SHARED_REFERENCES = 2147483647;
const SHARED_DIGITS_MAX = 4;

export function encoding(call: Call): void {
  const ref = findObject(call);
  if (ref !== 0) call.reply.bulkLatin1(encodingNameOf(call.context.keyspace, ref));
}

export function freq(call: Call): void {
  const ref = findObject(call);
  if (ref === 0) return;
  const { keyspace, config } = call.context;
  if (!keyspace.eviction.policy.endsWith('lfu')) {
    call.reply.error(LFU_IS_OFF);
    return;
  }
  const clock = keyspace.records.accessClock(ref);
  call.reply.integer(lfuCounter(clock, keyspace.freshClock >>> 8, Number(config.values['lfu-decay-time'])));
}

export function idletime(call: Call): void {
  const ref = findObject(call);
  if (ref === 0) return;
  const { keyspace } = call.context;
  if (keyspace.eviction.policy.endsWith('lfu')) call.reply.error(LFU_IS_ON);
  else call.reply.integer((keyspace.freshClock - keyspace.records.accessClock(ref)) & 0xffffff);
}

export function refcount(call: Call): void {
  const ref = findObject(call);
  if (ref !== 0) call.reply.integer(isSharedInteger(call, ref) ? SHARED_REFERENCES : 1);
}

/** Redis keeps one object for each small integer, unless eviction looks at the age of objects. */
function isSharedInteger(call: Call, ref: number): boolean {
  const { keyspace } = call.context;
  const { records, eviction } = keyspace;
  if (eviction.maxmemory > 0 && /l[rf]u$/.test(eviction.policy)) return false;
  if (records.type(ref) !== TYPE_STRING || records.valueLength(ref) > SHARED_DIGITS_MAX) return false;
  const start = records.valueStart(ref);
  const integer = parseInteger(records.segment(ref), start, start + records.valueLength(ref));
  return integer >= 0 && encodingNameOf(keyspace, ref) === 'int';
}

export function objectHelp(call: Call): void {
  writeHelp(call, 'OBJECT', [
    'ENCODING <key>',
    '    Return the kind of internal representation used in order to store the value',
    '    associated with a <key>.',
    'FREQ <key>',
    '    Return the access frequency index of the <key>. The returned integer is',
    '    proportional to the logarithm of the recent access frequency of the key.',
    'IDLETIME <key>',
    '    Return the idle time of the <key>, that is the approximated number of',
    '    seconds elapsed since the last access to the key.',
    'REFCOUNT <key>',
    '    Return the number of references of the value associated with the specified',
    '    <key>.',
  ]);
}

/** The object of a subcommand without touching its clock, 0 after answering that there is none. */
function findObject(call: Call): number {
  const ref = findKey(call, 2);
  if (ref === 0) call.reply.nullBulk();
  return ref;
}
