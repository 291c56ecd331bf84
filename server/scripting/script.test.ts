import { describe, expect, it } from 'vitest';
import {
  readShebang,
  SCRIPT_ALLOW_OOM,
  SCRIPT_NO_WRITES,
  SCRIPT_WITHOUT_SHEBANG,
  type Script,
  sha1Hex,
} from './script.ts';
import { EVAL_SCRIPTS_MAX, ScriptCache } from './script-cache.ts';

function script(text: string, pinned = false): Script {
  const source = Buffer.from(text);
  return {
    sha: sha1Hex(source),
    source,
    shebang: { flags: SCRIPT_WITHOUT_SHEBANG, codeStart: 0 },
    pinned,
    compiled: null,
  };
}

describe('readShebang', () => {
  it('leaves a script without one as it is', () => {
    expect(readShebang(Buffer.from('return 1'))).toEqual({ flags: SCRIPT_WITHOUT_SHEBANG, codeStart: 0 });
  });

  it('reads flags, and code that begins at the end of the line', () => {
    expect(readShebang(Buffer.from('#!lua flags=no-writes,allow-oom\nreturn 1'))).toEqual({
      flags: SCRIPT_NO_WRITES | SCRIPT_ALLOW_OOM,
      codeStart: 31,
    });
  });

  it.each([
    ['#!lua', 'Invalid script shebang'],
    ['#!js\n', "Could not find scripting engine 'js'"],
    ['#!lua name=x\n', 'Unknown lua shebang option: name=x'],
    ['#!lua flags=nope\n', 'Unexpected flag in script shebang: nope'],
  ])('refuses %j', (source, words) => {
    expect(readShebang(Buffer.from(source))).toBe(words);
  });
});

describe('ScriptCache', () => {
  it('forgets the script of EVAL that was used longest ago, and none that was loaded', () => {
    const cache = new ScriptCache();
    const loaded = script('loaded', true);
    cache.add(loaded);
    const scripts = Array.from({ length: EVAL_SCRIPTS_MAX }, (_, index) => script(`return ${index}`));
    for (const one of scripts) cache.add(one);
    cache.used(scripts[0] as Script);
    cache.add(script('one more'));
    expect(cache.get((scripts[0] as Script).sha)).toBeDefined();
    expect(cache.get((scripts[1] as Script).sha)).toBeUndefined();
    expect(cache.get(loaded.sha)).toBeDefined();
    expect([cache.count, cache.evicted]).toEqual([EVAL_SCRIPTS_MAX + 1, 1]);
  });

  it('keeps a script of EVAL that is loaded later', () => {
    const cache = new ScriptCache();
    const first = script('first');
    cache.add(first);
    cache.pin(first);
    for (let index = 0; index <= EVAL_SCRIPTS_MAX; index++) cache.add(script(`return ${index}`));
    expect(cache.get(first.sha)).toBeDefined();
  });

  it('counts no bytes when it is empty', () => {
    const cache = new ScriptCache();
    cache.add(script('return 1'));
    expect(cache.memoryBytes).toBeGreaterThan(0);
    cache.clear();
    expect([cache.count, cache.memoryBytes]).toEqual([0, 0]);
  });
});
