/** Steps on Kubernetes objects. */

import { grownClaim } from '../desired/claim.ts';
import { serverSecretName } from '../desired/names.ts';
import { AUTH_CONF, generatePassword, passwordSecret, serverSecret } from '../desired/secret.ts';
import { KubeFailure } from '../kube/failure.ts';
import {
  BUILT_IN_KINDS,
  type KubeObject,
  PERSISTENT_VOLUME_CLAIM,
  POD,
  SECRET,
  type Secret,
} from '../kube/resource.ts';
import type { Step } from '../plan/step.ts';
import { type Actor, ALREADY, DONE, StepEnd, type StepResult } from './actor.ts';

type StepOf<Kind extends Step['kind']> = Extract<Step, { readonly kind: Kind }>;

/**
 * Makes the Secret with a random password, or with the one that running members were given, when only their
 * copy is left. Never overwrites: whoever made one in the meantime wins, and the next pass reads it.
 */
export async function createPasswordSecret(actor: Actor): Promise<StepResult> {
  const { identity, effective } = actor;
  const password = (await passwordInUse(actor)) ?? generatePassword(actor.randomBytes);
  const secret = asCached<Secret>(passwordSecret(identity, effective, password));
  const created = await actor.client.create(SECRET, secret);
  actor.secretsChanged();
  if (!(created instanceof KubeFailure)) {
    actor.password = password;
    return DONE;
  }
  throw new StepEnd('failed', `Secret ${effective.password.secretName}: ${created.message}`);
}

/** From the copy that pods mount; undefined when there is none. */
async function passwordInUse(actor: Actor): Promise<string | undefined> {
  const { identity } = actor;
  const name = serverSecretName(identity);
  const secret = await actor.client.get(SECRET, { namespace: identity.namespace, name });
  if (secret instanceof KubeFailure) {
    if (secret.kind === 'notFound') return undefined;
    throw new StepEnd('failed', `Secret ${name}: ${secret.message}`);
  }
  const text = Buffer.from(secret.data?.[AUTH_CONF] ?? '', 'base64').toString('utf8');
  // Generated passwords are letters and digits: they stand unquoted.
  return /^requirepass ([A-Za-z0-9]+)$/m.exec(text)?.[1];
}

export async function applyServerSecret(actor: Actor): Promise<StepResult> {
  const { identity, password } = actor;
  if (password === undefined) throw new StepEnd('refused', 'the password is not known');
  const applied = await actor.applier.apply(asCached(serverSecret(identity, password)), undefined);
  if (applied instanceof KubeFailure) {
    throw new StepEnd('failed', `Secret ${serverSecretName(identity)}: ${applied.message}`);
  }
  actor.secretsChanged();
  return DONE;
}

export async function applyObject(actor: Actor, { id }: StepOf<'applyObject'>): Promise<StepResult> {
  const desired = actor.desired.get(id);
  if (desired === undefined) throw new StepEnd('refused', `${id} is not wanted any more`);
  const cached = actor.cached(desired.kind, actor.identity.namespace, desired.name);
  const applied = await actor.applier.apply(asCached(desired.object), cached);
  if (applied instanceof KubeFailure) throw new StepEnd('failed', `${id}: ${applied.message}`);
  if (applied.outcome === 'current' || applied.outcome === 'unchanged') return ALREADY;
  const kind = BUILT_IN_KINDS.find((each) => each.kind === desired.kind);
  if (kind !== undefined) actor.wrote(kind, applied.object);
  return { kind: 'done', message: applied.outcome };
}

export function deletePod(actor: Actor, { pod, uid }: StepOf<'deletePod'>): Promise<StepResult> {
  return removePod(actor, pod, { uid });
}

export function forceDeletePod(actor: Actor, { pod, uid }: StepOf<'forceDeletePod'>): Promise<StepResult> {
  return removePod(actor, pod, { uid, gracePeriodSeconds: 0 });
}

/** By UID: a pod of the same name that was made in the meantime stays. */
async function removePod(
  actor: Actor,
  pod: string,
  options: { readonly uid: string; readonly gracePeriodSeconds?: number },
): Promise<StepResult> {
  const { namespace } = actor.identity;
  const failure = await actor.client.remove(POD, { namespace, name: pod }, options);
  if (failure === undefined) {
    actor.deleted(POD, namespace, pod, options.uid);
    return DONE;
  }
  if (failure.kind === 'notFound' || failure.kind === 'conflict') return ALREADY;
  throw new StepEnd('failed', `pod ${pod}: ${failure.message}`);
}

/** Refused by the API server where the StorageClass cannot: its words are the failure's. */
export async function growClaim(actor: Actor, step: StepOf<'growClaim'>): Promise<StepResult> {
  const { claim, uid, size } = step;
  const applied = await actor.applier.apply(
    asCached(grownClaim(actor.identity, claim, uid, size)),
    undefined,
  );
  if (applied instanceof KubeFailure)
    throw new StepEnd('failed', `volume claim ${claim}: ${applied.message}`);
  actor.wrote(PERSISTENT_VOLUME_CLAIM, applied.object);
  return DONE;
}

/** Built objects are JSON already; only their TypeScript types allow a Date. */
function asCached<T extends KubeObject>(object: unknown): T {
  return object as T;
}
