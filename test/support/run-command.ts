/** Runs other programs: always with a deadline, and with an error that says what the program said last. */
import { type ChildProcess, spawn } from 'node:child_process';

export interface CommandOptions {
  /** After this many milliseconds the program and its children are killed and the call fails. */
  readonly deadlineMs: number;
  /** Added to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
  readonly directory?: string;
  /** Written to standard input, which is then closed. */
  readonly input?: string;
  /** Called for every line of standard output and standard error as it comes. */
  readonly onLine?: (line: string) => void;
}

export interface CommandResult {
  /** Exit code; 128 + signal number is not imitated, a signal is reported as -1. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const outputBytesMax = 64 * 1024 * 1024;
const tailLines = 15;
const running = new Set<ChildProcess>();

/** Thrown when a program fails, cannot be started or exceeds its deadline. */
export class CommandFailed extends Error {
  readonly result: CommandResult;

  constructor(command: string, reason: string, result: CommandResult) {
    const said = lastLines(`${result.stdout}\n${result.stderr}`, tailLines);
    super(`${command}: ${reason}${said === '' ? '' : `\n${said}`}`);
    this.name = 'CommandFailed';
    this.result = result;
  }
}

/**
 * Runs a program to its end and returns its standard output; throws `CommandFailed` unless it exits with 0.
 */
export async function runCommand(
  program: string,
  argv: readonly string[],
  options: CommandOptions,
): Promise<string> {
  const result = await tryCommand(program, argv, options);
  if (result.code !== 0) {
    throw new CommandFailed(describe(program, argv), `exit code ${result.code}`, result);
  }
  return result.stdout;
}

/**
 * As `runCommand`, but a non-zero exit code is a result; still throws when it cannot start or takes too
 * long.
 */
export async function tryCommand(
  program: string,
  argv: readonly string[],
  options: CommandOptions,
): Promise<CommandResult> {
  const child = spawn(program, argv, {
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
    ...(options.directory === undefined ? {} : { cwd: options.directory }),
  });
  watchExit();
  running.add(child);
  const stdout = collect(child.stdout, options.onLine);
  const stderr = collect(child.stderr, options.onLine);
  child.stdin.on('error', () => {
    // A program may end without having read its input; its exit code tells whether that was a failure.
  });
  child.stdin.end(options.input ?? '');
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    killGroup(child);
  }, options.deadlineMs);
  try {
    const code = await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (status) => resolve(status ?? -1));
    });
    const result = { code, stdout: stdout(), stderr: stderr() };
    if (late) {
      const reason = `not finished after ${Math.round(options.deadlineMs / 1000)} s`;
      throw new CommandFailed(describe(program, argv), reason, result);
    }
    return result;
  } catch (error) {
    if (error instanceof CommandFailed) {
      throw error;
    }
    const result = { code: -1, stdout: stdout(), stderr: stderr() };
    throw new CommandFailed(describe(program, argv), (error as Error).message, result);
  } finally {
    clearTimeout(timer);
    running.delete(child);
  }
}

/** The last lines of a text that are not empty. */
export function lastLines(text: string, count: number): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines.slice(-count).join('\n');
}

function describe(program: string, argv: readonly string[]): string {
  const command = [program, ...argv].join(' ');
  return command.length > 300 ? `${command.slice(0, 300)} …` : command;
}

function collect(stream: NodeJS.ReadableStream, onLine?: (line: string) => void): () => string {
  const chunks: Buffer[] = [];
  let bytes = 0;
  let rest = '';
  stream.on('data', (chunk: Buffer) => {
    if (bytes < outputBytesMax) {
      chunks.push(chunk);
      bytes += chunk.length;
    }
    if (onLine !== undefined) {
      const lines = (rest + chunk.toString('utf8')).split('\n');
      rest = lines.pop() ?? '';
      lines.forEach(onLine);
    }
  });
  return () => Buffer.concat(chunks).toString('utf8');
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) {
    return;
  }
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') {
      throw error;
    }
  }
}

let watching = false;

/**
 * Programs live in groups of their own, so that a deadline ends their children too; they must not outlive
 * us.
 */
function watchExit(): void {
  if (watching) {
    return;
  }
  watching = true;
  process.on('exit', () => {
    running.forEach(killGroup);
  });
}
