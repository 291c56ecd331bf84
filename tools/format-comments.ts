/** `make fmt`, its second half: breaks the long comment lines of every source file. */

import { globSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { wrapComments } from './wrap-comments.ts';

const root = path.resolve(import.meta.dirname, '..');
for (const name of globSync('{server,operator,test,tools}/**/*.ts', { cwd: root })) {
  if (/node_modules|generated|\.d\.ts$/.test(name)) continue;
  const file = path.join(root, name);
  const text = readFileSync(file, 'utf8');
  const wrapped = wrapComments(text);
  if (wrapped === text) continue;
  writeFileSync(file, wrapped);
  process.stdout.write(`${name}: long comment lines broken\n`);
}
