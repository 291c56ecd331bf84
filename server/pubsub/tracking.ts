/**
 * Client-side caching: who may hold which keys, and messages to them when keys change.
 *
 *   a tracking client reads a key   -> keys: name -> ids of clients              (default mode)
 *   a key changes                   -> its clients are told once and forgotten; prefixes that match note it
 *   the turn ends                   -> clients of a prefix are told all its keys (BCAST mode)
 *   everything is flushed           -> all are told null, the keys are forgotten
 *
 * Keys are the same in all databases, as in Redis. The table holds at most `maxKeys` names; beyond that the
 * oldest are given up as if they had changed.
 */
import type { Reply } from '../wire/reply.ts';
import type { Subscriber } from './pubsub.ts';

/** A client, as this room sees it. */
export interface TrackingClient extends Subscriber {
  readonly id: number;
  /** Listens to some channel. */
  readonly subscribed: boolean;
  readonly closing: boolean;
  tracking: TrackingState | null;
}

export interface TrackingOptions {
  /** Id of the client that gets the messages; 0: the client itself. */
  readonly redirect: number;
  readonly broadcast: boolean;
  readonly optIn: boolean;
  readonly optOut: boolean;
  readonly noLoop: boolean;
}

/** What CLIENT TRACKING ON asked for. */
export class TrackingState {
  options: TrackingOptions;
  /** CLIENT CACHING was given for the next command. */
  caching = false;
  /** The client that messages are redirected to has gone. */
  brokenRedirect = false;
  readonly prefixes = new Set<string>();

  constructor(options: TrackingOptions) {
    this.options = options;
  }
}

interface Prefix {
  readonly text: string;
  readonly clients: Set<TrackingClient>;
  /** Keys that changed in this turn, with who changed them last. */
  keys: Map<string, TrackingClient | null>;
}

const CHANNEL = '__redis__:invalidate';
/** In place of keys: everything. */
const ALL_KEYS = null;

export class Tracking {
  /** Clients that track. */
  clients = 0;
  /** Whose command runs: what it changes itself it need not be told with NOLOOP. */
  current: TrackingClient | null = null;
  /** tracking-table-max-keys; 0: no limit. */
  maxKeys = 0;
  /** All remembered pairs of key and client. */
  items = 0;
  /** Hook: somebody tracks, or nobody any more. */
  onActive: (active: boolean) => void = () => {};
  readonly #outbox: Reply;
  readonly #clientById: (id: number) => TrackingClient | undefined;
  /** In the order they were remembered. */
  readonly #keys = new Map<string, Set<number>>();
  readonly #prefixes = new Map<string, Prefix>();
  #broadcastDue = false;

  constructor(outbox: Reply, clientById: (id: number) => TrackingClient | undefined) {
    this.#outbox = outbox;
    this.#clientById = clientById;
  }

  get keyCount(): number {
    return this.#keys.size;
  }

  get prefixCount(): number {
    return this.#prefixes.size;
  }

  /** Begins, or changes the options of a client that tracks already; prefixes are added. */
  enable(client: TrackingClient, options: TrackingOptions, prefixes: readonly string[]): void {
    if (client.tracking === null) this.#count(1);
    const state = client.tracking ?? new TrackingState(options);
    state.options = options;
    state.brokenRedirect = false;
    client.tracking = state;
    if (!options.broadcast) return;
    for (const text of prefixes.length === 0 ? [''] : prefixes) {
      state.prefixes.add(text);
      const prefix = this.#prefixes.get(text);
      if (prefix === undefined)
        this.#prefixes.set(text, { text, clients: new Set([client]), keys: new Map() });
      else prefix.clients.add(client);
    }
  }

  disable(client: TrackingClient): void {
    const state = client.tracking;
    if (state === null) return;
    client.tracking = null;
    this.#count(-1);
    for (const text of state.prefixes) {
      const prefix = this.#prefixes.get(text);
      prefix?.clients.delete(client);
      if (prefix?.clients.size === 0) this.#prefixes.delete(text);
    }
  }

  /** The client has read the key. */
  remember(client: TrackingClient, key: Uint8Array, start: number, length: number): void {
    const name = Buffer.prototype.latin1Slice.call(key, start, start + length);
    let ids = this.#keys.get(name);
    if (ids === undefined) {
      ids = new Set();
      this.#keys.set(name, ids);
    }
    if (ids.has(client.id)) return;
    ids.add(client.id);
    this.items++;
  }

  /** A key has changed, expired or was evicted. */
  changed(key: Uint8Array, start: number, length: number): void {
    const name = Buffer.prototype.latin1Slice.call(key, start, start + length);
    for (const prefix of this.#prefixes.values()) {
      if (!name.startsWith(prefix.text)) continue;
      prefix.keys.set(name, this.current);
      this.#broadcastDue = true;
    }
    this.#invalidate(name);
  }

  /** All data was dropped or replaced. */
  flushed(clients: Iterable<TrackingClient>): void {
    for (const client of clients) if (client.tracking !== null) this.#send(client, ALL_KEYS);
    this.#keys.clear();
    this.items = 0;
  }

  /** At the end of a turn: tells the clients of prefixes, and forgets the oldest keys beyond the limit. */
  endTurn(): void {
    if (this.maxKeys > 0) this.#limitKeys();
    if (!this.#broadcastDue) return;
    this.#broadcastDue = false;
    for (const prefix of this.#prefixes.values()) {
      if (prefix.keys.size === 0) continue;
      const { keys } = prefix;
      prefix.keys = new Map();
      const all = [...keys.keys()];
      for (const client of prefix.clients) {
        const own = client.tracking?.options.noLoop === true;
        const told = own ? all.filter((name) => keys.get(name) !== client) : all;
        if (told.length > 0) this.#send(client, told);
      }
    }
  }

  #count(change: number): void {
    const before = this.clients;
    this.clients += change;
    if ((before === 0) !== (this.clients === 0)) this.onActive(this.clients > 0);
  }

  #limitKeys(): void {
    while (this.#keys.size > this.maxKeys) {
      const oldest = this.#keys.keys().next();
      if (oldest.done === true) return;
      this.#invalidate(oldest.value);
    }
  }

  #invalidate(name: string): void {
    const ids = this.#keys.get(name);
    if (ids === undefined) return;
    this.#keys.delete(name);
    this.items -= ids.size;
    for (const id of ids) {
      const client = this.#clientById(id);
      const state = client?.tracking ?? null;
      // Who has changed to prefixes is told by them.
      if (client === undefined || state === null || state.options.broadcast) continue;
      if (state.options.noLoop && client === this.current) continue;
      this.#send(client, [name]);
    }
  }

  #send(client: TrackingClient, names: readonly string[] | null): void {
    const state = client.tracking;
    if (state === null) return;
    const outbox = this.#outbox;
    const start = outbox.at;
    let receiver: TrackingClient = client;
    const { redirect } = state.options;
    if (redirect !== 0) {
      const target = this.#clientById(redirect);
      if (target === undefined || target.closing) {
        state.brokenRedirect = true;
        if (client.protocol === 2) return;
        outbox.protocol = 3;
        outbox.push(2);
        outbox.bulkLatin1('tracking-redir-broken');
        outbox.integer(redirect);
        client.link.push(start, outbox.at);
        return;
      }
      receiver = target;
    }
    outbox.protocol = receiver.protocol;
    if (receiver.protocol === 3) {
      outbox.push(2);
      outbox.bulkLatin1('invalidate');
    } else if (redirect !== 0 && receiver.subscribed) {
      outbox.push(3);
      outbox.bulkLatin1('message');
      outbox.bulkLatin1(CHANNEL);
    } else return;
    if (names === null) outbox.nullBulk();
    else {
      outbox.array(names.length);
      for (const name of names) outbox.bulkLatin1(name);
    }
    receiver.link.push(start, outbox.at);
  }
}
