/** The answer of `<command> HELP`. */

import type { Call } from './call.ts';

/** Writes the head, the given lines and the entry of HELP itself, one status line each. */
export function writeHelp(call: Call, name: string, lines: readonly string[]): void {
  const all = [
    `${name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`,
    ...lines,
    'HELP',
    '    Prints this help.',
  ];
  call.reply.array(all.length);
  for (const line of all) call.reply.simple(line);
}
