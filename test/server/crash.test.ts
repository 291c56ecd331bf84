/**
 * A sample of crashes at random points under load; `make soak` takes many more. `SEED` repeats a run as far
 * as chance decides it, `POINTS` is how many crashes of each kind there are.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { Prng } from '../../server/structures/prng.ts';
import { type Cell, cells, killProcess, losePower, type Tally } from './crash-points.ts';
import { hasRedwarden, removeFolders } from './persistence-harness.ts';

const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
const POINTS = Number(process.env['POINTS'] ?? 0);
/** Crashes that are tried of the same load. */
const PER_RUN = POINTS === 0 ? 2 : 10;
const HOUR_MS = 3_600_000;

afterAll(removeFolders);

/** Which cells run how often: all of them in a soak, else a few by chance. */
function shares(random: Prng): { cell: Cell; points: number }[] {
  if (POINTS > 0) return cells.map((cell) => ({ cell, points: Math.ceil(POINTS / cells.length) }));
  const chosen = ['always', 'everysec', 'no', 'rdb'].map((policy) => {
    const of = cells.filter((cell) => cell.policy === policy);
    return of[random.below(of.length)] as Cell;
  });
  return chosen.map((cell) => ({ cell, points: 2 }));
}

function report(kind: string, cell: Cell, tally: Tally): void {
  const { points, acknowledged, lost, oldestLostMs, longestFsyncMs, problems } = tally;
  const figures = `${points} points, ${acknowledged} writes acknowledged, ${lost} lost`;
  const ages = `oldest ${oldestLostMs.toFixed(0)} ms, longest fsync ${longestFsyncMs.toFixed(0)} ms`;
  console.log(
    `${kind}: ${cell.policy}, ${cell.background}: ${figures}, ${ages}, ${problems.length} problems`,
  );
}

describe.skipIf(!hasRedwarden)(`crashes, seed ${SEED}`, () => {
  const random = new Prng(SEED);
  for (const { cell, points } of shares(random)) {
    const { policy, background } = cell;
    it(`power: ${policy} with ${background} beside keeps its promise at ${points} points`, {
      timeout: HOUR_MS,
    }, async () => {
      const tally = await losePower(cell, points, PER_RUN, new Prng(random.bits()));
      report('power', cell, tally);
      expect(tally.problems).toEqual([]);
      if (policy === 'always') expect(tally.lost).toBe(0);
    });
    it(`kill: ${policy} with ${background} beside keeps its promise at ${points} points`, {
      timeout: HOUR_MS,
    }, async () => {
      const tally = await killProcess(
        cell,
        Math.max(1, points >> (POINTS === 0 ? 1 : 0)),
        new Prng(random.bits()),
      );
      report('kill', cell, tally);
      expect(tally.problems).toEqual([]);
      if (policy === 'always' || policy === 'no') expect(tally.lost).toBe(0);
    });
  }
});
