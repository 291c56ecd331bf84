/**
 * What the log says when the process ends by an error of its own or by a signal that says so: a report
 * between two marks, in the order that Redis' has, so that people and tools find their way in it.
 *
 *   === REDIS BUG REPORT START … ===
 *   # what happened          `crashed by signal: 6, …`, `ASSERTION FAILED`
 *   ------ STACK TRACE ------
 *   ------ INFO OUTPUT ------
 *   ------ CLIENT LIST OUTPUT ------
 *   === REDIS BUG REPORT END … ===
 *
 * Signals are seen between two turns of the event loop; the stack of a signal is therefore that of the loop.
 * A real fault of the memory ends the process by the system, without a report.
 */
import { constants } from 'node:os';
import { inspect } from 'node:util';
import { describeClient } from '../commands/client-info.ts';
import type { ServerContext } from '../commands/context.ts';
import { REDIS_VERSION } from '../config/config-file.ts';

/** The clients that a report shows at most. */
const CLIENTS_SHOWN_MAX = 100;
const STACK_FRAMES_MAX = 50;

/** Reports in the log: for an exception that nobody caught, for SIGABRT, and without an end for SIGALRM. */
export function reportCrashes(context: ServerContext): void {
  Error.stackTraceLimit = STACK_FRAMES_MAX;
  process.on('uncaughtException', (thrown: unknown) => {
    const error = thrown instanceof Error ? thrown : new Error(`${inspect(thrown)} was thrown`);
    writeReport(context, whatHappened(error), error.stack ?? error.message);
    process.exit(1);
  });
  process.on('SIGABRT', () => {
    writeReport(context, signalText('SIGABRT'), stackHere());
    endBySignal('SIGABRT');
  });
  process.on('SIGALRM', () => {
    context.log.warning('--- WATCHDOG: Received SIGALRM');
    writeLines(context, 'STACK TRACE', stackHere());
    context.log.warning('------ STACK TRACE DONE ------');
  });
}

function endBySignal(signal: NodeJS.Signals): void {
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}

function signalText(signal: NodeJS.Signals): readonly string[] {
  return [`Redis ${REDIS_VERSION} crashed by signal: ${constants.signals[signal]}, ${signal}`];
}

function whatHappened(error: Error): readonly string[] {
  const [, assertion] = /^assertion failed: (.*)/s.exec(error.message) ?? [];
  if (assertion !== undefined) return ['=== ASSERTION FAILED ===', `==> ${assertion}`];
  return [`Redis ${REDIS_VERSION} crashed by an error of its own: ${error.message}`];
}

function stackHere(): string {
  return (new Error('here').stack ?? '').replace(/^.*\n.*\n/, '');
}

function writeReport(context: ServerContext, what: readonly string[], stack: string): void {
  const { config, log } = context;
  for (const line of what) log.warning(line);
  if (!config.values['crash-log-enabled']) return;
  log.warning('=== REDIS BUG REPORT START: Cut & paste starting from here ===');
  const debugContext = config.values['debug-context'];
  if (debugContext !== '') log.warning(`Redis debug-context: "${debugContext}"`);
  writeLines(context, 'STACK TRACE', stack);
  log.warning('------ STACK TRACE DONE ------');
  writeLines(
    context,
    'INFO OUTPUT',
    safely(() => context.info.render([])),
  );
  writeLines(
    context,
    'CLIENT LIST OUTPUT',
    safely(() => clientLines(context)),
  );
  log.warning('=== REDIS BUG REPORT END. Make sure to include from START to END. ===');
  log.warning('The data on disk is as of the last write.');
}

function clientLines(context: ServerContext): string {
  const hidden = context.config.values['hide-user-data-from-log'];
  const lines: string[] = [];
  for (const client of context.clients.all()) {
    if (lines.length === CLIENTS_SHOWN_MAX) break;
    const line = describeClient(context, client);
    lines.push(hidden ? line.replace(/ (name|user|lib-name)=\S+/g, ' $1=*redacted*') : line);
  }
  return lines.join('\n');
}

/** A part of the report; what is broken already may break it too, and then the report says that. */
function safely(part: () => string): string {
  try {
    return part();
  } catch (error) {
    return `cannot be told: ${(error as Error).message}`;
  }
}

function writeLines(context: ServerContext, title: string, text: string): void {
  context.log.raw(`\n------ ${title} ------\n${text.trimEnd()}\n\n`);
}
