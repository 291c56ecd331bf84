/**
 * What an append-only file costs: SET without one, with everysec and with always, ours and redis-server's, in
 * turn within each round, on the real disk. Replay speed: `run.ts loading --only AOF`.
 */
import { Contestant } from './contestant.ts';
import { print, spreadOf, spreadText, tableText } from './figures.ts';
import { runBenchmark } from './load.ts';

const CONNECTIONS = 50;
const KEYS = 1_000_000;
const VALUE_BYTES = 32;
const PIPELINES = [1, 16];
const MODES = ['none', 'everysec', 'always'] as const;
const EVERYSEC_GATE = 0.9;
const ALWAYS_GATE = 1;

type Mode = (typeof MODES)[number];

interface Runner {
  readonly kind: 'redwarden-server' | 'redis-server';
  readonly mode: Mode;
  readonly contestant: Contestant;
}

function optionsOf(mode: Mode): string[] {
  if (mode === 'none') return [];
  return ['--appendonly', 'yes', '--appendfsync', mode, '--auto-aof-rewrite-percentage', '0'];
}

/** Requests a second, a list of rounds for each server, mode and pipeline. */
type Speeds = Map<string, number[]>;

function nameOf(kind: string, mode: Mode, pipeline: number): string {
  return `${kind}|${mode}|${pipeline}`;
}

export async function durability(quick: boolean): Promise<void> {
  const runners: Runner[] = [];
  try {
    for (const kind of ['redwarden-server', 'redis-server'] as const) {
      for (const mode of MODES) {
        runners.push({ kind, mode, contestant: await Contestant.start(kind, optionsOf(mode)) });
      }
    }
    const speeds = await measure(runners, quick);
    report(speeds);
  } finally {
    for (const { contestant } of runners) await contestant.stop();
  }
}

async function measure(runners: readonly Runner[], quick: boolean): Promise<Speeds> {
  const speeds: Speeds = new Map();
  const rounds = quick ? 3 : 5;
  // The first round fills keys and processor caches, and does not count.
  for (let round = -1; round < rounds; round++) {
    for (const pipeline of PIPELINES) {
      const most = quick || round < 0 ? 100_000 : 1_000_000;
      for (let turn = 0; turn < runners.length; turn++) {
        const runner = runners[(turn + round + runners.length) % runners.length] as Runner;
        const requests = runner.mode === 'always' ? most / 5 : most / (pipeline === 1 ? 4 : 1);
        const { requestsPerSecond } = await runBenchmark(runner.contestant.port, {
          test: 'set',
          requests,
          pipeline,
          connections: CONNECTIONS,
          keys: KEYS,
          valueBytes: VALUE_BYTES,
        });
        if (round < 0) continue;
        const name = nameOf(runner.kind, runner.mode, pipeline);
        speeds.set(name, [...(speeds.get(name) ?? []), requestsPerSecond]);
      }
    }
    if (round >= 0) print(`round ${round + 1} of ${rounds} done`);
  }
  return speeds;
}

function report(speeds: Speeds): void {
  const of = (kind: string, mode: Mode, pipeline: number): readonly number[] =>
    speeds.get(nameOf(kind, mode, pipeline)) ?? [];
  const ratio = (own: readonly number[], other: readonly number[]): number[] =>
    own.map((speed, round) => speed / (other[round] ?? speed));
  const rows: string[][] = [];
  for (const pipeline of PIPELINES) {
    for (const kind of ['redwarden-server', 'redis-server']) {
      for (const mode of MODES) {
        const own = of(kind, mode, pipeline);
        const toNone = spreadOf(ratio(own, of(kind, 'none', pipeline)));
        const thousands = spreadOf(own.map((speed) => speed / 1000));
        const share = mode === 'none' ? '' : spreadText(toNone, 2);
        rows.push([`SET P${pipeline}`, kind, mode, `${spreadText(thousands, 0)} k`, share]);
      }
    }
  }
  print(tableText(['test', 'server', 'append-only file', 'requests/s', 'of none'], rows));
  const everysec = spreadOf(
    ratio(of('redwarden-server', 'everysec', 16), of('redwarden-server', 'none', 16)),
  );
  verdict(`everysec at pipeline 16 >= ${EVERYSEC_GATE} of no append-only file`, everysec, EVERYSEC_GATE);
  for (const pipeline of PIPELINES) {
    const own = of('redwarden-server', 'always', pipeline);
    const always = spreadOf(ratio(own, of('redis-server', 'always', pipeline)));
    verdict(`always at pipeline ${pipeline} >= ${ALWAYS_GATE} of redis-server's`, always, ALWAYS_GATE);
  }
}

function verdict(text: string, spread: ReturnType<typeof spreadOf>, least: number): void {
  print(`gate: ${text}: ${spreadText(spread, 2)}: ${spread.median >= least ? 'met' : 'missed'}`);
}
