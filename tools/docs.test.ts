import { existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const root = path.resolve(import.meta.dirname, '..');
const sources = globSync('{server,operator,test,tools}/**/*.ts', { cwd: root });
const documents = ['README.md', 'CHANGELOG.md', ...globSync('docs/**/*.md', { cwd: root })];

describe.each(documents)('%s', (document) => {
  const text = readFileSync(path.join(root, document), 'utf8');

  it('names only source files that exist', () => {
    // x.test.ts stands for any file of tests.
    const named = new Set(text.match(/[\w./-]+\.ts\b/g) ?? []);
    named.delete('x.test.ts');
    const missing = [...named].filter(
      (name) => !sources.some((source) => source === name || source.endsWith(`/${name}`)),
    );
    expect(missing).toEqual([]);
  });

  it('links only to files that exist', () => {
    const links = [...text.matchAll(/\]\((?!https?:)([^)#]+)(#[^)]*)?\)/g)].map((match) => match[1] ?? '');
    const folder = path.dirname(path.join(root, document));
    expect(links.filter((link) => !existsSync(path.join(folder, link)))).toEqual([]);
  });
});
