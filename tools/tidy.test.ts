import { globSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { roomImports } from './rooms.ts';
import { readSource } from './source-text.ts';
import { checkFile, checkTests, describeBreach } from './tidy.ts';

const root = resolve(import.meta.dirname, '..');
const paths = globSync(['server/**/*.ts', 'operator/**/*.ts', 'test/**/*.ts', 'tools/**/*.ts'], {
  cwd: root,
  exclude: (name) => /node_modules|^dist|generated/.test(String(name)),
})
  .map((path) => path.replaceAll('\\', '/'))
  .filter((path) => !path.includes('/generated/') && !path.endsWith('.d.ts'))
  .sort();

function breaches(path: string, ...lines: readonly string[]): string[] {
  return checkFile({ path, text: `${lines.join('\n')}\n` }).map(
    (breach) => `${breach.line}: ${breach.problem}`,
  );
}

describe('the tree', () => {
  it('has files to check', () => {
    expect(paths.length).toBeGreaterThan(20);
  });

  it('keeps every rule', () => {
    const found = paths.flatMap((path) =>
      checkFile({ path, text: readFileSync(resolve(root, path), 'utf8') }),
    );
    expect([...found, ...checkTests(paths)].map(describeBreach)).toEqual([]);
  });
});

describe('roomImports', () => {
  it('has no circle', () => {
    const visit = (room: string, above: readonly string[]): void => {
      expect(above, `${above.join(' > ')} > ${room}`).not.toContain(room);
      for (const below of roomImports.get(room) ?? []) visit(below, [...above, room]);
    };
    visit('server/sessions', []);
    visit('operator/controller', []);
  });
});

describe('checkFile on imports', () => {
  it.each([
    ['server/structures/a.ts', "import { b } from '../keyspace/b.ts';", 'may not import server/keyspace'],
    ['server/cluster/a.ts', "import { b } from '../replication/b.ts';", 'may not import server/replication'],
    ['server/wire/a.ts', "import { b } from '../config/b.ts';", 'may not import server/config'],
    ['operator/plan/a.ts', "import { b } from '../kube/b.ts';", 'may not import operator/kube'],
    ['operator/act/a.ts', "import { b } from '../../server/config/b.ts';", 'may not import server/config'],
    ['server/keyspace/a.ts', "import { b } from '../../test/support/b.ts';", 'nobody imports test'],
    ['server/keyspace/a.ts', "import { b } from './b';", 'needs its extension'],
    ['server/keyspace/a.ts', "import lodash from 'lodash';", 'may not use the package lodash'],
    ['operator/plan/a.ts', "import { readFileSync } from 'node:fs';", 'may not import node:fs'],
    ['server/strange/a.ts', 'export const a = 1;', 'stands in no room'],
  ])('%s: %s', (path, line, problem) => {
    const found = breaches(path, line);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(problem);
    expect(found[0]).toMatch(/^1: /);
  });

  it('finds imports over several lines and allows what the table allows', () => {
    expect(breaches('server/wire/a.ts', 'import {', '  b,', "} from '../config/b.ts';")).toEqual([
      '3: server/wire may not import server/config',
    ]);
    expect(breaches('server/commands/a.ts', "import type { B } from '../wire/b.ts';")).toEqual([]);
    expect(breaches('operator/act/a.ts', "import { B } from '../../server/wire/b.ts';")).toEqual([]);
    expect(breaches('test/e2e/a.ts', "import { B } from '../../server/main.ts';")).toEqual([]);
  });
});

describe('checkFile on lengths', () => {
  const body = (count: number): string[] => Array.from({ length: count }, (_, line) => `  call(${line});`);

  it('counts the lines of functions, methods and arrow functions', () => {
    const long = ['export function f(', '  a: number,', '): void {', ...body(69), '}'];
    expect(breaches('server/wire/a.ts', ...long)).toEqual(['3: function of 71 lines, at most 70']);
    const method = ['class A {', '  #m(): void {', ...body(69).map((line) => `  ${line}`), '  }', '}'];
    expect(breaches('server/wire/a.ts', ...method)).toEqual(['2: function of 71 lines, at most 70']);
    const arrow = ['const f = () => {', ...body(69), '};'];
    expect(breaches('server/wire/a.ts', ...arrow)).toEqual(['1: function of 71 lines, at most 70']);
    expect(breaches('server/wire/a.ts', 'class A {', ...body(200), '}')).toEqual([]);
    expect(breaches('server/wire/a.ts', 'const f = () => {', ...body(68), '};')).toEqual([]);
  });

  it('counts columns and lines, tables and tests aside', () => {
    const wide = `const a = ${'b + '.repeat(30)}c;`;
    expect(breaches('server/wire/a.ts', wide)).toEqual(['1: 132 columns, at most 110']);
    expect(breaches('server/wire/a.ts', `// ${'x '.repeat(60)}`)).toHaveLength(1);
    expect(breaches('server/wire/a.ts', `const a = '${'x'.repeat(200)}';`)).toEqual([]);
    const table = ['// biome-ignore format: a table', 'const t = [', `  ${wide}`, '];'];
    expect(breaches('server/wire/a.ts', ...table)).toEqual([]);
    expect(breaches('server/wire/a.ts', ...table, wide)).toEqual(['5: 132 columns, at most 110']);
    expect(breaches('server/wire/a.ts', ...body(501))).toEqual(['501: 501 lines, at most 500']);
    expect(breaches('server/wire/a.test.ts', ...body(501))).toEqual([]);
  });
});

describe('checkFile on words', () => {
  it.each([
    ['export default 1;', 'default export'],
    ['enum Color {}', 'enum'],
    ['export const enum Color {}', 'enum'],
    ['namespace N {}', 'namespace'],
    ["export * from './b.ts';", 're-export'],
    ["export { b } from './b.ts';", 're-export'],
    ['const a: any = 1;', 'any'],
    ['const a = b as any;', 'any'],
    ['const ctx = 1;', 'context'],
    ['// TODO later', 'unfinished'],
    ['// @ts-ignore', 'suppressed'],
    ['const slaves = 1;', 'primary, replica'],
  ])('%s', (line, problem) => {
    const found = breaches('server/wire/a.ts', line);
    expect(found.join()).toContain(problem);
  });

  it('leaves strings and expressions alone, and the protocol its names', () => {
    expect(breaches('server/wire/a.ts', "const a = 'master any: any TODO';")).toEqual([]);
    expect(breaches('server/wire/a.ts', 'const a = `slave ${b} ctx`;')).toEqual([]);
    expect(breaches('server/wire/a.ts', 'const many = /TODO "any"/;')).toEqual([]);
  });

  it('keeps time and chance out of pure rooms', () => {
    expect(breaches('operator/plan/a.ts', 'const a = Date.now();').join()).toContain(
      'take it as a parameter',
    );
    expect(breaches('operator/kube/a.ts', 'const a = Date.now();')).toEqual([]);
    expect(breaches('server/cluster/election.ts', 'const a = Math.random();').join()).toContain('pure');
    expect(breaches('server/cluster/links.ts', 'const a = Math.random();')).toEqual([]);
  });

  it('wants kebab-case names', () => {
    expect(breaches('server/wire/aB.ts', 'const a = 1;')).toEqual(['1: file names are kebab-case']);
  });
});

describe('checkTests', () => {
  it('wants a test beside every structure', () => {
    const bare = [
      'server/structures/a.ts',
      'server/structures/b.ts',
      'server/structures/b.test.ts',
      'server/structures/b-part.ts',
    ];
    expect(checkTests(bare).map((breach) => breach.path)).toEqual(['server/structures/a.ts']);
  });
});

describe('readSource', () => {
  it('keeps places, splits code from comments', () => {
    const text = "const a = 'x'; // note 'y'\nconst b = /[/'\"]/; /* two\nlines */ c;";
    const source = readSource(text);
    expect(source.code.length).toBe(text.length);
    expect(source.code.replace(/ +/g, ' ')).toBe('const a = ; \nconst b = ; \n c;');
    expect(source.comments.replace(/ +/g, ' ').trim()).toBe("// note 'y'\n /* two\nlines */");
  });
});
