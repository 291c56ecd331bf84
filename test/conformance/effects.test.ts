/**
 * Keyspace events and the replication stream of random commands on strings and on keys of any type: the same
 * as those of valkey-server, moments in time apart. `SEEDS` and `SEED` as in differential.test.ts.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Prng, type Random } from '../../server/structures/prng.ts';
import { EventListener, StreamListener } from '../support/effects.ts';
import { RawConnection, type Word } from '../support/raw-connection.ts';
import { type ServerKind, ServerProcess } from '../support/server-process.ts';
import type { RandomCommand } from './commands.ts';
import { bitmapCommand, genericCommand, hyperloglogCommand, stringCommand } from './string-commands.ts';

const SEEDS = Number(process.env['SEEDS'] ?? 2);
const FIRST_SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
const COMMANDS_PER_SEED = 200;
const THEIRS = (process.env['CONFORMANCE_PEER'] ?? 'valkey-server') as ServerKind;
const LAST = 'the last key';

const argv = ['--save', '', '--repl-diskless-sync-delay', '0', '--lazyfree-lazy-expire', 'yes'];
let servers: ServerProcess[] = [];

beforeAll(async () => {
  servers = [await ServerProcess.start('redwarden-server', argv), await ServerProcess.start(THEIRS, argv)];
}, 300_000);

afterAll(async () => {
  for (const server of servers) await server.stop();
});

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

function show(words: readonly Word[]): string {
  return words.map((word) => JSON.stringify(Buffer.from(word).toString('latin1').slice(0, 40))).join(' ');
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
  const sides = await Promise.all(servers.map(({ port }) => openSide(port, longestString)));
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

describe(`the effects of this server and of ${THEIRS}`, () => {
  it.each([
    ['strings', stringCommand],
    ['bitmaps', bitmapCommand],
    ['HyperLogLogs', hyperloglogCommand],
    ['keys of any type', genericCommand],
  ] as const)(
    'agree on %s',
    async (_, next) => {
      for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed += 1) {
        const difference = await runSeed(seed, next);
        expect(difference, `SEED=${seed}: ${difference}`).toBeUndefined();
      }
    },
    600_000,
  );
});
