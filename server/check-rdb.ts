/**
 * The process of `redwarden-check-rdb`: a file, or `--version`. The first argument is the name it was called
 * by.
 */
import { writeSync } from 'node:fs';
import { formatTime } from './config/log.ts';
import { checkRdb } from './persistence/rdb-check.ts';
import { VERSION } from './version.ts';

const STANDARD_OUTPUT = 1;
const STANDARD_ERROR = 2;

function put(descriptor: number, text: string): void {
  const bytes = Buffer.from(text, 'latin1');
  for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
}

const [program = '', ...argv] = process.argv.slice(2);
const [path] = argv;
if (path === undefined || argv.length !== 1) {
  put(STANDARD_ERROR, `Usage: ${program} <rdb-file-name>\n`);
  process.exitCode = 1;
} else if (path === '-v' || path === '--version') {
  put(STANDARD_OUTPUT, `redwarden-check-rdb ${VERSION}\n`);
} else {
  const end = checkRdb(path, {
    nowMs: Date.now(),
    print: (line) => put(STANDARD_OUTPUT, `${line}\n`),
    log: (line) => put(STANDARD_OUTPUT, `${process.pid}:C ${formatTime(Date.now())} # ${line}\n`),
  });
  process.exitCode = end === null ? 1 : 0;
}
