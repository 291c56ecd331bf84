/**
 * Tells people what happened: events.k8s.io/v1 Events, as `kubectl describe` shows them.
 *
 * The same event again (object, type, reason, action, note) within ten minutes becomes a series: its count is
 * written at most once a minute. One object may cause a burst of events, then one every few seconds. Writing
 * happens in the background, one at a time; what does not fit the queue is dropped and counted, because
 * events must never hold up the work they tell of.
 */
import type { KubeClient } from './client.ts';
import type { Clock } from './clock.ts';
import { KubeFailure } from './failure.ts';
import { microTime } from './lease.ts';
import type { Report } from './reflector.ts';
import { EVENT, type KubeEvent, type KubeObject } from './resource.ts';

export interface EventToRecord {
  readonly regarding: KubeObject;
  readonly type: 'Normal' | 'Warning';
  /** UpperCamelCase, why: `SettingRepaired`. */
  readonly reason: string;
  /** UpperCamelCase, what was done: `ConfigSet`. */
  readonly action: string;
  /** For people; cut at 1024 bytes. */
  readonly note: string;
}

export interface EventRecorderOptions {
  readonly client: Pick<KubeClient, 'create' | 'mergePatch'>;
  /** `redwarden.dev/operator`. */
  readonly reportingController: string;
  /** The pod. */
  readonly reportingInstance: string;
  readonly clock: Clock;
  /** Uniform in [0, 1): part of the events' names. */
  readonly random: () => number;
  readonly report: Report;
}

interface Series {
  readonly event: KubeEvent;
  count: number;
  lastObservedAt: number;
  /** Count that the API server knows. */
  writtenCount: number;
  writtenAt: number;
  /** Waits in the queue. */
  queued: boolean;
}

interface Bucket {
  tokens: number;
  filledAt: number;
}

const queueMax = 500;
const seriesMax = 2000;
const bucketsMax = 2000;
const seriesEndsAfterMs = 10 * 60_000;
const seriesWriteEveryMs = 60_000;
const burstMax = 25;
const tokenEveryMs = 10_000;
const noteBytesMax = 1024;
const writeDeadlineMs = 5_000;

export class EventRecorder {
  readonly #options: EventRecorderOptions;
  /** Oldest use first. */
  readonly #series = new Map<string, Series>();
  readonly #buckets = new Map<string, Bucket>();
  readonly #queue: Series[] = [];
  #writing: Promise<void> | undefined;
  #cancelSweep: (() => void) | undefined;
  #closed = false;
  readonly stats = { written: 0, failed: 0, dropped: 0 };

  constructor(options: EventRecorderOptions) {
    this.#options = options;
  }

  /** Never waits and never fails. */
  record(event: EventToRecord): void {
    const now = this.#options.clock.now();
    const { uid, namespace, name } = event.regarding.metadata;
    const key = JSON.stringify([uid, namespace, name, event.type, event.reason, event.action, event.note]);
    const known = this.#series.get(key);
    if (known !== undefined && now - known.lastObservedAt < seriesEndsAfterMs) {
      known.count += 1;
      known.lastObservedAt = now;
      this.#series.delete(key);
      this.#series.set(key, known);
      // The second one is written at once: a single event that came twice looks different from one that did
      // not.
      if (known.writtenCount <= 1 || now - known.writtenAt >= seriesWriteEveryMs) this.#enqueue(known);
      this.#sweepLater();
      return;
    }
    if (!this.#takeToken(uid ?? `${namespace}/${name}`, now)) {
      this.stats.dropped += 1;
      return;
    }
    const series: Series = {
      event: this.#build(event, now),
      count: 1,
      lastObservedAt: now,
      writtenCount: 0,
      writtenAt: now,
      queued: false,
    };
    this.#series.set(key, series);
    if (this.#series.size > seriesMax) {
      for (const oldest of this.#series.keys()) {
        this.#series.delete(oldest);
        break;
      }
    }
    this.#enqueue(series);
  }

  /** Writes what waits, within the deadline; takes nothing more. */
  async close(deadlineMs: number): Promise<void> {
    this.#closed = true;
    this.#cancelSweep?.();
    for (const series of this.#series.values()) {
      if (series.writtenCount > 0 && series.count !== series.writtenCount) this.#enqueue(series);
    }
    let cancel = (): void => undefined;
    const late = new Promise<void>((resolve) => {
      cancel = this.#options.clock.after(deadlineMs, resolve);
    });
    await Promise.race([this.#writing, late]);
    cancel();
  }

  #takeToken(owner: string, now: number): boolean {
    const bucket = this.#buckets.get(owner) ?? { tokens: burstMax, filledAt: now };
    const gained = Math.floor((now - bucket.filledAt) / tokenEveryMs);
    bucket.tokens = Math.min(burstMax, bucket.tokens + gained);
    bucket.filledAt += gained * tokenEveryMs;
    this.#buckets.delete(owner);
    this.#buckets.set(owner, bucket);
    if (this.#buckets.size > bucketsMax) {
      for (const oldest of this.#buckets.keys()) {
        this.#buckets.delete(oldest);
        break;
      }
    }
    if (bucket.tokens === 0) return false;
    bucket.tokens -= 1;
    return true;
  }

  #build(event: EventToRecord, now: number): KubeEvent {
    const { apiVersion, kind, metadata } = event.regarding;
    const suffix = `${now.toString(16)}${Math.floor(this.#options.random() * 2 ** 24)
      .toString(16)
      .padStart(6, '0')}`;
    // Events about objects without a namespace belong into `default`.
    const namespace = metadata.namespace ?? 'default';
    return {
      metadata: { namespace, name: `${metadata.name.slice(0, 200)}.${suffix}` },
      eventTime: microTime(now),
      type: event.type,
      reason: event.reason,
      action: event.action,
      note: cut(event.note, noteBytesMax),
      regarding: {
        ...(apiVersion === undefined ? {} : { apiVersion }),
        ...(kind === undefined ? {} : { kind }),
        ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
        name: metadata.name,
        ...(metadata.uid === undefined ? {} : { uid: metadata.uid }),
        ...(metadata.resourceVersion === undefined ? {} : { resourceVersion: metadata.resourceVersion }),
      },
      reportingController: this.#options.reportingController,
      reportingInstance: this.#options.reportingInstance.slice(0, 128),
    };
  }

  #enqueue(series: Series): void {
    if (series.queued) return;
    if (this.#queue.length >= queueMax) {
      this.stats.dropped += 1;
      return;
    }
    series.queued = true;
    this.#queue.push(series);
    this.#writing ??= this.#writeAll();
  }

  async #writeAll(): Promise<void> {
    for (let series = this.#queue.shift(); series !== undefined; series = this.#queue.shift()) {
      series.queued = false;
      const failure = await this.#write(series);
      if (failure === undefined) {
        this.stats.written += 1;
      } else {
        this.stats.failed += 1;
        const { reason, note } = series.event;
        this.#options.report('warn', 'event not written', { reason, note, failure: failure.toString() });
      }
    }
    this.#writing = undefined;
  }

  async #write(series: Series): Promise<KubeFailure | undefined> {
    const { client, clock } = this.#options;
    const { count, lastObservedAt, event } = series;
    const options = { deadlineMs: writeDeadlineMs };
    const inSeries = count > 1 ? { series: { count, lastObservedTime: microTime(lastObservedAt) } } : {};
    let answer: KubeEvent | KubeFailure;
    if (series.writtenCount === 0) {
      answer = await client.create(EVENT, { ...event, ...inSeries }, options);
    } else {
      answer = await client.mergePatch(EVENT, event.metadata, inSeries, options);
      // The API server forgets events after an hour.
      if (answer instanceof KubeFailure && answer.kind === 'notFound') {
        answer = await client.create(EVENT, { ...event, ...inSeries }, options);
      }
    }
    series.writtenAt = clock.now();
    if (answer instanceof KubeFailure) return answer;
    series.writtenCount = count;
    return undefined;
  }

  /** Writes counts that grew since they were written, and forgets series that ended. */
  #sweepLater(): void {
    if (this.#cancelSweep !== undefined || this.#closed) return;
    this.#cancelSweep = this.#options.clock.after(seriesWriteEveryMs, () => {
      this.#cancelSweep = undefined;
      const now = this.#options.clock.now();
      for (const [key, series] of this.#series) {
        if (series.count !== series.writtenCount) this.#enqueue(series);
        if (now - series.lastObservedAt >= seriesEndsAfterMs) this.#series.delete(key);
      }
      if ([...this.#series.values()].some((series) => series.count > 1)) this.#sweepLater();
    });
  }
}

function cut(text: string, bytesMax: number): string {
  if (Buffer.byteLength(text) <= bytesMax) return text;
  const bytes = Buffer.from(text).subarray(0, bytesMax - 3);
  // A character that was cut in the middle decodes to U+FFFD, which is three bytes: it goes as well.
  return `${bytes.toString('utf8').replace(/\uFFFD$/, '')}...`;
}
