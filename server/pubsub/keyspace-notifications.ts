/** Keyspace events as messages: `__keyspace@0__:key` gets the event, `__keyevent@0__:event` the key. */
import { type KeyEvents, NOTIFY_KEYEVENT, NOTIFY_KEYSPACE } from '../keyspace/events.ts';
import type { PubSub } from './pubsub.ts';

/** Makes `pubsub` tell of the events; only subscribers of this server hear them. */
export function notifySubscribers(events: KeyEvents, pubsub: PubSub): void {
  events.deliver = (event, databaseIndex, bytes, start, length) => {
    const key = Buffer.from(bytes.subarray(start, start + length));
    const name = Buffer.from(event);
    if ((events.flags & NOTIFY_KEYSPACE) !== 0) {
      pubsub.publish(Buffer.concat([Buffer.from(`__keyspace@${databaseIndex}__:`), key]), name);
    }
    if ((events.flags & NOTIFY_KEYEVENT) !== 0) {
      pubsub.publish(Buffer.from(`__keyevent@${databaseIndex}__:${event}`), key);
    }
  };
}
