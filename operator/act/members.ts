/**
 * Steps that shape the cluster of servers. Each looks at the live server first, whatever the plan believed.
 */
import { RespError } from '../../server/wire/reply-parser.ts';
import type { Step } from '../plan/step.ts';
import { type Actor, ALREADY, DONE, StepEnd, type StepResult } from './actor.ts';
import { type NodeLine, Server } from './server.ts';

type StepOf<Kind extends Step['kind']> = Extract<Step, { readonly kind: Kind }>;

export async function meet(actor: Actor, { via, peer }: StepOf<'meet'>): Promise<StepResult> {
  // Whoever answers at the address is introduced: make sure that it is the member.
  const [introducer] = await Promise.all([Server.open(actor, via), Server.open(actor, peer)]);
  const { host, port, busPort } = peer.address;
  const known = (await introducer.table()).find((line) => line.nodeId === peer.nodeId);
  if (known?.connected && known.address === `${host}:${port}`) return ALREADY;
  await introducer.ask(['CLUSTER', 'MEET', host, port, busPort]);
  return DONE;
}

export async function forget(actor: Actor, { on, nodeId }: StepOf<'forget'>): Promise<StepResult> {
  const server = await Server.open(actor, on);
  const line = (await server.table()).find((each) => each.nodeId === nodeId);
  if (line === undefined) return ALREADY;
  if (line.flags.has('myself') || line.flags.has('handshake') || line.slots.length > 0) {
    throw new StepEnd(
      'refused',
      `${on.pod} sees ${nodeId} as ${[...line.flags].join(',')} with slots or joining`,
    );
  }
  await server.ask(['CLUSTER', 'FORGET', nodeId]);
  return DONE;
}

export async function setConfigEpoch(
  actor: Actor,
  { on, epoch }: StepOf<'setConfigEpoch'>,
): Promise<StepResult> {
  const server = await Server.open(actor, on);
  if ((await server.table()).length > 1) return ALREADY;
  const reply = await server.attempt(['CLUSTER', 'SET-CONFIG-EPOCH', epoch]);
  // The server takes an epoch only while it has none.
  return reply instanceof RespError ? ALREADY : DONE;
}

/**
 * The only place that assigns slots: to a node without slot and key, and only slots that it knows no owner
 * of.
 */
export async function addSlots(actor: Actor, { on, ranges }: StepOf<'addSlots'>): Promise<StepResult> {
  const server = await Server.open(actor, on);
  const own = await server.myself();
  const wanted = ranges.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`));
  if (own.slots.join(' ') === wanted.join(' ')) return ALREADY;
  if (own.slots.length > 0)
    throw new StepEnd('refused', `${on.pod} owns slots ${own.slots.join(' ')} already`);
  if (own.flags.has('slave')) throw new StepEnd('refused', `${on.pod} is a replica by now`);
  const keys = await server.keys();
  if (keys > 0) throw new StepEnd('refused', `${on.pod} holds ${keys} keys`);
  await server.ask(['CLUSTER', 'ADDSLOTSRANGE', ...ranges.flatMap(({ first, last }) => [first, last])]);
  return DONE;
}

/** The only place that makes a node follow another, which erases what it holds. */
export async function replicate(actor: Actor, { on, primary }: StepOf<'replicate'>): Promise<StepResult> {
  const server = await Server.open(actor, on);
  const table = await server.table();
  const own = table.find((line) => line.flags.has('myself'));
  const followed = table.find((line) => line.nodeId === primary.nodeId);
  if (own === undefined || followed === undefined || !isPrimary(followed)) {
    throw new StepEnd('refused', `${on.pod} does not know ${primary.pod} as a primary`);
  }
  if (own.slots.length > 0) throw new StepEnd('refused', `${on.pod} owns slots by now`);
  if (isPrimary(own)) {
    const keys = await server.keys();
    if (keys > 0) throw new StepEnd('refused', `${on.pod} holds ${keys} keys`);
  }
  await server.ask(['CLUSTER', 'REPLICATE', primary.nodeId]);
  return DONE;
}

function isPrimary(line: NodeLine): boolean {
  return line.flags.has('master');
}

export async function failover(actor: Actor, { on }: StepOf<'failover'>): Promise<StepResult> {
  const server = await Server.open(actor, on);
  if (isPrimary(await server.myself())) return ALREADY;
  await server.ask(['CLUSTER', 'FAILOVER']);
  return DONE;
}
