/** What a plan consists of: steps as data. A plan can be printed, tested and compared; `act` performs it. */
import type { SlotRange } from './slots.ts';
import { printSlots } from './slots.ts';
import type { Address, LiveMember } from './snapshot.ts';

/** A server to talk to. `act` refuses when the server at the address is another node by now. */
export interface Target {
  readonly pod: string;
  readonly nodeId: string;
  readonly address: Address;
}

export type Step =
  /** Make the Secret with a random password; never overwrites one. */
  | { readonly kind: 'createPasswordSecret'; readonly secretName: string; readonly key: string }
  /** The copy of the password that pods mount as configuration file. */
  | { readonly kind: 'applyServerSecret' }
  /** Server-side apply of what is ours in one object. */
  | { readonly kind: 'applyObject'; readonly id: string; readonly replicas: number | undefined }
  /** In order, so that the server hands over; its StatefulSet makes it again. Only this UID. */
  | { readonly kind: 'deletePod'; readonly pod: string; readonly uid: string }
  /** Give up a pod whose Kubernetes node is not coming back; only this UID. */
  | { readonly kind: 'forceDeletePod'; readonly pod: string; readonly uid: string }
  | { readonly kind: 'meet'; readonly via: Target; readonly peer: Target }
  | { readonly kind: 'forget'; readonly on: Target; readonly nodeId: string }
  | { readonly kind: 'setConfigEpoch'; readonly on: Target; readonly epoch: number }
  /** Assign slots that nobody owns to a node that holds neither slot nor key. */
  | { readonly kind: 'addSlots'; readonly on: Target; readonly ranges: readonly SlotRange[] }
  | { readonly kind: 'replicate'; readonly on: Target; readonly primary: Target }
  /** Planned hand-over: the replica asks its primary for it. */
  | { readonly kind: 'failover'; readonly on: Target }
  | {
      readonly kind: 'setSetting';
      readonly on: Target;
      readonly name: string;
      readonly value: string;
      readonly was: string;
      /** `drift`: somebody changed what was applied already. */
      readonly cause: 'spec' | 'drift';
    }
  /** Move slots one after the other, as many as the time of a pass allows. */
  | {
      readonly kind: 'migrateSlots';
      readonly from: Target;
      readonly to: Target;
      readonly slots: readonly number[];
      /** The other primaries, told last. */
      readonly others: readonly Target[];
    }
  /** Drop a marker of a migration that is over or never began. */
  | { readonly kind: 'closeSlot'; readonly on: Target; readonly slot: number }
  | { readonly kind: 'rewriteAof'; readonly on: Target }
  /** Volumes only grow; only this UID. */
  | { readonly kind: 'growClaim'; readonly claim: string; readonly uid: string; readonly size: string };

export type StepKind = Step['kind'];

export function targetOf(member: LiveMember): Target {
  return { pod: member.pod.name, nodeId: member.server.nodeId, address: member.address };
}

/** One line a person can read, the same in logs, events and golden transcripts. */
export function printStep(step: Step): string {
  switch (step.kind) {
    case 'createPasswordSecret':
      return `create Secret/${step.secretName}`;
    case 'applyServerSecret':
      return 'apply the Secret that pods mount';
    case 'applyObject':
      return `apply ${step.id}`;
    case 'deletePod':
      return `restart pod ${step.pod}`;
    case 'forceDeletePod':
      return `force-delete pod ${step.pod}`;
    case 'meet':
      return `${step.via.pod} meets ${step.peer.pod}`;
    case 'forget':
      return `${step.on.pod} forgets ${step.nodeId.slice(0, 8)}`;
    case 'setConfigEpoch':
      return `${step.on.pod} takes config epoch ${step.epoch}`;
    case 'addSlots':
      return `${step.on.pod} owns ${printSlots(step.ranges)}`;
    case 'replicate':
      return `${step.on.pod} replicates ${step.primary.pod}`;
    case 'failover':
      return `${step.on.pod} takes over from its primary`;
    case 'setSetting':
      return `${step.on.pod} sets ${step.name} to "${step.value}" (was "${step.was}", ${step.cause})`;
    case 'migrateSlots':
      return `${step.from.pod} hands ${step.slots.length} slots from ${step.slots[0]} on to ${step.to.pod}`;
    case 'closeSlot':
      return `${step.on.pod} closes slot ${step.slot}`;
    case 'rewriteAof':
      return `${step.on.pod} rewrites its append-only file`;
    case 'growClaim':
      return `volume claim ${step.claim} grows to ${step.size}`;
    default:
      return step satisfies never;
  }
}
