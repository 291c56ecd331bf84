/** This server and another one side by side: the same commands to both, and whether their replies agree. */
import { afterAll, beforeAll, expect } from 'vitest';
import { RawConnection, type Word } from '../support/raw-connection.ts';
import { type ServerKind, ServerProcess } from '../support/server-process.ts';
import { agree } from './agreement.ts';
import type { Agreement } from './commands.ts';

/** Whom this server is compared with, where a test does not need a certain one. */
export const PEER = (process.env['CONFORMANCE_PEER'] ?? 'valkey-server') as ServerKind;
export const FIRST_SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000);

const START_MS_MAX = 300_000;
const HISTORY_SHOWN = 15;
const WORD_SHOWN = 60;
/** Of a reply, on either side of the first byte that differs. */
const REPLY_SHOWN = 300;

/** How many seeds a test takes: `SEEDS`, or as many as usual. */
export function seedCount(usual: number): number {
  return Number(process.env['SEEDS'] ?? usual);
}

/** Fails with the first seed for which `difference` finds one. */
export async function compareSeeds(
  count: number,
  difference: (seed: number) => Promise<string | undefined>,
): Promise<void> {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + count; seed += 1) {
    const found = await difference(seed);
    expect(found, `SEED=${seed}: ${found}`).toBeUndefined();
  }
}

export interface ServerPair {
  readonly ours: ServerProcess;
  readonly theirs: ServerProcess;
}

/** Both servers; they are up while the tests of the file run. */
export function serverPair(
  argv: readonly string[],
  theirs: ServerKind = PEER,
  ours: ServerKind = 'redwarden-server',
): ServerPair {
  const up: ServerProcess[] = [];
  const nth = (index: number): ServerProcess => {
    const server = up[index];
    if (server === undefined) throw new Error('the servers are up only within tests');
    return server;
  };
  beforeAll(async () => {
    for (const kind of [theirs, ours]) up.push(await ServerProcess.start(kind, argv));
  }, START_MS_MAX);
  afterAll(async () => {
    for (const server of up) await server.stop();
  });
  return {
    get ours() {
      return nth(1);
    },
    get theirs() {
      return nth(0);
    },
  };
}

/** Words as a person reads them. */
export function show(words: readonly Word[]): string {
  return words
    .map((word) => (typeof word === 'string' ? word : Buffer.from(word).toString('latin1')))
    .map((word) => JSON.stringify(word.length > WORD_SHOWN ? `${word.slice(0, 20)}… (${word.length})` : word))
    .join(' ');
}

/** A connection to each of the two. */
export class Dialogue {
  readonly ours: RawConnection;
  readonly theirs: RawConnection;
  readonly #pair: ServerPair;
  readonly #history: string[] = [];

  private constructor(pair: ServerPair, ours: RawConnection, theirs: RawConnection) {
    this.#pair = pair;
    this.ours = ours;
    this.theirs = theirs;
  }

  static async open(pair: ServerPair): Promise<Dialogue> {
    const [ours, theirs] = [pair.ours, pair.theirs];
    return new Dialogue(pair, await RawConnection.open(ours.port), await RawConnection.open(theirs.port));
  }

  /** Says it to both; ours answers first. */
  async both(words: readonly Word[]): Promise<[Buffer, Buffer]> {
    this.#history.push(show(words));
    try {
      return await Promise.all([this.ours.call(words), this.theirs.call(words)]);
    } catch (error) {
      const printed = `${this.#pair.ours.output.slice(-3000)}\n${this.#pair.theirs.output.slice(-1000)}`;
      throw new Error(`no answer ${this.past}\n${printed}`, { cause: error });
    }
  }

  /** How the replies of both differ, undefined when they agree. `comparable` makes of a reply what counts. */
  async compare(
    words: readonly Word[],
    agreement: Agreement = 'exact',
    comparable: (reply: Buffer) => Buffer = (reply) => reply,
  ): Promise<string | undefined> {
    const [ours, theirs] = await this.both(words);
    return this.difference(comparable(ours), comparable(theirs), agreement);
  }

  difference(ours: Buffer, theirs: Buffer, agreement: Agreement): string | undefined {
    if (agree(agreement, ours, theirs)) return undefined;
    let at = 0;
    while (at < ours.length && ours[at] === theirs[at]) at += 1;
    const from = Math.max(0, at - REPLY_SHOWN);
    const shown = (reply: Buffer): string => JSON.stringify(reply.toString('latin1', from, at + REPLY_SHOWN));
    return `${this.past}\nfrom byte ${from} on\nours   ${shown(ours)}\ntheirs ${shown(theirs)}`;
  }

  /** What was said last. */
  get past(): string {
    return `after\n  ${this.#history.slice(-HISTORY_SHOWN).join('\n  ')}`;
  }

  close(): void {
    this.ours.close();
    this.theirs.close();
  }
}
