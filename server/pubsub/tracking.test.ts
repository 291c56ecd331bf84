import { beforeEach, describe, expect, test } from 'vitest';
import { Reply } from '../wire/reply.ts';
import type { Subscriptions } from './pubsub.ts';
import { Tracking, type TrackingClient, type TrackingOptions, type TrackingState } from './tracking.ts';

class TestClient implements TrackingClient {
  readonly id: number;
  protocol: 2 | 3 = 3;
  subscribed = false;
  closing = false;
  subscriptions: Subscriptions | null = null;
  tracking: TrackingState | null = null;
  readonly texts: string[] = [];
  readonly link;

  constructor(id: number, outbox: Reply) {
    this.id = id;
    this.link = {
      push: (start: number, end: number) => {
        this.texts.push(outbox.buffer.toString('latin1', start, end));
      },
    };
  }

  get told(): string[] {
    return this.texts.splice(0).map((text) =>
      text
        .replace(/[$>*]\d+\r\n/g, '')
        .trim()
        .replaceAll('\r\n', ' '),
    );
  }
}

const DEFAULT: TrackingOptions = {
  redirect: 0,
  broadcast: false,
  optIn: false,
  optOut: false,
  noLoop: false,
};

describe('Tracking', () => {
  let outbox: Reply;
  let clients: Map<number, TestClient>;
  let tracking: Tracking;

  function client(): TestClient {
    const made = new TestClient(clients.size + 1, outbox);
    clients.set(made.id, made);
    return made;
  }
  function read(by: TestClient, key: string): void {
    tracking.remember(by, Buffer.from(key), 0, key.length);
  }
  function change(key: string, by: TestClient | null = null): void {
    tracking.current = by;
    tracking.changed(Buffer.from(key), 0, key.length);
    tracking.current = null;
  }

  beforeEach(() => {
    outbox = new Reply();
    clients = new Map();
    tracking = new Tracking(outbox, (id) => clients.get(id));
  });

  test('a reader is told once that a key changed, and again after it read again', () => {
    const one = client();
    tracking.enable(one, DEFAULT, []);
    read(one, 'k');
    read(one, 'k');
    expect([tracking.keyCount, tracking.items]).toEqual([1, 1]);
    change('k');
    change('k');
    change('other');
    expect(one.told).toEqual(['invalidate k']);
    read(one, 'k');
    change('k', one);
    expect(one.told).toEqual(['invalidate k']);
    expect(tracking.items).toBe(0);
  });

  test('NOLOOP leaves out what the client changed itself, and it has to read again', () => {
    const one = client();
    const other = client();
    for (const each of [one, other]) {
      tracking.enable(each, { ...DEFAULT, noLoop: true }, []);
      read(each, 'k');
    }
    change('k', one);
    expect(one.told).toEqual([]);
    expect(other.told).toEqual(['invalidate k']);
  });

  test('BCAST tells of prefixes at the end of the turn, each key once', () => {
    const one = client();
    const own = client();
    tracking.enable(one, { ...DEFAULT, broadcast: true }, ['a:', 'b:']);
    tracking.enable(own, { ...DEFAULT, broadcast: true, noLoop: true }, ['a:']);
    change('a:1');
    change('a:1');
    change('a:2', own);
    change('c:1');
    expect(one.told).toEqual([]);
    tracking.endTurn();
    expect(one.told).toEqual(['invalidate a:1 a:2']);
    expect(own.told).toEqual(['invalidate a:1']);
    tracking.endTurn();
    expect(one.told).toEqual([]);
    tracking.disable(one);
    tracking.disable(own);
    expect([tracking.prefixCount, tracking.clients]).toEqual([0, 0]);
  });

  test('BCAST without a prefix hears of every key', () => {
    const one = client();
    tracking.enable(one, { ...DEFAULT, broadcast: true }, []);
    change('\xff');
    tracking.endTurn();
    expect(one.texts).toHaveLength(1);
  });

  test('redirected messages go to a subscribed RESP 2 client as messages, and to nobody else', () => {
    const reader = client();
    const target = client();
    reader.protocol = 2;
    target.protocol = 2;
    tracking.enable(reader, { ...DEFAULT, redirect: target.id }, []);
    read(reader, 'k');
    change('k');
    expect(target.told).toEqual([]);
    target.subscribed = true;
    read(reader, 'k');
    change('k');
    expect(target.told).toEqual(['message __redis__:invalidate k']);
    expect(reader.told).toEqual([]);
  });

  test('a redirection that leads nowhere is told to a RESP 3 client', () => {
    const reader = client();
    const target = client();
    tracking.enable(reader, { ...DEFAULT, redirect: target.id }, []);
    clients.delete(target.id);
    read(reader, 'k');
    change('k');
    expect(reader.told).toEqual(['tracking-redir-broken :2']);
    expect(reader.tracking?.brokenRedirect).toBe(true);
  });

  test('a flush is told as null to all who track, and forgets the keys', () => {
    const one = client();
    tracking.enable(one, DEFAULT, []);
    read(one, 'k');
    tracking.flushed(clients.values());
    expect(one.texts).toEqual(['>2\r\n$10\r\ninvalidate\r\n_\r\n']);
    expect([tracking.keyCount, tracking.items]).toEqual([0, 0]);
  });

  test('beyond the limit the oldest keys are given up with a message', () => {
    const one = client();
    tracking.maxKeys = 2;
    tracking.enable(one, DEFAULT, []);
    for (const key of ['a', 'b', 'c', 'd']) read(one, key);
    tracking.endTurn();
    expect(one.told).toEqual(['invalidate a', 'invalidate b']);
    expect(tracking.keyCount).toBe(2);
  });

  test('a RESP 2 client without redirection is told nothing, and who has gone neither', () => {
    const one = client();
    const gone = client();
    one.protocol = 2;
    for (const each of [one, gone]) {
      tracking.enable(each, DEFAULT, []);
      read(each, 'k');
    }
    tracking.disable(gone);
    clients.delete(gone.id);
    change('k');
    expect([one.told, gone.told]).toEqual([[], []]);
  });

  test('who is the first and the last to track is told to the hook', () => {
    const calls: boolean[] = [];
    tracking.onActive = (active) => calls.push(active);
    const [one, other] = [client(), client()];
    tracking.enable(one, DEFAULT, []);
    tracking.enable(one, DEFAULT, []);
    tracking.enable(other, DEFAULT, []);
    tracking.disable(one);
    tracking.disable(other);
    tracking.disable(other);
    expect(calls).toEqual([true, false]);
  });
});
