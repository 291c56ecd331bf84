import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { Keyspace } from '../keyspace/keyspace.ts';
import { Stats } from '../keyspace/stats.ts';
import { Codecs } from './codecs/codecs.ts';
import { RdbReader } from './rdb-reader.ts';
import { type SnapshotPurpose, type SnapshotRequest, type SnapshotSink, Snapshots } from './snapshot.ts';

const bytesOf = (text: string): Buffer => Buffer.from(text, 'latin1');

function newKeyspace(perSlot = false): Keyspace {
  const keyspace = new Keyspace({ databases: 4, perSlot, stats: new Stats(), random: Math.random });
  keyspace.setNow(1_700_000_000_000);
  return keyspace;
}

/** Time moves with every look at it, so that a slice ends after one step. */
function newSnapshots(keyspace: Keyspace): Snapshots {
  let ms = 0;
  let activity = 0;
  return new Snapshots(keyspace, {
    monotonicMs: () => (ms += 1),
    activity: () => (activity += 0),
    attributes: () => 'none',
    keyDelayUs: () => 0,
    spillFolder: () => tmpdir(),
  });
}

class MemorySink implements SnapshotSink {
  pendingBytes = 0;
  failure: Error | null = null;
  aborted = false;
  readonly chunks: Uint8Array[] = [];
  write(chunk: Uint8Array): void {
    this.chunks.push(chunk);
  }
  async finish(): Promise<void> {}
  abort(): void {
    this.aborted = true;
  }
}

interface Taken {
  readonly sink: MemorySink;
  readonly ended: Promise<Error | null>;
  readonly request: SnapshotRequest;
  begun: boolean;
}

function request(purpose: SnapshotPurpose, atBegin: () => void = () => {}, compression = true): Taken {
  const sink = new MemorySink();
  let resolve: (error: Error | null) => void = () => {};
  const ended = new Promise<Error | null>((done) => {
    resolve = done;
  });
  const taken: Taken = {
    sink,
    ended,
    begun: false,
    request: {
      purpose,
      version: 11,
      compression,
      checksum: true,
      begin: () => {
        taken.begun = true;
        atBegin();
        return { sink, fields: [['redis-ver', '7.2.0']] };
      },
      onEnd: (error) => resolve(error),
    },
  };
  return taken;
}

/** `database:key` -> `value expiry`; fails on a key that comes twice. */
function contentOf(sink: MemorySink): Map<string, string> {
  const found = new Map<string, string>();
  let database = -1;
  const reader = new RdbReader(
    {
      aux: () => {},
      library: () => {},
      resize: () => {},
      selectDatabase: (index) => {
        database = index;
      },
      value: () => expect.unreachable('a value that is no string'),
      string: (record, value) => {
        const name = `${database}:${record.key}`;
        expect(found.has(name), `${name} twice`).toBe(false);
        found.set(name, `${value} ${record.expireAtMs}`);
      },
    },
    true,
    new Codecs(newKeyspace().values),
  );
  for (const chunk of sink.chunks) reader.feed(chunk);
  reader.end();
  return found;
}

function random(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** A keyspace and the same as a map, changed together. */
class Model {
  readonly content = new Map<string, string>();
  readonly keyspace: Keyspace;
  readonly next: (below: number) => number;
  constructor(keyspace: Keyspace, next: (below: number) => number) {
    this.keyspace = keyspace;
    this.next = next;
  }
  set(database: number, key: string, value: string, expiresAtMs: number): void {
    this.keyspace.databases[database].setString(
      bytesOf(key),
      0,
      key.length,
      bytesOf(value),
      0,
      value.length,
      expiresAtMs,
    );
    this.content.set(`${database}:${key}`, `${value} ${expiresAtMs}`);
  }
  change(): void {
    const { next } = this;
    const database = next(2) * 2;
    const key = `key:${next(1200)}`;
    const ref = this.keyspace.databases[database].find(bytesOf(key), 0, key.length);
    const expiry = next(3) === 0 ? 1_800_000_000_000 + next(1000) : -1;
    switch (next(5)) {
      case 0:
        this.keyspace.databases[database].remove(bytesOf(key), 0, key.length);
        this.content.delete(`${database}:${key}`);
        return;
      case 1: {
        if (ref === 0) return;
        this.keyspace.databases[database].setExpiry(ref, expiry);
        const value = (this.content.get(`${database}:${key}`) as string).split(' ')[0];
        this.content.set(`${database}:${key}`, `${value} ${expiry}`);
        return;
      }
      default: {
        const long = next(500) === 0;
        const value = String.fromCharCode(97 + next(26)).repeat(long ? 270_000 + next(600_000) : next(60));
        this.set(database, key, value, expiry);
      }
    }
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('Snapshots', () => {
  it('writes the dataset of T0 exactly, whatever changes meanwhile', async () => {
    const seed = Date.now() & 0x7fffffff;
    const next = random(seed);
    for (let round = 0; round < 3; round += 1) {
      const keyspace = newKeyspace(round % 3 === 2);
      const model = new Model(keyspace, next);
      for (let k = 0; k < 1500; k += 1) model.change();
      const snapshots = newSnapshots(keyspace);
      for (let run = 0; run < 3; run += 1) {
        let expected = new Map<string, string>();
        const taken = request('save', () => {
          expected = new Map(model.content);
        });
        snapshots.start(taken.request);
        for (let k = 0; snapshots.active; k += 1) {
          for (let change = next(30); change > 0; change -= 1) model.change();
          if (run === 2 && k === 30) {
            keyspace.databases[0].flush();
            for (const name of model.content.keys()) if (name.startsWith('0:')) model.content.delete(name);
          }
          await turn();
        }
        expect(await taken.ended).toBeNull();
        const found = contentOf(taken.sink);
        expect(found.size, `seed ${seed}`).toBe(expected.size);
        for (const [name, value] of expected)
          expect(found.get(name) === value, `seed ${seed} ${name}`).toBe(true);
        expect(snapshots.copyOnWriteBytes).toBeGreaterThan(0);
      }
    }
  }, 60_000);

  it('writes long strings as they were, and keeps no piece of them afterwards', async () => {
    const keyspace = newKeyspace();
    const database = keyspace.databases[0];
    const model = new Model(keyspace, random(5));
    // A table that had keys keeps its first bucket.
    model.set(0, 'first', '', -1);
    database.remove(bytesOf('first'), 0, 5);
    model.content.clear();
    const usedBytes = keyspace.arena.usedBytes;
    for (let k = 0; k < 6; k += 1) {
      const value = String.fromCharCode(97 + k).repeat(900_000 + k);
      model.set(0, `long:${k}`, value, -1);
    }
    const expected = new Map(model.content);
    const find = (k: number): number => database.find(bytesOf(`long:${k}`), 0, 6);
    /** What commands do: the hook, then the bytes. */
    const write = (k: number, at: number): void => {
      database.beforeChange(find(k));
      keyspace.records.setMark(find(k), keyspace.epoch);
      keyspace.records.writeValue(find(k), at, bytesOf('NEW'), 0, 3);
    };
    const changes: readonly (() => void)[] = [
      () => write(0, 600_000),
      () => write(0, 10),
      () => database.resizeString(find(1), 2_000_000),
      () => write(1, 1_500_000),
      () => database.resizeString(find(2), 300_000),
      () => database.resizeString(find(2), 5),
      () => database.remove(bytesOf('long:3'), 0, 6),
      () => model.set(0, 'long:4', 'z'.repeat(900_000), -1),
      () => write(5, 262_143),
    ];
    const snapshots = newSnapshots(keyspace);
    const taken = request('save');
    snapshots.start(taken.request);
    for (let k = 0; snapshots.active; k += 1) {
      changes[k]?.();
      await turn();
    }
    expect(await taken.ended).toBeNull();
    const found = contentOf(taken.sink);
    expect(found.size).toBe(6);
    for (const [name, value] of expected) expect(found.get(name) === value, name).toBe(true);
    expect(keyspace.records.pins.size).toBe(0);
    expect(keyspace.records.pins.orphanBytes).toBe(0);
    const again = request('save');
    const cancelled = snapshots.start(again.request);
    await turn();
    for (let k = 0; k < 6; k += 1) database.remove(bytesOf(`long:${k}`), 0, 6);
    cancelled.cancel('enough');
    expect(keyspace.records.pins.size).toBe(0);
    expect(keyspace.arena.usedBytes).toBe(usedBytes);
  });

  it('a flush leaves its tables to the snapshot, which frees them', async () => {
    for (const perSlot of [false, true]) {
      const keyspace = newKeyspace(perSlot);
      const model = new Model(keyspace, random(3));
      model.set(0, 'first', '', -1);
      keyspace.flushAll();
      model.content.clear();
      const usedBytes = keyspace.arena.usedBytes;
      for (let k = 0; k < 3000; k += 1) model.set((k % 2) * 2, `key:${k}`, `value ${k}`, -1);
      model.set(0, 'long', 'y'.repeat(800_000), -1);
      const expected = new Map(model.content);
      const snapshots = newSnapshots(keyspace);
      const taken = request('save');
      snapshots.start(taken.request);
      for (let k = 0; snapshots.active; k += 1) {
        if (k === 20) {
          expect(keyspace.flushAll()).toBe(3001);
          expect(keyspace.size).toBe(0);
        }
        if (k > 20 && k < 60) model.set(0, `key:${k}`, 'later', -1);
        if (k === 60) keyspace.databases[0].flush();
        await turn();
      }
      expect(await taken.ended).toBeNull();
      const found = contentOf(taken.sink);
      expect(found.size).toBe(expected.size);
      for (const [name, value] of expected) expect(found.get(name) === value, name).toBe(true);
      expect(keyspace.arena.usedBytes).toBe(usedBytes);
    }
  });

  it('puts old content on the disk while a long record is open, and loses none of it', async () => {
    const keyspace = newKeyspace();
    const model = new Model(keyspace, random(11));
    model.set(0, 'long', 'x'.repeat(8_000_000), -1);
    for (let k = 0; k < 20_000; k += 1) model.set(2, `key:${k}`, `${k} `.repeat(60), -1);
    const snapshots = newSnapshots(keyspace);
    const taken = request('save', () => {}, false);
    const expected = new Map(model.content);
    snapshots.start(taken.request);
    for (let k = 0; snapshots.active; k += 1) {
      // The walk has opened the only record of the first database by now.
      if (k === 5) for (let key = 0; key < 20_000; key += 1) model.set(2, `key:${key}`, 'new', -1);
      await turn();
    }
    expect(await taken.ended).toBeNull();
    expect(snapshots.spilledBytes).toBeGreaterThan(1_000_000);
    expect(snapshots.peakBytes).toBeLessThan(5_500_000);
    const found = contentOf(taken.sink);
    expect(found.size).toBe(expected.size);
    for (const [name, value] of expected) expect(found.get(name) === value, name).toBe(true);
  }, 30_000);

  it('gives one moment to all that wait, and the next to those that differ', async () => {
    const keyspace = newKeyspace();
    const model = new Model(keyspace, random(7));
    for (let k = 0; k < 500; k += 1) model.set(0, `key:${k}`, 'before', -1);
    const snapshots = newSnapshots(keyspace);
    const first = request('save');
    const second = request('rewrite');
    const third = request('sync');
    const fourth = request('sync', () => {}, false);
    for (const taken of [first, second, third, fourth]) snapshots.start(taken.request);
    expect([first.begun, second.begun, third.begun, fourth.begun]).toEqual([true, false, false, false]);
    expect(snapshots.has('rewrite')).toBe(true);
    model.set(0, 'key:1', 'after', -1);
    expect(await first.ended).toBeNull();
    expect([second.begun, third.begun, fourth.begun]).toEqual([true, true, false]);
    expect(await second.ended).toBeNull();
    expect(await third.ended).toBeNull();
    expect(await fourth.ended).toBeNull();
    expect(contentOf(first.sink).get('0:key:1')).toBe('before -1');
    expect(contentOf(second.sink).get('0:key:1')).toBe('after -1');
    expect(Buffer.concat(second.sink.chunks).equals(Buffer.concat(third.sink.chunks))).toBe(true);
    expect(contentOf(fourth.sink).size).toBe(500);
    expect(snapshots.active).toBe(false);
  });

  it('drops one sink that fails and goes on with the others', async () => {
    const keyspace = newKeyspace();
    const model = new Model(keyspace, random(7));
    for (let k = 0; k < 500; k += 1) model.set(0, `key:${k}`, 'v', -1);
    const snapshots = newSnapshots(keyspace);
    const gate = request('save');
    const bad = request('sync');
    const good = request('rewrite');
    for (const taken of [gate, bad, good]) snapshots.start(taken.request);
    await gate.ended;
    bad.sink.failure = new Error('no space');
    expect((await bad.ended)?.message).toBe('no space');
    expect(bad.sink.aborted).toBe(true);
    expect(await good.ended).toBeNull();
    expect(contentOf(good.sink).size).toBe(500);
  });

  it('ends on cancel, forgets the hook, and the next run is whole', async () => {
    const keyspace = newKeyspace();
    const model = new Model(keyspace, random(7));
    for (let k = 0; k < 2000; k += 1) model.set(0, `key:${k}`, 'v', -1);
    const snapshots = newSnapshots(keyspace);
    for (let run = 0; run < 300; run += 1) {
      const taken = request('save');
      const handle = snapshots.start(taken.request);
      if (run % 50 === 0) await turn();
      handle.cancel('not wanted');
      expect((await taken.ended)?.message).toBe('not wanted');
      expect(keyspace.snapshotHook).toBeNull();
    }
    const last = request('save');
    snapshots.start(last.request);
    expect(await last.ended).toBeNull();
    expect(contentOf(last.sink).size).toBe(2000);
  });

  it('ends a request whose sink cannot be opened and starts the next', async () => {
    const snapshots = newSnapshots(newKeyspace());
    const bad = request('save', () => {
      throw new Error('no such folder');
    });
    snapshots.start(bad.request);
    expect((await bad.ended)?.message).toBe('no such folder');
    const good = request('save');
    snapshots.start(good.request);
    expect(await good.ended).toBeNull();
    expect(contentOf(good.sink).size).toBe(0);
  });

  it('counts its slices with those of the other work beside the commands', async () => {
    const keyspace = newKeyspace();
    const model = new Model(keyspace, random(7));
    for (let k = 0; k < 500; k += 1) model.set(0, `key:${k}`, 'v', -1);
    const snapshots = newSnapshots(keyspace);
    const taken = request('save');
    snapshots.start(taken.request);
    expect(await taken.ended).toBeNull();
    const { count, sumMs, longestMs } = keyspace.stats.slices.of('snapshot');
    expect(count).toBeGreaterThan(1);
    expect(sumMs).toBeGreaterThanOrEqual(longestMs);
    expect(longestMs).toBeGreaterThanOrEqual(1);
  });

  it('waits for a sink that is full', async () => {
    const keyspace = newKeyspace();
    new Model(keyspace, random(7)).set(0, 'key', 'v', -1);
    const snapshots = newSnapshots(keyspace);
    const taken = request('sync');
    taken.sink.pendingBytes = Number.POSITIVE_INFINITY;
    snapshots.start(taken.request);
    for (let k = 0; k < 20; k += 1) await turn();
    expect(snapshots.active).toBe(true);
    taken.sink.pendingBytes = 0;
    expect(await taken.ended).toBeNull();
  });
});
