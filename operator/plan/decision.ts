/** What a rule answers, and what earlier answers hold back. */
import type { Step } from './step.ts';

/**
 * Kinds of work that a block holds back. `create`: objects; `destroy`: forgetting nodes, deleting or
 * shrinking anything; `members`: joining, attaching; `slots`: assigning or moving; `settings`; `files`:
 * rewrites, saves.
 */
export type Work = 'create' | 'destroy' | 'members' | 'slots' | 'settings' | 'files';

export interface Block {
  /** The whole cluster, or one shard. */
  readonly scope: 'cluster' | number;
  readonly holds: readonly Work[];
  /** CamelCase, as a condition's reason. */
  readonly reason: string;
  /** What is in the way, and what to do about it. */
  readonly message: string;
}

export type Decision =
  | {
      readonly kind: 'act';
      readonly steps: readonly Step[];
      readonly message: string;
      readonly blocks: readonly Block[];
    }
  | { readonly kind: 'blocked'; readonly blocks: readonly Block[] }
  | { readonly kind: 'nothing' };

export const NOTHING: Decision = { kind: 'nothing' };

/** Ends the pass. Blocks are what was found in the way elsewhere while looking. */
export function act(steps: readonly Step[], message: string, blocks: readonly Block[] = []): Decision {
  return { kind: 'act', steps, message, blocks };
}

/** Something is in the way; the pass goes on with what does not conflict. */
export function blocked(blocks: readonly Block[]): Decision {
  return blocks.length === 0 ? NOTHING : { kind: 'blocked', blocks };
}

/** Acts when there are steps, else reports the blocks, else nothing. */
export function actOrBlock(steps: readonly Step[], message: string, blocks: readonly Block[]): Decision {
  return steps.length > 0 ? act(steps, message, blocks) : blocked(blocks);
}

/** Asks whether an earlier rule holds back this work, in one shard or (without one) anywhere at all. */
export class Holds {
  readonly #blocks: readonly Block[];

  constructor(blocks: readonly Block[]) {
    this.#blocks = blocks;
  }

  on(work: Work, shard: number): boolean {
    return this.#blocks.some(
      (block) => block.holds.includes(work) && (block.scope === 'cluster' || block.scope === shard),
    );
  }

  anywhere(work: Work): boolean {
    return this.#blocks.some((block) => block.holds.includes(work));
  }

  onCluster(work: Work): boolean {
    return this.#blocks.some((block) => block.holds.includes(work) && block.scope === 'cluster');
  }
}
