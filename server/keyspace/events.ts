/** Keyspace events: who listens hangs in by `deliver`; nobody does while `flags` is 0. */

// One bit a letter of notify-keyspace-events.
export const NOTIFY_KEYSPACE = 1; // K
export const NOTIFY_KEYEVENT = 1 << 1; // E
export const NOTIFY_GENERIC = 1 << 2; // g
export const NOTIFY_STRING = 1 << 3; // $
export const NOTIFY_LIST = 1 << 4; // l
export const NOTIFY_SET = 1 << 5; // s
export const NOTIFY_HASH = 1 << 6; // h
export const NOTIFY_ZSET = 1 << 7; // z
export const NOTIFY_EXPIRED = 1 << 8; // x
export const NOTIFY_EVICTED = 1 << 9; // e
export const NOTIFY_STREAM = 1 << 10; // t
export const NOTIFY_KEY_MISS = 1 << 11; // m
export const NOTIFY_NEW = 1 << 14; // n

/** Told of an event whose class is listened to. */
export type EventListener = (
  event: string,
  databaseIndex: number,
  bytes: Uint8Array,
  start: number,
  length: number,
) => void;

export class KeyEvents {
  /** Classes that are listened to; NOTIFY_KEYSPACE and NOTIFY_KEYEVENT say in which channels. */
  flags = 0;
  deliver: EventListener = () => {};

  emit(
    eventClass: number,
    event: string,
    databaseIndex: number,
    bytes: Uint8Array,
    start: number,
    length: number,
  ): void {
    if ((this.flags & eventClass) !== 0) this.deliver(event, databaseIndex, bytes, start, length);
  }
}
