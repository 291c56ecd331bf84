/** What is generated is as its sources say. */
import path from 'node:path';
import { describe, it } from 'vitest';
import { runCommand } from '../support/run-command.ts';

const root = path.join(import.meta.dirname, '..', '..');

describe('generated files', () => {
  it.each([
    ['the types of the resource definition', 'generate-types.ts'],
    ["the chart's copy of the resource definition and install.yaml", 'generate-install.ts'],
  ])('%s are up to date', async (_, tool) => {
    await runCommand(process.execPath, [path.join(root, 'tools', tool), '--check'], { deadlineMs: 60_000 });
  });
});
