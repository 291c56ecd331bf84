/**
 * Keyspace events and the replication stream of random commands on strings and on keys of any type: the same
 * as those of valkey-server, moments in time apart. `SEEDS` and `SEED` as in differential.test.ts.
 */
import { describe, it } from 'vitest';
import { Prng, type Random } from '../../server/structures/prng.ts';
import { EventListener, StreamListener } from '../support/effects.ts';
import { RawConnection } from '../support/raw-connection.ts';
import type { RandomCommand } from './commands.ts';
import { compareSeeds, PEER, seedCount, serverPair, show } from './server-pair.ts';
import { bitmapCommand, genericCommand, hyperloglogCommand, stringCommand } from './string-commands.ts';

const SEEDS = seedCount(2);
const COMMANDS_PER_SEED = 200;
const LAST = 'the last key';

const argv = ['--save', '', '--repl-diskless-sync-delay', '0', '--lazyfree-lazy-expire', 'yes'];
const pair = serverPair(argv);

/** One server and who listens to it. */
interface Side {
  readonly client: RawConnection;
  readonly events: EventListener;
  readonly stream: StreamListener;
}

async function openSide(port: number, longestString: string): Promise<Side> {
  const client = await RawConnection.open(port);
  await client.call(['FLUSHALL']);
  await client.call(['CONFIG', 'SET', 'notify-keyspace-events', 'KEAmn']);
  await client.call(['CONFIG', 'SET', 'proto-max-bulk-len', longestString]);
  const stream = await StreamListener.attach(port);
  return { client, stream, events: await EventListener.open(port) };
}

/** Moments differ by what passes between the servers. */
function comparable(commands: readonly string[][]): string[] {
  return commands.map(([name = '', ...words]) =>
    [name.toUpperCase(), ...words.map((word) => (/^\d{12,16}$/.test(word) ? 'moment' : word))]
      .join(' ')
      // Valkey leaves GET in a SET that names the moment; nobody reads its answer.
      .replace(/^(SET (?=.* PXAT moment).*) GET\b/, '$1'),
  );
}

/** Valkey before 8.1 calls what has expired at once deleted. Misses of a scan over a set have no order. */
function orderless(events: readonly string[]): string[] {
  return events.map((event) => event.replace(' expired ', ' del ')).sort();
}

async function runSeed(seed: number, next: (random: Random) => RandomCommand): Promise<string | undefined> {
  const random = new Prng(seed);
  const longestString = next === stringCommand ? '1mb' : '512mb';
  const sides = await Promise.all([pair.ours, pair.theirs].map(({ port }) => openSide(port, longestString)));
  const all = <Result>(act: (side: Side) => Promise<Result>): Promise<Result[]> =>
    Promise.all(sides.map(act));
  try {
    const history: string[] = [];
    for (let step = 0; step < COMMANDS_PER_SEED; step += 1) {
      const { words } = next(random);
      // A BITFIELD that fails has made its string longer, which Valkey tells nobody.
      if (words[0] === 'CONFIG' || words.includes('FAIL')) continue;
      history.push(show(words));
      await all(({ client }) => client.call(words));
      const [ours = [], theirs = []] = (await all(({ events }) => events.take())).map(orderless);
      if (ours.join() === theirs.join()) continue;
      const before = history.slice(-8).join('\n  ');
      return `events after\n  ${before}\nours   ${show(ours)}\ntheirs ${show(theirs)}`;
    }
    await all(({ client }) => client.call(['SET', 'x', LAST]));
    await all(({ stream }) => stream.until(LAST));
    const [ours = [], theirs = []] = sides.map(({ stream }) => comparable(stream.commands()));
    const at = ours.findIndex((command, index) => command !== theirs[index]);
    if (at < 0 && ours.length === theirs.length) return undefined;
    return `stream\nours   ${show(ours.slice(at, at + 3))}\ntheirs ${show(theirs.slice(at, at + 3))}`;
  } finally {
    for (const side of sides) for (const part of [side.client, side.events, side.stream]) part.close();
  }
}

describe(`the effects of this server and of ${PEER}`, () => {
  it.each([
    ['strings', stringCommand],
    ['bitmaps', bitmapCommand],
    ['HyperLogLogs', hyperloglogCommand],
    ['keys of any type', genericCommand],
  ] as const)('agree on %s', (_, next) => compareSeeds(SEEDS, (seed) => runSeed(seed, next)), 600_000);
});
