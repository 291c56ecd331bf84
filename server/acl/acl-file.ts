/** The ACL file: one user a line, `user <name> <rules>`. */
import { aclProblems, hasSpace } from './acl-problem.ts';
import type { AclUser } from './acl-user.ts';
import { type AclUsers, mergeSelectors } from './acl-users.ts';

const NOTHING_CHANGED =
  'WARNING: ACL errors detected, no change to the previously active ACL rules was performed';

/** The users of a file's text (one character a byte), or everything that is wrong with it. */
export function readAclFile(text: string, file: string, users: AclUsers): AclUser[] | string {
  const found = new Map<string, AclUser>();
  let errors = '';
  for (const [index, line] of text.split('\n').entries()) {
    const words = line.trim().split(' ');
    if (words[0] === '') continue;
    errors += readLine(words, `${file}:${index + 1}`, index + 1, users, found);
  }
  return errors === '' ? [...found.values()] : `${errors}${NOTHING_CHANGED}`;
}

/** The errors of one line. */
function readLine(
  words: readonly string[],
  where: string,
  lineNumber: number,
  users: AclUsers,
  found: Map<string, AclUser>,
): string {
  const [keyword, name = '', ...rules] = words;
  if (keyword !== 'user' || words.length < 2) {
    return `${where} should start with user keyword followed by the username. `;
  }
  if (hasSpace(name)) return `'${where}: username '${name}' contains invalid characters. `;
  if (found.has(name)) return `WARNING: Duplicate user '${name}' found on line ${lineNumber}. `;
  const user = users.make(name);
  found.set(name, user);
  const merged = mergeSelectors(rules);
  if (typeof merged === 'number') return `${where}: Unmatched parenthesis in selector definition.`;
  let errors = '';
  let refused = false;
  for (const word of merged) {
    const rule = word.replace(/^[\t\r\n]+|[\t\r\n]+$/g, '');
    const problem = user.set(rule);
    if (problem === null) continue;
    if (problem === 'unknownCommand') {
      errors += `${where}: Error in applying operation '${rule}': ${aclProblems[problem]}. `;
    } else if (!refused) {
      errors += `${where}: ${aclProblems[problem]}. `;
      refused = true;
    }
  }
  return errors;
}

/** The file's text. */
export function printAclFile(users: AclUsers): string {
  return users
    .all()
    .map((user) => `user ${user.name} ${user.describe()}\n`)
    .join('');
}
