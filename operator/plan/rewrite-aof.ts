/**
 * In the window, append-only files that are worth it are rewritten: one member of a shard at a time, replicas
 * first. What was rewritten is small again and so no longer worth it: nothing needs to be remembered.
 */
import { Cron } from 'croner';
import { actOrBlock, type Block, type Decision, type Holds, NOTHING } from './decision.ts';
import type { AofRewriteIntent, LiveMember, Snapshot } from './snapshot.ts';
import { type Step, targetOf } from './step.ts';
import { membersOfShard, type Topology, topologyOf } from './topology.ts';

export function rewriteAof(snapshot: Snapshot, holds: Holds): Decision {
  const { intent } = snapshot;
  if (intent.kind !== 'intent' || intent.aofRewrite === undefined) return NOTHING;
  const rewrite = intent.aofRewrite;
  const openedAt = windowOpenedAt(rewrite, snapshot.now);
  if (openedAt === undefined) return NOTHING;
  const topology = topologyOf(snapshot);
  const steps: Step[] = [];
  const blocks: Block[] = [];
  for (const shard of topology.shards) {
    const verdict = judgeShard(snapshot, topology, rewrite, shard, openedAt, holds);
    if (verdict === 'wait') continue;
    if (typeof verdict === 'string') {
      const message = `${snapshot.name}-shard-${shard} keeps its append-only files: ${verdict}`;
      blocks.push({ scope: shard, holds: [], reason: REWRITE_SKIPPED, message });
    } else {
      steps.push({ kind: 'rewriteAof', on: targetOf(verdict) });
    }
  }
  return actOrBlock(steps, 'the window for rewriting append-only files is open', blocks);
}

/** Reason of the blocks that say why a shard's files were left alone. */
export const REWRITE_SKIPPED = 'RewriteSkipped';

/** When the window that is open now was opened; undefined outside. */
export function windowOpenedAt(rewrite: AofRewriteIntent, now: number): number | undefined {
  const cron = new Cron(rewrite.schedule, { timezone: rewrite.timeZone, paused: true });
  const opening = cron.nextRun(new Date(now - rewrite.durationMs));
  cron.stop();
  return opening !== null && opening.getTime() <= now ? opening.getTime() : undefined;
}

/** The member whose turn it is, why none is rewritten, or `wait` while one is under way. */
function judgeShard(
  snapshot: Snapshot,
  topology: Topology,
  rewrite: AofRewriteIntent,
  shard: number,
  openedAt: number,
  holds: Holds,
): LiveMember | string {
  const members = membersOfShard(topology, shard);
  if (members.some((member) => member.server.persistence.aofRewriteRunning)) return 'wait';
  if (holds.on('files', shard)) return 'a slot migration of this shard is not finished';
  const silent = snapshot.members.find(({ pod, server }) => pod.shard === shard && server.kind === 'silent');
  if (silent !== undefined) return `${silent.pod.name} does not answer`;
  const busy = members.map(whyBusy).find((reason) => reason !== undefined);
  if (busy !== undefined) return busy;
  const worthy = members
    .filter((member) => isWorthIt(rewrite, member))
    .sort((left, right) => rank(left) - rank(right) || left.pod.ordinal - right.pod.ordinal);
  const next = worthy[0];
  if (next === undefined) return describeSize(rewrite, members);
  const lastStart = snapshot.history.rewrites.get(next.pod.name);
  if (!next.server.persistence.aofRewriteOk && lastStart !== undefined && lastStart >= openedAt) {
    return `the rewrite on ${next.pod.name} failed in this window; its log says why (disk full?)`;
  }
  return next;
}

function rank(member: LiveMember): number {
  return member.server.role === 'replica' ? 0 : 1;
}

function whyBusy(member: LiveMember): string | undefined {
  const { server, pod } = member;
  if (server.syncing || !server.linkUp) return `${pod.name} is synchronising`;
  if (server.persistence.snapshotRunning) return `${pod.name} is saving a snapshot`;
  if (server.openSlots.length > 0) return `slot ${server.openSlots[0]?.slot} is being moved`;
  return undefined;
}

function isWorthIt(rewrite: AofRewriteIntent, member: LiveMember): boolean {
  const { aofEnabled, aofSize, aofBaseSize } = member.server.persistence;
  if (!aofEnabled || aofSize < rewrite.minSizeBytes) return false;
  return growthPercent(aofSize, aofBaseSize) >= rewrite.growthPercent;
}

function growthPercent(size: number, base: number): number {
  return ((size - base) * 100) / Math.max(1, base);
}

function describeSize(rewrite: AofRewriteIntent, members: readonly LiveMember[]): string {
  if (!members.some((member) => member.server.persistence.aofEnabled)) return 'no member writes one';
  const largest = Math.max(0, ...members.map((member) => member.server.persistence.aofSize));
  if (largest < rewrite.minSizeBytes) return 'the largest is below minSize';
  return `none has grown by ${rewrite.growthPercent}% since its last rewrite`;
}
