/**
 * Damaged RDB files with values of every type: each is refused with a sentence or loaded, and nothing of a
 * refused one stays in memory. `SEED` says where the damage starts, `FILES` how many there are.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { Keyspace } from '../../server/keyspace/keyspace.ts';
import { Stats } from '../../server/keyspace/stats.ts';
import { DatasetBuilder } from '../../server/persistence/rdb-load.ts';
import { RdbError } from '../../server/persistence/rdb-source.ts';
import { Prng } from '../../server/structures/prng.ts';
import { everyType } from '../support/every-type.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { ServerProcess } from '../support/server-process.ts';

const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
const FILES = Number(process.env['FILES'] ?? 100);
/** A value longer than this would make every file long. */
const COMMAND_BYTES_MAX = 30_000;

async function wholeFile(): Promise<Buffer> {
  const server = await ServerProcess.start('redwarden-server', ['--save', '', '--rdbchecksum', 'no']);
  const connection = await RawConnection.open(server.port);
  for (const command of everyType(new Prng(1))) {
    const bytes = command.reduce((sum, word) => sum + word.length, 0);
    if (bytes <= COMMAND_BYTES_MAX) await connection.call(command);
  }
  expect(String(await connection.call(['SAVE']))).toBe('+OK\r\n');
  connection.close();
  const file = readFileSync(path.join(server.directory, 'dump.rdb'));
  await server.stop();
  return file;
}

/** Feeds a file in pieces of random size; the error that it was refused with, null when it was loaded. */
function load(keyspace: Keyspace, file: Buffer, random: Prng): unknown {
  const builder = new DatasetBuilder(keyspace, {
    verifyChecksum: false,
    thorough: random.below(2) === 0,
    skipExpired: false,
    attributes: 'none',
  });
  try {
    for (let at = 0; at < file.length && !builder.done; ) {
      const end = Math.min(file.length, at + 1 + random.below(random.below(2) === 0 ? 200 : 60_000));
      builder.feed(Buffer.from(file.subarray(at, end)));
      at = end;
    }
    builder.commit();
    return null;
  } catch (error) {
    builder.abort();
    return error;
  }
}

it(`refuses or loads ${FILES} damaged files, seed ${SEED}`, async () => {
  const whole = await wholeFile();
  const random = new Prng(SEED);
  const keyspace = new Keyspace({ databases: 16, perSlot: false, stats: new Stats(), random: Math.random });
  expect(load(keyspace, whole, random)).toBeNull();
  expect(keyspace.size).toBeGreaterThan(20);
  for (let round = 0; round < FILES; round++) {
    keyspace.flushAll();
    const broken = Buffer.from(whole);
    for (let change = random.below(4); change >= 0; change--) {
      const at = 9 + random.below(broken.length - 9);
      if (random.below(3) === 0) broken[at] = random.below(256);
      else broken[at] = (broken[at] ?? 0) ^ (1 << random.below(8));
    }
    const file = random.below(8) === 0 ? broken.subarray(0, random.below(broken.length)) : broken;
    const error = load(keyspace, file, random);
    if (error === null) continue;
    if (!(error instanceof RdbError)) throw new Error(`seed ${SEED}, round ${round}`, { cause: error });
    expect(keyspace.size, `seed ${SEED}, round ${round}: ${error.message}`).toBe(0);
    expect(keyspace.arena.usedBytes, `seed ${SEED}, round ${round}: ${error.message}`).toBe(0);
  }
}, 120_000);
