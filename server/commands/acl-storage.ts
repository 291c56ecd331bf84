/** The ACL file on disk. */
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { printAclFile } from '../acl/acl-file.ts';
import type { AclUsers } from '../acl/acl-users.ts';
import { replaceFile, syncFolder } from '../config/replace-file.ts';
import { systemMessage } from '../config/system-message.ts';

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
  try {
    const bytes = Buffer.from(printAclFile(users), 'latin1');
    replaceFile(file, `${file}.tmp-${process.pid}-${Date.now()}`, bytes);
    syncFolder(dirname(file));
    return undefined;
  } catch (error) {
    return `Writing ACL file for ACL SAVE: ${systemMessage(error)}`;
  }
}
