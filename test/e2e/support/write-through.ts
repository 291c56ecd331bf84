/** Writes checksummed keys while something bad happens, and says what that cost. */
import { waitUntil } from '../../support/wait-until.ts';
import { ChecksumClient, type Outage, type Verdict } from './checksum-client.ts';
import { type Access, report } from './story.ts';

const writesPerSecond = 200;
/** A client must see answers again long before this; how long it took is reported. */
const backDeadlineMs = 60_000;
/** Time for a failure to be noticed, before silence counts as over. */
const noticeMs = 7_000;
/** All shards have answered for so long: it is over. */
const quietMs = 8_000;
const shards = 3;

/** Replication trails a primary by less than a second, so at most these acknowledged writes may be lost. */
export const lostMax = writesPerSecond;

export interface Ordeal {
  /** For people: what happens. */
  readonly what: string;
  /** Seconds until clients should be served again; reported beside what it took, never asserted. */
  readonly wantedSeconds: number;
  /** Prefix of the keys. */
  readonly prefix: string;
  readonly happen: () => Promise<void>;
}

/** Throws when a shard is not served again within a minute. */
export async function writeThrough(access: Access, ordeal: Ordeal): Promise<Verdict> {
  const client = new ChecksumClient({ ...access, prefix: ordeal.prefix, writesPerSecond });
  try {
    await waitUntil('400 writes', 30_000, async () => (client.acknowledged >= 400 ? true : undefined));
    const moment = performance.now();
    await ordeal.happen();
    await servedForAWhile(client, moment);
    await client.stop();
    const { longestMs, backAfterMs } = worstShard(client, moment);
    const verdict = await client.verify();
    report(
      `${ordeal.what}: back after ${seconds(backAfterMs)} (wanted: ${ordeal.wantedSeconds} s), ` +
        `longest silence ${seconds(longestMs)}; ${describeVerdict(verdict)}`,
    );
    return verdict;
  } finally {
    await client.close();
  }
}

export function describeVerdict({ acknowledged, refused, lost, damaged }: Verdict): string {
  return `${acknowledged} writes acknowledged, ${refused} refused, ${lost.length} lost, ${damaged.length} damaged`;
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}

/** The outage of the third of the slots that had the longest. */
function worstShard(client: ChecksumClient, moment: number): Outage {
  const third = 16384 / shards;
  const outages = Array.from({ length: shards }, (_, shard) =>
    client.outageSince(moment, (slot) => Math.floor(slot / third) === shard),
  );
  return outages.reduce((worst, each) => (each.longestMs > worst.longestMs ? each : worst));
}

/** Every shard has acknowledged writes for some seconds without pausing for one, and an outage is over. */
async function servedForAWhile(client: ChecksumClient, moment: number): Promise<void> {
  await waitUntil(
    'writes to all shards',
    backDeadlineMs,
    async () => {
      if (performance.now() - moment < noticeMs + quietMs) return undefined;
      const { longestMs } = worstShard(client, performance.now() - quietMs);
      if (longestMs > 1_000) throw new Error(`no write acknowledged for ${longestMs} ms`);
      return true;
    },
    500,
  );
}
