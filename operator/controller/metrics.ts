/** What Prometheus sees of the operator: the rows below, read when it asks. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { EventRecorder } from '../kube/events.ts';
import type { Controller } from './controller.ts';
import type { PassMeasure } from './reconciler.ts';

export interface MetricSources {
  readonly controller: Controller;
  readonly recorder: EventRecorder;
  readonly isLeader: () => boolean;
}

interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

interface Row {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
  readonly read: (sources: MetricSources) => readonly Sample[];
}

const one = (value: number): readonly Sample[] => [{ labels: {}, value }];

// biome-ignore format: a table, one metric a row
const ROWS: readonly Row[] = [
  { name: 'leader',               help: '1 while this process leads.',                                read: ({ isLeader }) => one(isLeader() ? 1 : 0) },
  { name: 'clusters',             help: 'RedisClusters that are watched.',                            read: ({ controller }) => one(controller.caches.clusters.size) },
  { name: 'queue_depth',          help: 'Clusters that wait for a pass.',                             read: ({ controller }) => one(controller.reconciler.depth) },
  { name: 'queue_running',        help: 'Passes under way.',                                          read: ({ controller }) => one(controller.reconciler.running) },
  { name: 'queue_refused',        help: 'Clusters not taken because the queue was full, since start.', read: ({ controller }) => one(controller.reconciler.refused) },
  { name: 'passes_stuck',         help: 'Passes that ignore the end of their time.',                  read: ({ controller }) => one(controller.reconciler.stuck().length) },
  { name: 'unseen_write_seconds', help: 'Age of the oldest own write that no cache shows.',           read: ({ controller }) => one(controller.expectations.oldestMs() / 1000) },
  { name: 'events_written',       help: 'Kubernetes Events written, since start.',                    read: ({ recorder }) => one(recorder.stats.written) },
  { name: 'events_failed',        help: 'Kubernetes Events refused by the API server, since start.',  read: ({ recorder }) => one(recorder.stats.failed) },
  { name: 'events_dropped',       help: 'Kubernetes Events beyond rate or queue limit, since start.', read: ({ recorder }) => one(recorder.stats.dropped) },
  { name: 'watch_lists',          help: 'Complete lists, since start.',     labels: ['kind'],         read: reflectors('lists') },
  { name: 'watch_list_failures',  help: 'Lists that failed, since start.',  labels: ['kind'],         read: reflectors('listFailures') },
  { name: 'watch_starts',         help: 'Watches begun, since start.',      labels: ['kind'],         read: reflectors('watches') },
  { name: 'watch_failures',       help: 'Watches that failed, since start.', labels: ['kind'],        read: reflectors('watchFailures') },
  { name: 'watch_events',         help: 'Events of watches, since start.',  labels: ['kind'],         read: reflectors('events') },
  { name: 'watch_handler_errors', help: 'Bugs met while reading events.',   labels: ['kind'],         read: reflectors('handlerErrors') },
  { name: 'watch_last_seen_time', help: 'Unix time of the last sign of life of the API server.', labels: ['kind'], read: reflectors('lastSeenAt', 1000) },
];

function reflectors(
  field: keyof Controller['reflectors'][number]['stats'],
  divisor = 1,
): (sources: MetricSources) => readonly Sample[] {
  return ({ controller }) => {
    const sums = new Map<string, number>();
    for (const { kind, stats } of controller.reflectors) {
      const before = sums.get(kind.kind) ?? 0;
      // Of several namespaces, the one that has been silent longest counts.
      const isTime = field === 'lastSeenAt' && before !== 0;
      sums.set(kind.kind, isTime ? Math.min(before, stats[field]) : before + stats[field]);
    }
    return [...sums].map(([kind, value]) => ({ labels: { kind }, value: value / divisor }));
  };
}

export class OperatorMetrics {
  readonly registry = new Registry();
  readonly #passes = new Counter({
    name: 'redwarden_operator_passes_total',
    help: 'Passes over clusters by outcome.',
    labelNames: ['outcome'],
    registers: [this.registry],
  });
  readonly #durations = new Histogram({
    name: 'redwarden_operator_pass_duration_seconds',
    help: 'Duration of passes over clusters.',
    buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    registers: [this.registry],
  });

  /** A pass ended. */
  readonly measure = (pass: PassMeasure): void => {
    this.#passes.inc({ outcome: pass.outcome });
    this.#durations.observe(pass.durationMs / 1000);
  };

  /** Reads the rows from here on. */
  watch(sources: MetricSources): void {
    collectDefaultMetrics({ register: this.registry });
    for (const row of ROWS) {
      new Gauge({
        name: `redwarden_operator_${row.name}`,
        help: row.help,
        labelNames: [...(row.labels ?? [])],
        registers: [this.registry],
        collect() {
          for (const { labels, value } of row.read(sources)) this.set({ ...labels }, value);
        },
      });
    }
  }
}
