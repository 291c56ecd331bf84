import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { isProductionPackageFile, isProductionScript, packageClosure } from './image-content.ts';
import { nodeOptions, readLauncher } from './image-options.ts';

describe('packageClosure', () => {
  const lock = JSON.stringify({
    packages: {
      '': {},
      'node_modules/a': { dependencies: { b: '1', c: '1' } },
      'node_modules/b': { optionalDependencies: { absent: '1' } },
      'node_modules/c': {},
      'node_modules/a/node_modules/c': { dependencies: { b: '1' } },
      'node_modules/other': {},
    },
  });

  it('finds what Node would find, nested packages before outer ones, and nothing else', () => {
    expect(packageClosure(lock, ['a'])).toEqual([
      'node_modules/a',
      'node_modules/a/node_modules/c',
      'node_modules/b',
    ]);
  });

  it('names a package that is missing', () => {
    expect(() => packageClosure(lock, ['d'])).toThrow(/d, needed by the scripts, is not in/);
  });
});

describe('isProductionScript', () => {
  it('leaves tests, types and maps out', () => {
    const files = ['a.js', 'a.test.js', 'a.bench.js', 'a.d.ts', 'a.js.map', 'lua.wasm'];
    expect(files.filter(isProductionScript)).toEqual(['a.js', 'lua.wasm']);
  });
});

describe('isProductionPackageFile', () => {
  it('leaves out what only developers read', () => {
    const files = ['node_modules/a/index.js', 'node_modules/a/package.json', 'node_modules/a/README.md'];
    files.push('node_modules/a/test/x.js', 'node_modules/a/index.d.ts', '/home/test/node_modules/a/b.js');
    expect(files.filter(isProductionPackageFile)).toEqual([
      'node_modules/a/index.js',
      'node_modules/a/package.json',
      '/home/test/node_modules/a/b.js',
    ]);
  });
});

describe('readLauncher', () => {
  it('takes the options of Node and the exported variables', () => {
    const text =
      '#!/bin/sh\nexport MALLOC_X_=131072\n  export T=a.b=1\nexec "$node" --max-semi-space-size=16 --no-warnings "$main" "$@"\n';
    expect(readLauncher(text)).toEqual({
      arguments: ['--max-semi-space-size=16', '--no-warnings'],
      environment: ['MALLOC_X_=131072', 'T=a.b=1'],
    });
  });
});

describe('images/*.Dockerfile', () => {
  const root = path.join(import.meta.dirname, '..');

  it.each(['server', 'operator'] as const)('starts the %s as the archive does', (half) => {
    const text = readFileSync(path.join(root, 'images', `${half}.Dockerfile`), 'utf8');
    const entry: unknown = JSON.parse(/^ENTRYPOINT (.*)$/m.exec(text)?.[1] ?? '');
    const { arguments: flags, environment } = nodeOptions(root, half);
    expect(entry).toEqual(['/usr/local/bin/node', ...flags, `/app/${half}/main.js`]);
    const variables = /^ENV (.*)$/m.exec(text)?.[1]?.split(' ') ?? [];
    expect(variables).toEqual(expect.arrayContaining([...environment]));
  });
});
