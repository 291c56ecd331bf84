/**
 * Publish and subscribe: who listens to which channel, pattern or sharded channel, and messages to them.
 *
 *   publish -> the message is encoded into the outbox, once for RESP 2 and once for RESP 3 as far as wanted
 *           -> each subscriber is given the same range of it
 *
 * Names are latin1 strings, so that any bytes are kept apart. A channel or pattern lives as long as somebody
 * listens. Cost of a message: one look-up, one match a pattern, and one number pair a receiver.
 */
import { keySlot } from '../structures/crc16.ts';
import { matchesGlob } from '../structures/glob.ts';
import type { Reply } from '../wire/reply.ts';

/** A client, as this room sees it. */
export interface Subscriber {
  readonly protocol: 2 | 3;
  readonly link: {
    /** Bytes [start, end) of the outbox go to it. */
    push(start: number, end: number): void;
  };
  subscriptions: Subscriptions | null;
}

/** What one client listens to; the names of each kind in the order they were subscribed. */
export class Subscriptions {
  readonly channels = new Set<string>();
  readonly patterns = new Set<string>();
  readonly shardChannels = new Set<string>();

  /** What SUBSCRIBE and PSUBSCRIBE report. */
  get count(): number {
    return this.channels.size + this.patterns.size;
  }
}

export type SubscriptionKind = 'channels' | 'patterns' | 'shardChannels';

interface Topic {
  readonly bytes: Buffer;
  readonly subscribers: Set<Subscriber>;
}

type Topics = Map<string, Topic>;

const MESSAGE = Buffer.from('*3\r\n$7\r\nmessage\r\n');
const SHARD_MESSAGE = Buffer.from('*3\r\n$8\r\nsmessage\r\n');
const PATTERN_MESSAGE = Buffer.from('*4\r\n$8\r\npmessage\r\n');
const PUSH_TYPE = 62;

export class PubSub {
  readonly #outbox: Reply;
  readonly #channels: Topics = new Map();
  readonly #patterns: Topics = new Map();
  readonly #shardChannels: Topics = new Map();
  /** Slot -> names of its sharded channels. */
  readonly #slots = new Map<number, Set<string>>();

  /** `outbox`: where messages are written that `push` then hands out. */
  constructor(outbox: Reply) {
    this.#outbox = outbox;
  }

  /** Names that somebody listens to. */
  count(kind: SubscriptionKind): number {
    return this.#topics(kind).size;
  }

  /** The names that match `pattern`; all of them without one. */
  names(kind: SubscriptionKind, pattern: Uint8Array | null): Buffer[] {
    const names: Buffer[] = [];
    for (const { bytes } of this.#topics(kind).values()) {
      if (pattern === null || matchesGlob(pattern, bytes)) names.push(bytes);
    }
    return names;
  }

  /** How many listen to the name itself. */
  subscriberCount(kind: SubscriptionKind, name: Uint8Array): number {
    return this.#topics(kind).get(nameOf(name))?.subscribers.size ?? 0;
  }

  /** False when it listens already. */
  subscribe(kind: SubscriptionKind, subscriber: Subscriber, bytes: Buffer): boolean {
    subscriber.subscriptions ??= new Subscriptions();
    const own = subscriber.subscriptions[kind];
    const name = nameOf(bytes);
    if (own.has(name)) return false;
    own.add(name);
    const topics = this.#topics(kind);
    const topic = topics.get(name);
    if (topic !== undefined) topic.subscribers.add(subscriber);
    else {
      topics.set(name, { bytes, subscribers: new Set([subscriber]) });
      if (kind === 'shardChannels') this.#noteSlot(keySlot(bytes, 0, bytes.length), name);
    }
    return true;
  }

  /** False when it did not listen. */
  unsubscribe(kind: SubscriptionKind, subscriber: Subscriber, bytes: Uint8Array): boolean {
    const name = nameOf(bytes);
    if (subscriber.subscriptions?.[kind].delete(name) !== true) return false;
    const topics = this.#topics(kind);
    const topic = topics.get(name);
    topic?.subscribers.delete(subscriber);
    if (topic?.subscribers.size === 0) {
      topics.delete(name);
      if (kind === 'shardChannels') this.#forgetSlot(keySlot(topic.bytes, 0, topic.bytes.length), name);
    }
    return true;
  }

  /** Ends all it listens to, without a word: the client has gone or starts over. */
  forget(subscriber: Subscriber): void {
    const { subscriptions } = subscriber;
    if (subscriptions === null) return;
    for (const kind of ['channels', 'patterns', 'shardChannels'] as const) {
      for (const name of [...subscriptions[kind]])
        this.unsubscribe(kind, subscriber, Buffer.from(name, 'latin1'));
    }
  }

  /** Sends a message to all who listen here; how many that are. */
  publish(channel: Uint8Array, payload: Uint8Array): number {
    let receivers = 0;
    const topic = this.#channels.size === 0 ? undefined : this.#channels.get(nameOf(channel));
    if (topic !== undefined) receivers += this.#send(MESSAGE, null, topic, channel, payload);
    for (const pattern of this.#patterns.values()) {
      if (!matchesGlob(pattern.bytes, channel)) continue;
      receivers += this.#send(PATTERN_MESSAGE, pattern.bytes, pattern, channel, payload);
    }
    return receivers;
  }

  publishSharded(channel: Uint8Array, payload: Uint8Array): number {
    const topic = this.#shardChannels.get(nameOf(channel));
    return topic === undefined ? 0 : this.#send(SHARD_MESSAGE, null, topic, channel, payload);
  }

  /** Slots of the sharded channels that somebody listens to. */
  get slots(): Iterable<number> {
    return this.#slots.keys();
  }

  /**
   * The slot is served elsewhere: its sharded channels end, and who listened is told. Returns the clients
   * concerned.
   */
  dropSlot(slot: number): Set<Subscriber> {
    const dropped = new Set<Subscriber>();
    for (const name of [...(this.#slots.get(slot) ?? [])]) {
      const topic = this.#shardChannels.get(name);
      for (const subscriber of [...(topic?.subscribers ?? [])]) {
        this.unsubscribe('shardChannels', subscriber, Buffer.from(name, 'latin1'));
        const start = this.#outbox.at;
        this.#outbox.protocol = subscriber.protocol;
        writeUnsubscribed(this.#outbox, 'sunsubscribe', topic?.bytes ?? null, subscriber);
        subscriber.link.push(start, this.#outbox.at);
        dropped.add(subscriber);
      }
    }
    return dropped;
  }

  #send(
    head: Buffer,
    pattern: Uint8Array | null,
    topic: Topic,
    channel: Uint8Array,
    payload: Uint8Array,
  ): number {
    const outbox = this.#outbox;
    let start2 = -1;
    let start3 = -1;
    let length = 0;
    for (const subscriber of topic.subscribers) {
      const third = subscriber.protocol === 3;
      let start = third ? start3 : start2;
      if (start < 0) {
        start = outbox.at;
        outbox.raw(head);
        if (pattern !== null) outbox.bulk(pattern);
        outbox.bulk(channel);
        outbox.bulk(payload);
        length = outbox.at - start;
        if (third) {
          outbox.buffer[start] = PUSH_TYPE;
          start3 = start;
        } else start2 = start;
      }
      subscriber.link.push(start, start + length);
    }
    return topic.subscribers.size;
  }

  #topics(kind: SubscriptionKind): Topics {
    if (kind === 'channels') return this.#channels;
    return kind === 'patterns' ? this.#patterns : this.#shardChannels;
  }

  #noteSlot(slot: number, name: string): void {
    const names = this.#slots.get(slot);
    if (names === undefined) this.#slots.set(slot, new Set([name]));
    else names.add(name);
  }

  #forgetSlot(slot: number, name: string): void {
    const names = this.#slots.get(slot);
    names?.delete(name);
    if (names?.size === 0) this.#slots.delete(slot);
  }
}

export type UnsubscribedWord = 'unsubscribe' | 'punsubscribe' | 'sunsubscribe';

/** `[unsubscribe, name, what is left]`; a null name when there was nothing to end. */
export function writeUnsubscribed(
  reply: Reply,
  word: UnsubscribedWord,
  name: Uint8Array | null,
  subscriber: Subscriber,
): void {
  reply.push(3);
  reply.bulkLatin1(word);
  if (name === null) reply.nullBulk();
  else reply.bulk(name);
  reply.integer(remaining(subscriber, word === 'sunsubscribe'));
}

/** How many subscriptions a client is told to have: sharded channels are counted by themselves. */
export function remaining(subscriber: Subscriber, sharded: boolean): number {
  const { subscriptions } = subscriber;
  if (subscriptions === null) return 0;
  return sharded ? subscriptions.shardChannels.size : subscriptions.count;
}

function nameOf(bytes: Uint8Array): string {
  return Buffer.prototype.latin1Slice.call(bytes, 0, bytes.length);
}
