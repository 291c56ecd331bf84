/** Writes the generated sections of `docs/compatibility.md` anew. */

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fillIn } from './compatibility.ts';

const file = path.resolve(import.meta.dirname, '../docs/compatibility.md');
writeFileSync(file, fillIn(readFileSync(file, 'utf8')));
