import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { fillIn } from './compatibility.ts';

const file = path.resolve(import.meta.dirname, '../docs/compatibility.md');

describe('fillIn', () => {
  it('finds docs/compatibility.md as the tables say (node tools/generate-docs.ts)', () => {
    const text = readFileSync(file, 'utf8');
    expect(fillIn(text)).toBe(text);
  });

  it('refuses a text without the sections', () => {
    expect(() => fillIn('nothing')).toThrow('no section');
  });
});
