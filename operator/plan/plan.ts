/**
 * The rules, most urgent first. The name of a rule is the reason in conditions and events, the label of its
 * metrics and the name of its tests.
 *
 * A rule answers act, blocked or nothing. Only act ends the pass: everything below would judge a world that
 * the steps are about to change. A block holds back only the kinds of work it names, in its shard.
 */
import { balancePrimaries } from './balance-primaries.ts';
import { type Block, type Decision, Holds } from './decision.ts';
import { deletion, paused } from './deletion.ts';
import { forgetGhosts } from './forget-ghosts.ts';
import { formCluster } from './form-cluster.ts';
import { growClaims } from './grow-claims.ts';
import { healMovedAddresses } from './heal-moved-addresses.ts';
import { attachMembers, joinMembers } from './join-and-attach.ts';
import { lostReplica } from './lost-replica.ts';
import { moveSlots } from './move-slots.ts';
import { openSlots } from './open-slots.ts';
import { restartOutdated } from './restart-outdated.ts';
import { rewriteAof } from './rewrite-aof.ts';
import { settings } from './settings.ts';
import type { Snapshot } from './snapshot.ts';
import type { Step } from './step.ts';
import { workloadObjects } from './workload-objects.ts';

export type Rule = (snapshot: Snapshot, holds: Holds) => Decision;

export const RULES: readonly Rule[] = [
  deletion,
  paused,
  healMovedAddresses,
  workloadObjects,
  forgetGhosts,
  formCluster,
  joinMembers,
  attachMembers,
  lostReplica,
  openSlots,
  settings,
  restartOutdated,
  moveSlots,
  balancePrimaries,
  rewriteAof,
  growClaims,
];

/** A block and the rule that found it. */
export interface FoundBlock extends Block {
  readonly rule: string;
}

export interface Plan {
  /** Name of the rule that acts, or `nothingToDo`. */
  readonly rule: string;
  readonly steps: readonly Step[];
  readonly message: string;
  readonly blocks: readonly FoundBlock[];
}

/**
 * Asks the rules in order. `skip` names rules whose steps turned out to change nothing in this pass: the
 * world is still the one in the snapshot, and those below have their turn.
 */
export function decide(snapshot: Snapshot, skip: ReadonlySet<string> = new Set()): Plan {
  const blocks: FoundBlock[] = [];
  const standing: Block[] = snapshot.cachesBehind ? [CACHES_BEHIND] : [];
  for (const rule of RULES) {
    const decision = rule(snapshot, new Holds([...standing, ...blocks]));
    if (decision.kind === 'nothing') continue;
    blocks.push(...decision.blocks.map((block) => ({ ...block, rule: rule.name })));
    if (decision.kind === 'act' && !skip.has(rule.name))
      return { rule: rule.name, steps: decision.steps, message: decision.message, blocks };
  }
  return { rule: 'nothingToDo', steps: [], message: 'nothing to do', blocks };
}

/** Not reported: it passes within moments, and the next pass knows more. */
const CACHES_BEHIND: Block = {
  scope: 'cluster',
  holds: ['destroy'],
  reason: 'CachesBehind',
  message: 'the caches have not shown the last write yet',
};
