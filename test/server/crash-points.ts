/** Crashes at random points: the power fails, or the process is killed; what must be there afterwards. */
import { closeSync, openSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Prng } from '../../server/structures/prng.ts';
import { type DiskRecord, journalMs, readJournal } from '../support/disk-journal.ts';
import { DiskModel, type Loss } from '../support/disk-model.ts';
import {
  type Background,
  copyOf,
  filledFolder,
  fold,
  inconsistencies,
  Load,
  type LoadResult,
  type Policy,
  type Recovered,
  recovered,
  startOn,
} from './crash-harness.ts';
import { newFolder, type ServerProcess } from './persistence-harness.ts';

/** One way of running: what is promised of writes, and what goes on beside them. */
export interface Cell {
  readonly policy: Policy;
  readonly background: Background;
}

// biome-ignore format: a table
export const cells: readonly Cell[] = [
  { policy: 'always',   background: 'nothing' },
  { policy: 'always',   background: 'rewrite' },
  { policy: 'always',   background: 'save' },
  { policy: 'everysec', background: 'nothing' },
  { policy: 'everysec', background: 'rewrite' },
  { policy: 'everysec', background: 'save' },
  { policy: 'no',       background: 'nothing' },
  { policy: 'no',       background: 'rewrite' },
  { policy: 'no',       background: 'save' },
  { policy: 'rdb',      background: 'save' },
];

/** What many crashes came to. */
export interface Tally {
  points: number;
  /** Writes that were acknowledged, over all runs. */
  acknowledged: number;
  /** Acknowledged writes that were not there, over all points. */
  lost: number;
  /** How long before the crash the oldest of them was acknowledged, ms. */
  oldestLostMs: number;
  longestFsyncMs: number;
  readonly problems: string[];
}

export function emptyTally(): Tally {
  return { points: 0, acknowledged: 0, lost: 0, oldestLostMs: 0, longestFsyncMs: 0, problems: [] };
}

/** Usual and longest fsync of the disk in ms. */
const USUAL_FSYNC_MS = 6;
const LONGEST_FSYNC_MS = 250;
/** What the machine may take between the end of an fsync's time and the server's notice of it. */
const LATE_MS = 500;
const SECOND_MS = 1000;
/** A history longer than this begins anew. */
const LOG_MAX = 20_000;

const bases = new Map<Policy, Promise<string>>();

/** The folder that runs of a policy begin with, made once. */
function baseOf(policy: Policy): Promise<string> {
  const known = bases.get(policy);
  if (known !== undefined) return known;
  const made = filledFolder(policy);
  bases.set(policy, made);
  return made;
}

/** How long a load lasts so that its policy has something to lose. */
function loadMs(policy: Policy, random: Prng): number {
  return policy === 'everysec' ? 1500 + random.below(2000) : 300 + random.below(900);
}

/** A moment in the history of the disk: `count` records have happened. */
interface Moment {
  readonly count: number;
  readonly atMs: number;
  readonly journal: number;
  readonly longestFsyncMs: number;
}

/**
 * What is lost of what had to be there at a moment; texts of what is wrong. `history` may end before what is
 * there does: the rest of it died with the server. `kept`: the system lost nothing.
 */
function judge(
  cell: Cell,
  result: LoadResult,
  state: Recovered,
  history: readonly string[],
  moment: Moment,
  kept: boolean,
  tally: Tally,
): string[] {
  const problems = inconsistencies(state);
  const common = Math.min(state.log.length, history.length);
  const differs = state.log.slice(0, common).findIndex((entry, index) => entry !== history[index]);
  if (differs >= 0) problems.push(`entry ${differs} is ${state.log[differs]}, not ${history[differs]}`);
  const { last } = fold(state.log);
  const { policy } = cell;
  if (policy === 'rdb') {
    for (const saved of result.saved) {
      if (saved.journal > moment.journal || saved.length <= state.log.length) continue;
      problems.push(`a save of ${saved.length} entries had ended and ${state.log.length} are there`);
    }
    return problems;
  }
  const keptAll = policy === 'always' || (policy === 'no' && kept);
  const mayLoseMs = keptAll ? 0 : policy === 'no' ? Infinity : SECOND_MS + moment.longestFsyncMs + LATE_MS;
  for (const [index, known] of [...result.acknowledged, ...result.seen].entries()) {
    if (known.journal > moment.journal || known.number <= last[known.writer]!) continue;
    const ageMs = moment.atMs - known.atMs;
    if (index < result.acknowledged.length) {
      tally.lost += 1;
      tally.oldestLostMs = Math.max(tally.oldestLostMs, ageMs);
    }
    if (ageMs < mayLoseMs) continue;
    const how = index < result.acknowledged.length ? 'acknowledged' : 'read';
    problems.push(
      `number ${known.number} of writer ${known.writer} was ${how} ${ageMs.toFixed(0)} ms before and is lost`,
    );
  }
  return problems.slice(0, 5);
}

/** A record to crash at: anywhere, or close to where names change. */
function crashPlace(records: readonly DiskRecord[], random: Prng): number {
  if (random.below(2) === 0) return 1 + random.below(records.length);
  const places = records.flatMap(({ event }, index) =>
    ['open', 'rename', 'remove', 'makeFolder', 'truncate'].includes(event.op) ? [index] : [],
  );
  if (places.length === 0) return 1 + random.below(records.length);
  const near = places[random.below(places.length)]! + random.below(5) - 1;
  return Math.min(records.length, Math.max(1, near));
}

const LOSSES: readonly Loss[] = ['all', 'some', 'some', 'nothing'];

/**
 * One load on a faulty disk, then `points` crashes of it: each loses a chosen part of what was not synced at
 * a random moment, and a server on a sound disk must load what is left. Returns a folder to go on from.
 */
async function powerLossRun(
  cell: Cell,
  base: string,
  points: number,
  random: Prng,
  tally: Tally,
): Promise<string> {
  const folder = copyOf(base);
  const journal = path.join(newFolder(), 'journal');
  closeSync(openSync(journal, 'w'));
  const fsync = `${USUAL_FSYNC_MS},${LONGEST_FSYNC_MS},${random.bits()}`;
  const server = await startOn(folder, cell.policy, { journal, fsync });
  const before = await recovered(server.port);
  const load = new Load(server.port, journal, random, fold(before.log).last);
  const running = load.run(cell.background);
  await sleep(loadMs(cell.policy, random));
  load.stop();
  const result = await running;
  const { log: history } = await recovered(server.port);
  await server.stop('SIGKILL');
  tally.acknowledged += result.acknowledged.length;
  const records = readJournal(journal);
  let last = folder;
  for (let point = 0; point < points; point += 1) {
    const count = crashPlace(records, random);
    const loss = LOSSES[random.below(LOSSES.length)]!;
    const model = new DiskModel(folder, base);
    for (const record of records.slice(0, count)) model.apply(record);
    const atMs = (records[count] ?? records[count - 1]!).atMs;
    const runningMs = model.oldestSyncMs === undefined ? 0 : atMs - model.oldestSyncMs;
    const moment: Moment = {
      count,
      atMs,
      journal: records[count - 1]!.end,
      longestFsyncMs: Math.max(model.longestSyncMs, runningMs),
    };
    tally.points += 1;
    tally.longestFsyncMs = Math.max(tally.longestFsyncMs, moment.longestFsyncMs);
    const left = newFolder();
    model.writeTo(left, loss, random);
    const event = JSON.stringify(records[count - 1]!.event);
    const place = `crash behind record ${count} of ${records.length} (${event}), lost: ${loss}`;
    const where = `${cell.policy}, ${cell.background}, ${place}`;
    const state = await loaded(left, cell.policy, where, tally);
    if (state === null) continue;
    for (const problem of judge(cell, result, state, history, moment, loss === 'nothing', tally)) {
      tally.problems.push(`${problem}; ${where}; ${left}`);
    }
    last = left;
  }
  return last === folder ? base : last;
}

/** What a server finds in a folder; null when it does not load, which is a problem. */
async function loaded(
  folder: string,
  policy: Policy,
  where: string,
  tally: Tally,
): Promise<Recovered | null> {
  let server: ServerProcess;
  try {
    // A copy: what loading repairs shall not hide what it found.
    server = await startOn(copyOf(folder), policy, null);
  } catch (error) {
    tally.problems.push(`does not load: ${(error as Error).message}; ${where}; ${folder}`);
    return null;
  }
  const state = await recovered(server.port);
  await server.stop('SIGKILL');
  return state;
}

/** Loses what was not synced, at `points` moments, `perRun` of them of the same load. */
export async function losePower(cell: Cell, points: number, perRun: number, random: Prng): Promise<Tally> {
  const tally = emptyTally();
  let base = await baseOf(cell.policy);
  while (tally.points < points) {
    const left = Math.min(perRun, points - tally.points);
    const next = await powerLossRun(cell, base, left, random, tally);
    // Every second run goes on from what a crash left.
    base = random.below(2) === 0 ? next : await baseOf(cell.policy);
  }
  return tally;
}

/** Kills the process at `points` moments, one after the other on the same folder. */
export async function killProcess(cell: Cell, points: number, random: Prng): Promise<Tally> {
  const tally = emptyTally();
  let folder = copyOf(await baseOf(cell.policy));
  let history: readonly string[] = [];
  let result: LoadResult = { acknowledged: [], seen: [], saved: [], sent: [] };
  let killedMs = 0;
  const longestFsyncMs = LONGEST_FSYNC_MS;
  tally.longestFsyncMs = longestFsyncMs;
  for (let round = 0; round <= points; round += 1) {
    const fsync = `${USUAL_FSYNC_MS},${LONGEST_FSYNC_MS},${random.bits()}`;
    const server = await startOn(folder, cell.policy, { fsync });
    const state = await recovered(server.port);
    const moment: Moment = { count: 0, atMs: killedMs, journal: 0, longestFsyncMs };
    for (const problem of judge(cell, result, state, history, moment, true, tally)) {
      tally.problems.push(`${problem}; ${cell.policy}, ${cell.background}, kill ${round}; ${folder}`);
    }
    if (round > 0) tally.points += 1;
    if (round === points) {
      await server.stop('SIGKILL');
      break;
    }
    if (state.log.length > LOG_MAX) {
      await server.stop('SIGKILL');
      folder = copyOf(await baseOf(cell.policy));
      history = [];
      result = { acknowledged: [], seen: [], saved: [], sent: [] };
      continue;
    }
    history = state.log;
    const load = new Load(server.port, null, random, fold(state.log).last);
    const running = load.run(cell.background);
    await sleep(loadMs(cell.policy, random));
    killedMs = journalMs();
    await server.stop('SIGKILL');
    load.stop();
    result = await running;
    tally.acknowledged += result.acknowledged.length;
  }
  return tally;
}
