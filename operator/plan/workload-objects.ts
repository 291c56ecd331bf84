/**
 * Objects are applied when they are missing or differ from what was applied last; others' fields stay
 * theirs.
 */
import { actOrBlock, type Block, type Decision, type Holds, NOTHING } from './decision.ts';
import type { OwnedObject, Snapshot } from './snapshot.ts';
import { type Step, targetOf } from './step.ts';
import { replicasInSync, type Topology, topologyOf } from './topology.ts';

export function workloadObjects(snapshot: Snapshot, holds: Holds): Decision {
  const blocks: Block[] = [];
  const steps: Step[] = [];
  // What was sent a moment ago is not sent again before the caches show it.
  if (holds.onCluster('create') || snapshot.cachesBehind) return NOTHING;
  if (snapshot.intent.kind === 'bad') {
    const { reason, message } = snapshot.intent;
    blocks.push({ scope: 'cluster', holds: ['create', 'settings', 'slots', 'files'], reason, message });
    return actOrBlock(steps, '', blocks);
  }
  steps.push(...passwordSteps(snapshot, blocks));
  blocks.push(...shrinkBlocks(snapshot));
  const topology = topologyOf(snapshot);
  for (const owned of snapshot.objects) {
    if (owned.state === 'current') continue;
    if (owned.state === 'missing' && snapshot.password.kind === 'missing' && isWorkload(owned)) continue;
    const obstacle = memberObstacle(snapshot, topology, owned);
    if (obstacle?.kind === 'block') blocks.push(obstacle.block);
    else if (obstacle?.kind === 'first') steps.push(obstacle.step);
    else steps.push({ kind: 'applyObject', id: owned.id, replicas: owned.replicas });
  }
  const names = steps.map((step) => (step.kind === 'applyObject' ? step.id : 'Secret')).join(', ');
  return actOrBlock(steps, `objects are missing or differ: ${names}`, blocks);
}

function passwordSteps({ password }: Snapshot, blocks: Block[]): Step[] {
  const block = (reason: string, message: string): Step[] => {
    blocks.push({ scope: 'cluster', holds: [], reason, message });
    return [];
  };
  switch (password.kind) {
    case 'create':
      return [
        { kind: 'createPasswordSecret', secretName: password.secretName, key: password.key },
        { kind: 'applyServerSecret' },
      ];
    case 'missing':
      return block('SecretMissing', password.message);
    case 'present':
      if (password.serverSecret === 'missing') return [{ kind: 'applyServerSecret' }];
      if (password.serverSecret === 'current') return [];
      return block(
        'PasswordChanged',
        'the password in the Secret is not the one that the members started with, and changing it is not ' +
          'supported yet: write the old password into the Secret again',
      );
    default:
      return password satisfies never;
  }
}

/** Fewer shards than exist: their data would have to move away first, which is not possible yet. */
function shrinkBlocks(snapshot: Snapshot): Block[] {
  const { intent } = snapshot;
  if (intent.kind !== 'intent') return [];
  const surplus = snapshot.workloads.filter((workload) => workload.shard >= intent.shards);
  if (surplus.length === 0) return [];
  return [
    {
      scope: 'cluster',
      holds: ['destroy'],
      reason: 'ShrinkNotSupported',
      message:
        `spec.shards is ${intent.shards}, and ${surplus.map((workload) => workload.name).join(', ')} ` +
        `would have to be drained, which this version cannot do; write shards: ${snapshot.workloads.length}`,
    },
  ];
}

type Obstacle =
  | { readonly kind: 'block'; readonly block: Block }
  | { readonly kind: 'first'; readonly step: Step }
  | undefined;

/** A StatefulSet gives up its highest ordinals: none of them may own slots. */
function memberObstacle(snapshot: Snapshot, topology: Topology, owned: OwnedObject): Obstacle {
  const workload = snapshot.workloads.find((each) => `StatefulSet/${each.name}` === owned.id);
  const wanted = owned.replicas;
  if (workload === undefined || wanted === undefined || wanted >= workload.replicas) return undefined;
  const leaving = topology.live.filter(
    (member) => member.pod.shard === workload.shard && member.pod.ordinal >= wanted,
  );
  const owner = leaving.find((member) => topology.owned.has(member.server.nodeId));
  const ownerUnknown = (topology.owners.get(workload.shard) ?? []).some((each) => each.member === undefined);
  if (owner === undefined && !ownerUnknown) return undefined;
  const heir =
    owner && replicasInSync(topology, owner.server.nodeId).find((each) => each.pod.ordinal < wanted);
  if (heir !== undefined) return { kind: 'first', step: { kind: 'failover', on: targetOf(heir) } };
  return {
    kind: 'block',
    block: {
      scope: workload.shard,
      holds: ['destroy'],
      reason: 'PrimaryWouldGo',
      message: `${workload.name} keeps ${workload.replicas} members: a member to be removed owns slots and no remaining replica is in sync`,
    },
  };
}

function isWorkload(owned: OwnedObject): boolean {
  return owned.id.startsWith('StatefulSet/');
}
