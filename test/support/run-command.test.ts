import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { CommandFailed, lastLines, runCommand, tryCommand } from './run-command.ts';
import { waitUntil } from './wait-until.ts';

const deadlineMs = 20_000;

describe('runCommand', () => {
  it('returns standard output and gives the input', async () => {
    expect(await runCommand('cat', [], { deadlineMs, input: 'a\nb\n' })).toBe('a\nb\n');
  });

  it('throws with the exit code and what the program said', async () => {
    const failed = runCommand('sh', ['-c', 'echo no such thing >&2; exit 3'], { deadlineMs });
    await expect(failed).rejects.toThrow(/exit code 3\nno such thing/);
    await expect(failed).rejects.toBeInstanceOf(CommandFailed);
  });

  it('throws when the program does not exist', async () => {
    await expect(runCommand('no-such-program', [], { deadlineMs })).rejects.toThrow('ENOENT');
  });

  it('ends the program and its children at the deadline', async () => {
    const lines: string[] = [];
    const late = runCommand('sh', ['-c', 'sleep 60 & echo $!; wait'], {
      deadlineMs: 500,
      onLine: (line) => lines.push(line),
    });
    await expect(late).rejects.toThrow('not finished after');
    const child = lines[0] ?? '';
    expect(child).toMatch(/^\d+$/);
    await waitUntil('the end of the child', deadlineMs, async () => {
      return existsSync(`/proc/${child}/exe`) ? undefined : true;
    });
  });

  it('passes whole lines on as they come, whatever the pieces', async () => {
    const lines: string[] = [];
    const script = 'printf one; sleep 0.1; printf " line\\ntwo\\n"';
    await runCommand('sh', ['-c', script], { deadlineMs, onLine: (line) => lines.push(line) });
    expect(lines).toEqual(['one line', 'two']);
  });
});

describe('tryCommand', () => {
  it('makes an exit code a result', async () => {
    const result = await tryCommand('sh', ['-c', 'echo out; echo err >&2; exit 4'], { deadlineMs });
    expect(result).toEqual({ code: 4, stdout: 'out\n', stderr: 'err\n' });
  });
});

describe('lastLines', () => {
  it('leaves out empty lines', () => {
    expect(lastLines('a\n\nb\n\nc\n', 2)).toBe('b\nc');
  });
});
