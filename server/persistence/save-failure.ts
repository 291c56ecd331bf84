/** Why a file could not be written, in the words of Redis' log. */
import { basename } from 'node:path';
import { systemMessage } from '../config/system-message.ts';

/** The line about an RDB file that was not written. Errors of other kinds keep their message. */
export function saveFailure(error: Error, temporary: string, final: string): string {
  const { syscall } = error as NodeJS.ErrnoException;
  const folder = `(in server root dir ${process.cwd()})`;
  const reason = systemMessage(error);
  if (syscall === undefined) return error.message;
  if (syscall === 'open')
    return `Failed opening the temp RDB file ${basename(temporary)} ${folder} for saving: ${reason}`;
  if (syscall === 'rename') {
    const files = `${basename(temporary)} on the final destination ${basename(final)}`;
    return `Error moving temp DB file ${files} ${folder}: ${reason}`;
  }
  return `Write error while saving DB to the disk(${syscall}): ${reason}`;
}
