import { beforeAll, describe, expect, it } from 'vitest';
import { Log } from '../config/log.ts';
import { Prng } from '../structures/prng.ts';
import { Reply } from '../wire/reply.ts';
import { Libraries, readLibraryHead } from './library.ts';
import { LuaEngine } from './lua-engine.ts';
import { SCRIPT_NO_WRITES } from './script.ts';
import { RUN_FAILURE, type ScriptHost } from './script-engine.ts';
import { WordBuffer } from './script-words.ts';

const host: ScriptHost = {
  call: () => new Reply(),
  log: () => {},
  setProtocol: () => {},
  setReplication: () => {},
  mayRun: () => null,
  tick: () => 0,
  pause: () => Promise.resolve(0),
  resumed: () => 0,
  debugWord: '',
  stopsAt: () => false,
  debugSays: () => {},
  breakpoint: () => {},
  ended: () => {},
};
const engine = new LuaEngine(host, new Log({ level: 'warning', format: 'redis', sink: () => {} }));
beforeAll(() => engine.start());

const make = (): Libraries => new Libraries(engine);
const code = (text: string): Buffer => Buffer.from(text);
const simple = (name: string, ...functions: string[]): Buffer =>
  code(
    `#!lua name=${name}\n${functions.map((one) => `redis.register_function('${one}', function() return '${name}' end)`).join('\n')}`,
  );

function called(libraries: Libraries, name: string, ...args: string[]): unknown {
  const found = libraries.find(name);
  if (found === undefined) return undefined;
  const words = new WordBuffer();
  words.begin(args.length);
  for (const arg of args) words.add(Buffer.from(arg), 0, arg.length);
  const options = { protocol: 2, watched: false, debugged: false } as const;
  if (engine.runFunction(found.library, found.entry, words, 0, 0, options) === RUN_FAILURE) {
    const { message, line } = engine.failure();
    return { message, line };
  }
  const out = new Reply();
  engine.writeValue(out);
  return out.buffer.toString('latin1', 0, out.at);
}

describe('readLibraryHead', () => {
  it.each([
    ['return 1', 'Missing library metadata'],
    ['#!lua name=x', 'Invalid library metadata'],
    ['#!lua\n', 'Library name was not given'],
    ['#!lua name=a name=b\n', 'Invalid metadata value, name argument was given multiple times'],
    ['#!lua foo=1\n', 'Invalid metadata value given: foo=1'],
    ['#!js name=a\n', "Engine 'js' not found"],
    ['#! name=a\n', "Engine '' not found"],
    [
      '#!lua name=a-b\n',
      'Library names can only contain letters, numbers, or underscores(_) and must be at least one character long',
    ],
  ])('refuses %j', (text, words) => {
    expect(readLibraryHead(code(text))).toBe(words);
  });

  it('takes a name in quotes', () => {
    expect(readLibraryHead(code('#!lua name="a"\n'))).toEqual({ name: 'a', codeStart: 14 });
  });

  it('answers something for any bytes (seeded)', () => {
    const seed = 11;
    const random = new Prng(seed);
    const alphabet = '#!lua name=x"\'\\ \n\t\0é';
    for (let round = 0; round < 2000; round++) {
      const text = Array.from(
        { length: random.below(30) },
        () => alphabet[random.below(alphabet.length)],
      ).join('');
      const found = readLibraryHead(code(`#!${text}`));
      expect(
        typeof found === 'string' || /^\w+$/.test(found.name),
        `seed ${seed}: ${JSON.stringify(text)}`,
      ).toBe(true);
    }
  });
});

describe('Libraries', () => {
  it('tells what a library registers', () => {
    const library = make().load(
      code(`#!lua name=a
redis.register_function('plain', function() end)
local f = function() end
redis.register_function{function_name='named', callback=f, flags={'no-writes'}, description='words: 3'}`),
      'refuse',
    );
    expect(library).toMatchObject({
      name: 'a',
      functions: [
        { name: 'plain', description: null, flags: 0 },
        { name: 'named', description: 'words: 3', flags: SCRIPT_NO_WRITES },
      ],
    });
  });

  it.each([
    ['return end', /^Error compiling function: user_function:2: /],
    ['return 1', /^No functions registered$/],
    ['redis.call("ping")', /nonexistent global variable 'call'/],
    ['math.floor(1)', /nonexistent global variable 'math'/],
    ['redis.register_function("a b", function() end)', /^Function names can only contain/],
    ['redis.register_function("a", 1)', /second argument to server.register_function must be a function/],
    ['while true do end', /^FUNCTION LOAD timeout$/],
  ])('refuses %s', (body, words) => {
    expect(make().load(code(`#!lua name=x\n${body}`), 'refuse')).toMatch(words);
  });

  it('calls functions by their name in any case, with the locals of their library', () => {
    const libraries = make();
    libraries.load(
      code(`#!lua name=a
local function twice(text) return text..text end
redis.register_function('Double', function(KEYS, ARGV) return twice(ARGV[1]) end)
redis.register_function('fails', function() error('no') end)`),
      'refuse',
    );
    expect(called(libraries, 'double', 'ab')).toBe('$4\r\nabab\r\n');
    expect(called(libraries, 'fails')).toEqual({ message: 'ERR user_function:4: no', line: 4 });
  });

  it('replaces a library only when asked to, and never takes a function of another one', () => {
    const libraries = make();
    libraries.load(simple('a', 'f'), 'refuse');
    expect(libraries.load(simple('a', 'g'), 'refuse')).toBe("Library 'a' already exists");
    libraries.load(simple('a', 'g'), 'replace');
    expect([libraries.find('f'), libraries.find('g')?.library.name]).toEqual([undefined, 'a']);
    expect(libraries.load(simple('b', 'g'), 'replace')).toBe('Function g already exists');
    expect([libraries.count, libraries.functionCount]).toEqual([1, 1]);
  });

  it('takes those of a dataset, all or none', () => {
    const libraries = make();
    libraries.load(simple('a', 'f'), 'refuse');
    expect(libraries.take([simple('b', 'g'), code('#!lua name=c\n')], false, 'refuse')).toBe(
      'No functions registered',
    );
    expect(libraries.find('f')).toBeDefined();
    expect(libraries.take([simple('b', 'g')], false, 'refuse')).toBeUndefined();
    expect([libraries.find('f'), libraries.find('g')?.library.name]).toEqual([undefined, 'b']);
    libraries.clear();
    expect([libraries.count, libraries.memoryBytes]).toEqual([0, 0]);
  });

  it('takes those of a dataset beside its own, and of one name the one that is asked for', () => {
    const libraries = make();
    libraries.load(simple('a', 'f'), 'refuse');
    expect(libraries.take([simple('a', 'f')], true, 'refuse')).toBe('Library a already exists');
    expect(libraries.take([simple('b', 'g')], true, 'refuse')).toBeUndefined();
    expect(libraries.take([simple('a', 'h')], true, 'replace')).toBeUndefined();
    expect(libraries.find('f')).toBeUndefined();
    expect([libraries.find('g')?.library.name, libraries.find('h')?.library.name]).toEqual(['b', 'a']);
  });
});
