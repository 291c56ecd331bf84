/**
 * Leader election on a Lease: at most one candidate leads, as far as clocks run at the same speed.
 *
 *   candidate --(free, expired, or ours)--> leader --(renewed in time)--> leader
 *                                             +--(not renewed for renewDeadlineMs, or taken)--> lost, for
 * good
 *
 * Times in the Lease are for people: whether it expired is judged by how long its content has not changed by
 * our own clock, so that clocks need not agree. The leader counts its time from before the request that
 * renewed it, the others from after they saw it: the gap between renewDeadlineMs and leaseDurationMs is the
 * safety margin. Whoever loses the lease ends its process: work under way may not go on.
 */
import type { KubeClient } from './client.ts';
import { type Clock, sleep } from './clock.ts';
import { KubeFailure } from './failure.ts';
import type { Report } from './reflector.ts';
import { LEASE, type Lease } from './resource.ts';

export interface LeaseOptions {
  readonly client: Pick<KubeClient, 'get' | 'create' | 'replace'>;
  readonly namespace: string;
  readonly name: string;
  /** Unique among the candidates, and in every start of the same pod. */
  readonly identity: string;
  /** Others wait so long after the last change. Default 15 s. */
  readonly leaseDurationMs?: number;
  /** The leader gives up when it could not renew for so long. Default 10 s. */
  readonly renewDeadlineMs?: number;
  /** Between two tries. Default 2 s. */
  readonly retryMs?: number;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly report: Report;
}

export class LeaderElection {
  readonly #options: LeaseOptions;
  readonly #leaseDurationMs: number;
  readonly #renewDeadlineMs: number;
  readonly #retryMs: number;
  /** What the Lease looked like, and since when by our clock. */
  #seen: { readonly content: string; readonly at: number } | undefined;
  /** Both clocks before the last successful write of ours. */
  #renewed: { readonly now: number; readonly monotonic: number } | undefined;
  #holder: string | undefined;

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#leaseDurationMs = options.leaseDurationMs ?? 15_000;
    this.#renewDeadlineMs = options.renewDeadlineMs ?? 10_000;
    this.#retryMs = options.retryMs ?? 2_000;
  }

  /** Leader right now: a process that was frozen finds out before it writes. */
  get isLeader(): boolean {
    if (this.#renewed === undefined) return false;
    const { clock } = this.#options;
    // The one clock can be set back, the other can stand still: whichever says that time is up is believed.
    const elapsedMs = Math.max(clock.now() - this.#renewed.now, clock.monotonic() - this.#renewed.monotonic);
    return elapsedMs < this.#renewDeadlineMs;
  }

  /** Identity in the Lease when it was last read. */
  get holder(): string | undefined {
    return this.#holder;
  }

  /** Resolves when this candidate leads; false when the signal aborted first. */
  async acquire(signal: AbortSignal): Promise<boolean> {
    const { clock, random } = this.#options;
    while (!signal.aborted) {
      if (await this.#tryOnce()) return !signal.aborted;
      await sleep(clock, this.#retryMs * (1 + 0.2 * random()), signal);
    }
    return false;
  }

  /**
   * Renews until the lease is lost ('lost') or the signal aborts ('stopped'). To be called after `acquire`.
   */
  async hold(signal: AbortSignal): Promise<'lost' | 'stopped'> {
    const { clock, identity, report } = this.#options;
    while (!signal.aborted) {
      await sleep(clock, this.#retryMs, signal);
      if (signal.aborted) break;
      if (await this.#tryOnce()) continue;
      const taken = this.#holder !== undefined && this.#holder !== identity;
      if (taken || !this.isLeader) {
        this.#renewed = undefined;
        report('error', 'leadership lost', { identity, holder: this.#holder });
        return 'lost';
      }
    }
    return 'stopped';
  }

  /**
   * Gives the lease up, so that the next leader need not wait for its end. To be called after `hold` ended.
   */
  async release(): Promise<void> {
    if (this.#renewed === undefined) return;
    this.#renewed = undefined;
    const { client, namespace, name, identity, report } = this.#options;
    const lease = await client.get(LEASE, { namespace, name }, { deadlineMs: this.#retryMs });
    if (lease instanceof KubeFailure || lease.spec?.holderIdentity !== identity) return;
    const spec = { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime: this.#microTime() };
    const released = await client.replace(LEASE, { ...lease, spec }, { deadlineMs: this.#retryMs });
    if (released instanceof KubeFailure)
      report('warn', 'lease not released', { failure: released.toString() });
  }

  /** Acquires or renews once. */
  async #tryOnce(): Promise<boolean> {
    const { client, namespace, name, identity, clock, report } = this.#options;
    const budgetMs = Math.floor(this.#renewDeadlineMs / 2);
    const started = { now: clock.now(), monotonic: clock.monotonic() };
    const lease = await client.get(LEASE, { namespace, name }, { deadlineMs: budgetMs });
    const deadlineMs = Math.max(1, budgetMs - Math.ceil(clock.monotonic() - started.monotonic));
    let written: Lease | KubeFailure;
    if (lease instanceof KubeFailure) {
      if (lease.kind !== 'notFound') {
        report('warn', 'lease not readable', { failure: lease.toString() });
        return false;
      }
      this.#holder = undefined;
      const spec = this.#spec(undefined);
      written = await client.create(LEASE, { metadata: { namespace, name }, spec }, { deadlineMs });
    } else {
      this.#look(lease);
      if (!this.#mayTake(lease)) return false;
      // With its resourceVersion: of two candidates that saw it expire, one gets a conflict.
      written = await client.replace(LEASE, { ...lease, spec: this.#spec(lease) }, { deadlineMs });
    }
    if (written instanceof KubeFailure) {
      const lostRace = written.kind === 'conflict' || written.kind === 'alreadyExists';
      report(lostRace ? 'debug' : 'warn', 'lease not written', { failure: written.toString() });
      return false;
    }
    this.#look(written);
    this.#renewed = started;
    this.#holder = identity;
    return true;
  }

  /** Remembers since when the lease looks as it does. */
  #look(lease: Lease): void {
    const content = `${lease.metadata.uid} ${lease.metadata.resourceVersion}`;
    if (this.#seen?.content !== content) this.#seen = { content, at: this.#options.clock.monotonic() };
    this.#holder = lease.spec?.holderIdentity;
  }

  #mayTake(lease: Lease): boolean {
    const holder = lease.spec?.holderIdentity;
    if (holder === undefined || holder === '' || holder === this.#options.identity) return true;
    // The holder may have been configured with a longer lease than ours.
    const durationMs = Math.max(this.#leaseDurationMs, (lease.spec?.leaseDurationSeconds ?? 0) * 1000);
    const now = this.#options.clock.monotonic();
    return now - (this.#seen?.at ?? now) > durationMs;
  }

  #spec(before: Lease | undefined): Lease['spec'] & object {
    const { identity } = this.#options;
    const now = this.#microTime();
    const isRenewal = before?.spec?.holderIdentity === identity;
    const transitions = before?.spec?.leaseTransitions ?? 0;
    return {
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(this.#leaseDurationMs / 1000),
      acquireTime: isRenewal ? (before?.spec?.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: isRenewal || before === undefined ? transitions : transitions + 1,
    };
  }

  #microTime(): string {
    return microTime(this.#options.clock.now());
  }
}

/** The API's MicroTime: RFC 3339 with exactly six digits. */
export function microTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace('Z', '000Z');
}
