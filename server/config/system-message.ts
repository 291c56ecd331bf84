/** What the operating system says of a failure. */
import { getSystemErrorMap } from 'node:util';
import { messageOf } from './failure.ts';

/** Where the C library says something else than Node. */
const OTHER_WORDS: ReadonlyMap<string, string> = new Map([
  ['EIO', 'Input/output error'],
  ['EISDIR', 'Is a directory'],
  ['EDQUOT', 'Disk quota exceeded'],
]);

/** `No space left on device`, as `strerror` has it; the message of an error that is none of the system's. */
export function systemMessage(error: unknown): string {
  const { code, errno } = error as NodeJS.ErrnoException;
  const words = OTHER_WORDS.get(code ?? '');
  if (words !== undefined) return words;
  const known = errno === undefined ? undefined : getSystemErrorMap().get(errno)?.[1];
  if (known !== undefined) return known.charAt(0).toUpperCase() + known.slice(1);
  return messageOf(error);
}
