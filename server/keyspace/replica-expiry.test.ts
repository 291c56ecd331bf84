import { beforeEach, describe, expect, it } from 'vitest';
import { Keyspace } from './keyspace.ts';
import { ReplicaExpiry } from './replica-expiry.ts';
import { Stats } from './stats.ts';

const key = Buffer.from('key');
let keyspace: Keyspace;
let expiry: ReplicaExpiry;

function set(expiresAtMs: number): void {
  keyspace.databases[1]?.setString(key, 0, 3, Buffer.from('value'), 0, 5, expiresAtMs);
  expiry.note(1, key, 0, 3);
}

function isThere(): boolean {
  return keyspace.databases[1]?.findAny(key, 0, 3) !== 0;
}

beforeEach(() => {
  keyspace = new Keyspace({ databases: 2, perSlot: false, stats: new Stats(), random: Math.random });
  keyspace.deletesExpired = false;
  keyspace.setNow(1000);
  expiry = new ReplicaExpiry(keyspace);
});

describe('ReplicaExpiry', () => {
  it('ends a key when its time is over, not before', () => {
    set(2000);
    expiry.tick();
    expect([isThere(), expiry.size]).toEqual([true, 1]);
    keyspace.setNow(2000);
    expiry.tick();
    expect([isThere(), expiry.size, keyspace.stats.expiredKeys]).toEqual([false, 0, 1]);
  });

  it('forgets a key without expiry, one that has gone, and all when told to', () => {
    set(-1);
    expect(expiry.size).toBe(0);
    set(2000);
    set(-1);
    expiry.tick();
    expect([isThere(), expiry.size]).toEqual([true, 0]);
    set(2000);
    keyspace.databases[1]?.remove(key, 0, 3);
    expiry.tick();
    expect(expiry.size).toBe(0);
    set(2000);
    expiry.clear();
    keyspace.setNow(3000);
    expiry.tick();
    expect(isThere()).toBe(true);
  });
});
