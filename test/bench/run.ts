/**
 * Benchmarks: node test/bench/run.ts [--quick] [--valkey] [--tests set,get] [measurement …]
 * Measurements: throughput (the default), memory, table, snapshot, startup. `--valkey` measures
 * valkey-server as well and fetches it when it is not installed.
 */

import { installedPeers } from './contestant.ts';
import { print } from './figures.ts';
import { memory } from './memory.ts';
import { snapshot } from './snapshot.ts';
import { startup } from './startup.ts';
import { table } from './table.ts';
import { throughput } from './throughput.ts';

const MINUTES_MAX = 20;

const argv = process.argv.slice(2);
const quick = argv.includes('--quick');
const peers = installedPeers(argv.includes('--valkey'));
const testsAt = argv.indexOf('--tests');
const tests = testsAt < 0 ? ['set', 'get'] : (argv[testsAt + 1] ?? '').split(',');

const measurements: Readonly<Record<string, () => Promise<void> | void>> = {
  throughput: () => throughput({ quick, tests, peers }),
  memory: () => memory(quick, peers),
  table: () => table(quick),
  snapshot: () => snapshot(quick, peers),
  startup: () => startup(peers),
};

const wanted = argv.filter((word, index) => !word.startsWith('--') && (testsAt < 0 || index !== testsAt + 1));
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
