/**
 * Random rules for users to this server and to valkey-server: what ACL SETUSER answers, how ACL LIST and
 * GETUSER print it, and what ACL DRYRUN allows must be equal. `SEEDS` and `SEED` as in differential.test.ts.
 */
import { it } from 'vitest';
import { Prng } from '../../server/structures/prng.ts';
import { compareSeeds, Dialogue, FIRST_SEED, PEER, seedCount, serverPair } from './server-pair.ts';

const SEEDS = seedCount(6);
const ROUNDS_PER_SEED = 120;

const argv = ['--save', ''];
const pair = serverPair(argv);

const commands =
  'get set mget del incr select config config|get config|set acl acl|list client|id eval sort copy'.split(
    ' ',
  );
const categories = 'all read write string keyspace fast slow dangerous admin connection scripting nope'.split(
  ' ',
);
const patterns = ['a*', 'b', 'app:?', '*', '[ab]*', ''];
const plain = [
  'on',
  'off',
  'nopass',
  'resetpass',
  'allkeys',
  'resetkeys',
  'allchannels',
  'resetchannels',
  'allcommands',
  'nocommands',
  'clearselectors',
  'reset',
  'sanitize-payload',
  'skip-sanitize-payload',
  '>one',
  '>two',
  '<one',
  '#ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb',
  '!ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb',
  '#short',
  'nonsense',
  '',
];
const trials = [
  'get a1',
  'get zzz',
  'set a1 v',
  'set b v get',
  'mget a1 b zzz',
  'del app:1',
  'copy a1 b',
  'copy b app:1 replace',
  'config get maxmemory',
  'config set maxmemory 0',
  'acl list',
  'client id',
  'select 0',
  'select 1',
  'exists zzz',
  'strlen a1',
  'sort a1 store b',
  'eval x 1 a1',
  'publish a1 m',
  'subscribe a1 zzz',
  'psubscribe a*',
  'rename a1 b',
  'bitop and a1 b zzz',
  'zunionstore a1 2 b zzz',
  'object encoding a1',
  'ping',
  'nosuch',
  'get',
].map((text) => text.split(' '));

class Rules {
  readonly #random: Prng;
  constructor(random: Prng) {
    this.#random = random;
  }

  #pick<Item>(items: readonly Item[]): Item {
    return items[this.#random.below(items.length)] as Item;
  }

  #inSelector(): string {
    const sign = this.#random.below(2) === 0 ? '+' : '-';
    switch (this.#random.below(7)) {
      case 0:
        return `~${this.#pick(patterns)}`;
      case 1:
        return `${this.#pick(['%R', '%W', '%RW', '%', '%RR', '%r'])}~${this.#pick(patterns)}`;
      case 2:
        return `&${this.#pick(patterns)}`;
      case 3:
        return `${sign}@${this.#pick(categories)}`;
      case 4:
        return this.#pick([
          '+select|0',
          '+select|1',
          '+config|nope',
          '+config|get|x',
          '+nosuch',
          '-select|0',
        ]);
      default:
        return `${sign}${this.#pick(commands)}`;
    }
  }

  #one(): string {
    const kind = this.#random.below(10);
    if (kind < 3) return this.#pick(plain);
    if (kind < 4) return `(${this.#inSelector()} ${this.#inSelector()})`;
    return this.#inSelector();
  }

  next(): string[] {
    return Array.from({ length: 1 + this.#random.below(4) }, () => this.#one());
  }
}

async function difference(seed: number): Promise<string | undefined> {
  const random = new Prng(seed);
  const rules = new Rules(random);
  const dialogue = await Dialogue.open(pair);
  try {
    for (let round = 0; round < ROUNDS_PER_SEED; round++) {
      const user = `u${random.below(3)}`;
      const trial = trials[random.below(trials.length)] as string[];
      const unlike =
        (await dialogue.compare(['ACL', 'SETUSER', user, ...rules.next()])) ??
        (await dialogue.compare(['ACL', 'LIST'])) ??
        (await dialogue.compare(['ACL', 'GETUSER', user])) ??
        (await dialogue.compare(['ACL', 'DRYRUN', user, ...trial]));
      if (unlike !== undefined) return unlike;
    }
    return await dialogue.compare(['ACL', 'DELUSER', 'u0', 'u1', 'u2', 'u3']);
  } finally {
    dialogue.close();
  }
}

it(
  `users are the same with ${PEER}, ${SEEDS} seeds from ${FIRST_SEED} on`,
  () => compareSeeds(SEEDS, difference),
  300_000,
);
