/** Fields of hashes that expire, on the built server: replies, events, the AOF and a replica. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RespError } from '../../server/wire/reply-parser.ts';
import { waitUntil } from '../support/wait-until.ts';
import { ServerProcess } from './replication-harness.ts';

const WAIT_MS = 10_000;
const FAR = String(Date.now() + 3_600_000);

let server: ServerProcess;
let replica: ServerProcess;

beforeAll(async () => {
  const options = ['--appendonly', 'yes', '--enable-debug-command', 'yes', '--rdb-version', '12'];
  server = await ServerProcess.start('ours', ...options, '--aof-use-rdb-preamble', 'no');
  replica = await ServerProcess.start('ours', '--rdb-version', '12');
}, 60_000);

afterAll(async () => {
  await replica?.remove();
  await server?.remove();
});

function text(reply: unknown): unknown {
  if (reply instanceof RespError) return reply.message;
  if (reply instanceof Uint8Array) return Buffer.from(reply).toString();
  return Array.isArray(reply) ? reply.map(text) : reply;
}

async function run(line: string): Promise<unknown> {
  return text(await server.call(...line.split(' ')));
}

async function untilGone(line: string, answer: unknown): Promise<void> {
  await waitUntil(line, WAIT_MS, async () => ((await run(line)) === answer ? true : undefined), 20);
}

/** Words of the commands in the append-only file. */
function appended(): string {
  const folder = join(server.folder, 'appendonlydir');
  const name = readdirSync(folder).find((file) => file.endsWith('.incr.aof')) ?? '';
  return readFileSync(join(folder, name), 'latin1')
    .split('\r\n')
    .filter((line) => !/^[*$#]/.test(line))
    .join(' ');
}

describe('fields that expire', () => {
  it('answers for each field whether it got an expiry', async () => {
    await run('FLUSHALL');
    expect(await run('HSET h a 1 b 2 c 3')).toBe(3);
    expect(await run('HEXPIRE h 100 FIELDS 2 a zz')).toEqual([1, -2]);
    expect(await run('HTTL h FIELDS 3 a b zz')).toEqual([100, -1, -2]);
    expect(await run('OBJECT ENCODING h')).toBe('hashtable');
    expect(await run('HEXPIRE h 50 NX FIELDS 2 a b')).toEqual([0, 1]);
    expect(await run('HEXPIRE h 60 GT FIELDS 3 a b c')).toEqual([0, 1, 0]);
    expect(await run('HEXPIRE h 70 LT FIELDS 3 a b c')).toEqual([1, 0, 1]);
    expect(await run('HEXPIRE h 90 XX FIELDS 1 zz')).toEqual([-2]);
    expect(await run(`HPEXPIREAT h ${FAR} FIELDS 1 a`)).toEqual([1]);
    expect(await run('HPEXPIRETIME h FIELDS 1 a')).toEqual([Number(FAR)]);
    expect(await run('HPERSIST h FIELDS 3 a a zz')).toEqual([1, -1, -2]);
    expect(await run('HEXPIRE missing 5 FIELDS 1 a')).toEqual([-2]);
    expect(await run('HEXPIRE h 0 FIELDS 2 a zz')).toEqual([2, -2]);
    expect(await run('HEXISTS h a')).toBe(0);
  });

  it('refuses what Valkey refuses, with its words', async () => {
    await run('FLUSHALL');
    await run('HSET h a 1');
    await run('SET s 1');
    const count = 'ERR numfields should be greater than 0 and match the provided number of fields';
    for (const [line, error] of [
      ['HEXPIRE h 10', "ERR wrong number of arguments for 'hexpire' command"],
      ['HEXPIRE h 10 FIELDS 2 a', count],
      ['HEXPIRE h 10 FIELDS x a', 'ERR value is not an integer or out of range'],
      ['HEXPIRE h x FIELDS 1 a', 'ERR value is not an integer or out of range'],
      ['HEXPIRE h -1 FIELDS 1 a', "ERR invalid expire time in 'hexpire' command"],
      ['HEXPIRE h 1 NX XX FIELDS 1 a', 'ERR NX and XX, GT or LT options at the same time are not compatible'],
      ['HEXPIRE s 10 FIELDS 1 a', 'WRONGTYPE Operation against a key holding the wrong kind of value'],
      ['HSETEX h EX 10 FIELDS 2 a 1', count],
      ['HSETEX h EX 10 PX 5 FIELDS 1 a 1', 'ERR syntax error'],
      ['HSETEX h EX 10 KEEPTTL FIELDS 1 a 1', 'ERR syntax error'],
      ['HSETEX h FNX FXX FIELDS 1 a 1', 'ERR syntax error'],
      ['HGETEX h EX -5 FIELDS 1 a', "ERR invalid expire time in 'hgetex' command"],
      ['HGETEX h NX FIELDS 1 a', 'ERR syntax error'],
      ['HGETDEL h FIELDS 0 a', count],
    ] as const) {
      expect(await run(line), line).toBe(error);
    }
  });

  it('reads, sets and deletes fields together with their expiry', async () => {
    await run('FLUSHALL');
    expect(await run('HSETEX h EX 100 FIELDS 2 a 1 b 2')).toBe(1);
    expect(await run('HSETEX h FNX EX 100 FIELDS 2 a 5 z 6')).toBe(0);
    expect(await run('HSETEX h FXX KEEPTTL FIELDS 1 a 5')).toBe(1);
    expect(await run('HTTL h FIELDS 2 a z')).toEqual([100, -2]);
    expect(await run('HGETEX h PERSIST FIELDS 3 a b z')).toEqual(['5', '2', null]);
    expect(await run('HTTL h FIELDS 2 a b')).toEqual([-1, -1]);
    expect(await run('HGETEX h EX 50 FIELDS 1 a')).toEqual(['5']);
    expect(await run('HSET h a 7')).toBe(0);
    expect(await run('HTTL h FIELDS 1 a')).toEqual([-1]);
    expect(await run('HGETDEL h FIELDS 3 a b z')).toEqual(['7', '2', null]);
    expect(await run('EXISTS h')).toBe(0);
    expect(await run('HSETEX n XX EX 1 FIELDS 1 a 1')).toBe(0);
    expect(await run('HSETEX n EX 0 FIELDS 1 a 1')).toBe(1);
    expect(await run('EXISTS n')).toBe(0);
  });

  it('keeps an expiry through HINCRBY and HINCRBYFLOAT, and propagates the results', async () => {
    await run('FLUSHALL');
    await run(`HSETEX h PXAT ${FAR} FIELDS 2 a 1 b 2`);
    expect(await run('HINCRBY h a 4')).toBe(5);
    expect(await run('HINCRBYFLOAT h b 0.5')).toBe('2.5');
    expect(await run('HPEXPIRETIME h FIELDS 2 a b')).toEqual([Number(FAR), Number(FAR)]);
    const file = appended();
    expect(file).toContain(`HSETEX h PXAT ${FAR} FIELDS 1 a 5`);
    expect(file).toContain(`HSETEX h PXAT ${FAR} FIELDS 1 b 2.5`);
  });

  it('removes what has ended, tells it in the AOF, and deletes the hash with its last field', async () => {
    await run('FLUSHALL');
    await run('HSET h a 1');
    await run('HSETEX h PX 30 FIELDS 2 x 1 y 2');
    await run('HSETEX gone PX 30 FIELDS 1 x 1');
    await untilGone('EXISTS gone', 0);
    await untilGone('HLEN h', 1);
    expect(await run('HGETALL h')).toEqual(['a', '1']);
    const file = appended();
    expect(file).toContain('HDEL gone x');
    expect(/HDEL h (x y|y x|x .*HDEL h y|y .*HDEL h x)/.test(file)).toBe(true);
  });

  it('counts the hashes that have fields with an expiry', async () => {
    await run('FLUSHALL');
    const counted = async (): Promise<string> =>
      /keys_with_volatile_items=(\d+)/.exec(String(text(await server.call('INFO', 'keyspace'))))?.[1] ?? '0';
    for (const key of ['a', 'b', 'c', 'd', 'e']) await run(`HSETEX ${key} EX 100 FIELDS 2 x 1 y 2`);
    await run('HEXPIRE a 200 FIELDS 1 x');
    expect(await counted()).toBe('5');
    await run('HPERSIST a FIELDS 1 x');
    expect(await counted()).toBe('5');
    await run('HPERSIST a FIELDS 1 y');
    await run('HSET b x 1 y 2');
    await run('DEL c');
    await run('RENAME d renamed');
    expect(await counted()).toBe('2');
    await run('SET e string');
    await run('HGETDEL renamed FIELDS 2 x y');
    expect(await run('DBSIZE')).toBe(3);
    expect(await counted()).toBe('0');
  });

  it('finds what ends in a hash that was renamed, copied or loaded', async () => {
    await run('FLUSHALL');
    await run('HSETEX h PX 600 FIELDS 1 x 1');
    await run('HSET h stays 1');
    await run('COPY h copied');
    await run('RENAME h renamed');
    await run('DEBUG RELOAD');
    expect(await run('HEXISTS renamed x')).toBe(1);
    await untilGone('HLEN copied', 1);
    await untilGone('HLEN renamed', 1);
  });

  it('goes to a replica by the snapshot and by the stream, and comes back from the AOF', async () => {
    await run('FLUSHALL');
    await run(`HSETEX before PXAT ${FAR} FIELDS 1 x 1`);
    await replica.follow(server);
    await replica.caughtUpWith(server);
    expect(await replica.call('HPEXPIRETIME', 'before', 'FIELDS', '1', 'x')).toEqual([Number(FAR)]);
    await run('HSET after a 1 b 2');
    await run(`HPEXPIREAT after ${FAR} FIELDS 1 a`);
    await run('HSETEX after PX 30 FIELDS 1 short 1');
    await untilGone('HLEN after', 2);
    await replica.caughtUpWith(server);
    expect(await replica.call('HLEN', 'after')).toBe(2);
    expect(await replica.call('HPEXPIRETIME', 'after', 'FIELDS', '2', 'a', 'b')).toEqual([Number(FAR), -1]);
    const digest = await run('DEBUG DIGEST');
    await run('BGREWRITEAOF');
    await waitUntil('the rewrite', WAIT_MS, async () =>
      (await server.info('persistence', 'aof_rewrite_in_progress')) === '0' ? true : undefined,
    );
    expect(await run('DEBUG LOADAOF')).toBe('OK');
    expect(await run('DEBUG DIGEST')).toBe(digest);
  });
});
