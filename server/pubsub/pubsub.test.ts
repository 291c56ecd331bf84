import { describe, expect, test } from 'vitest';
import { keySlot } from '../structures/crc16.ts';
import { matchesGlob } from '../structures/glob.ts';
import { Prng } from '../structures/prng.ts';
import { Reply } from '../wire/reply.ts';
import { PubSub, type Subscriber, type Subscriptions } from './pubsub.ts';

class TestSubscriber implements Subscriber {
  readonly protocol: 2 | 3;
  subscriptions: Subscriptions | null = null;
  readonly ranges: string[] = [];
  readonly texts: string[] = [];
  readonly link;

  constructor(outbox: Reply, protocol: 2 | 3 = 2) {
    this.protocol = protocol;
    this.link = {
      push: (start: number, end: number) => {
        this.ranges.push(`${start}-${end}`);
        this.texts.push(outbox.buffer.toString('latin1', start, end));
      },
    };
  }
}

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

describe('PubSub', () => {
  test('a message is encoded once a protocol, whoever listens', () => {
    const outbox = new Reply();
    const pubsub = new PubSub(outbox);
    const second = [new TestSubscriber(outbox), new TestSubscriber(outbox), new TestSubscriber(outbox)];
    const third = [new TestSubscriber(outbox, 3), new TestSubscriber(outbox, 3)];
    for (const subscriber of [...second, ...third]) pubsub.subscribe('channels', subscriber, bytes('c'));
    expect(pubsub.publish(bytes('c'), bytes('hello'))).toBe(5);
    expect(second.map(({ ranges }) => ranges)).toEqual(Array(3).fill(second[0]?.ranges));
    expect(second[0]?.texts).toEqual(['*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$5\r\nhello\r\n']);
    expect(third[0]?.texts).toEqual(['>3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$5\r\nhello\r\n']);
    expect(outbox.at).toBe((second[0]?.texts[0] ?? '').length * 2);
  });

  test('who listens to channel and pattern gets both, channel first; others get nothing', () => {
    const outbox = new Reply();
    const pubsub = new PubSub(outbox);
    const subscriber = new TestSubscriber(outbox);
    const stranger = new TestSubscriber(outbox);
    pubsub.subscribe('patterns', subscriber, bytes('n?ws*'));
    pubsub.subscribe('channels', subscriber, bytes('news.it'));
    pubsub.subscribe('shardChannels', stranger, bytes('news.it'));
    expect(pubsub.publish(bytes('news.it'), bytes('x'))).toBe(2);
    expect(subscriber.texts).toEqual([
      '*3\r\n$7\r\nmessage\r\n$7\r\nnews.it\r\n$1\r\nx\r\n',
      '*4\r\n$8\r\npmessage\r\n$5\r\nn?ws*\r\n$7\r\nnews.it\r\n$1\r\nx\r\n',
    ]);
    expect(stranger.texts).toEqual([]);
    expect(pubsub.publishSharded(bytes('news.it'), bytes('y'))).toBe(1);
    expect(stranger.texts).toEqual(['*3\r\n$8\r\nsmessage\r\n$7\r\nnews.it\r\n$1\r\ny\r\n']);
    expect(pubsub.publish(bytes('other'), bytes('x'))).toBe(0);
  });

  test('a second subscription to the same name counts once, and ends at once', () => {
    const outbox = new Reply();
    const pubsub = new PubSub(outbox);
    const subscriber = new TestSubscriber(outbox);
    expect(pubsub.subscribe('channels', subscriber, bytes('c'))).toBe(true);
    expect(pubsub.subscribe('channels', subscriber, bytes('c'))).toBe(false);
    expect(pubsub.publish(bytes('c'), bytes('x'))).toBe(1);
    expect(pubsub.unsubscribe('channels', subscriber, bytes('c'))).toBe(true);
    expect(pubsub.unsubscribe('channels', subscriber, bytes('c'))).toBe(false);
    expect(pubsub.publish(bytes('c'), bytes('x'))).toBe(0);
    expect(pubsub.count('channels')).toBe(0);
  });

  test('names are bytes: NUL, CRLF and 0xff are kept apart', () => {
    const outbox = new Reply();
    const pubsub = new PubSub(outbox);
    const subscriber = new TestSubscriber(outbox);
    for (const name of ['\x00', '\r\n', '\xff']) pubsub.subscribe('channels', subscriber, bytes(name));
    expect(pubsub.names('channels', null).map((name) => name.latin1Slice())).toEqual([
      '\x00',
      '\r\n',
      '\xff',
    ]);
    expect(pubsub.publish(bytes('\xff'), bytes('\x00'))).toBe(1);
    expect(subscriber.texts).toEqual(['*3\r\n$7\r\nmessage\r\n$1\r\n\xff\r\n$1\r\n\x00\r\n']);
  });

  test('a slot that leaves ends its sharded channels, with a word to each subscriber', () => {
    const outbox = new Reply();
    const pubsub = new PubSub(outbox);
    const one = new TestSubscriber(outbox);
    const other = new TestSubscriber(outbox, 3);
    for (const name of ['{a}1', '{a}2', 'b']) pubsub.subscribe('shardChannels', one, bytes(name));
    pubsub.subscribe('shardChannels', other, bytes('{a}1'));
    const slot = keySlot(bytes('a'), 0, 1);
    expect(new Set(pubsub.slots)).toEqual(new Set([slot, keySlot(bytes('b'), 0, 1)]));
    expect(pubsub.dropSlot(slot)).toEqual(new Set([one, other]));
    expect(one.texts).toEqual([
      '*3\r\n$12\r\nsunsubscribe\r\n$4\r\n{a}1\r\n:2\r\n',
      '*3\r\n$12\r\nsunsubscribe\r\n$4\r\n{a}2\r\n:1\r\n',
    ]);
    expect(other.texts).toEqual(['>3\r\n$12\r\nsunsubscribe\r\n$4\r\n{a}1\r\n:0\r\n']);
    expect([...pubsub.slots]).toEqual([keySlot(bytes('b'), 0, 1)]);
    expect(pubsub.dropSlot(slot).size).toBe(0);
  });

  test('random subscriptions agree with a plain model', () => {
    const seed = Number(process.env['SEED'] ?? Date.now() % 100000);
    console.log(`seed ${seed}`);
    const prng = new Prng(seed);
    const outbox = new Reply();
    const pubsub = new PubSub(outbox);
    const names = ['a', 'ab', 'abc', 'b', 'bc', 'a*', '?b', '[ab]c', '*'];
    const subscribers = Array.from({ length: 8 }, () => new TestSubscriber(outbox));
    const model = subscribers.map(() => ({ channels: new Set<string>(), patterns: new Set<string>() }));
    for (let round = 0; round < 3000; round++) {
      const which = prng.below(subscribers.length);
      const subscriber = subscribers[which] as TestSubscriber;
      const name = names[prng.below(names.length)] as string;
      const kind = prng.below(2) === 0 ? 'channels' : 'patterns';
      const own = model[which]?.[kind] as Set<string>;
      const action = prng.below(10);
      if (action < 4)
        expect(pubsub.subscribe(kind, subscriber, bytes(name))).toBe(!own.has(name) && !!own.add(name));
      else if (action < 7) expect(pubsub.unsubscribe(kind, subscriber, bytes(name))).toBe(own.delete(name));
      else if (action === 7 && prng.below(10) === 0) {
        pubsub.forget(subscriber);
        model[which]?.channels.clear();
        model[which]?.patterns.clear();
      } else {
        outbox.at = 0;
        let expected = 0;
        for (const each of model) {
          if (each.channels.has(name)) expected++;
          for (const pattern of each.patterns) if (matchesGlob(bytes(pattern), bytes(name))) expected++;
        }
        expect(pubsub.publish(bytes(name), bytes('x'))).toBe(expected);
      }
    }
    for (const subscriber of subscribers) pubsub.forget(subscriber);
    expect(pubsub.count('channels') + pubsub.count('patterns')).toBe(0);
  });
});
