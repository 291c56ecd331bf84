/**
 * Benchmarks: node test/bench/run.ts [--quick] [--valkey] [--tests set,get | all] [--bytes 32]
 *                                    [--mib 1024] [--only 'AOF'] [what …]
 * What: throughput (the default), memory, table, snapshot, saving, loading, startup, tail, hits, fullsync,
 * fullsync-speed, wave, durability. `--valkey` measures valkey-server as well and fetches it when it is not
 * installed; `--mib`: the dataset of `saving`, `fullsync`, `fullsync-speed` and of each shape of `loading`;
 * `--only`: shapes whose name has this in it.
 */

import { installedPeers } from './contestant.ts';
import { durability } from './durability.ts';
import { print } from './figures.ts';
import { fullSync, fullSyncSpeed } from './full-sync.ts';
import { hitRate } from './hit-rate.ts';
import { loading } from './loading.ts';
import { memory } from './memory.ts';
import { saving } from './saving.ts';
import { snapshot } from './snapshot.ts';
import { startup } from './startup.ts';
import { table } from './table.ts';
import { tail } from './tail.ts';
import { ALL_TESTS, throughput } from './throughput.ts';
import { wave } from './wave.ts';

const MINUTES_MAX = 90;

const argv = process.argv.slice(2);
const quick = argv.includes('--quick');
const peers = installedPeers(argv.includes('--valkey'));
/** The word behind an option. */
function optionValue(name: string, otherwise: string): string {
  const at = argv.indexOf(name);
  return at < 0 ? otherwise : (argv[at + 1] ?? otherwise);
}

const named = optionValue('--tests', 'set,get');
const tests = named === 'all' ? ALL_TESTS : named.split(',');
const valueBytes = Number(optionValue('--bytes', '32'));

const measurements: Readonly<Record<string, () => Promise<void> | void>> = {
  throughput: () => throughput({ quick, tests, peers, valueBytes }),
  memory: () => memory(quick, peers),
  table: () => table(quick),
  snapshot: () => snapshot(quick, peers),
  saving: () => saving(Number(optionValue('--mib', quick ? '256' : '1024'))),
  loading: () =>
    loading(
      Number(optionValue('--mib', quick ? '64' : '1024')),
      quick ? 3 : 5,
      optionValue('--only', ''),
      peers,
    ),
  startup: () => startup(peers),
  tail: () => tail(quick, peers),
  hits: () => hitRate(quick, peers),
  fullsync: () => fullSync(Number(optionValue('--mib', quick ? '128' : '4096'))),
  'fullsync-speed': () => fullSyncSpeed(Number(optionValue('--mib', quick ? '64' : '1024')), quick ? 1 : 3),
  wave: () => wave(quick, peers),
  durability: () => durability(quick),
};

const valued = ['--tests', '--bytes', '--mib', '--only'];
const wanted = argv.filter(
  (word, index) => !word.startsWith('--') && !valued.includes(argv[index - 1] ?? ''),
);
const unknown = wanted.filter((name) => measurements[name] === undefined);
if (unknown.length > 0) {
  print(`unknown: ${unknown.join(', ')}; there are ${Object.keys(measurements).join(', ')}`);
  process.exit(2);
}
setTimeout(() => {
  print(`not finished after ${MINUTES_MAX} minutes`);
  process.exit(1);
}, MINUTES_MAX * 60_000).unref();
for (const name of wanted.length === 0 ? ['throughput'] : wanted) {
  print(`\n## ${name} (node ${process.versions.node})`);
  await measurements[name]?.();
}
