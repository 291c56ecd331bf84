/**
 * The server's log: one line a message, in Redis' form
 *
 *   4242:M 23 Nov 2026 14:51:18.123 * Ready to accept connections tcp
 *   pid  │                          └ level: . debug, - verbose, * notice, # warning
 *        └ role: M primary, S replica, C child or starting, X sentinel
 *
 * or as one JSON object a line. Lines are written at once, so that the last words of a dying process are
 * there.
 */

import { openSync, writeSync } from 'node:fs';
import { type Clock, systemClock } from './clock.ts';

export type LogLevel = 'debug' | 'verbose' | 'notice' | 'warning' | 'nothing';

/** Who speaks: a primary, a replica, a process that is still starting. */
export type LogRole = 'M' | 'S' | 'C' | 'X';

const RANKS: Readonly<Record<LogLevel, number>> = {
  debug: 0,
  verbose: 1,
  notice: 2,
  warning: 3,
  nothing: 4,
};
const MARKS: Readonly<Record<LogLevel, string>> = {
  debug: '.',
  verbose: '-',
  notice: '*',
  warning: '#',
  nothing: ' ',
};
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const LINE_BYTES_MAX = 1024;
const STANDARD_OUTPUT = 1;

/** Where lines go. */
export type LogSink = (line: string) => void;

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: 'redis' | 'json';
  readonly sink: LogSink;
  readonly clock?: Clock;
  readonly pid?: number;
}

function pad(value: number, width: number): string {
  return String(value).padStart(width, '0');
}

/** Local date and time as Redis logs it. */
export function formatTime(wallMs: number): string {
  const at = new Date(wallMs);
  const day = `${pad(at.getDate(), 2)} ${MONTHS[at.getMonth()]} ${at.getFullYear()}`;
  const time = `${pad(at.getHours(), 2)}:${pad(at.getMinutes(), 2)}:${pad(at.getSeconds(), 2)}`;
  return `${day} ${time}.${pad(at.getMilliseconds(), 3)}`;
}

export class Log {
  level: LogLevel;
  role: LogRole = 'C';
  readonly #format: 'redis' | 'json';
  readonly #sink: LogSink;
  readonly #clock: Clock;
  readonly #pid: number;

  constructor(options: LogOptions) {
    this.level = options.level;
    this.#format = options.format;
    this.#sink = options.sink;
    this.#clock = options.clock ?? systemClock;
    this.#pid = options.pid ?? process.pid;
  }

  debug(message: string): void {
    this.write('debug', message);
  }

  verbose(message: string): void {
    this.write('verbose', message);
  }

  notice(message: string): void {
    this.write('notice', message);
  }

  warning(message: string): void {
    this.write('warning', message);
  }

  /** One line, if the level is logged at all; long messages are cut. */
  write(level: LogLevel, message: string): void {
    if (RANKS[level] < RANKS[this.level]) return;
    const cut = message.length > LINE_BYTES_MAX ? message.slice(0, LINE_BYTES_MAX) : message;
    const wallMs = this.#clock.wallMs();
    if (this.#format === 'redis') {
      this.#sink(`${this.#pid}:${this.role} ${formatTime(wallMs)} ${MARKS[level]} ${cut}\n`);
      return;
    }
    const time = new Date(wallMs).toISOString();
    this.#sink(`${JSON.stringify({ time, level, pid: this.#pid, role: this.role, msg: cut })}\n`);
  }

  /** Text without the head of a line, as the start-up drawing. */
  raw(text: string): void {
    if (this.#format === 'redis') this.#sink(text);
  }
}

/** A sink that discards, for tests. */
export const silence: LogSink = () => {};

/**
 * A sink that writes to a file, or to standard output when the name is empty. Throws when the file cannot be
 * opened. Lines that a full pipe does not take are counted and reported by the next one that fits.
 */
export function openLog(path: string): LogSink {
  const descriptor = path === '' ? STANDARD_OUTPUT : openSync(path, 'a', 0o644);
  let lost = 0;
  return (line) => {
    try {
      const note = lost === 0 ? '' : `(${lost} log lines lost: the reader did not keep up)\n`;
      writeSync(descriptor, note + line);
      lost = 0;
    } catch {
      lost += 1;
    }
  };
}
