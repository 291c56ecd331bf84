/**
 * The life of the operator process:
 *
 *   fill caches -> become leader -> passes until told to stop -> end passes -> release the lease -> exit 0
 *                                        +-> leadership lost -> exit 1 at once
 *
 * The parts are made here, once, and know each other only through what they are given.
 */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { KubeClient } from '../kube/client.ts';
import { systemClock } from '../kube/clock.ts';
import { EventRecorder } from '../kube/events.ts';
import { LeaderElection } from '../kube/lease.ts';
import type { Report } from '../kube/reflector.ts';
import { AdminServer } from './admin-server.ts';
import { Controller, type ReconcileCluster } from './controller.ts';
import { OperatorMetrics } from './metrics.ts';
import type { OperatorOptions } from './options.ts';

export interface OperatorParts {
  readonly client: KubeClient;
  readonly reconcileCluster: ReconcileCluster;
  readonly report: Report;
  /** Name of the pod; the host's name otherwise. */
  readonly podName: string | undefined;
  /** Aborts when the process is told to stop. */
  readonly stop: AbortSignal;
  /** Called with the bound port of the admin server. */
  readonly onListening?: (port: number) => void;
}

const passDeadlineMs = 60_000;
/** Together less than a pod's usual grace of 30 seconds. */
const passesEndWithinMs = 15_000;
const eventsEndWithinMs = 3_000;

/** Runs the operator to its end; resolves with the exit code. Rejects when it cannot even start. */
export async function runOperator(options: OperatorOptions, parts: OperatorParts): Promise<number> {
  const { client, report, stop } = parts;
  const clock = systemClock;
  const random = Math.random;
  const instance = parts.podName ?? hostname();
  const election = options.leaderElect
    ? new LeaderElection({
        client,
        namespace: options.leaderElectNamespace,
        name: options.leaderElectName,
        identity: `${instance}_${randomBytes(4).toString('hex')}`,
        clock,
        random,
        report,
      })
    : undefined;
  const isLeader = (): boolean => election?.isLeader ?? true;
  const reportingController = 'redwarden.dev/operator';
  const recorder = new EventRecorder({
    client,
    reportingController,
    reportingInstance: instance,
    clock,
    random,
    report,
  });
  const metrics = new OperatorMetrics();
  const controller = new Controller({
    client,
    recorder,
    reconcileCluster: parts.reconcileCluster,
    defaults: { serverImage: options.serverImage },
    namespaces: options.namespaces,
    concurrencyMax: options.concurrency,
    passDeadlineMs,
    isLeader,
    clock,
    random,
    report,
    measure: metrics.measure,
  });
  metrics.watch({ controller, recorder, isLeader });
  const admin = makeAdminServer(options, controller, metrics);
  const port = await admin.listen();
  report('info', 'started', { port, namespaces: options.namespaces, leaderElect: options.leaderElect });
  parts.onListening?.(port);
  controller.start();
  const code = await lead(controller, election, stop, report);
  // Whoever lost the lease must write nothing more, not even events: the process ends as it stands.
  if (code === 0) await recorder.close(eventsEndWithinMs);
  await admin.close();
  return code;
}

async function lead(
  controller: Controller,
  election: LeaderElection | undefined,
  stop: AbortSignal,
  report: Report,
): Promise<number> {
  const stopped = new Promise<'stopped'>((resolve) => {
    if (stop.aborted) resolve('stopped');
    stop.addEventListener('abort', () => resolve('stopped'), { once: true });
  });
  const first = await Promise.race([controller.synced(), stopped]);
  if (first !== 'stopped') report('info', 'caches filled', { clusters: controller.caches.clusters.size });
  if (first === 'stopped' || (election !== undefined && !(await election.acquire(stop)))) {
    await controller.stop(passesEndWithinMs);
    await election?.release();
    return 0;
  }
  // The lease is kept while passes come to their end, hence a signal of its own.
  const letGo = new AbortController();
  const held = election?.hold(letGo.signal) ?? new Promise<'stopped'>(() => undefined);
  report('info', 'leading', {});
  controller.lead();
  if ((await Promise.race([stopped, held])) === 'lost') return 1;
  report('info', 'stopping', { running: controller.reconciler.running });
  const ended = await Promise.race([controller.stop(passesEndWithinMs), held]);
  if (ended === 'lost') return 1;
  if (ended === false) report('warn', 'passes did not end in time', {});
  letGo.abort();
  if (election !== undefined) {
    await held;
    await election.release();
  }
  report('info', 'stopped', {});
  return 0;
}

function makeAdminServer(
  options: OperatorOptions,
  controller: Controller,
  metrics: OperatorMetrics,
): AdminServer {
  return new AdminServer({
    port: options.metricsPort,
    metrics: async () => ({
      contentType: metrics.registry.contentType,
      text: await metrics.registry.metrics(),
    }),
    unhealthy: () => {
      const stuck = controller.reconciler.stuck();
      return stuck.length === 0 ? undefined : `passes are stuck: ${stuck.join(', ')}`;
    },
    notReady: () => {
      const missing = controller.reflectors.filter((each) => !each.isSynced).map((each) => each.kind.kind);
      return missing.length === 0 ? undefined : `not listed yet: ${[...new Set(missing)].join(', ')}`;
    },
  });
}
