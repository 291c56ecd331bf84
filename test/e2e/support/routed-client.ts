/**
 * A small cluster client: sends a command to the owner of its key, follows MOVED and ASK, and tries again
 * until its deadline, as a careful application does. It learns the slots from whichever server answers.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { keySlot, SLOT_COUNT } from '../../../server/structures/crc16.ts';
import { RespClient, RespFailure, type Word } from '../../../server/wire/client.ts';
import { type Reply, RespError } from '../../../server/wire/reply-parser.ts';

const connectDeadlineMs = 1_000;
const callDeadlineMs = 1_000;
const retryPauseMs = 50;
const refreshPauseMs = 200;
/** Errors of a cluster that is changing: the next attempt may succeed. */
const passing = new Set(['CLUSTERDOWN', 'TRYAGAIN', 'LOADING', 'MASTERDOWN', 'READONLY', 'NOREPLICAS']);

export interface RoutedClientOptions {
  /** `host:port` of servers to ask first, and whenever all known ones are silent. */
  readonly seeds: readonly string[];
  readonly password: string;
}

export class RoutedClient {
  readonly #options: RoutedClientOptions;
  readonly #connections = new Map<string, Promise<RespClient | RespFailure>>();
  readonly #owners: (string | undefined)[] = new Array(SLOT_COUNT).fill(undefined);
  #refreshing: Promise<void> | undefined;
  #closed = false;
  /** Redirections followed so far. */
  redirects = 0;

  constructor(options: RoutedClientOptions) {
    this.#options = options;
  }

  /** `host:port` of the server that owns a slot as far as this client knows. */
  ownerOf(slot: number): string | undefined {
    return this.#owners[slot];
  }

  /** Learns the slots; call before the first command to know owners. */
  async learn(): Promise<void> {
    await this.#refresh();
  }

  /** The reply of the key's owner, or the last thing that went wrong before the deadline. */
  async call(key: string, words: readonly Word[], deadlineMs: number): Promise<Reply | RespFailure> {
    const slot = slotOf(key);
    const limit = performance.now() + deadlineMs;
    let address = this.#owners[slot];
    let asking = false;
    let last: RespError | RespFailure = new RespFailure('connect', `no owner of slot ${slot} is known`);
    while (performance.now() < limit && !this.#closed) {
      if (address !== undefined) {
        const left = Math.min(callDeadlineMs, Math.max(1, limit - performance.now()));
        const reply = await this.#send(address, words, asking, left);
        if (!(reply instanceof RespError || reply instanceof RespFailure)) return reply;
        if (reply instanceof RespError && !isRedirection(reply) && !passing.has(reply.code)) return reply;
        last = reply;
      }
      asking = false;
      if (last instanceof RespError && isRedirection(last)) {
        this.redirects += 1;
        asking = last.code === 'ASK';
        address = redirectionOf(last, address);
        if (!asking) this.#owners[slot] = address;
        last = new RespFailure('connect', `redirected without end: ${last.message}`);
        continue;
      }
      await Promise.all([this.#refresh(), sleep(retryPauseMs)]);
      address = this.#owners[slot];
    }
    return last;
  }

  /** One command to one server, once. */
  async #send(address: string, words: readonly Word[], asking: boolean, deadlineMs: number) {
    const connection = await this.#connect(address);
    if (connection instanceof RespFailure) return connection;
    if (asking) void connection.call(['ASKING'], { deadlineMs });
    return connection.call(words, { deadlineMs });
  }

  async #connect(address: string): Promise<RespClient | RespFailure> {
    const known = this.#connections.get(address);
    if (known !== undefined) {
      const connection = await known;
      if (!(connection instanceof RespFailure) && connection.failure === undefined) return connection;
      if (this.#connections.get(address) === known) this.#connections.delete(address);
      if (connection instanceof RespFailure) return connection;
      return this.#connect(address);
    }
    const colon = address.lastIndexOf(':');
    const opening = RespClient.connect({
      host: address.slice(0, colon),
      port: Number(address.slice(colon + 1)),
      connectDeadlineMs,
      password: this.#options.password,
    });
    this.#connections.set(address, opening);
    return opening;
  }

  /** Learns all slots from the first server that tells; calls at the same time share one refresh. */
  #refresh(): Promise<void> {
    this.#refreshing ??= this.#learnSlots().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #learnSlots(): Promise<void> {
    const known = [...new Set(this.#owners.filter((owner) => owner !== undefined))];
    const asked = [...new Set([...this.#options.seeds, ...known])].sort(() => Math.random() - 0.5);
    for (const address of asked) {
      const reply = await this.#send(address, ['CLUSTER', 'SLOTS'], false, callDeadlineMs);
      if (this.#closed) return;
      if (!Array.isArray(reply) || reply.length === 0) continue;
      for (const range of reply) this.#note(range, address);
      break;
    }
    await sleep(refreshPauseMs);
  }

  #note(range: Reply, asked: string): void {
    if (!Array.isArray(range) || !Array.isArray(range[2])) return;
    const host = String(range[2][0] || asked.slice(0, asked.lastIndexOf(':')));
    this.#owners.fill(`${host}:${String(range[2][1])}`, Number(range[0]), Number(range[1]) + 1);
  }

  close(): void {
    this.#closed = true;
    for (const opening of this.#connections.values()) {
      void opening.then((connection) => {
        if (!(connection instanceof RespFailure)) connection.close();
      });
    }
    this.#connections.clear();
  }
}

export function slotOf(key: string): number {
  const bytes = Buffer.from(key);
  return keySlot(bytes, 0, bytes.length);
}

function isRedirection(error: RespError): boolean {
  return error.code === 'MOVED' || error.code === 'ASK';
}

/** `MOVED 3999 10.0.0.7:6379`; a server that does not know its own host leaves it out. */
function redirectionOf(error: RespError, from: string | undefined): string {
  const target = error.message.split(' ')[2] ?? '';
  if (!target.startsWith(':')) return target;
  return `${(from ?? '').slice(0, (from ?? '').lastIndexOf(':'))}${target}`;
}
