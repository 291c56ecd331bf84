/**
 * The cluster that all stories share: the one of `make up`, or one brought up here and taken down afterwards.
 * With `REDWARDEN_KEEP=1` it stays, for a look at what a story left behind.
 */
import path from 'node:path';
import { openCluster } from '../../kind/driver.ts';
import { readEnvironment, repositoryRoot } from '../../kind/environment.ts';
import { runCommand } from '../../support/run-command.ts';

const upDeadlineMs = 40 * 60_000;
const downDeadlineMs = 5 * 60_000;

/** Called by vitest before the first story; what it returns is called after the last. */
export async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (readEnvironment() !== undefined) {
    await openCluster();
    return undefined;
  }
  const down = async (): Promise<void> => {
    if (process.env['REDWARDEN_KEEP'] !== '1') await runTool('down.ts', downDeadlineMs);
  };
  try {
    await runTool('up.ts', upDeadlineMs);
  } catch (error) {
    await down();
    throw error;
  }
  return down;
}

async function runTool(name: string, deadlineMs: number): Promise<void> {
  await runCommand(process.execPath, [path.join(repositoryRoot, 'tools', name)], {
    deadlineMs,
    directory: repositoryRoot,
    onLine: (line) => process.stdout.write(`${line}\n`),
  });
}
