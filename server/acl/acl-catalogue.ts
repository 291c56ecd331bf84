/** The commands as rules name them: every command and subcommand has a number, a name and categories. */

/** The categories in the order of ACL CAT; their bits in this order. */
export const aclCategoryNames = [
  'keyspace',
  'read',
  'write',
  'set',
  'sortedset',
  'list',
  'hash',
  'string',
  'bitmap',
  'hyperloglog',
  'geo',
  'stream',
  'pubsub',
  'admin',
  'fast',
  'slow',
  'blocking',
  'dangerous',
  'connection',
  'transaction',
  'scripting',
] as const;

export type AclCategory = (typeof aclCategoryNames)[number];

/** The bit of a category; 0 when there is none of that name. */
export function categoryBit(name: string): number {
  const at = (aclCategoryNames as readonly string[]).indexOf(name.toLowerCase());
  return at < 0 ? 0 : 1 << at;
}

export interface AclCommand {
  /** Less than `AclCatalogue.count`. */
  readonly id: number;
  /** Lower case, `config|get` for a subcommand. */
  readonly name: string;
  /** Bits of `categoryBit`. */
  readonly categories: number;
  readonly isSubcommand: boolean;
  /** The commands below it; null when it is no container. */
  readonly subcommands: readonly AclCommand[] | null;
}

export class AclCatalogue {
  /** Commands without their subcommands. */
  readonly commands: readonly AclCommand[];
  /** Commands and subcommands together. */
  readonly count: number;
  readonly #byName = new Map<string, AclCommand>();

  constructor(commands: readonly AclCommand[]) {
    this.commands = commands;
    for (const command of commands) {
      this.#byName.set(command.name, command);
      for (const below of command.subcommands ?? []) this.#byName.set(below.name, below);
    }
    this.count = this.#byName.size;
  }

  /** A command or subcommand, in any case. */
  find(name: string): AclCommand | undefined {
    return this.#byName.get(name.toLowerCase());
  }
}
