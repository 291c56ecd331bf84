import { describe, expect, it } from 'vitest';
import { Applier } from './apply.ts';
import type { AppliedObject, ApplyOptions } from './client.ts';
import { KubeFailure } from './failure.ts';
import { CONFIG_MAP, type ConfigMap, type KubeObject, type ResourceKind } from './resource.ts';

/** An API server that stores what it is given and adds what every server adds. */
class FakeServer {
  calls: ApplyOptions[] = [];
  stored: (KubeObject & { data?: unknown }) | undefined;
  failure: KubeFailure | undefined;
  #version = 1;

  async apply<T extends KubeObject>(
    _: ResourceKind<T>,
    object: T,
    options: ApplyOptions,
  ): Promise<AppliedObject<T> | KubeFailure> {
    this.calls.push(options);
    if (this.failure !== undefined) return this.failure;
    const created = this.stored === undefined;
    const same = JSON.stringify({ ...this.stored?.metadata, uid: undefined, resourceVersion: undefined });
    if (created || same !== JSON.stringify(object.metadata)) this.#version += 1;
    const metadata = { ...object.metadata, uid: 'u', resourceVersion: String(this.#version) };
    this.stored = { ...object, metadata };
    return { object: this.stored as unknown as T, created };
  }
}

function desired(value: string): ConfigMap {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'orders', namespace: 'shop' },
    data: { value },
  };
}

function make() {
  const server = new FakeServer();
  return { server, applier: new Applier({ client: server, kinds: [CONFIG_MAP] }) };
}

describe('Applier', () => {
  it('applies by force with its own field manager, and says what came of it', async () => {
    const { server, applier } = make();
    expect(await applier.apply(desired('1'), undefined)).toMatchObject({ outcome: 'created' });
    expect(server.calls).toEqual([{ fieldManager: 'redwarden', force: true }]);
  });

  it('sends nothing while neither the wish nor the object changes', async () => {
    const { server, applier } = make();
    await applier.apply(desired('1'), undefined);
    const cached = server.stored as KubeObject;
    expect(await applier.apply(desired('1'), cached)).toEqual({ object: cached, outcome: 'current' });
    const withStatus = {
      ...cached,
      status: { replicas: 3 },
      metadata: { ...cached.metadata, resourceVersion: '99', generation: 4 },
    };
    expect(applier.isCurrent(desired('1'), withStatus)).toBe(true);
    expect(server.calls).toHaveLength(1);
  });

  it('sends when the wish changed, when somebody changed the object, and when it is gone', async () => {
    const { server, applier } = make();
    await applier.apply(desired('1'), undefined);
    const cached = server.stored as KubeObject;
    const edited = { ...cached, data: { value: 'edited' } };
    expect((await applier.apply(desired('1'), edited)) as object).toMatchObject({
      object: { data: { value: '1' } },
    });
    await applier.apply(desired('2'), server.stored);
    await applier.apply(desired('2'), undefined);
    expect(server.calls).toHaveLength(4);
  });

  it('sends once after a start, and recognises that nothing changed', async () => {
    const { server, applier } = make();
    await applier.apply(desired('1'), undefined);
    const restarted = new Applier({ client: server, kinds: [CONFIG_MAP] });
    const cached = server.stored as KubeObject;
    const again = await restarted.apply(desired('1'), cached);
    expect(again).toMatchObject({ outcome: expect.stringMatching(/unchanged|changed/) });
    expect(server.calls).toHaveLength(2);
  });

  it('passes a failure on and tries again the next time', async () => {
    const { server, applier } = make();
    server.failure = new KubeFailure('invalid', 'spec: no');
    expect(await applier.apply(desired('1'), undefined)).toBe(server.failure);
    server.failure = undefined;
    expect(await applier.apply(desired('1'), undefined)).toMatchObject({ outcome: 'created' });
  });

  it('throws for a kind that is not in its table', async () => {
    const { applier } = make();
    await expect(applier.apply({ ...desired('1'), kind: 'Secret' }, undefined)).rejects.toThrow(
      'unknown kind v1 Secret',
    );
  });

  it('forgets the oldest beyond its limit', async () => {
    const server = new FakeServer();
    const applier = new Applier({ client: server, kinds: [CONFIG_MAP], rememberedMax: 1 });
    await applier.apply(desired('1'), undefined);
    const cached = server.stored as KubeObject;
    await applier.apply({ ...desired('1'), metadata: { name: 'other' } }, undefined);
    expect(applier.isCurrent(desired('1'), cached)).toBe(false);
  });
});
