/** The words of a command as logs and MONITOR may show them: passwords and users are replaced. */

import { findParameter } from '../config/parameter-table.ts';
import { SECRET } from '../config/parameters.ts';
import type { Call } from './call.ts';

const REDACTED = Buffer.from('(redacted)');

/** Which words of which command are secret: positions of them, by the command's full name. */
const secretWords: ReadonlyMap<string, (call: Call) => Iterable<number>> = new Map([
  ['auth', (call: Call) => from(1, call.argc)],
  ['hello', helloWords],
  ['config|set', configWords],
  ['acl|setuser', (call: Call) => from(2, call.argc)],
  ['acl|deluser', (call: Call) => from(2, call.argc)],
  ['acl|getuser', (call: Call) => from(2, call.argc)],
  ['migrate', migrateWords],
]);

/** Copies of the first `wordsMax` words, of each at most the first `bytesMax` bytes. */
export function redactedWords(call: Call, wordsMax: number, bytesMax = Infinity): Uint8Array[] {
  const count = Math.min(call.argc, wordsMax);
  const words: Uint8Array[] = [];
  for (let index = 0; index < count; index += 1) {
    const start = call.argStart[index];
    const length = Math.min(call.argLength[index], bytesMax);
    words.push(Buffer.from(call.bytes.subarray(start, start + length)));
  }
  const secrets = secretWords.get(call.entry.name)?.(call);
  if (secrets !== undefined) for (const index of secrets) if (index < count) words[index] = REDACTED;
  return words;
}

function* from(first: number, end: number): Generator<number> {
  for (let index = first; index < end; index += 1) yield index;
}

/** `HELLO <version> AUTH <user> <password> …` */
function* helloWords(call: Call): Generator<number> {
  for (let index = 2; index < call.argc; index += 1) {
    if (!call.is(index, 'AUTH')) continue;
    yield index + 1;
    yield index + 2;
    index += 2;
  }
}

function* configWords(call: Call): Generator<number> {
  for (let index = 2; index + 1 < call.argc; index += 2) {
    const flags = findParameter(call.text(index))?.flags ?? 0;
    if ((flags & SECRET) !== 0) yield index + 1;
  }
}

/** `… AUTH <password>` and `… AUTH2 <user> <password>` */
function* migrateWords(call: Call): Generator<number> {
  for (let index = 6; index < call.argc; index += 1) {
    if (call.is(index, 'KEYS')) return;
    if (call.is(index, 'AUTH')) yield index + 1;
    if (!call.is(index, 'AUTH2')) continue;
    yield index + 1;
    yield index + 2;
  }
}
