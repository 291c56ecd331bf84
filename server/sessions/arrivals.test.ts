import type { Server, Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Arrivals, type ConnectionHandle } from './arrivals.ts';

function makeHandles(count: number): { handles: ConnectionHandle[]; closed: () => number } {
  let closed = 0;
  const handles = Array.from({ length: count }, () => ({ close: () => void closed++ }));
  return { handles, closed: () => closed };
}

describe('Arrivals', () => {
  test('of many that arrive at once, each turn sets up a share, in their order', async () => {
    const admitted: ConnectionHandle[] = [];
    const arrivals = new Arrivals((handle) => void admitted.push(handle));
    const { handles } = makeHandles(1000);
    for (const handle of handles) arrivals.arrive(handle);
    const first = admitted.length;
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThan(100);
    expect(arrivals.waiting).toBe(1000 - first);
    let turns = 0;
    for (; arrivals.waiting > 0 && turns < 1000; turns++) {
      const before = admitted.length;
      await nextTurn();
      expect(admitted.length - before).toBeLessThanOrEqual(2 * first);
    }
    expect(turns).toBeGreaterThan(5);
    expect(admitted).toEqual(handles);
  });

  test('one that arrives alone is set up at once', async () => {
    const admitted: ConnectionHandle[] = [];
    const arrivals = new Arrivals((handle) => void admitted.push(handle));
    for (const handle of makeHandles(3).handles) {
      arrivals.arrive(handle);
      expect(admitted.at(-1)).toBe(handle);
      await nextTurn();
    }
  });

  test('what is not set up when the server closes is closed', () => {
    const arrivals = new Arrivals(() => undefined);
    const { handles, closed } = makeHandles(200);
    for (const handle of handles) arrivals.arrive(handle);
    const { waiting } = arrivals;
    arrivals.close();
    expect(closed()).toBe(waiting);
    expect(arrivals.waiting).toBe(0);
  });

  test('an accept that failed is an error of the server, and a socket lends its handle', () => {
    const admitted: ConnectionHandle[] = [];
    const arrivals = new Arrivals((handle) => void admitted.push(handle));
    const errors: string[] = [];
    const listening = { onconnection: (_status: number, _handle?: ConnectionHandle) => undefined };
    const server = { _handle: listening, emit: (_name: string, error: Error) => errors.push(error.message) };
    arrivals.watch(server as unknown as Server);
    listening.onconnection(-24);
    expect(errors).toEqual(['too many open files']);
    const { handles } = makeHandles(2);
    listening.onconnection(0, handles[0]);
    const socket = { _handle: handles[1] };
    arrivals.arriveIn(socket as unknown as Socket);
    expect(socket._handle).toBeNull();
    expect(admitted).toEqual(handles);
  });
});
