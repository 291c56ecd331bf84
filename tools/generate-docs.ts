/**
 * Writes the generated parts of the documents anew: the tables of `compatibility.md`, the list of decisions.
 */

import { globSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fillIn } from './compatibility.ts';

const folder = path.resolve(import.meta.dirname, '../docs');
const compatibility = path.join(folder, 'compatibility.md');
writeFileSync(compatibility, fillIn(readFileSync(compatibility, 'utf8')));

const decisions = path.join(folder, 'decisions');
const list = globSync('[0-9]*.md', { cwd: decisions })
  .sort()
  .map((name) => {
    const [heading = ''] = readFileSync(path.join(decisions, name), 'utf8').split('\n');
    return `- [${heading.replace(/^# /, '')}](${name})\n`;
  });
const readme = path.join(decisions, 'README.md');
const [introduction = ''] = readFileSync(readme, 'utf8').split('<!-- generated -->');
writeFileSync(readme, `${introduction}<!-- generated -->\n${list.join('')}`);
