import { createHash } from 'node:crypto';
import { brotliDecompressSync } from 'node:zlib';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Log } from '../config/log.ts';
import { Prng } from '../structures/prng.ts';
import { Reply } from '../wire/reply.ts';
import { interpreterPacked, interpreterSha256 } from './generated/lua-interpreter.ts';
import { LuaEngine } from './lua-engine.ts';
import { readShebang, type Script, sha1Hex } from './script.ts';
import {
  GO_ON,
  KILLED,
  LATE,
  RUN_FAILURE,
  RUN_SUSPENDED,
  RUN_VALUE,
  type RunState,
  type ScriptFailure,
  type ScriptHost,
  type ScriptWords,
} from './script-engine.ts';
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

  late = false;
  killed = false;
  pauses = 0;
  end: ((state: RunState) => void) | null = null;

  tick(): number {
    return this.killed ? KILLED : this.late ? LATE : GO_ON;
  }

  pause(): Promise<number> {
    this.pauses++;
    return new Promise((resolve) => setImmediate(() => resolve(0)));
  }

  resumed(): number {
    return this.killed ? KILLED : GO_ON;
  }

  readonly debugWord = '';

  stopsAt(): boolean {
    return false;
  }

  debugSays(): void {}

  breakpoint(): void {}

  ended(state: RunState): void {
    this.end?.(state);
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
  return { sha: sha1Hex(source), source, shebang, pinned: false, compiled: null };
}

/** Starts a script. */
function start(code: string, keys: string[] = [], args: string[] = [], protocol: 2 | 3 = 2): RunState {
  const words = new WordBuffer();
  words.begin(keys.length + args.length);
  for (const word of [...keys, ...args]) words.add(Buffer.from(word, 'latin1'), 0, word.length);
  const compiled = script(code);
  const problem = engine.compile(compiled);
  if (problem !== undefined) throw new Error(problem);
  return engine.run(compiled, words, 0, keys.length, { protocol, watched: true, debugged: false });
}

/** The value as RESP, or how the script failed. */
function outcome(state: RunState): string | Partial<ScriptFailure> {
  if (state === RUN_FAILURE) {
    const { message, line } = engine.failure();
    return { message, line };
  }
  const out = new Reply();
  engine.writeValue(out);
  return out.buffer.toString('latin1', 0, out.at);
}

function run(
  code: string,
  keys: string[] = [],
  args: string[] = [],
  protocol: 2 | 3 = 2,
): string | Partial<ScriptFailure> {
  return outcome(start(code, keys, args, protocol));
}

describe('the packed interpreter', () => {
  it('is the one whose hash was written down when it was built', () => {
    const wasm = brotliDecompressSync(Buffer.from(interpreterPacked, 'base64'));
    expect(createHash('sha256').update(wasm).digest('hex')).toBe(interpreterSha256);
  });
});

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
    expect(engine.compile(script('return end'))).toBe("user_script:1: '<eof>' expected near 'end'");
    expect(engine.compile(script('return 1 -- done'))).toBeUndefined();
  });

  it('keeps nothing of a script for the next one', () => {
    run('ARGV.kept=1');
    expect(run('return tostring(ARGV.kept)')).toBe('$3\r\nnil\r\n');
  });

  it('writes a table that contains itself as deep as the stack is', () => {
    const value = run('local a={} a[1]=a return a') as string;
    expect(value.startsWith('*1\r\n*1\r\n')).toBe(true);
    expect(value.endsWith('-ERR reached lua stack limit\r\n')).toBe(true);
    expect(run('return 1')).toBe(':1\r\n');
  });

  it('tells a script that asks for more memory than there is, and goes on', () => {
    expect(run('local t={} for i=1,100 do t[i]=string.rep("x",2^26)..i end return #t')).toMatchObject({
      message: 'ERR Error running script: not enough memory',
    });
    expect(run('return 1')).toBe(':1\r\n');
  });

  it('survives a script that nests calls of C too deep', () => {
    expect(run('local f f=function() return pcall(f) end return f()')).toBeDefined();
    expect(run('return string.rep("(",300)..string.find("a",string.rep("a?",200))')).toBeDefined();
    expect(run('return 1')).toBe(':1\r\n');
  });

  const loop = 'local n=0 while true do n=n+1 end';
  it.each([
    ['a loop', loop],
    ['within pcall', `while true do pcall(function() ${loop} end) end`],
    ['within redis.pcall around it', `${loop} return redis.pcall("x")`],
    ['within a function that sort calls', `table.sort({3,2,1},function() ${loop} end)`],
    ['within gsub', `string.gsub("aaa","a",function() ${loop} end)`],
    ['within a metamethod', `local t=setmetatable({},{__index=function() ${loop} end}) return t.x`],
    ['within a coroutine', `coroutine.wrap(function() ${loop} end)()`],
  ])('suspends and kills %s', async (_, code) => {
    host.late = true;
    host.pauses = 0;
    const ended = new Promise<RunState>((resolve) => {
      host.end = resolve;
    });
    expect(start(code)).toBe(RUN_SUSPENDED);
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(host.pauses).toBeGreaterThan(2);
    host.killed = true;
    expect(outcome(await ended)).toMatchObject({ message: 'ERR Script killed by user with SCRIPT KILL.' });
    host.late = host.killed = false;
    expect(run('return 1')).toBe(':1\r\n');
  });

  it('goes on where a late script stood, and hands its value over', async () => {
    host.late = true;
    const ended = new Promise<RunState>((resolve) => {
      host.end = resolve;
    });
    const code = 'local n=0 for i=1,200000 do n=n+1 end return {n,redis.call("x"),ARGV[1]}';
    expect(start(code, [], ['word'])).toBe(RUN_SUSPENDED);
    const state = await ended;
    host.late = false;
    expect(state).toBe(RUN_VALUE);
    expect(outcome(state)).toBe('*3\r\n:200000\r\n+OK\r\n$4\r\nword\r\n');
  });

  it('compiles a script again after all was flushed', () => {
    const kept = script('return 7');
    engine.compile(kept);
    engine.flush();
    const words = new WordBuffer();
    words.begin(0);
    expect(outcome(engine.run(kept, words, 0, 0, { protocol: 2, watched: false, debugged: false }))).toBe(
      ':7\r\n',
    );
  });

  it('turns replies of RESP 3 of any shape into values and back (seeded)', () => {
    const seed = 5;
    const random = new Prng(seed);
    const value = (depth: number): string => {
      const kind = random.below(depth > 3 ? 6 : 8);
      if (kind === 0) return `:${random.below(2 ** 31) - 2 ** 30}\r\n`;
      if (kind === 1) return '#t\r\n';
      if (kind === 2) return `,${random.below(1000)}.5\r\n`;
      if (kind === 3) return `(${random.below(2 ** 31)}00000000000\r\n`;
      if (kind === 4) return `=7\r\ntxt:${random.below(900) + 100}\r\n`;
      if (kind === 5) return '#f\r\n';
      const count = random.below(4);
      const items = Array.from({ length: count }, () => value(depth + 1));
      if (kind === 6) return `*${count}\r\n${items.join('')}`;
      // The order of a map of more than one key is Lua's.
      return count === 0 ? '%0\r\n' : `%1\r\n$1\r\n${random.below(10)}\r\n${items[0]}`;
    };
    for (let round = 0; round < 500; round++) {
      host.answer = value(0);
      const code = 'redis.setresp(3) return redis.call("x")';
      expect(run(code, [], [], 3), `seed ${seed}, round ${round}`).toBe(host.answer);
    }
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
