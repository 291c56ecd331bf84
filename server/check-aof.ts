/**
 * The process of `redwarden-check-aof`: command line to options. The first argument is the name it was called
 * by.
 */
import { readSync, writeSync } from 'node:fs';
import { formatTime } from './config/log.ts';
import { type AofCheckOptions, CheckEnd, checkAof } from './persistence/aof-check.ts';
import { parseInteger } from './persistence/c-integer.ts';
import { checkRdb } from './persistence/rdb-check.ts';
import { VERSION } from './version.ts';

const STANDARD_INPUT = 0;
const STANDARD_OUTPUT = 1;
const INPUT_BYTES_MAX = 1;

function print(text: string): void {
  const bytes = Buffer.from(text, 'latin1');
  for (let at = 0; at < bytes.length; at += writeSync(STANDARD_OUTPUT, bytes, at));
}

/** The first byte of standard input. */
function ask(): string {
  const bytes = Buffer.alloc(INPUT_BYTES_MAX);
  return bytes.latin1Slice(0, readSync(STANDARD_INPUT, bytes, 0, INPUT_BYTES_MAX, null));
}

function log(text: string): void {
  print(`${process.pid}:C ${formatTime(Date.now())} # ${text}\n`);
}

/** What the arguments ask for; null when they make no sense. Throws `CheckEnd`. */
function readArguments(argv: readonly string[]): { fix: boolean; timestamp: bigint; path: string } | null {
  const [first = '', second = '', third = ''] = argv;
  if (argv.length === 1) {
    if (first === '-v' || first === '--version') {
      print(`redwarden-check-aof ${VERSION}\n`);
      throw new CheckEnd(0);
    }
    return { fix: false, timestamp: 0n, path: first };
  }
  if (argv.length === 2 && first === '--fix') return { fix: true, timestamp: 0n, path: second };
  if (argv.length !== 3 || first !== '--truncate-to-timestamp') return null;
  const { value, end, overflow } = parseInteger(second, 0);
  if (overflow || end !== second.length) {
    print('Invalid timestamp, aborting...\n');
    throw new CheckEnd(1);
  }
  return { fix: false, timestamp: value, path: third };
}

function run(program: string, argv: readonly string[]): void {
  const asked = readArguments(argv);
  if (asked === null) {
    print(`Usage: ${program} [--fix|--truncate-to-timestamp $timestamp] <file.manifest|file.aof>\n`);
    throw new CheckEnd(1);
  }
  const { fix, timestamp, path } = asked;
  const options: AofCheckOptions = {
    program: 'redwarden-check-aof',
    fix,
    timestamp,
    print,
    log,
    ask,
    rdb: (file, say) => checkRdb(file, { nowMs: Date.now(), print: (line) => say(`${line}\n`), log }),
  };
  checkAof(path, options);
}

const [program = '', ...argv] = process.argv
  .slice(2)
  .map((word) => Buffer.from(word, 'utf8').toString('latin1'));
try {
  run(program, argv);
} catch (error) {
  if (!(error instanceof CheckEnd)) throw error;
  process.exitCode = error.status;
}
