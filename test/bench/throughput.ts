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
const PIPELINES = [1, 16, 64];

export interface ThroughputOptions {
  /** Three short rounds in place of five. */
  readonly quick: boolean;
  readonly peers: readonly ServerKind[];
  /** Tests of redis-benchmark. */
  readonly tests: readonly string[];
  readonly valueBytes: number;
  /** Further options for our server. */
  readonly argv?: readonly string[];
}

interface Sample {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of the server, user and system, per request. */
  readonly processorMicros: number;
}

/** All tests of redis-benchmark 7.0 that touch data; those of a list before those that empty it. */
export const ALL_TESTS: readonly string[] = [
  'set',
  'get',
  'incr',
  'lpush',
  'lrange_100',
  'lrange_300',
  'lrange_500',
  'lrange_600',
  'rpush',
  'lpop',
  'rpop',
  'sadd',
  'hset',
  'spop',
  'zadd',
  'zpopmin',
  'mset',
];
/** Tests that move much in one request: fewer of them are enough. */
const HEAVY: Readonly<Record<string, number>> = {
  lrange_100: 10,
  lrange_300: 30,
  lrange_500: 50,
  lrange_600: 60,
  mset: 5,
};

/** How our processor time per request is bounded, by peer and pipeline. */
const BOUNDS: readonly {
  readonly peer: string;
  readonly tests: readonly string[];
  readonly ratioMax: Readonly<Record<number, number>>;
}[] = [
  { peer: 'valkey-server', tests: ALL_TESTS, ratioMax: { 1: 1.05, 16: 1.1, 64: 1.3 } },
  {
    peer: 'redis-server',
    tests: ['set', 'get', 'incr', 'hset', 'lpush', 'rpop', 'sadd', 'zadd'],
    ratioMax: { 16: 0.67, 64: 0.67 },
  },
];

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
  const { valueBytes } = options;
  const rounds = options.quick ? 3 : 5;
  const requests = options.quick ? 400_000 : 1_000_000;
  for (const { port } of contestants) await runOne(port, 'set', 2 * KEYS, 64, valueBytes);
  for (let round = 0; round < rounds; round++) {
    for (const pipeline of PIPELINES) {
      for (const test of options.tests) {
        const share = (HEAVY[test] ?? 1) * (pipeline === 1 ? 8 : 1);
        const count = Math.ceil(requests / share);
        // Another one begins in each round, so that nobody always follows the same neighbour.
        for (let turn = 0; turn < contestants.length; turn++) {
          const contestant = contestants[(turn + round) % contestants.length];
          if (contestant === undefined) continue;
          const before = contestant.processorMicros();
          const result = await runOne(contestant.port, test, count, pipeline, valueBytes);
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
  valueBytes: number,
): Promise<Omit<Sample, 'processorMicros'>> {
  const run = { test, requests, pipeline, connections: CONNECTIONS, keys: KEYS, valueBytes };
  return runBenchmark(port, run);
}

/** A row a test and server; of ours, the ratios to each peer and whether its bound is kept. */
function report(contestants: readonly Contestant[], tests: readonly string[], samples: Samples): string {
  const of = (name: string, test: string, pipeline: number): readonly Sample[] =>
    samples.get(sampleKey(name, test, pipeline)) ?? [];
  const rows = PIPELINES.flatMap((pipeline) =>
    tests.flatMap((test) =>
      contestants.map(({ name }) => {
        const own = of(name, test, pipeline);
        const median = (pick: (sample: Sample) => number): number => spreadOf(own.map(pick)).median;
        const against = contestants.filter((peer) => name === 'redwarden' && peer.name !== name);
        return [
          `${test} P${pipeline}`,
          name,
          `${Math.round(median((sample) => sample.requestsPerSecond) / 1000)} k`,
          median((sample) => sample.p50Ms).toFixed(3),
          median((sample) => sample.p99Ms).toFixed(3),
          spreadText(spreadOf(own.map((sample) => sample.processorMicros)), 2),
          ...against.map((peer) => verdict(own, of(peer.name, test, pipeline), peer.name, test, pipeline)),
        ];
      }),
    ),
  );
  const peers = contestants.slice(1).map(({ name }) => `processor to ${name}`);
  return tableText(
    ['test', 'server', 'requests/s', 'p50 ms', 'p99 ms', 'processor µs a request', ...peers],
    rows,
  );
}

/** Our processor time to a peer's, made within the rounds, and what the bound says of it. */
function verdict(
  own: readonly Sample[],
  theirs: readonly Sample[],
  peer: string,
  test: string,
  pipeline: number,
): string {
  const ratio = spreadOf(
    own.map((sample, round) => sample.processorMicros / (theirs[round] ?? sample).processorMicros),
  );
  const bound = BOUNDS.find((row) => peer.startsWith(row.peer) && row.tests.includes(test));
  const ratioMax = bound?.ratioMax[pipeline];
  const text = spreadText(ratio, 2);
  if (ratioMax === undefined) return text;
  return `${text} <= ${ratioMax}: ${ratio.median <= ratioMax ? 'met' : 'missed'}`;
}
