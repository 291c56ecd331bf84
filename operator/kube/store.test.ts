import { describe, expect, it } from 'vitest';
import type { KubeObject } from './resource.ts';
import { compareResourceVersions, Store } from './store.ts';

function object(name: string, version: number, labels: Record<string, string> = {}, space = 'a'): KubeObject {
  const resourceVersion = String(version);
  return { metadata: { name, namespace: space, uid: `uid-${name}`, resourceVersion, labels } };
}

const byColour = {
  colour: (each: KubeObject) => (each.metadata.labels?.['colour'] ?? '').split(',').filter(Boolean),
};

describe('Store', () => {
  it('finds objects by key and by index, and forgets old index values', () => {
    const store = new Store({ indexes: byColour });
    store.put(object('x', 1, { colour: 'red,blue' }));
    store.put(object('y', 2, { colour: 'red' }));
    expect(store.byIndex('colour', 'red').map((each) => each.metadata.name)).toEqual(['x', 'y']);
    store.put(object('x', 3, { colour: 'green' }));
    expect(store.byIndex('colour', 'red').map((each) => each.metadata.name)).toEqual(['y']);
    expect(store.byIndex('colour', 'blue')).toEqual([]);
    store.remove(object('y', 4));
    expect(store.byIndex('colour', 'red')).toEqual([]);
    expect(store.get('a/x')?.metadata.resourceVersion).toBe('3');
    expect(() => store.byIndex('size', 'x')).toThrow('no index size');
  });

  it('reports what a complete list changed: new, other version, other uid, gone', () => {
    const store = new Store();
    store.replaceAll(undefined, [object('same', 1), object('changed', 2), object('gone', 3)], '10');
    const recreated = { metadata: { ...object('same', 1).metadata, uid: 'another' } };
    const changes = store.replaceAll(undefined, [recreated, object('changed', 11), object('new', 12)], '20');
    expect(
      changes.map((change) => [change.key, change.before?.metadata.uid, change.after?.metadata.uid]),
    ).toEqual([
      ['a/same', 'uid-same', 'another'],
      ['a/changed', 'uid-changed', 'uid-changed'],
      ['a/new', undefined, 'uid-new'],
      ['a/gone', 'uid-gone', undefined],
    ]);
    expect(store.replaceAll(undefined, [recreated, object('changed', 11), object('new', 12)], '21')).toEqual(
      [],
    );
    expect(store.progress(undefined)).toBe('21');
  });

  it('keeps the objects of other namespaces when one is listed', () => {
    const store = new Store();
    store.replaceAll('a', [object('x', 1)], '5');
    store.replaceAll('b', [object('x', 2, {}, 'b')], '6');
    store.replaceAll('a', [], '7');
    expect(store.keys()).toEqual(['b/x']);
    expect([store.progress('a'), store.progress('b'), store.progress('c')]).toEqual(['7', '6', undefined]);
  });

  it('drops managedFields and what the trim function drops', () => {
    const store = new Store<KubeObject & { status?: string }>({ trim: ({ status: _, ...rest }) => rest });
    const metadata = { ...object('x', 1).metadata, managedFields: [{}] };
    store.put({ metadata, status: 'long' });
    expect(store.get('a/x')).toEqual(object('x', 1));
  });
});

describe('compareResourceVersions', () => {
  it('orders as numbers, also beyond 2^53', () => {
    expect(compareResourceVersions('9', '10')).toBeLessThan(0);
    expect(compareResourceVersions('10', '10')).toBe(0);
    expect(compareResourceVersions('90071992547409930', '90071992547409929')).toBeGreaterThan(0);
  });
});
