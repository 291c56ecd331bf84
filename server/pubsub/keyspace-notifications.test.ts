import { expect, test } from 'vitest';
import {
  KeyEvents,
  NOTIFY_GENERIC,
  NOTIFY_KEYEVENT,
  NOTIFY_KEYSPACE,
  NOTIFY_LIST,
} from '../keyspace/events.ts';
import { notifySubscribers } from './keyspace-notifications.ts';
import type { PubSub } from './pubsub.ts';

test('an event is published by key and by name, as far as the flags ask for it', () => {
  const published: string[] = [];
  const pubsub = {
    publish: (channel: Uint8Array, payload: Uint8Array) => published.push(`${channel} ${payload}`),
  } as unknown as PubSub;
  const events = new KeyEvents();
  notifySubscribers(events, pubsub);
  const emit = (): string[] => {
    events.emit(NOTIFY_GENERIC, 'del', 3, Buffer.from('xkeyx'), 1, 3);
    return published.splice(0);
  };
  expect(emit()).toEqual([]);
  events.flags = NOTIFY_KEYSPACE | NOTIFY_GENERIC;
  expect(emit()).toEqual(['__keyspace@3__:key del']);
  events.flags = NOTIFY_KEYEVENT | NOTIFY_GENERIC;
  expect(emit()).toEqual(['__keyevent@3__:del key']);
  events.flags = NOTIFY_KEYSPACE | NOTIFY_KEYEVENT | NOTIFY_GENERIC;
  expect(emit()).toEqual(['__keyspace@3__:key del', '__keyevent@3__:del key']);
  events.flags = NOTIFY_KEYSPACE | NOTIFY_KEYEVENT | NOTIFY_LIST;
  expect(emit()).toEqual([]);
});
