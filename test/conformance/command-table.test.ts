/** What COMMAND INFO says of every command that we have, next to what redis-server says. */
import { expect, it } from 'vitest';
import { RawConnection } from '../support/raw-connection.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { serverPair } from './server-pair.ts';

const pair = serverPair(['--save', ''], 'redis-server');

type Value = string | readonly Value[];

/** A RESP 2 reply as text and lists. */
function parse(bytes: Buffer, start: number): [Value, number] {
  const lineEnd = bytes.indexOf('\r\n', start);
  const type = String.fromCharCode(bytes[start] ?? 0);
  const head = bytes.toString('latin1', start + 1, lineEnd);
  let next = lineEnd + 2;
  if (type === '$' && Number(head) >= 0) {
    return [bytes.toString('latin1', next, next + Number(head)), next + Number(head) + 2];
  }
  if (type !== '*') return [type + head, next];
  const items: Value[] = [];
  for (let count = Number(head); count > 0; count -= 1) {
    const [item, end] = parse(bytes, next);
    items.push(item);
    next = end;
  }
  return [items, next];
}

/** Arity, flags, key positions and categories of each command and subcommand by name. */
async function describeCommands(
  server: ServerProcess,
  names: readonly string[],
): Promise<Map<string, string>> {
  const connection = await RawConnection.open(server.port);
  const reply = await connection.call(['COMMAND', 'INFO', ...names]);
  connection.close();
  const found = new Map<string, string>();
  const add = (entry: Value): void => {
    if (typeof entry === 'string') return;
    const [name, arity, flags, first, last, step, categories, , , subcommands] = entry;
    const sorted = (value: Value | undefined): string =>
      [...(value ?? [])]
        .map((word) => String(word).slice(1))
        .filter((word) => !flagsToCome.has(word))
        .sort()
        .join(' ');
    found.set(String(name), `${arity} [${sorted(flags)}] ${first} ${last} ${step} [${sorted(categories)}]`);
    for (const below of subcommands ?? []) add(below);
  };
  for (const entry of parse(reply, 0)[0]) add(entry);
  return found;
}

/** Where 7.2 differs from the older server that Debian has. */
const changedSince: ReadonlySet<string> = new Set([
  'blmove',
  'blpop',
  'brpop',
  'brpoplpush',
  'bzpopmax',
  'bzpopmin',
  'cluster|shards',
  'cluster|slots',
  'command|getkeys',
  'command|getkeysandflags',
  'memory|malloc-stats',
  'memory|purge',
  'wait',
  'zrank',
  'zrevrank',
]);
/** Flags that Redis 7.2 does not print, or that are still to come. */
const flagsToCome: ReadonlySet<string> = new Set(['allow_busy', 'protected', 'no_multi']);

it('COMMAND INFO says the same as redis-server of every command that both have', async () => {
  const connection = await RawConnection.open(pair.ours.port);
  const [list] = parse(await connection.call(['COMMAND', 'LIST']), 0);
  connection.close();
  const names = [...(list as readonly string[])].sort();
  const our = await describeCommands(pair.ours, names);
  const their = await describeCommands(pair.theirs, names);
  const differences = [...our]
    .filter(([name, facts]) => their.has(name) && their.get(name) !== facts && !changedSince.has(name))
    .map(([name, facts]) => `${name}\n  ours   ${facts}\n  theirs ${their.get(name)}`);
  expect(differences.join('\n')).toBe('');
});
