/**
 * Full syncs: `fullsync`, over a line of 50 MB/s beside 50 000 writes a second, which has to end at the first
 * attempt; `fullsync-speed`, to a real redis-server replica, next to redis-server's own time.
 *
 * Room for `fullsync`: memory for the dataset twice and what changes during it, disk for the replica's RDB
 * and the spilled changes, together about twice the dataset.
 */

import { CappedRelay } from '../support/capped-relay.ts';
import type { ServerKind } from '../support/server-process.ts';
import { waitUntil } from '../support/wait-until.ts';
import { Contestant, callOnce } from './contestant.ts';
import { print, spreadOf, spreadText, tableText } from './figures.ts';
import { fillKeys, keysOf, PacedWrites } from './paced-writes.ts';

const MIB = 2 ** 20;
const WRITES_A_SECOND = 50_000;
const LINE_BYTES_A_SECOND = 50_000_000;
const SYNC_MS_MAX = 20 * 60_000;
const LOOK_MS = 250;
const SPEED_LOOK_MS = 20;
/** The stream of so many milliseconds may be on its way when the replica has caught up. */
const BEHIND_BYTES = 4 * MIB;
const SPEED_GATE = 1.25;
const AT_ONCE = ['--repl-diskless-sync-delay', '0'];

async function field(port: number, section: string, name: string): Promise<string> {
  const text = await callOnce(port, ['INFO', section]);
  return new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(text)?.[1] ?? '';
}

export async function fullSync(mebibytes: number): Promise<void> {
  const options = [...AT_ONCE, '--rdbcompression', 'no'];
  const primary = await Contestant.start('redwarden-server', options);
  let replica: Contestant | null = null;
  let relay: CappedRelay | null = null;
  try {
    const keys = keysOf(mebibytes);
    await fillKeys(primary.port, keys);
    replica = await Contestant.start('redwarden-server');
    relay = await CappedRelay.to(primary.port, LINE_BYTES_A_SECOND);
    const writes = await PacedWrites.start(primary.port, keys, WRITES_A_SECOND);
    const before = primary.memory().residentBytes;
    const dataset = await primary.usedBytes();
    const seen = await follow(primary, replica, relay);
    const { perSecond } = writes;
    await writes.stop();
    print(
      `dataset ${Math.round(dataset / MIB)} MiB in ${keys} keys, ${Math.round(perSecond)} writes/s; the link was up ` +
        `after ${seen.upSeconds.toFixed(1)} s, the replica level after ${seen.levelSeconds.toFixed(1)} s; ` +
        `${Math.round(relay.bytes / MIB)} MiB over the line`,
    );
    print(
      `spilled at most ${Math.round(seen.spilledBytes / MIB)} MiB, resident + ` +
        `${Math.round((seen.peakBytes - before) / MIB)} MiB (of ${Math.round(before / MIB)})`,
    );
    await sameSize(primary, replica);
    const attempts = Number(await field(primary.port, 'stats', 'sync_full'));
    print(`gate: ends at the first attempt (${attempts} begun): ${attempts === 1 ? 'met' : 'missed'}`);
  } finally {
    relay?.close();
    await replica?.stop();
    await primary.stop();
  }
}

interface Seen {
  readonly upSeconds: number;
  readonly levelSeconds: number;
  readonly spilledBytes: number;
  readonly peakBytes: number;
}

async function follow(primary: Contestant, replica: Contestant, relay: CappedRelay): Promise<Seen> {
  const startMs = performance.now();
  const seconds = (): number => (performance.now() - startMs) / 1000;
  let [upSeconds, spilledBytes, peakBytes] = [0, 0, 0];
  await callOnce(replica.port, ['REPLICAOF', '127.0.0.1', String(relay.port)]);
  const look = async (): Promise<true | undefined> => {
    peakBytes = Math.max(peakBytes, primary.memory().residentBytes);
    const spilled = await field(primary.port, 'replication', 'repl_spilled_bytes');
    spilledBytes = Math.max(spilledBytes, Number(spilled));
    if ((await field(replica.port, 'replication', 'master_link_status')) !== 'up') return undefined;
    if (upSeconds === 0) upSeconds = seconds();
    const end = Number(await field(primary.port, 'replication', 'master_repl_offset'));
    const own = Number(await field(replica.port, 'replication', 'slave_repl_offset'));
    return end - own <= BEHIND_BYTES ? true : undefined;
  };
  await waitUntil('the replica to be level', SYNC_MS_MAX, look, LOOK_MS);
  return { upSeconds, levelSeconds: seconds(), spilledBytes, peakBytes };
}

async function sameSize(primary: Contestant, replica: Contestant): Promise<void> {
  await waitUntil(
    'the rest of the stream',
    60_000,
    async () => {
      const end = await field(primary.port, 'replication', 'master_repl_offset');
      return (await field(replica.port, 'replication', 'slave_repl_offset')) === end ? true : undefined;
    },
    LOOK_MS,
  );
  const sizes = [await callOnce(primary.port, ['DBSIZE']), await callOnce(replica.port, ['DBSIZE'])];
  print(`keys of the primary and of the replica: ${sizes.join(' and ')}`);
}

/** To a replica of redis-server, from ours and from redis-server, in turn. */
export async function fullSyncSpeed(mebibytes: number, rounds: number): Promise<void> {
  const keys = keysOf(mebibytes);
  const rows: string[][] = [];
  for (const diskless of ['yes', 'no']) {
    const options = [...AT_ONCE, '--repl-diskless-sync', diskless];
    const primaries: Contestant[] = [];
    try {
      for (const kind of ['redwarden-server', 'redis-server'] as const) {
        const primary = await Contestant.start(kind, options);
        primaries.push(primary);
        await fillKeys(primary.port, keys);
      }
      const times: number[][] = [[], []];
      for (let round = 0; round < rounds; round++) {
        for (let turn = 0; turn < 2; turn++) {
          const index = (turn + round) % 2;
          times[index]?.push(await syncOnce(primaries[index] as Contestant, 'redis-server'));
        }
      }
      const [ours = [], theirs = []] = times;
      const ratio = spreadOf(ours.map((seconds, round) => seconds / (theirs[round] ?? seconds)));
      const how = diskless === 'yes' ? 'diskless' : 'through a file';
      const met = ratio.median <= SPEED_GATE ? 'met' : 'missed';
      rows.push([
        how,
        spreadText(spreadOf(ours), 1),
        spreadText(spreadOf(theirs), 1),
        `${spreadText(ratio, 2)} <= ${SPEED_GATE}: ${met}`,
      ]);
    } finally {
      for (const primary of primaries) await primary.stop();
    }
  }
  print(tableText([`${mebibytes} MiB`, 'ours, s', 'redis-server, s', 'gate'], rows));
}

/** Seconds from REPLICAOF until the link of a fresh replica is up. */
async function syncOnce(primary: Contestant, kind: ServerKind): Promise<number> {
  const replica = await Contestant.start(kind);
  try {
    const startMs = performance.now();
    await callOnce(replica.port, ['REPLICAOF', '127.0.0.1', String(primary.port)]);
    await waitUntil(
      'the link',
      SYNC_MS_MAX,
      async () =>
        (await field(replica.port, 'replication', 'master_link_status')) === 'up' ? true : undefined,
      SPEED_LOOK_MS,
    );
    const seconds = (performance.now() - startMs) / 1000;
    const sizes = [await callOnce(primary.port, ['DBSIZE']), await callOnce(replica.port, ['DBSIZE'])];
    if (sizes[0] !== sizes[1]) throw new Error(`keys of primary and replica: ${sizes.join(' and ')}`);
    return seconds;
  } finally {
    await replica.stop();
  }
}
