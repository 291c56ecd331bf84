import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Log } from '../config/log.ts';
import { Prng } from '../structures/prng.ts';
import { Reply } from '../wire/reply.ts';
import { LuaEngine } from './lua-engine.ts';
import { readShebang, type Script, sha1Hex } from './script.ts';
import type { ScriptFailure, ScriptHost, ScriptWords } from './script-engine.ts';
import { WordBuffer } from './script-words.ts';

/** A host that answers what it is told to and writes down what it was asked. */
class TestHost implements ScriptHost {
  readonly reply = new Reply();
  calls: string[][] = [];
  said: string[] = [];
  answer = '+OK\r\n';
  protocol = 2;
  targets = 3;

  call(words: ScriptWords): Reply {
    this.calls.push(this.#texts(words));
    this.reply.at = 0;
    this.reply.raw(Buffer.from(this.answer, 'latin1'));
    return this.reply;
  }

  log(level: number, message: Buffer): void {
    this.said.push(`${level} ${message}`);
  }

  setProtocol(version: 2 | 3): void {
    this.protocol = version;
  }

  setReplication(targets: number): void {
    this.targets = targets;
  }

  mayRun(words: ScriptWords): boolean | null {
    const [name] = this.#texts(words);
    return name === 'get' ? true : name === 'set' ? false : null;
  }

  #texts(words: ScriptWords): string[] {
    return Array.from({ length: words.argc }, (_, index) => {
      const start = words.argStart[index] as number;
      return Buffer.from(words.bytes.subarray(start, start + (words.argLength[index] as number))).toString(
        'latin1',
      );
    });
  }
}

const log = new Log({ level: 'warning', format: 'redis', sink: () => {} });
const host = new TestHost();
const engine = new LuaEngine(host, log);

beforeAll(() => engine.start());
beforeEach(() => {
  host.calls = [];
  host.said = [];
  host.answer = '+OK\r\n';
});

function script(code: string): Script {
  const source = Buffer.from(code, 'latin1');
  const shebang = readShebang(source);
  if (typeof shebang === 'string') throw new Error(shebang);
  return { sha: sha1Hex(source), source, shebang, pinned: false };
}

/** The value as RESP, or how the script failed. */
function run(
  code: string,
  keys: string[] = [],
  args: string[] = [],
  protocol: 2 | 3 = 2,
): string | ScriptFailure {
  const words = new WordBuffer();
  words.begin(keys.length + args.length);
  for (const word of [...keys, ...args]) words.add(Buffer.from(word, 'latin1'), 0, word.length);
  const out = new Reply();
  out.protocol = protocol;
  return engine.run(script(code), words, 0, keys.length, out) ?? out.buffer.toString('latin1', 0, out.at);
}

describe('LuaEngine', () => {
  it.each([
    ['return 3.99', ':3\r\n'],
    ['return "a\\0b"', '$3\r\na\0b\r\n'],
    ['return {1,"b",nil,4}', '*2\r\n:1\r\n$1\r\nb\r\n'],
    ['return true', ':1\r\n'],
    ['return false', '$-1\r\n'],
    ['return {ok="fine"}', '+fine\r\n'],
    ['return {err="CODE words"}', '-CODE words\r\n'],
    ['return {KEYS[1],ARGV[1],#ARGV}', '*3\r\n$1\r\nk\r\n$1\r\na\r\n:1\r\n'],
    ['return function() end', '$-1\r\n'],
    ['return {double=1.5}', '$3\r\n1.5\r\n'],
    ['return {map={a=1}}', '*2\r\n$1\r\na\r\n:1\r\n'],
    ['return _G', '*0\r\n'],
    ['local a={} a[1]=a return a', '-ERR reached lua stack limit\r\n'],
    ['return setmetatable({1},{__index=error})', '*1\r\n:1\r\n'],
    ['return cjson.encode({1,{a=1.5}})', '$13\r\n[1,{"a":1.5}]\r\n'],
    ['return bit.band(7,12)', ':4\r\n'],
    ['#!lua\nreturn 1', ':1\r\n'],
  ])('answers %s', (code, expected) => {
    expect(run(code, ['k'], ['a'])).toBe(expected);
  });

  it('answers in the protocol of the client', () => {
    expect(run('return {double=1.5}', [], [], 3)).toBe(',1.5\r\n');
    expect(run('redis.setresp(3) return true', [], [], 3)).toBe('#t\r\n');
    expect(run('return nil', [], [], 3)).toBe('_\r\n');
  });

  it.each([
    ['error("x")', 'ERR user_script:1: x', 1],
    ['\n\nerror("x")', 'ERR user_script:3: x', 3],
    ['error({err="CODE words"})', 'CODE words', 1],
    ['return foo', "ERR user_script:1: Script attempted to access nonexistent global variable 'foo'", 1],
    ['foo=1', 'ERR user_script:1: Attempt to modify a readonly table', 1],
    ['redis.call=1', 'ERR user_script:1: Attempt to modify a readonly table', 1],
    ['return redis.call({})', 'ERR Command arguments must be strings or integers', 1],
    [
      'redis.set_repl(9)',
      'ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.',
      1,
    ],
  ])('fails with %s', (code, message, line) => {
    expect(run(code)).toEqual({ message, line });
  });

  it('raises what a command answers, at its line', () => {
    host.answer = '-WRONGTYPE no\r\n';
    expect(run('\nreturn redis.call("get","a")')).toEqual({ message: 'WRONGTYPE no', line: 2 });
    expect(run('\nlocal n=1+1 redis.call("get","a")')).toEqual({ message: 'WRONGTYPE no', line: 2 });
    expect(run('return redis.pcall("get","a")')).toBe('-WRONGTYPE no\r\n');
    expect(run('local ok,e=pcall(redis.call,"get","a") return e')).toBe('$12\r\nWRONGTYPE no\r\n');
    expect(run('local n=1+1 local ok,e=pcall(redis.call,"get","a") return e')).toBe(
      '$12\r\nWRONGTYPE no\r\n',
    );
  });

  it.each([
    ['1/3', '0.3333333333333333'],
    ['9007199254740991', '9007199254740991'],
    ['1700000000*1000000+123456', '1700000000123456'],
    ['0.1*1', '0.1'],
    ['-3*1', '-3'],
  ])('hands the number %s to a command with all its digits', (number, text) => {
    run(`return redis.call("set","k",${number})`);
    expect(host.calls).toEqual([['set', 'k', text]]);
  });

  it.each([
    ['$-1\r\n', 'boolean false'],
    ['*-1\r\n', 'boolean false'],
    [':12\r\n', 'number 12'],
    ['$2\r\nab\r\n', 'string ab'],
    ['+PONG\r\n', 'table PONG'],
  ])('turns the reply %j into %s', (answer, expected) => {
    host.answer = answer;
    expect(run('local r=redis.call("x") return type(r).." "..tostring(type(r)=="table" and r.ok or r)')).toBe(
      `$${expected.length}\r\n${expected}\r\n`,
    );
  });

  it.each([
    ['_\r\n', 'nil'],
    ['#t\r\n', 'true'],
    [',1.5\r\n', '1.5'],
    ['(123\r\n', '123'],
    ['=7\r\ntxt:abc\r\n', 'abc'],
    ['|1\r\n+a\r\n+b\r\n:5\r\n', '5'],
  ])('turns the reply %j of RESP 3 into %s', (answer, expected) => {
    host.answer = answer;
    const code = `redis.setresp(3) local r=redis.call("x")
      if type(r)=="table" then r=r.double or r.big_number or r.verbatim_string.string end return tostring(r)`;
    expect(run(code)).toBe(`$${expected.length}\r\n${expected}\r\n`);
  });

  it('asks the host for what is no command', () => {
    expect(run('redis.set_repl(redis.REPL_AOF)')).toBe('$-1\r\n');
    expect(host.targets).toBe(1);
    run('redis.log(redis.LOG_NOTICE,"a",5,"b")');
    expect(host.said).toEqual(['2 a 5 b']);
    expect(run('return {redis.acl_check_cmd("get","a"),redis.acl_check_cmd("set","a")}')).toBe(
      '*2\r\n:1\r\n$-1\r\n',
    );
    expect(run('return redis.acl_check_cmd("nope")')).toMatchObject({
      message: 'ERR Invalid command passed to server.acl_check_cmd()',
    });
  });

  it('tells what does not compile', () => {
    expect(engine.compile(Buffer.from('return end'))).toBe("user_script:1: '<eof>' expected near 'end'");
    expect(engine.compile(Buffer.from('return 1 -- done'))).toBeUndefined();
  });

  it('keeps nothing of a script for the next one', () => {
    run('ARGV.kept=1');
    expect(run('return tostring(ARGV.kept)')).toBe('$3\r\nnil\r\n');
  });

  it('goes on with a spare interpreter after one that ran out of memory', async () => {
    expect(run('return string.rep("x",100000000)')).toEqual({
      message: 'ERR Error running script: not enough memory',
      line: 0,
    });
    await expect.poll(() => run('return 1')).toBe(':1\r\n');
  });

  it('hands replies of any shape through (seeded)', () => {
    const seed = 4;
    const random = new Prng(seed);
    const value = (depth: number): string => {
      const kind = random.below(depth > 3 ? 4 : 5);
      if (kind === 0) return `:${random.below(2 ** 31) - 2 ** 30}\r\n`;
      if (kind === 1) return `+s${random.below(99)}\r\n`;
      if (kind === 2) return '$-1\r\n';
      if (kind === 4) {
        const count = random.below(6);
        return `*${count}\r\n${Array.from({ length: count }, () => value(depth + 1)).join('')}`;
      }
      const length = random.below(40);
      const text = Array.from({ length }, () => String.fromCharCode(random.below(256))).join('');
      return `$${length}\r\n${text}\r\n`;
    };
    for (let round = 0; round < 500; round++) {
      host.answer = value(0);
      expect(run('return redis.call("x")'), `seed ${seed}, round ${round}`).toBe(host.answer);
    }
  });
});
