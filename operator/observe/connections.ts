/** One connection a server, kept between passes, closed when it fails or nobody asked for it for a while. */

import { RespClient, RespFailure } from '../../server/wire/client.ts';
import type { Address } from '../plan/snapshot.ts';

/** What is asked over it; replies hold bulk strings as Buffers. */
export type ServerConnection = Pick<RespClient, 'call'>;

/** Connects, or says why not. */
export type Connect = (
  address: Address,
  password: string | undefined,
) => Promise<ServerConnection | RespFailure>;

const CONNECT_DEADLINE_MS = 2_000;
/** Connections in all; beyond it the one unused longest is closed. */
const CONNECTIONS_MAX = 10_000;
const UNUSED_MAX_MS = 5 * 60_000;

interface Kept {
  readonly client: RespClient;
  readonly password: string | undefined;
  usedAt: number;
}

export class Connections {
  readonly #kept = new Map<string, Kept>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Bound, to be passed on as a `Connect`. */
  readonly connect: Connect = async (address, password) => {
    const key = `${address.host} ${address.port}`;
    const kept = this.#kept.get(key);
    if (kept !== undefined && kept.client.failure === undefined && kept.password === password) {
      kept.usedAt = this.#now();
      // Last in order: the first in order is the one unused longest.
      this.#kept.delete(key);
      this.#kept.set(key, kept);
      return kept.client;
    }
    kept?.client.close();
    this.#kept.delete(key);
    const client = await RespClient.connect({
      host: address.host,
      port: address.port,
      connectDeadlineMs: CONNECT_DEADLINE_MS,
      bulk: 'buffer',
      ...(password === undefined ? {} : { password }),
    });
    if (client instanceof RespFailure) return client;
    this.#closeUnused();
    this.#kept.get(key)?.client.close();
    this.#kept.set(key, { client, password, usedAt: this.#now() });
    return client;
  };

  close(): void {
    for (const { client } of this.#kept.values()) client.close();
    this.#kept.clear();
  }

  #closeUnused(): void {
    const oldest = this.#now() - UNUSED_MAX_MS;
    for (const [key, { client, usedAt }] of this.#kept) {
      if (usedAt >= oldest && this.#kept.size < CONNECTIONS_MAX) return;
      client.close();
      this.#kept.delete(key);
    }
  }
}
