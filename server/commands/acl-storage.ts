/** The ACL file on disk. */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { printAclFile } from '../acl/acl-file.ts';
import type { AclUsers } from '../acl/acl-users.ts';
import { systemMessage } from '../config/config-file.ts';

/** The text of the file, one character a byte, or why it cannot be read. */
export function loadAclFile(file: string): string | { readonly problem: string } {
  try {
    return readFileSync(file, 'latin1');
  } catch (error) {
    return { problem: `Error loading ACLs, opening file '${file}': ${systemMessage(error)}` };
  }
}

/** Replaces the file in one step; the text of the failure for the log. */
export function saveAclFile(file: string, users: AclUsers): string | undefined {
  const temporary = `${file}.tmp-${process.pid}-${Date.now()}`;
  try {
    const descriptor = openSync(temporary, 'w', 0o644);
    try {
      writeSync(descriptor, printAclFile(users), null, 'latin1');
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, file);
    syncFolder(dirname(file));
    return undefined;
  } catch (error) {
    rmSync(temporary, { force: true });
    return `Writing ACL file for ACL SAVE: ${systemMessage(error)}`;
  }
}

function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
