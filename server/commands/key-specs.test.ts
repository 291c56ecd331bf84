import { describe, expect, it } from 'vitest';
import { allCommands } from './all-commands.ts';
import { type CommandEntry, CommandTable } from './command-table.ts';
import { keySpecs } from './key-specs.ts';
import { MOVABLE_KEYS } from './row.ts';

const table = new CommandTable(allCommands);

function every(entries: Iterable<CommandEntry>): CommandEntry[] {
  return [...entries].flatMap((entry) => [entry, ...every(entry.subcommands?.values() ?? [])]);
}

function specOf(name: string): unknown {
  const entry = table.byName(name);
  return entry === null ? undefined : keySpecs(entry);
}

describe('keySpecs', () => {
  it('reads what is written down', () => {
    expect(specOf('zinterstore')).toEqual([
      {
        flags: ['OW', 'update'],
        begin: { type: 'index', index: 1 },
        find: { type: 'range', last: 0, step: 1, limit: 0 },
      },
      {
        flags: ['RO', 'access'],
        begin: { type: 'index', index: 2 },
        find: { type: 'keynum', countAt: 0, first: 1, step: 1 },
      },
    ]);
    expect(specOf('xread')).toEqual([
      {
        flags: ['RO', 'access'],
        begin: { type: 'keyword', keyword: 'STREAMS', from: 1 },
        find: { type: 'range', last: -1, step: 1, limit: 2 },
      },
    ]);
  });

  it('follows from the row where nothing is written down', () => {
    expect(specOf('mget')).toEqual([
      {
        flags: ['RO', 'access'],
        begin: { type: 'index', index: 1 },
        find: { type: 'range', last: -1, step: 1, limit: 0 },
      },
    ]);
    expect(specOf('ping')).toEqual([]);
  });

  it('every command with keys in fixed places has a specification that begins at the first', () => {
    const fixed = every(table.entries).filter(
      ({ firstKey, flags }) => firstKey !== 0 && (flags & MOVABLE_KEYS) === 0,
    );
    expect(fixed.length).toBeGreaterThan(100);
    for (const entry of fixed) {
      const [first] = keySpecs(entry);
      expect([entry.name, first?.begin]).toEqual([entry.name, { type: 'index', index: entry.firstKey }]);
      expect(first?.flags.length).toBeGreaterThan(0);
    }
  });
});
