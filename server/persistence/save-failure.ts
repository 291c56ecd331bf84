/** Why a file could not be written, in the words of Redis' log. */
import { basename } from 'node:path';
import { getSystemErrorMap } from 'node:util';

/** Where the C library says something else than Node. */
const OTHER_WORDS: ReadonlyMap<string, string> = new Map([
  ['EIO', 'Input/output error'],
  ['EISDIR', 'Is a directory'],
  ['ENOSPC', 'No space left on device'],
  ['EDQUOT', 'Disk quota exceeded'],
]);

/** `No space left on device`, as `strerror` has it; the message of an error that is none of the system's. */
export function systemReason(error: unknown): string {
  const { code, errno } = error as NodeJS.ErrnoException;
  const words = code === undefined ? undefined : OTHER_WORDS.get(code);
  if (words !== undefined) return words;
  const known = errno === undefined ? undefined : getSystemErrorMap().get(errno)?.[1];
  if (known !== undefined) return known.charAt(0).toUpperCase() + known.slice(1);
  return error instanceof Error ? error.message : String(error);
}

/** The line about an RDB file that was not written. Errors of other kinds keep their message. */
export function saveFailure(error: Error, temporary: string, final: string): string {
  const { syscall } = error as NodeJS.ErrnoException;
  const folder = `(in server root dir ${process.cwd()})`;
  const reason = systemReason(error);
  if (syscall === undefined) return error.message;
  if (syscall === 'open')
    return `Failed opening the temp RDB file ${basename(temporary)} ${folder} for saving: ${reason}`;
  if (syscall === 'rename') {
    const files = `${basename(temporary)} on the final destination ${basename(final)}`;
    return `Error moving temp DB file ${files} ${folder}: ${reason}`;
  }
  return `Write error while saving DB to the disk(${syscall}): ${reason}`;
}
