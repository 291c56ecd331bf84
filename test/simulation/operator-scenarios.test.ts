/**
 * Stories as text: what happens, then every step the operator takes until it has nothing left to do. The
 * files are operator/plan/scenarios/*.txt; `TRANSCRIPTS=write` writes the transcripts anew, and a person
 * reads the difference.
 *
 *   # title                      comment
 *   > apply shards 4             what happens: see `happen` below
 *   rule                         the rule that acts
 *     step                       its steps, `(n more like this)` for long runs of one kind
 *   = Ready, 16384 slots         the end: phase and slots
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { OperatorRun, SPEC } from './operator-run.ts';

const folder = resolve(import.meta.dirname, '../../operator/plan/scenarios');
const rewrite = process.env['TRANSCRIPTS'] === 'write';
const ROUNDS_MAX = 120;
/** Rounds without a step after which a story has come to its end. */
const QUIET_ROUNDS = 12;

describe('scenarios', () => {
  it.each(
    globSync(`${folder}/*.txt`)
      .sort()
      .map((path) => basename(path)),
  )('%s', async (name) => {
    const path = `${folder}/${name}`;
    const text = readFileSync(path, 'utf8');
    const played = await play(text);
    if (rewrite) writeFileSync(path, played);
    expect(played).toBe(rewrite ? played : text);
  });
});

async function play(text: string): Promise<string> {
  const run = new OperatorRun(1);
  const lines: string[] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('#')) lines.push(line);
    if (!line.startsWith('> ')) continue;
    if (lines.length > 0 && !lines.at(-1)?.startsWith('#')) lines.push('');
    lines.push(line, ...(await happen(run, line.slice(2).split(' '))));
  }
  return `${lines.join('\n')}\n`;
}

/** Does what the line says and returns the transcript of what follows. */
async function happen(run: OperatorRun, words: readonly string[]): Promise<string[]> {
  const [verb = '', first = '', second = ''] = words;
  const pods = run.world.list<{ metadata: { name: string } }>('Pod').map((pod) => pod.metadata.name);
  const spec = run.world.cluster?.spec ?? SPEC;
  if (verb === 'apply') {
    const changes = Object.fromEntries(
      words.flatMap((word, index) => (index % 2 === 1 ? [[word, Number(words[index + 1])]] : [])),
    );
    run.world.applyCluster({ ...spec, ...changes });
  }
  if (verb === 'template') run.world.applyCluster({ ...spec, pod: { annotations: { changed: first } } });
  if (verb === 'restart') for (const pod of first === 'all' ? pods : [first]) await run.world.deletePod(pod);
  if (verb === 'lose') await run.world.deletePod(first, 'lose');
  if (verb === 'pause') run.world.applyCluster(spec, { 'redwarden.dev/paused': 'true' });
  if (verb === 'unpause') run.world.applyCluster(spec);
  if (verb === 'config-set') run.network.nodeOf(words[1] ?? '')?.settings.set(second, words[3] ?? '');
  if (verb === 'open-slot') openSlot(run, Number(first), second, words[3] ?? '');
  return transcript(run);
}

/** Somebody began to move a slot and went away. */
function openSlot(run: OperatorRun, slot: number, from: string, to: string): void {
  const [source, target] = [run.network.nodeOf(from), run.network.nodeOf(to)];
  source?.migrating.set(slot, target?.id ?? '');
  target?.importing.set(slot, source?.id ?? '');
}

async function transcript(run: OperatorRun): Promise<string[]> {
  const lines: string[] = [];
  let quiet = 0;
  for (let round = 0; round < ROUNDS_MAX && quiet < QUIET_ROUNDS; round += 1) {
    const from = run.world.log.length;
    await run.round();
    const steps = run.world.log.slice(from).flatMap(readStep);
    quiet = steps.length === 0 ? quiet + 1 : 0;
    if (steps.length > 0) lines.push(steps[0]?.rule ?? '', ...shorten(steps.map((step) => `  ${step.text}`)));
  }
  const { status } = run.world.cluster;
  const reason = run.world.condition('Ready')?.reason ?? '';
  const ending = status?.phase === 'Ready' ? '' : `, ${reason}`;
  return [...lines, `= ${status?.phase}, ${status?.slots} slots${ending}`];
}

function readStep(line: string): { rule: string; text: string }[] {
  const match = /^info (.*) (\{.*\})$/.exec(line);
  if (match === null) return [];
  const facts = JSON.parse(match[2] ?? '{}') as { rule?: string; result?: string };
  return facts.rule === undefined || facts.result === 'already'
    ? []
    : [{ rule: facts.rule, text: match[1] ?? '' }];
}

/** Long runs of one kind say little after the first two. */
function shorten(steps: readonly string[]): string[] {
  const kindOf = (step: string): string => step.replace(/c-shard-\d+(-\d+)?|[0-9a-f]{8}|[\d,-]+/g, '');
  const lines: string[] = [];
  let index = 0;
  while (index < steps.length) {
    const step = steps[index] ?? '';
    let end = index;
    while (end < steps.length && kindOf(steps[end] ?? '') === kindOf(step)) end += 1;
    lines.push(...steps.slice(index, end - index > 6 ? index + 2 : end));
    if (end - index > 6) lines.push(`  (${end - index - 2} more like this)`);
    index = end;
  }
  return lines;
}
