/**
 * `redwarden-check-rdb` beside redis-check-rdb 7.0: the same bytes and exit codes for good, truncated and
 * damaged files of every type. `SEED` says where the damage starts, `FILES` how many files there are.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkRdb } from '../../server/persistence/rdb-check.ts';
import { Prng } from '../../server/structures/prng.ts';
import { debianProgram } from '../support/debian-programs.ts';
import { everyType } from '../support/every-type.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { ServerProcess } from '../support/server-process.ts';

const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
const FILES = Number(process.env['FILES'] ?? 120);
const COMMAND_BYTES_MAX = 3000;
const ours = path.resolve(import.meta.dirname, '../../server/bin/redwarden-check-rdb');

let folder = '';
let theirs = '';
let whole: Buffer = Buffer.alloc(0);

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'check-rdb-'));
  const found = await debianProgram('redis-server', () => {});
  theirs = path.join(path.dirname(found.path), 'redis-check-rdb');
  const server = await ServerProcess.start('redis-server', ['--save', '', '--enable-debug-command', 'yes']);
  const connection = await RawConnection.open(server.port);
  await connection.call(['FUNCTION', 'LOAD', "#!lua name=lib\nredis.register_function('f', function() end)"]);
  for (const command of everyType(new Prng(1))) {
    const bytes = command.reduce((sum, word) => sum + word.length, 0);
    if (bytes <= COMMAND_BYTES_MAX) await connection.call(command);
  }
  for (const key of ['old', 'new']) await connection.call(['SET', key, 'value', 'PX', '100000']);
  expect(String(await connection.call(['SAVE']))).toBe('+OK\r\n');
  connection.close();
  whole = readFileSync(path.join(server.directory, 'dump.rdb'));
  await server.stop();
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Said {
  readonly text: string;
  readonly status: number | null;
}

/**
 * Lines of the log carry process and time; those about memory that the machine did not have are left out. The
 * lines of rdb.c are other ones in every build, and 7.0 does not know the names of its newest types.
 */
function comparable(text: string): string {
  return text
    .split('\n')
    .filter((line) => !line.includes('failed allocating'))
    .map((line) => line.replace(/^\d+:C \d+ \w+ \d+ [\d:.]+ #/, 'LOG'))
    .map((line) => line.replace(/rdb\.c:\d+/, 'rdb.c').replace(/(Reading type (?:19|2\d)) \(.*/, '$1'))
    .join('\n');
}

function theirWord(file: string): Said {
  const { stdout, status } = spawnSync(theirs, [file], { encoding: 'latin1', timeout: 20_000 });
  return { text: comparable(stdout), status };
}

function ourWord(file: string): Said {
  let text = '';
  const end = checkRdb(file, {
    nowMs: Date.now(),
    print: (line) => {
      text += `${line}\n`;
    },
    log: (line) => {
      text += `LOG ${line}\n`;
    },
  });
  return { text: comparable(text), status: end === null ? 1 : 0 };
}

function write(bytes: Uint8Array): string {
  const file = path.join(folder, 'dump.rdb');
  writeFileSync(file, bytes);
  return file;
}

describe('redwarden-check-rdb', () => {
  it('as a process says the same as redis-check-rdb, with the same status', () => {
    const broken = Buffer.from(whole);
    broken[broken.length - 1] = (broken[broken.length - 1] ?? 0) ^ 1;
    for (const bytes of [whole, broken, whole.subarray(0, whole.length >> 1), whole.subarray(0, 4)]) {
      const file = write(bytes);
      const { stdout, status } = spawnSync(ours, [file], { encoding: 'latin1', timeout: 20_000 });
      expect({ text: comparable(stdout), status }).toEqual(theirWord(file));
    }
    const nothing = path.join(folder, 'nothing.rdb');
    const { stdout, status } = spawnSync(ours, [nothing], { encoding: 'latin1', timeout: 20_000 });
    expect({ text: stdout, status }).toEqual(theirWord(nothing));
    const usage = spawnSync(ours, [], { encoding: 'latin1', timeout: 20_000 });
    expect(usage.stderr).toBe(`Usage: ${ours} <rdb-file-name>\n`);
    expect(usage.status).toBe(1);
    expect(spawnSync(ours, ['--version'], { encoding: 'latin1' }).stdout).toMatch(/^redwarden-check-rdb \d/);
  }, 60_000);

  it(`agrees on ${FILES} truncated files, seed ${SEED}`, () => {
    const random = new Prng(SEED);
    for (let round = 0; round < FILES; round++) {
      const file = write(whole.subarray(0, random.below(whole.length)));
      expect(ourWord(file), `seed ${SEED}, round ${round}`).toEqual(theirWord(file));
    }
  }, 120_000);

  // It looks closer at sorted sets than theirs does, so some damage is found earlier.
  it(`agrees on ${FILES} damaged files, seed ${SEED}`, () => {
    const random = new Prng(SEED);
    let same = 0;
    for (let round = 0; round < FILES; round++) {
      const bytes = Buffer.from(whole);
      const at = random.below(bytes.length);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
      const file = write(bytes);
      const expected = theirWord(file);
      const found = ourWord(file);
      expect(found.status, `seed ${SEED}, round ${round}, byte ${at}`).toBe(expected.status);
      if (found.text === expected.text) same++;
      else if (process.env['SHOW']) console.log(`byte ${at}\n${found.text}\n---\n${expected.text}`);
    }
    expect(same, `seed ${SEED}`).toBeGreaterThan(FILES * 0.95);
  }, 120_000);
});
