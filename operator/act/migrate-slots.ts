/**
 * Moves slots from one primary to another, a few at a time:
 *
 *   target IMPORTING, source MIGRATING, keys by MIGRATE, NODE on the target, the source, the others
 *
 * Stopped anywhere it leaves markers and keys that `openSlots` finds and finishes. The target learns first
 * that it owns the slot: from then on nobody's crash can lose a key. MIGRATE replaces, because a key that
 * stands on the source is the newer one until the source has given it up.
 */
import { type Reply, RespError } from '../../server/wire/reply-parser.ts';
import type { Step, Target } from '../plan/step.ts';
import { type Actor, DONE, StepEnd, type StepResult } from './actor.ts';
import { Server } from './server.ts';

type MigrateStep = Extract<Step, { readonly kind: 'migrateSlots' }>;

/** One pass must not hold up healing. */
const PASS_BUDGET_MS = 3_000;
/** Slots that are open at the same time. */
const SLOTS_AT_ONCE = 32;
/** Keys in one MIGRATE: the source blocks while it sends them. */
const KEYS_AT_ONCE = 64;
/** Valkey answers SETSLOT when its replicas have it, one after the other. */
const SETSLOT_DEADLINE_MS = 10_000;
const MIGRATE_TIMEOUT_MS = 5_000;
const MIGRATE_DEADLINE_MS = 12_000;
/** Rounds of one slot; more means that keys come back as fast as they go. */
const ROUNDS_MAX = 1_000_000;

export async function migrateSlots(actor: Actor, step: MigrateStep): Promise<StepResult> {
  const deadline = actor.now() + PASS_BUDGET_MS;
  const [source, target] = await Promise.all([Server.open(actor, step.from), Server.open(actor, step.to)]);
  const others = await openOthers(actor, step.others);
  let moved = 0;
  for (let index = 0; index < step.slots.length; index += SLOTS_AT_ONCE) {
    if (actor.now() >= deadline) break;
    const slots = step.slots.slice(index, index + SLOTS_AT_ONCE);
    const opened = await openSlots(source, target, slots);
    await moveKeys(actor, source, target, opened, deadline);
    await handOver(source, target, others, opened);
    const before = slots.filter((slot) => !opened.includes(slot));
    await Promise.all(
      before.map((slot) => source.attempt(['CLUSTER', 'SETSLOT', slot, 'NODE', step.to.nodeId])),
    );
    moved += slots.length;
  }
  const message = `${moved} of ${step.slots.length} slots moved`;
  return moved === step.slots.length ? DONE : { kind: 'unfinished', message };
}

/** Others may be away: gossip tells them, this is only faster. */
async function openOthers(actor: Actor, targets: readonly Target[]): Promise<Server[]> {
  const opened = await Promise.allSettled(targets.map((target) => Server.open(actor, target)));
  return opened.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
}

/** Marks both ends; slots that the target owns by now are left out. */
async function openSlots(source: Server, target: Server, slots: readonly number[]): Promise<number[]> {
  const importing = await Promise.all(
    slots.map((slot) =>
      target.attempt(['CLUSTER', 'SETSLOT', slot, 'IMPORTING', source.target.nodeId], SETSLOT_DEADLINE_MS),
    ),
  );
  const opened = slots.filter((slot, index) => {
    const reply = importing[index] ?? null;
    if (!(reply instanceof RespError)) return true;
    if (/already the owner/i.test(reply.message)) return false;
    throw new StepEnd('failed', `${target.target.pod}, slot ${slot}: ${reply.message}`);
  });
  await Promise.all(
    opened.map((slot) =>
      source.ask(['CLUSTER', 'SETSLOT', slot, 'MIGRATING', target.target.nodeId], SETSLOT_DEADLINE_MS),
    ),
  );
  return opened;
}

/**
 * Asks all slots at once, and again those that had keys, until none has: a batch may not have taken them
 * all.
 */
async function moveKeys(
  actor: Actor,
  source: Server,
  target: Server,
  slots: readonly number[],
  deadline: number,
): Promise<void> {
  const { host, port } = target.target.address;
  const credentials = actor.password === undefined ? [] : ['AUTH', actor.password];
  let left = slots;
  for (let round = 0; round < ROUNDS_MAX; round += 1) {
    const replies = await Promise.all(
      left.map((slot) => source.ask(['CLUSTER', 'GETKEYSINSLOT', slot, KEYS_AT_ONCE])),
    );
    const batches = left
      .map((slot, index) => ({ slot, keys: keysOf(replies[index] ?? null) }))
      .filter(({ keys }) => keys.length > 0);
    if (batches.length === 0) return;
    for (const [index, { keys }] of batches.entries()) {
      // One batch at least, so that every pass gets on.
      if (round + index > 0 && actor.now() >= deadline) {
        throw new StepEnd('unfinished', `${batches.length} slots are half-way; the next pass goes on`);
      }
      await source.ask(
        ['MIGRATE', host, port, '', 0, MIGRATE_TIMEOUT_MS, 'REPLACE', ...credentials, 'KEYS', ...keys],
        MIGRATE_DEADLINE_MS,
      );
    }
    left = batches.map(({ slot }) => slot);
  }
  throw new StepEnd('failed', `slots ${left.join(', ')} do not become empty`);
}

function keysOf(reply: Reply): (Buffer | string)[] {
  if (!Array.isArray(reply)) return [];
  return reply.filter((key): key is Buffer | string => Buffer.isBuffer(key) || typeof key === 'string');
}

async function handOver(
  source: Server,
  target: Server,
  others: readonly Server[],
  slots: readonly number[],
): Promise<void> {
  const owner = target.target.nodeId;
  for (const server of [target, source]) {
    await Promise.all(
      slots.map((slot) => server.ask(['CLUSTER', 'SETSLOT', slot, 'NODE', owner], SETSLOT_DEADLINE_MS)),
    );
  }
  // A server that was told too early or is away learns it by gossip.
  await Promise.allSettled(
    others.flatMap((server) =>
      slots.map((slot) => server.attempt(['CLUSTER', 'SETSLOT', slot, 'NODE', owner])),
    ),
  );
}

export async function closeSlot(
  actor: Actor,
  { on, slot }: Extract<Step, { readonly kind: 'closeSlot' }>,
): Promise<StepResult> {
  const server = await Server.open(actor, on);
  await server.ask(['CLUSTER', 'SETSLOT', slot, 'STABLE']);
  return DONE;
}
