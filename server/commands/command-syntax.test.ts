/** The notation of what words a command takes. */
import { describe, expect, it } from 'vitest';
import { allCommands } from './all-commands.ts';
import { type CommandArgument, parseSyntax } from './command-syntax.ts';
import { CommandTable } from './command-table.ts';
import { commandSyntax } from './command-words.ts';
import { keySpecs } from './key-specs.ts';

/** As people write it: `key [NX|XX] [EX seconds]`. */
function printed(argument: CommandArgument): string {
  const { type, parts, token, shown, optional, multiple, multipleToken } = argument;
  const inner = parts.map(printed).join(type === 'oneof' ? '|' : ' ');
  const body = type === 'pure-token' ? token : parts.length > 0 ? inner : shown;
  const once = token === '' || type === 'pure-token' ? body : `${token} ${body}`;
  const again = multipleToken ? once : body;
  const all = multiple ? `${once} [${again} ...]` : once;
  return optional ? `[${all}]` : all;
}

const usage = (text: string): string => parseSyntax(text).map(printed).join(' ');

describe('parseSyntax', () => {
  it('reads words, types, groups, what may be left out and what is repeated', () => {
    const set = commandSyntax.get('SET') ?? '';
    expect(usage(set)).toBe(
      'key value [NX|XX|IFEQ comparison-value] [GET] ' +
        '[EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|KEEPTTL]',
    );
    const [key, , condition] = parseSyntax(set);
    expect(key).toMatchObject({ name: 'key', type: 'key', keySpec: 0, optional: false });
    expect(condition).toMatchObject({ name: 'condition', type: 'oneof', optional: true });
    expect(condition?.parts[2]).toMatchObject({ token: 'IFEQ', type: 'string' });
    expect(usage('key:k [GET get-block={encoding offset:i}....]')).toBe(
      'key [GET encoding offset [GET encoding offset ...]]',
    );
    expect(usage('unit=(M|KM) storekey:k1/key id=(auto-id=*|id)...')).toBe('M|KM key *|id [*|id ...]');
  });

  it('refuses what is not in the notation', () => {
    for (const text of ['', 'a|b', '[a', 'x=(a', 'a b)', 'a  b']) {
      expect(() => parseSyntax(text), text).toThrow('assertion failed');
    }
  });
});

describe('commandSyntax', () => {
  const table = new CommandTable(allCommands);

  it('every row names a command and is in the notation, its keys among the key specifications', () => {
    for (const [name, text] of commandSyntax) {
      const entry = table.byName(name);
      if (entry === null) throw new Error(`no command ${name}`);
      const specs = keySpecs(entry).length;
      const look = (argument: CommandArgument): void => {
        expect(argument.keySpec, `${name}: ${argument.name}`).toBeLessThan(specs);
        argument.parts.forEach(look);
      };
      parseSyntax(text).forEach(look);
    }
  });

  it('every command that needs words has a row', () => {
    for (const entry of table.entries.flatMap((one) => [one, ...(one.subcommands?.values() ?? [])])) {
      const own = entry.isSubcommand ? 2 : 1;
      if (entry.subcommands !== null || Math.abs(entry.arity) <= own || entry.name === 'debug') continue;
      expect(commandSyntax.has(entry.name.toUpperCase()), entry.name).toBe(true);
    }
  });
});
