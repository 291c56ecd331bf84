/**
 * How a replica replaces its failed primary: a delay by rank (the most recent data first), one request for
 * votes in a new epoch, and a majority of the primaries. Votes and epochs are on the disk before they leave
 * the node, so that a restarted primary cannot vote twice.
 */
import { type BusHeader, MESSAGE_FORCE_ACK, SLOT_COUNT } from './bus-message.ts';
import { broadcastAuthRequest, sendVote } from './bus-send.ts';
import { updateClusterState } from './cluster-health.ts';
import type { CannotFailover, ClusterState } from './cluster-state.ts';
import { broadcastPong } from './gossip.ts';
import { resetManualFailover } from './manual-failover.ts';
import { becomePrimary } from './membership.ts';
import { type ClusterNode, FAILED, NO_FAILOVER } from './node-table.ts';
import { isSlotSet } from './slots.ts';

const ELECTION_DELAY_MS = 500;
const ELECTION_JITTER_MS = 500;
const RANK_DELAY_MS = 1000;
const AUTH_TIMEOUT_MIN_MS = 2000;

const CANNOT_TEXT: Record<CannotFailover, string> = {
  none: '',
  'data-age':
    'Disconnected from master for longer than allowed. Please check the ' +
    "'cluster-replica-validity-factor' configuration option.",
  'waiting-delay': 'Waiting the delay before I can start a new failover.',
  expired: 'Failover attempt expired.',
  'waiting-votes': 'Waiting for votes, but majority still not reached.',
};

function noteCannot(state: ClusterState, reason: CannotFailover): void {
  if (state.election.cannot === reason) return;
  state.election.cannot = reason;
  if (reason === 'none') return;
  state.environment.log('notice', `Currently unable to failover: ${CANNOT_TEXT[reason]}`);
}

/** How many replicas of our primary have more data than we: 0 asks for votes first. */
function replicaRank(state: ClusterState): number {
  const primary = state.myself.primary;
  if (primary === null) return 0;
  const offset = state.environment.replication.offset();
  let rank = 0;
  for (const replica of primary.replicas) {
    if (replica !== state.myself && !replica.has(NO_FAILOVER) && replica.offset > offset) rank++;
  }
  return rank;
}

function dataTooOld(state: ClusterState): boolean {
  const { settings, environment } = state;
  if (settings.replicaValidityFactor === 0) return false;
  let ageMs = environment.replication.primarySilentMs();
  if (ageMs > settings.nodeTimeoutMs) ageMs -= settings.nodeTimeoutMs;
  const allowedMs =
    settings.replicaPingPeriodSeconds * 1000 + settings.nodeTimeoutMs * settings.replicaValidityFactor;
  return ageMs > allowedMs;
}

/** True when there is a primary to replace and we are the one to do it. */
function failoverWanted(state: ClusterState, manual: boolean): boolean {
  const { myself, settings } = state;
  const primary = myself.primary;
  if (myself.isPrimary || primary === null || primary.slotCount === 0) return false;
  if (state.leaving || !state.dataReady) return false;
  if (manual) return true;
  return primary.has(FAILED) && !settings.replicaNoFailover;
}

function scheduleElection(state: ClusterState): void {
  const { election, manual, environment } = state;
  election.startsAt = state.now + ELECTION_DELAY_MS + Math.floor(environment.random() * ELECTION_JITTER_MS);
  election.voters.clear();
  election.requested = false;
  election.rank = replicaRank(state);
  election.startsAt += election.rank * RANK_DELAY_MS;
  if (manual.endsAt !== 0) {
    election.startsAt = state.now;
    election.rank = 0;
    state.pending.failover = true;
  }
  environment.log(
    'notice',
    `Start of election delayed for ${election.startsAt - state.now} milliseconds ` +
      `(rank #${election.rank}, offset ${environment.replication.offset()}).`,
  );
  // The others learn our offset before they compute their rank.
  broadcastPong(state, 'shard');
}

/** As a replica, on every tick and whenever something relevant came in. */
export function advanceElection(state: ClusterState): void {
  noteCannot(state, electionStep(state));
}

/** Does what is due and says what it waits for. */
function electionStep(state: ClusterState): CannotFailover {
  const { election, settings, manual } = state;
  const isManual = manual.endsAt !== 0 && manual.canStart;
  const authTimeoutMs = Math.max(settings.nodeTimeoutMs * 2, AUTH_TIMEOUT_MIN_MS);
  const authAge = state.now - election.startsAt;
  if (!failoverWanted(state, isManual)) return 'none';
  if (!isManual && dataTooOld(state)) return 'data-age';
  if (authAge > authTimeoutMs * 2) {
    scheduleElection(state);
    return 'waiting-delay';
  }
  if (!election.requested && manual.endsAt === 0) updateRank(state);
  if (state.now < election.startsAt) return 'waiting-delay';
  if (authAge > authTimeoutMs) return 'expired';
  if (!election.requested) {
    requestVotes(state);
    return 'waiting-votes';
  }
  if (election.voters.size < state.quorum) return 'waiting-votes';
  winElection(state);
  return 'none';
}

function updateRank(state: ClusterState): void {
  const { election } = state;
  const rank = replicaRank(state);
  if (rank === election.rank) return;
  election.startsAt += (rank - election.rank) * RANK_DELAY_MS;
  election.rank = rank;
  state.environment.log('notice', `Replica rank updated to #${rank}.`);
}

function winElection(state: ClusterState): void {
  const { myself, election } = state;
  state.environment.log('notice', "Failover election won: I'm the new master.");
  if (myself.configEpoch < election.epoch) {
    myself.configEpoch = election.epoch;
    state.environment.log('notice', `configEpoch set to ${election.epoch} after successful failover`);
  }
  takeOverPrimary(state);
}

function requestVotes(state: ClusterState): void {
  state.currentEpoch++;
  state.election.epoch = state.currentEpoch;
  state.election.requested = true;
  state.environment.log('notice', `Starting a failover election for epoch ${state.currentEpoch}.`);
  state.saveNow();
  broadcastAuthRequest(state);
}

/** The next election starts from nothing, at once if need be. */
export function resetElection(state: ClusterState): void {
  state.election.startsAt = 0;
  state.election.requested = false;
  state.election.voters.clear();
}

/** A primary answers our request. Each counts once, and only for the election that is under way. */
export function countVote(state: ClusterState, voter: ClusterNode, header: BusHeader): void {
  const { election } = state;
  if (!election.requested || !voter.isPrimary || voter.slotCount === 0) return;
  if (header.currentEpoch < election.epoch) return;
  election.voters.add(voter.id);
  state.pending.failover = true;
}

/** As a primary with slots: gives our one vote of this epoch to the replica, or says in the log why not. */
export function voteIfAllowed(state: ClusterState, candidate: ClusterNode, header: BusHeader): void {
  if (state.myself.isReplica || state.myself.slotCount === 0) return;
  const refusal = refuseVote(state, candidate, header);
  if (refusal !== null) {
    state.environment.log('warning', `Failover auth denied to ${candidate.id}: ${refusal}`);
    return;
  }
  (candidate.primary as ClusterNode).votedAt = state.now;
  state.lastVoteEpoch = state.currentEpoch;
  state.saveNow();
  sendVote(state, candidate);
  state.environment.log('notice', `Failover auth granted to ${candidate.id} for epoch ${state.currentEpoch}`);
}

function refuseVote(state: ClusterState, candidate: ClusterNode, header: BusHeader): string | null {
  const primary = candidate.primary;
  if (header.currentEpoch < state.currentEpoch) {
    return `reqEpoch (${header.currentEpoch}) < curEpoch(${state.currentEpoch})`;
  }
  if (state.lastVoteEpoch === state.currentEpoch) return `already voted for epoch ${state.currentEpoch}`;
  if (candidate.isPrimary) return 'it is a master node';
  if (primary === null) return "I don't know its master";
  if (!primary.has(FAILED) && (header.messageFlags & MESSAGE_FORCE_ACK) === 0) return 'its master is up';
  const sinceVote = state.now - primary.votedAt;
  if (sinceVote < state.settings.nodeTimeoutMs * 2) {
    return `can't vote about this master before ${state.settings.nodeTimeoutMs * 2 - sinceVote} milliseconds`;
  }
  for (let slot = 0; slot < SLOT_COUNT; slot++) {
    if (!isSlotSet(header.slots, slot)) continue;
    const owner = state.slots.ownerOf(slot);
    if (owner === null || state.slots.unclaimed[slot] === 1) continue;
    if (owner.configEpoch <= header.configEpoch) continue;
    return `slot ${slot} epoch (${owner.configEpoch}) > reqEpoch (${header.configEpoch})`;
  }
  return null;
}

/** We are the primary now: the slots, the epoch and the word to everybody. */
export function takeOverPrimary(state: ClusterState): void {
  const old = state.myself.primary;
  if (state.myself.isPrimary || old === null) return;
  becomePrimary(state, state.myself);
  state.environment.replication.promote();
  for (let slot = 0; slot < SLOT_COUNT; slot++) {
    if (state.slots.owner[slot] === old.index) state.slots.assign(slot, state.myself);
  }
  resetElection(state);
  updateClusterState(state);
  state.saveNow();
  broadcastPong(state, 'all');
  resetManualFailover(state);
}

/** A new epoch for our configuration that nobody voted for; true when there was need of one. */
export function bumpEpochWithoutConsensus(state: ClusterState): boolean {
  const max = state.maxEpoch();
  if (state.myself.configEpoch !== 0 && state.myself.configEpoch === max) return false;
  state.currentEpoch = max + 1;
  state.myself.configEpoch = state.currentEpoch;
  state.saveNow();
  state.environment.log('notice', `New configEpoch set to ${state.currentEpoch}`);
  return true;
}

/**
 * Two primaries with one epoch: the one with the smaller id takes a new one, so that no two agree for long.
 */
export function resolveEpochCollision(state: ClusterState, sender: ClusterNode): void {
  const { myself } = state;
  if (sender.configEpoch !== myself.configEpoch || !sender.isPrimary || !myself.isPrimary) return;
  if (sender.id <= myself.id) return;
  state.currentEpoch++;
  myself.configEpoch = state.currentEpoch;
  state.saveNow();
  state.environment.log(
    'warning',
    `WARNING: configEpoch collision with node ${sender.id}. configEpoch set to ${state.currentEpoch}`,
  );
}
