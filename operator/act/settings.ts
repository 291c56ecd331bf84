/** Steps on one server's settings and files. */
import { isSameValue, type Setting } from '../api/settings.ts';
import type { Step } from '../plan/step.ts';
import { type Actor, ALREADY, DONE, StepEnd, type StepResult } from './actor.ts';
import { Server, textOf } from './server.ts';

type StepOf<Kind extends Step['kind']> = Extract<Step, { readonly kind: Kind }>;

/** Starting an append-only file writes all data once. */
const SET_DEADLINE_MS = 10_000;

/** Sets one setting and reads it back: a server may round or refuse in its own way. */
export async function setSetting(actor: Actor, step: StepOf<'setSetting'>): Promise<StepResult> {
  const { on, name, value } = step;
  const server = await Server.open(actor, on);
  await server.ask(['CONFIG', 'SET', name, value], SET_DEADLINE_MS);
  const reply = await server.ask(['CONFIG', 'GET', name]);
  const found = textOf(
    reply instanceof Map ? ([...reply.values()][0] ?? '') : Array.isArray(reply) ? (reply[1] ?? '') : '',
  );
  const comparison: Setting['comparison'] = /^\d+(b|kb?|mb?|gb?)?$/i.test(value) ? 'bytes' : 'text';
  if (isSameValue(comparison, value, found)) return DONE;
  throw new StepEnd('failed', `${on.pod} took ${name} "${value}" and says "${found}"`);
}

export async function rewriteAof(actor: Actor, { on }: StepOf<'rewriteAof'>): Promise<StepResult> {
  const server = await Server.open(actor, on);
  const info = textOf(await server.ask(['INFO', 'persistence']));
  const under = (field: string): boolean => new RegExp(`^${field}:1\\s*$`, 'm').test(info);
  if (under('aof_rewrite_in_progress') || under('aof_rewrite_scheduled')) return ALREADY;
  if (under('rdb_bgsave_in_progress')) throw new StepEnd('refused', `${on.pod} is saving a snapshot`);
  if (!under('aof_enabled')) throw new StepEnd('refused', `${on.pod} writes no append-only file`);
  await server.ask(['BGREWRITEAOF']);
  return DONE;
}
