/** Set commands that choose members at random. */
import { NOTIFY_GENERIC, NOTIFY_SET } from '../keyspace/events.ts';
import { ENCODING_INTSET, ENCODING_LISTPACK, TYPE_SET } from '../structures/record.ts';
import { SetValue } from '../values/set.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { readAtLeast, readSigned } from './list-arguments.ts';
import { FAST, ONE_KEY, READONLY, type Row, WRITE } from './row.ts';
import { changedBy, setsOf, writeElement } from './set-access.ts';
import { findValue, readValue, removeIfEmpty, touched, WRONG } from './value-access.ts';

const ANY_OUTPUT = { tips: ['nondeterministic_output'] } as const;

// biome-ignore format: a table, one command a row
export const setRandomCommands: readonly Row[] = [
  // name         arity flags         keys     since    run          summary
  ['SPOP',        -2,   WRITE | FAST, ONE_KEY, '1.0.0', spop,        'Returns one or more random members from a set after removing them. Deletes the set if the last member was popped.', ANY_OUTPUT],
  ['SRANDMEMBER', -2,   READONLY,     ONE_KEY, '1.0.0', srandmember, 'Get one or multiple random members from a set', ANY_OUTPUT],
];

const NOT_POSITIVE = 'ERR value is out of range, must be positive';
/** Members that one propagated SREM names. */
const MEMBERS_PER_COMMAND = 1024;
/** When less than this share of the set stays, it is what stays that is chosen. */
const STAY_SHARE = 5;
/** When more than this share of the set is wanted, it is gone through in order. */
const IN_ORDER_SHARE = 3;

function spop(call: Call): void {
  if (call.argc > 3) {
    call.reply.error(errors.SYNTAX);
    return;
  }
  if (call.argc === 3) {
    popSeveral(call);
    return;
  }
  const ref = findValue(call, 1, TYPE_SET);
  if (ref === WRONG) return;
  if (ref === 0) {
    call.reply.nullBulk();
    return;
  }
  const sets = setsOf(call);
  const member = sets.reading;
  sets.chooseMember(ref, member);
  writeElement(call.reply, member);
  if (call.context.propagation.active) call.propagateAs(['SREM', call.copy(1), member.copy()]);
  call.database.beforeChange(ref);
  sets.remove(ref, member.bytes, member.start, member.length);
  call.notify(NOTIFY_SET, 'spop', 1);
  if (!removeIfEmpty(call, 1, ref, sets.count(ref))) touched(call, 1);
}

function srandmember(call: Call): void {
  if (call.argc > 3) {
    call.reply.error(errors.SYNTAX);
    return;
  }
  const wanted = call.argc === 3 ? readSigned(call, 2) : 0;
  if (Number.isNaN(wanted)) return;
  const ref = readValue(call, 1, TYPE_SET);
  if (ref === WRONG) return;
  const sets = setsOf(call);
  if (call.argc === 2) {
    if (ref === 0) call.reply.nullBulk();
    else {
      sets.chooseMember(ref, sets.reading);
      writeElement(call.reply, sets.reading);
    }
  } else if (ref === 0 || wanted === 0) call.reply.array(0);
  else if (wanted < 0) writeRepeated(call, ref, -wanted);
  else writeDistinct(call, ref, wanted);
}

// --- what the commands share

/** SREM commands of what was popped, so many members each. */
class Popped {
  readonly #call: Call;
  #words: (string | Uint8Array)[] = [];

  constructor(call: Call) {
    this.#call = call;
  }

  add(member: Uint8Array): void {
    if (this.#words.length === 0) this.#words.push('SREM', this.#call.copy(1));
    this.#words.push(member);
    if (this.#words.length === MEMBERS_PER_COMMAND + 2) this.end();
  }

  end(): void {
    if (this.#words.length !== 0) this.#call.propagateAs(this.#words);
    this.#words = [];
  }
}

function popSeveral(call: Call): void {
  const wanted = readAtLeast(call, 2, 0, NOT_POSITIVE);
  if (Number.isNaN(wanted)) return;
  const ref = findValue(call, 1, TYPE_SET);
  if (ref === WRONG) return;
  if (ref === 0 || wanted === 0) {
    call.reply.set(0);
    return;
  }
  const size = setsOf(call).count(ref);
  call.notify(NOTIFY_SET, 'spop', 1);
  if (wanted >= size) {
    popAll(call, ref);
    return;
  }
  call.database.beforeChange(ref);
  call.reply.set(wanted);
  const popped = new Popped(call);
  const stay = size - wanted;
  if (stay * STAY_SHARE <= wanted) popRest(call, ref, stay, popped);
  else if (call.context.keyspace.records.encoding(ref) === ENCODING_LISTPACK) {
    popFromListpack(call, ref, wanted, popped);
  } else popOneByOne(call, ref, wanted, popped);
  popped.end();
  changedBy(call, 1, wanted);
}

function popAll(call: Call, ref: number): void {
  const sets = setsOf(call);
  const { records } = call.context.keyspace;
  const size = sets.count(ref);
  call.reply.set(size);
  sets.reading.open(records.encoding(ref), records.root(ref));
  while (sets.reading.next()) writeElement(call.reply, sets.reading);
  call.database.removeFound(ref);
  call.notify(NOTIFY_GENERIC, 'del', 1);
  call.context.keyspace.dirty += size - 1;
  const lazy = call.context.config.values['lazyfree-lazy-server-del'];
  call.propagateAs([lazy ? 'UNLINK' : 'DEL', call.copy(1)]);
}

function popOneByOne(call: Call, ref: number, wanted: number, popped: Popped): void {
  const sets = setsOf(call);
  const member = sets.reading;
  for (let left = wanted; left > 0; left--) {
    sets.chooseMember(ref, member);
    writeElement(call.reply, member);
    popped.add(member.copy());
    sets.remove(ref, member.bytes, member.start, member.length);
  }
}

/** In the order of the listpack: each member goes with the chance that leaves the right number in the end. */
function popFromListpack(call: Call, ref: number, wanted: number, popped: Popped): void {
  const sets = setsOf(call);
  const { records, random } = call.context.keyspace;
  let root = records.root(ref);
  let ahead = sets.count(ref);
  let left = wanted;
  let at = sets.listpacks.first(root);
  const member = sets.reading;
  for (; left > 0; ahead--) {
    const next = member.readListpack(root, at);
    if (random() * ahead >= left) {
      at = next;
      continue;
    }
    writeElement(call.reply, member);
    popped.add(member.copy());
    root = sets.listpacks.delete(root, at);
    left--;
  }
  records.setRoot(ref, root);
}

/** Chooses the few members that stay, makes a set of them and answers the others. */
function popRest(call: Call, ref: number, stay: number, popped: Popped): void {
  const sets = setsOf(call);
  const { records, random } = call.context.keyspace;
  const cursor = sets.reading;
  const encoding = records.encoding(ref);
  const kept = new SetValue();
  kept.encoding = encoding === ENCODING_INTSET ? ENCODING_INTSET : ENCODING_LISTPACK;
  kept.root = sets.newRoot(kept.encoding);
  let ahead = sets.count(ref);
  let left = stay;
  cursor.open(encoding, records.root(ref));
  for (; cursor.next(); ahead--) {
    if (random() * ahead < left) {
      left--;
      sets.addMember(kept, cursor);
      continue;
    }
    writeElement(call.reply, cursor);
    popped.add(cursor.copy());
  }
  // A snapshot that writes the old members may have to keep them for a while.
  call.context.keyspace.releaseValue(ref);
  sets.giveValue(ref, kept);
}

/** `count` members, each chosen from all. */
function writeRepeated(call: Call, ref: number, count: number): void {
  const sets = setsOf(call);
  call.reply.array(count);
  for (let left = count; left > 0 && !call.reply.full; left--) {
    sets.chooseMember(ref, sets.reading);
    writeElement(call.reply, sets.reading);
  }
}

/** `count` different members, or all. */
function writeDistinct(call: Call, ref: number, count: number): void {
  const sets = setsOf(call);
  const { records, random } = call.context.keyspace;
  const size = sets.count(ref);
  const member = sets.reading;
  let left = Math.min(count, size);
  call.reply.array(left);
  if (left * IN_ORDER_SHARE > size || records.encoding(ref) === ENCODING_LISTPACK) {
    member.open(records.encoding(ref), records.root(ref));
    for (let ahead = size; left > 0 && member.next(); ahead--) {
      if (random() * ahead >= left) continue;
      writeElement(call.reply, member);
      left--;
    }
    return;
  }
  const taken = new Set<string>();
  while (left > 0) {
    sets.chooseMember(ref, member);
    member.asText();
    const text = member.bytes.latin1Slice(member.start, member.start + member.length);
    if (taken.has(text)) continue;
    taken.add(text);
    writeElement(call.reply, member);
    left--;
  }
}
