/** What steps act with, and how they end. */
import type { RespClient, RespFailure } from '../../server/wire/client.ts';
import type { Effective } from '../api/effective.ts';
import type { DesiredObject } from '../desired/desired.ts';
import type { ClusterIdentity } from '../desired/names.ts';
import type { Applier } from '../kube/apply.ts';
import type { KubeClient } from '../kube/client.ts';
import type { KubeObject, ResourceKind } from '../kube/resource.ts';
import type { Address } from '../plan/snapshot.ts';

/** Bulk strings come as Buffers: keys are bytes. */
export type ServerConnection = Pick<RespClient, 'call'>;

export interface Actor {
  readonly identity: ClusterIdentity;
  readonly effective: Effective;
  /** Desired objects by id; what a plan refers to. */
  readonly desired: ReadonlyMap<string, DesiredObject>;
  readonly cached: (kind: string, namespace: string, name: string) => KubeObject | undefined;
  readonly client: Pick<KubeClient, 'get' | 'create' | 'remove'>;
  readonly applier: Pick<Applier, 'apply'>;
  readonly connect: (
    address: Address,
    password: string | undefined,
  ) => Promise<ServerConnection | RespFailure>;
  /** The password in use; steps that make one set it for those after them. */
  password: string | undefined;
  /** Told of every write, so that nothing destructive runs before the caches have shown it. */
  readonly wrote: (kind: ResourceKind, object: KubeObject) => void;
  /** Told of every deletion, by uid. */
  readonly deleted: (kind: ResourceKind, namespace: string, name: string, uid: string) => void;
  /** The Secrets of this cluster changed: read them again. */
  readonly secretsChanged: () => void;
  readonly randomBytes: (count: number) => Uint8Array;
  readonly now: () => number;
}

/** `already`: there was nothing left to do. `unfinished`: time was up, a later pass goes on. */
export type StepResult =
  | { readonly kind: 'done'; readonly message?: string }
  | { readonly kind: 'already' }
  | { readonly kind: 'unfinished'; readonly message: string }
  /** The precondition no longer holds: the next pass sees why. */
  | { readonly kind: 'refused'; readonly message: string }
  /** The world did not let us. */
  | { readonly kind: 'failed'; readonly message: string };

export const DONE: StepResult = { kind: 'done' };
export const ALREADY: StepResult = { kind: 'already' };

/** Ends a step from within; becomes a StepResult in `performStep` and never leaves the room. */
export class StepEnd extends Error {
  readonly result: StepResult;

  constructor(kind: 'refused' | 'failed' | 'unfinished', message: string) {
    super(message);
    this.result = { kind, message };
  }
}
