/**
 * Performs one step of a plan. Failures are values: they end the acting, and the next pass sees the truth
 * again.
 */
import type { Step } from '../plan/step.ts';
import { type Actor, StepEnd, type StepResult } from './actor.ts';
import { addSlots, failover, forget, meet, replicate, setConfigEpoch } from './members.ts';
import { closeSlot, migrateSlots } from './migrate-slots.ts';
import {
  applyObject,
  applyServerSecret,
  createPasswordSecret,
  deletePod,
  forceDeletePod,
  growClaim,
} from './objects.ts';
import { rewriteAof, setSetting } from './settings.ts';

export async function performStep(actor: Actor, step: Step): Promise<StepResult> {
  try {
    return await dispatch(actor, step);
  } catch (error) {
    if (error instanceof StepEnd) return error.result;
    throw error;
  }
}

function dispatch(actor: Actor, step: Step): Promise<StepResult> {
  switch (step.kind) {
    case 'createPasswordSecret':
      return createPasswordSecret(actor);
    case 'applyServerSecret':
      return applyServerSecret(actor);
    case 'applyObject':
      return applyObject(actor, step);
    case 'deletePod':
      return deletePod(actor, step);
    case 'forceDeletePod':
      return forceDeletePod(actor, step);
    case 'meet':
      return meet(actor, step);
    case 'forget':
      return forget(actor, step);
    case 'setConfigEpoch':
      return setConfigEpoch(actor, step);
    case 'addSlots':
      return addSlots(actor, step);
    case 'replicate':
      return replicate(actor, step);
    case 'failover':
      return failover(actor, step);
    case 'setSetting':
      return setSetting(actor, step);
    case 'migrateSlots':
      return migrateSlots(actor, step);
    case 'closeSlot':
      return closeSlot(actor, step);
    case 'rewriteAof':
      return rewriteAof(actor, step);
    case 'growClaim':
      return growClaim(actor, step);
    default:
      return step satisfies never;
  }
}
