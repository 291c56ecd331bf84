/**
 * redwarden-check-aof beside redis-check-aof: the same bytes on standard output, the same exit status and the
 * same file afterwards, for files that are good, cut, flipped and put together by chance.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CheckEnd, checkAof } from '../../server/persistence/aof-check.ts';
import { checkRdb } from '../../server/persistence/rdb-check.ts';
import { Prng } from '../../server/structures/prng.ts';
import { ServerProcess } from './persistence-harness.ts';

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
const hasChecker = spawnSync('redis-check-aof').status === 1;
const ours = new URL('../../server/bin/redwarden-check-aof', import.meta.url).pathname;
const built = existsSync(new URL('../../dist/server/check-aof.js', import.meta.url));
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'aof-check-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Asked {
  readonly fix?: boolean;
  readonly timestamp?: number;
  readonly answer?: string;
}

/** What ours says of a file, as text and status. */
function check(path: string, asked: Asked): { text: string; status: number } {
  let text = '';
  const print = (more: string): void => {
    text += more;
  };
  try {
    checkAof(path, {
      program: 'redis-check-aof',
      fix: asked.fix ?? false,
      timestamp: BigInt(asked.timestamp ?? 0),
      print,
      log: (line) => print(`${line}\n`),
      ask: () => (asked.answer ?? '').slice(0, 1),
      rdb: (file, say) => {
        const line = (text: string): void => say(`${text}\n`);
        return checkRdb(file, { nowMs: Date.now(), print: line, log: line });
      },
    });
  } catch (error) {
    if (!(error instanceof CheckEnd)) throw error;
    return { text, status: error.status };
  }
  return { text, status: 0 };
}

function redisCheck(path: string, asked: Asked): { text: string; status: number } {
  const options = asked.fix ? ['--fix'] : [];
  if (asked.timestamp !== undefined) options.push('--truncate-to-timestamp', String(asked.timestamp));
  const { stdout, status } = spawnSync('redis-check-aof', [...options, path], { input: asked.answer ?? '' });
  const text = stdout.toString('latin1').replace(/^\d+:C .{24} # /gm, '');
  return { text, status: status ?? -1 };
}

/** What C prints of bytes behind a string is what happened to stand there. */
function comparable(text: string): string {
  return text.replace(/got: 00[0-9a-f]+/g, 'got: 00');
}

/** Both look at copies of the same folder; the name of the one that is checked. */
function compare(files: ReadonlyMap<string, Buffer>, name: string, asked: Asked): void {
  const place = join(folder, 'data');
  const put = (): void => {
    rmSync(place, { recursive: true, force: true });
    mkdirSync(place);
    for (const [file, bytes] of files) writeFileSync(join(place, file), bytes);
  };
  const left = (): string[] =>
    [...files.keys()].map((file) => readFileSync(join(place, file)).toString('latin1'));
  put();
  const theirs = redisCheck(join(place, name), asked);
  const theirFiles = left();
  put();
  const own = check(join(place, name), asked);
  const shown = `seed ${seed}\n${[...files].map(([file, bytes]) => `${file}: ${JSON.stringify(bytes.toString('latin1'))}`).join('\n')}`;
  expect(comparable(own.text), shown).toBe(comparable(theirs.text));
  expect(own.status, shown).toBe(theirs.status);
  expect(left(), shown).toEqual(theirFiles);
}

function command(...words: string[]): string {
  const parts = words.map((word) => `$${word.length}\r\n${word}\r\n`);
  return `*${words.length}\r\n${parts.join('')}`;
}

function randomFile(prng: Prng): Buffer {
  const parts: string[] = [];
  let second = 1_600_000_000;
  for (let count = prng.below(8); count >= 0; count -= 1) {
    const kind = prng.below(8);
    if (kind === 0) parts.push(`#TS:${(second += prng.below(3))}\r\n`);
    else if (kind === 1) parts.push(command(prng.below(2) === 0 ? 'MULTI' : 'multi'));
    else if (kind === 2) parts.push(command(prng.below(2) === 0 ? 'EXEC' : 'exec'));
    else if (kind === 3) parts.push(command('SET', 'key', 'x'.repeat(prng.below(300))));
    else parts.push(command('SET', `key${prng.below(10)}`, 'value'));
  }
  let bytes = Buffer.from(parts.join(''), 'latin1');
  const damage = prng.below(4);
  if (damage === 0 && bytes.length > 0) bytes = bytes.subarray(0, prng.below(bytes.length));
  if (damage === 1 && bytes.length > 0) {
    const texts = ['\r', '\n', '*', '$', '#', '-', '9', 'A', '!', '\xff', ' ', '+'];
    for (let flips = prng.below(3); flips >= 0; flips -= 1) {
      bytes[prng.below(bytes.length)] = (texts[prng.below(texts.length)] as string).charCodeAt(0);
    }
  }
  return bytes;
}

function randomAsked(prng: Prng): Asked {
  const kind = prng.below(4);
  if (kind === 0) return { fix: true, answer: ['y\n', 'n\n', '', 'Y'][prng.below(4)] as string };
  if (kind === 1) return { timestamp: 1_600_000_000 + prng.below(8) };
  return {};
}

describe.skipIf(!hasChecker)(`check-aof beside redis-check-aof, seed ${seed}`, () => {
  it('says the same of single files', () => {
    const prng = new Prng(seed);
    for (let round = 0; round < 200; round += 1) {
      compare(new Map([['one.aof', randomFile(prng)]]), 'one.aof', randomAsked(prng));
    }
  }, 60_000);

  it('says the same of the files of a manifest', () => {
    const prng = new Prng(seed + 1);
    for (let round = 0; round < 100; round += 1) {
      const manifest =
        'file a.1.base.aof seq 1 type b\nfile a.1.incr.aof seq 1 type i\nfile a.2.incr.aof seq 2 type i\n';
      const files = new Map([
        ['a.manifest', Buffer.from(manifest)],
        ['a.1.base.aof', randomFile(prng)],
        ['a.1.incr.aof', randomFile(prng)],
        ['a.2.incr.aof', randomFile(prng)],
      ]);
      compare(files, 'a.manifest', randomAsked(prng));
    }
  }, 60_000);

  it('says the same of manifests that cannot be read', () => {
    const good = 'file a.1.incr.aof seq 1 type i\n';
    const manifests = [
      `${good}!!!\n`,
      `${good}\n`,
      `${good}file b seq 1 type i\n`,
      `${good}file b seq 2 type x\n`,
      `${good}file b/c seq 2 type i\n`,
      `${good}file b seq 2`,
      `file ${'a'.repeat(1100)} seq 1 type b\n`,
      `# a comment\n${good}file missing seq 2 type i\n`,
      `file base seq 1 type b\nfile base2 seq 2 type b\n`,
    ];
    for (const manifest of manifests) {
      const files = new Map([
        ['a.manifest', Buffer.from(manifest)],
        ['a.1.incr.aof', Buffer.from(command('SET', 'a', 'b'))],
      ]);
      compare(files, 'a.manifest', {});
    }
  });

  it('says the same of manifests put together by chance', () => {
    const prng = new Prng(seed + 2);
    const pick = (texts: readonly string[]): string => texts[prng.below(texts.length)] as string;
    const words = [
      'file',
      'FILE',
      'seq',
      'type',
      'a.1.incr.aof',
      '"a.1.incr.aof"',
      "'a.1.incr.aof'",
      'gone',
      'x/y',
    ];
    words.push('1', '2', '-1', '0', '3x', 'b', 'i', 'h', 'incr', 'z', 'startoffset', '"open', '"\\x61"', '#');
    for (let round = 0; round < 150; round += 1) {
      const lines = ['file a.1.incr.aof seq 1 type i'];
      for (let count = prng.below(3); count > 0; count -= 1) {
        const chance = Array.from({ length: prng.below(9) }, () => pick(words)).join(pick([' ', '  ', '\t']));
        const formed = `file ${pick(words)} seq ${prng.below(4)} type ${pick(['b', 'i', 'h', 'x'])}`;
        lines.push(pick([chance, formed, formed, `# ${chance}`, '\r', ` ${formed} `]));
      }
      const end = pick(['\n', '\n', '\n', '', '\r\n']);
      const files = new Map([
        ['a.manifest', Buffer.from(lines.join('\n') + end, 'latin1')],
        ['a.1.incr.aof', Buffer.from(command('SET', 'a', 'b'))],
      ]);
      compare(files, 'a.manifest', {});
    }
  }, 60_000);

  it('says the same of lengths and counts that no command has', () => {
    const files = ['*1\r\n$-1\r\n', '*1\r\n$9223372036854775806\r\n', '*1\r\n$99999999999999999999\r\n'];
    files.push(
      '*-1\r\n',
      '*0\r\n',
      '*1\r\n$ 3\r\nGET\r\n',
      '*1\r\n$3\r\nGETxx',
      '*1\r\n$3\r\nGE',
      '*',
      '*1',
      '*1\r',
    );
    files.push(
      '\n',
      '#',
      '#TS:1',
      '#TS:x\r\n',
      `#${'x'.repeat(2000)}\r\n*0\r\n`,
      command('MULTI'),
      '*1\r\n$-0\r\n\r\n',
    );
    for (const text of files) {
      for (const asked of [{}, { timestamp: 5 }]) {
        // A length that no memory holds ends the other checker.
        if (text.includes('9223372036854775806')) continue;
        compare(new Map([['one.aof', Buffer.from(text, 'latin1')]]), 'one.aof', asked);
      }
    }
  });

  it.skipIf(!built)(
    'says the same of files that begin with an RDB',
    async () => {
      const place = join(folder, 'rdb');
      mkdirSync(place);
      const server = await ServerProcess.redwarden(place, '--dbfilename', 'head.rdb', '--rdb-version', '10');
      await server.call('SET', 'key', 'value');
      await server.call('RPUSH', 'list', 'a', 'b');
      await server.call('SAVE');
      await server.stop();
      const rdb = readFileSync(join(place, 'head.rdb'));
      const tail = Buffer.from(command('SET', 'a', 'b'));
      const flipped = Buffer.from(rdb);
      flipped[rdb.length - 3] = (flipped[rdb.length - 3] as number) ^ 1;
      const asked: Asked[] = [{}, { fix: true, answer: 'y' }, { timestamp: 5 }];
      const files = [rdb, Buffer.concat([rdb, tail]), Buffer.concat([rdb, tail.subarray(0, 9)]), flipped];
      for (const bytes of files) {
        for (const one of asked) compare(new Map([['old.aof', bytes]]), 'old.aof', one);
      }
      // redis-check-aof 7.0 looks for the base in its own folder; valkey-check-aof beside the manifest.
      const manifest = 'file a.1.base.rdb seq 1 type b\nfile a.1.incr.aof seq 1 type i\n';
      writeFileSync(join(place, 'a.manifest'), manifest);
      writeFileSync(join(place, 'a.1.base.rdb'), rdb);
      writeFileSync(join(place, 'a.1.incr.aof'), tail);
      const whole = check(join(place, 'a.manifest'), {});
      expect(whole.text).toMatch(/RDB format.*BASE AOF a.1.base.rdb is valid.*are valid\n$/s);
      expect(whole.status).toBe(0);
    },
    20_000,
  );

  it.skipIf(!built)(
    'has the same command line',
    () => {
      const path = join(folder, 'good.aof');
      writeFileSync(path, command('SET', 'a', 'b'));
      const argvs = [
        [],
        ['--fix'],
        ['a', 'b', 'c', 'd'],
        ['--truncate-to-timestamp', 'x', path],
        ['/no/such/file'],
        [path],
      ];
      argvs.push(['--truncate-to-timestamp', '12', path], ['--fix', path], ['--other', path], [folder]);
      for (const argv of argvs) {
        const theirs = spawnSync('redis-check-aof', argv, { encoding: 'latin1' });
        const own = spawnSync(ours, argv, { encoding: 'latin1' });
        expect(own.stderr).toBe('');
        expect(own.stdout.replaceAll(ours, 'redis-check-aof'), argv.join(' ')).toBe(theirs.stdout);
        expect(own.status, argv.join(' ')).toBe(theirs.status);
      }
    },
    20_000,
  );
});
