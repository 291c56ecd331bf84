import { describe, expect, it } from 'vitest';
import { ManualClock } from '../kube/clock.ts';
import type { KubeObject } from '../kube/resource.ts';
import { Store } from '../kube/store.ts';
import { Expectations } from './expectations.ts';

function pod(version: string, more: object = {}): KubeObject {
  const metadata = { name: 'p', namespace: 'shop', uid: 'u1', resourceVersion: version, ...more };
  return { apiVersion: 'v1', kind: 'Pod', metadata };
}

function make() {
  const store = new Store<KubeObject>();
  const clock = new ManualClock();
  const expectations = new Expectations((kind) => (kind === 'Pod' ? store : undefined), clock);
  store.replaceAll(undefined, [], '10');
  return { store, clock, expectations };
}

describe('Expectations', () => {
  it('holds a write until the cache has come to its version', () => {
    const { store, expectations } = make();
    expectations.wrote('shop/orders', pod('12'));
    expect(expectations.pending('shop/orders')).toEqual(['Pod shop/p']);
    expect(expectations.isBehind('shop/other')).toBe(false);
    store.advance(undefined, '11');
    expect(expectations.isBehind('shop/orders')).toBe(true);
    store.advance(undefined, '12');
    expect(expectations.isBehind('shop/orders')).toBe(false);
  });

  it('is satisfied by a cache that went past, though the object is gone by then', () => {
    const { store, expectations } = make();
    expectations.wrote('shop/orders', pod('12'));
    store.replaceAll(undefined, [], '100');
    expect(expectations.isBehind('shop/orders')).toBe(false);
  });

  it('waits for a cache that has no list yet', () => {
    const store = new Store<KubeObject>();
    const expectations = new Expectations(() => store, new ManualClock());
    expectations.wrote('shop/orders', pod('12'));
    expect(expectations.isBehind('shop/orders')).toBe(true);
  });

  it('holds a deletion until the object is gone, terminating or another one', () => {
    for (const after of [undefined, pod('12', { deletionTimestamp: 'now' }), pod('12', { uid: 'u2' })]) {
      const { store, expectations } = make();
      store.put(pod('9'));
      expectations.deleted('shop/orders', 'Pod', { namespace: 'shop', name: 'p' }, 'u1');
      expect(expectations.isBehind('shop/orders')).toBe(true);
      if (after === undefined) store.remove(pod('12'));
      else store.put(after);
      expect(expectations.isBehind('shop/orders')).toBe(false);
    }
  });

  it('keeps only the latest of an object, ignores kinds without cache, and forgets clusters', () => {
    const { store, expectations } = make();
    expectations.wrote('shop/orders', pod('12'));
    expectations.wrote('shop/orders', pod('14'));
    expectations.wrote('shop/orders', { ...pod('99'), kind: 'Secret' });
    store.advance(undefined, '13');
    expect(expectations.pending('shop/orders')).toEqual(['Pod shop/p']);
    expectations.forget('shop/orders');
    expect(expectations.isBehind('shop/orders')).toBe(false);
  });

  it('tells how long the oldest has been waiting', async () => {
    const { store, clock, expectations } = make();
    expect(expectations.oldestMs()).toBe(0);
    expectations.wrote('shop/orders', pod('12'));
    await clock.advance(5000);
    expect(expectations.oldestMs()).toBe(5000);
    store.advance(undefined, '12');
    expect(expectations.oldestMs()).toBe(0);
  });
});
