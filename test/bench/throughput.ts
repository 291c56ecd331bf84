/**
 * Requests per second and processor time per request, ours and the peers in turn: each round runs every
 * server once for every test, so that what else the machine does meets all of them. Ratios are made within a
 * round.
 */
import type { ServerKind } from '../support/server-process.ts';
import { Contestant } from './contestant.ts';
import { print, spreadOf, spreadText, tableText } from './figures.ts';
import { runBenchmark } from './load.ts';

const KEYS = 1_000_000;
const CONNECTIONS = 50;
const VALUE_BYTES = 32;
const PIPELINES = [1, 16, 64];

export interface ThroughputOptions {
  /** Three short rounds in place of five. */
  readonly quick: boolean;
  readonly peers: readonly ServerKind[];
  /** Tests of redis-benchmark. */
  readonly tests: readonly string[];
  /** Further options for our server. */
  readonly argv?: readonly string[];
}

interface Sample {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  /** Of the server, user and system, per request. */
  readonly processorMicros: number;
}

/** How the issue bounds our processor time per request against redis-server, by pipeline. */
const RATIO_MAX: Readonly<Record<number, number>> = { 1: 1.05, 16: 0.8, 64: 0.8 };

export async function throughput(options: ThroughputOptions): Promise<void> {
  const contestants: Contestant[] = [];
  try {
    contestants.push(await Contestant.start('redwarden-server', options.argv));
    for (const peer of options.peers) contestants.push(await Contestant.start(peer));
    const samples = await measure(contestants, options);
    print(report(contestants, options.tests, samples));
  } finally {
    for (const contestant of contestants) await contestant.stop();
  }
}

type Samples = ReadonlyMap<string, readonly Sample[]>;

function sampleKey(name: string, test: string, pipeline: number): string {
  return `${name}|${test}|${pipeline}`;
}

async function measure(contestants: readonly Contestant[], options: ThroughputOptions): Promise<Samples> {
  const samples = new Map<string, Sample[]>();
  const rounds = options.quick ? 3 : 5;
  const requests = options.quick ? 400_000 : 1_000_000;
  for (const { port } of contestants) await runOne(port, 'set', 2 * KEYS, 64);
  for (let round = 0; round < rounds; round++) {
    for (const pipeline of PIPELINES) {
      const count = pipeline === 1 ? requests / 8 : requests;
      for (const test of options.tests) {
        // Another one begins in each round, so that nobody always follows the same neighbour.
        for (let turn = 0; turn < contestants.length; turn++) {
          const contestant = contestants[(turn + round) % contestants.length];
          if (contestant === undefined) continue;
          const before = contestant.processorMicros();
          const result = await runOne(contestant.port, test, count, pipeline);
          const processorMicros = (contestant.processorMicros() - before) / count;
          const key = sampleKey(contestant.name, test, pipeline);
          samples.set(key, [...(samples.get(key) ?? []), { ...result, processorMicros }]);
        }
      }
    }
    print(`round ${round + 1} of ${rounds} done`);
  }
  return samples;
}

function runOne(
  port: number,
  test: string,
  requests: number,
  pipeline: number,
): Promise<Omit<Sample, 'processorMicros'>> {
  const run = { test, requests, pipeline, connections: CONNECTIONS, keys: KEYS, valueBytes: VALUE_BYTES };
  return runBenchmark(port, run);
}

function report(contestants: readonly Contestant[], tests: readonly string[], samples: Samples): string {
  const peer = contestants.find(({ name }) => name.startsWith('redis-server'));
  const rows = PIPELINES.flatMap((pipeline) =>
    tests.flatMap((test) =>
      contestants.map(({ name }) => {
        const own = samples.get(sampleKey(name, test, pipeline)) ?? [];
        const theirs = peer === undefined ? [] : (samples.get(sampleKey(peer.name, test, pipeline)) ?? []);
        const ratio = (pick: (sample: Sample) => number) =>
          spreadOf(own.map((sample, round) => pick(sample) / pick(theirs[round] ?? sample)));
        const processor = ratio((sample) => sample.processorMicros);
        const bound = RATIO_MAX[pipeline] ?? Number.POSITIVE_INFINITY;
        const verdict = name !== 'redwarden' ? '' : processor.median <= bound ? 'met' : 'missed';
        return [
          `${test} P${pipeline}`,
          name,
          `${Math.round(spreadOf(own.map((sample) => sample.requestsPerSecond)).median / 1000)} k`,
          spreadOf(own.map((sample) => sample.p50Ms)).median.toFixed(3),
          spreadText(spreadOf(own.map((sample) => sample.processorMicros)), 2),
          name === peer?.name
            ? ''
            : spreadText(
                ratio((sample) => sample.requestsPerSecond),
                2,
              ),
          name === peer?.name ? '' : spreadText(processor, 2),
          verdict === '' ? '' : `<= ${bound}: ${verdict}`,
        ];
      }),
    ),
  );
  const head = [
    'test',
    'server',
    'requests/s',
    'p50 ms',
    'processor µs a request',
    'requests/s to redis-server',
  ];
  return tableText([...head, 'processor to redis-server', 'gate'], rows);
}
