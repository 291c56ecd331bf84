/** Set commands on single members and whole sets. */
import { NOTIFY_SET } from '../keyspace/events.ts';
import { TYPE_SET } from '../structures/record.ts';
import type { Call } from './call.ts';
import { DENYOOM, FAST, ONE_KEY, READONLY, type Row, TWO_KEYS, WRITE } from './row.ts';
import { scanSet } from './scan-elements.ts';
import { changedBy, checkNames, createSet, endRemoval, setsOf, writeElement } from './set-access.ts';
import { findValue, readValue, removeIfEmpty, touched, WRONG } from './value-access.ts';

const ANY_ORDER = { tips: ['nondeterministic_output_order'] } as const;

// biome-ignore format: a table, one command a row
export const setCommands: readonly Row[] = [
  // name        arity flags                   keys      since    run         summary
  ['SADD',       -3,   WRITE | DENYOOM | FAST, ONE_KEY,  '1.0.0', sadd,       'Adds one or more members to a set. Creates the key if it doesn\'t exist.'],
  ['SCARD',      2,    READONLY | FAST,        ONE_KEY,  '1.0.0', scard,      'Returns the number of members in a set.'],
  ['SISMEMBER',  3,    READONLY | FAST,        ONE_KEY,  '1.0.0', sismember,  'Determines whether a member belongs to a set.'],
  ['SMEMBERS',   2,    READONLY,               ONE_KEY,  '1.0.0', smembers,   'Returns all members of a set.', ANY_ORDER],
  ['SMISMEMBER', -3,   READONLY | FAST,        ONE_KEY,  '6.2.0', smismember, 'Determines whether multiple members belong to a set.'],
  ['SMOVE',      4,    WRITE | FAST,           TWO_KEYS, '1.0.0', smove,      'Moves a member from one set to another.'],
  ['SREM',       -3,   WRITE | FAST,           ONE_KEY,  '1.0.0', srem,       'Removes one or more members from a set. Deletes the set if the last member was removed.'],
  ['SSCAN',      -3,   READONLY,               ONE_KEY,  '2.8.0', scanSet,    'Iterates over members of a set.', { tips: ['nondeterministic_output'] }],
];

function sadd(call: Call): void {
  let ref = findValue(call, 1, TYPE_SET);
  if (ref === WRONG || !checkNames(call, 1, call.argc - 1)) return;
  const sets = setsOf(call);
  const members = call.argc - 2;
  if (ref === 0) ref = createSet(call, 1, 2, members);
  else {
    call.database.beforeChange(ref);
    sets.expectMembers(ref, members);
  }
  let added = 0;
  for (let index = 2; index < call.argc; index++) {
    if (sets.add(ref, call.bytes, call.argStart[index], call.argLength[index])) added++;
  }
  if (added !== 0) {
    changedBy(call, 1, added);
    call.notify(NOTIFY_SET, 'sadd', 1);
  }
  call.reply.integer(added);
}

function scard(call: Call): void {
  const ref = readValue(call, 1, TYPE_SET);
  if (ref !== WRONG) call.reply.integer(ref === 0 ? 0 : setsOf(call).count(ref));
}

function sismember(call: Call): void {
  const ref = readValue(call, 1, TYPE_SET);
  if (ref !== WRONG) call.reply.integer(isMember(call, ref, 2));
}

function smembers(call: Call): void {
  const ref = readValue(call, 1, TYPE_SET);
  if (ref === WRONG) return;
  const { reply } = call;
  if (ref === 0) {
    reply.set(0);
    return;
  }
  const sets = setsOf(call);
  const { records } = call.context.keyspace;
  reply.set(sets.count(ref));
  const cursor = sets.reading;
  cursor.open(records.encoding(ref), records.root(ref));
  while (cursor.next()) writeElement(reply, cursor);
}

function smismember(call: Call): void {
  const ref = readValue(call, 1, TYPE_SET);
  if (ref === WRONG) return;
  call.reply.array(call.argc - 2);
  for (let index = 2; index < call.argc; index++) call.reply.integer(isMember(call, ref, index));
}

function smove(call: Call): void {
  const source = findValue(call, 1, TYPE_SET);
  if (source === 0) {
    call.reply.integer(0);
    return;
  }
  if (source === WRONG) return;
  let target = findValue(call, 2, TYPE_SET);
  if (target === WRONG || !checkNames(call, 2, 3)) return;
  if (source === target) {
    call.reply.integer(isMember(call, source, 3));
    return;
  }
  const sets = setsOf(call);
  const start = call.argStart[3];
  const length = call.argLength[3];
  if (!sets.has(source, call.bytes, start, length)) {
    call.reply.integer(0);
    return;
  }
  call.database.beforeChange(source);
  sets.remove(source, call.bytes, start, length);
  call.notify(NOTIFY_SET, 'srem', 1);
  if (!removeIfEmpty(call, 1, source, sets.count(source))) touched(call, 1);
  target = call.database.find(call.bytes, call.argStart[2], call.argLength[2]);
  if (target === 0) target = createSet(call, 2, 3, 1);
  else call.database.beforeChange(target);
  if (sets.add(target, call.bytes, start, length)) {
    touched(call, 2);
    call.notify(NOTIFY_SET, 'sadd', 2);
  }
  call.reply.integer(1);
}

function srem(call: Call): void {
  const ref = findValue(call, 1, TYPE_SET);
  if (ref === WRONG) return;
  let removed = 0;
  if (ref !== 0) {
    const sets = setsOf(call);
    call.database.beforeChange(ref);
    for (let index = 2; index < call.argc; index++) {
      if (!sets.remove(ref, call.bytes, call.argStart[index], call.argLength[index])) continue;
      removed++;
      if (sets.count(ref) === 0) break;
    }
    if (removed !== 0) endRemoval(call, 1, ref, removed, 'srem');
  }
  call.reply.integer(removed);
}

function isMember(call: Call, ref: number, index: number): number {
  if (ref === 0) return 0;
  return setsOf(call).has(ref, call.bytes, call.argStart[index], call.argLength[index]) ? 1 : 0;
}
