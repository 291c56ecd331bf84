/** The parts of `docs/compatibility.md` that follow from the tables of commands and parameters. */

import { allCommands } from '../server/commands/all-commands.ts';
import { groupOf } from '../server/commands/command-facts.ts';
import { parameterTable } from '../server/config/parameter-table.ts';
import { HIDDEN, INERT } from '../server/config/parameters.ts';

const WIDTH = 110;

/** Words joined by commas in lines of at most WIDTH columns. */
function paragraph(words: readonly string[]): string {
  const lines: string[] = [''];
  for (const [index, word] of words.entries()) {
    const text = index + 1 < words.length ? `${word},` : word;
    const last = lines.at(-1) ?? '';
    if (last !== '' && last.length + 1 + text.length > WIDTH) lines.push(text);
    else lines[lines.length - 1] = last === '' ? text : `${last} ${text}`;
  }
  return lines.join('\n');
}

function commandSection(): string {
  const groups = new Map<string, string[]>();
  for (const row of allCommands) {
    const names = groups.get(groupOf(row)) ?? [];
    const below = (row[7]?.subcommands ?? []).map((subcommand) => subcommand[0]).sort();
    names.push(below.length === 0 ? row[0] : `${row[0]} (${below.join(' ')})`);
    groups.set(groupOf(row), names);
  }
  return [...groups]
    .sort(([left], [right]) => left.localeCompare(right))
    .map(([group, names]) => `**${group}**\n${paragraph(names.sort())}`)
    .join('\n\n');
}

function parameterNames(inert: boolean): string[] {
  return parameterTable
    .filter((parameter) => (parameter.flags & HIDDEN) === 0 && ((parameter.flags & INERT) !== 0) === inert)
    .map((parameter) => `\`${parameter.name}\``);
}

const sections: Readonly<Record<string, () => string>> = {
  commands: commandSection,
  'parameters with effect': () => paragraph(parameterNames(false)),
  'parameters without effect': () => paragraph(parameterNames(true)),
};

/**
 * The text with every generated section as the tables have it now. Throws when a section is not in the text.
 */
export function fillIn(text: string): string {
  let filled = text;
  for (const [name, render] of Object.entries(sections)) {
    const start = `<!-- generated: ${name} -->\n`;
    const end = '<!-- end -->';
    const from = filled.indexOf(start);
    const to = filled.indexOf(end, from);
    if (from < 0 || to < 0) throw new Error(`docs/compatibility.md has no section "${name}"`);
    filled = `${filled.slice(0, from + start.length)}${render()}\n${filled.slice(to)}`;
  }
  return filled;
}
