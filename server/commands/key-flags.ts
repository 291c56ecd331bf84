/** What a command does with one of its keys, as COMMAND GETKEYSANDFLAGS prints it. */
import { KEY_READ } from '../acl/acl-selector.ts';
import type { Call } from './call.ts';
import type { CommandEntry } from './command-table.ts';
import { keyAccess } from './key-access.ts';
import { type KeySpec, keySpecs } from './key-specs.ts';

/** Commands whose words decide what they do with their key. */
const VARIABLE = 'variable_flags';

/** The flags of the key in word `word`. */
export function keyFlags(call: Call, entry: CommandEntry, word: number): readonly string[] {
  const specs = keySpecs(entry);
  const spec = specs.find((candidate) => standsIn(call, candidate, word)) ?? specs.at(-1);
  if (spec === undefined) return [];
  if (!spec.flags.includes(VARIABLE)) return spec.flags;
  const reads = (keyAccess(call, entry, 0) & KEY_READ) !== 0;
  return reads ? ['RW', 'access', 'update'] : ['OW', 'update'];
}

/** Whether a specification covers a word. */
function standsIn(call: Call, { begin, find }: KeySpec, word: number): boolean {
  const first =
    begin.type === 'index' ? begin.index : begin.type === 'keyword' ? afterKeyword(call, begin) : -1;
  if (first < 0 || find.type === 'unknown') return false;
  if (find.type === 'keynum') return word >= first + find.first;
  const last = find.last < 0 ? call.argc + find.last : first + find.last;
  return word >= first && word <= last && (word - first) % find.step === 0;
}

function afterKeyword(
  call: Call,
  { keyword, from }: { readonly keyword: string; readonly from: number },
): number {
  const step = from < 0 ? -1 : 1;
  const start = from < 0 ? call.argc + from : from;
  for (let index = start; index > 0 && index < call.argc; index += step) {
    if (call.is(index, keyword)) return index + 1;
  }
  return -1;
}
