/**
 * Streams and their consumer groups: a replica of another engine and the append-only file must come to the
 * same entries and to the same pending entries by what is propagated; XDELEX and XACKDEL say what became of
 * each id.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { Prng } from '../../server/structures/prng.ts';
import { hasRedis, ServerProcess } from './replication-harness.ts';

const COMMANDS = 4000;
const running: ServerProcess[] = [];

afterEach(async () => {
  for (const server of running.splice(0)) await server.remove();
});

async function start(engine: 'ours' | 'redis', ...options: string[]): Promise<ServerProcess> {
  const server = await ServerProcess.start(engine, '--enable-debug-command', 'yes', ...options);
  running.push(server);
  return server;
}

/** Ids of the last entries of a stream, to be deleted, claimed and acknowledged. */
const recent: string[][] = [[], []];

function command(prng: Prng): string[] {
  const stream = prng.below(2);
  const key = `stream${stream}`;
  const ids = recent[stream] ?? [];
  const id = ids[prng.below(Math.max(1, ids.length))] ?? '1-1';
  const consumer = ['ann', 'bob', 'cid'][prng.below(3)] ?? '';
  const group = ['g', 'h'][prng.below(2)] ?? '';
  switch (prng.below(20)) {
    case 0:
      return ['XDEL', key, id];
    case 1:
      return ['XTRIM', key, 'MAXLEN', '~', String(100 + prng.below(200))];
    case 2:
      return ['XACK', key, group, id, ids[0] ?? '1-1'];
    case 3:
      return ['XCLAIM', key, group, consumer, '0', id, ...(prng.below(2) === 0 ? ['FORCE'] : [])];
    case 4:
      return ['XAUTOCLAIM', key, group, consumer, '0', '-', 'COUNT', '3'];
    case 5:
      return ['XGROUP', 'DELCONSUMER', key, group, consumer];
    case 6:
      return ['XREADGROUP', 'GROUP', group, consumer, 'COUNT', '5', 'NOACK', 'STREAMS', key, '>'];
    case 7:
    case 8:
    case 9:
      return ['XREADGROUP', 'GROUP', group, consumer, 'COUNT', '4', 'STREAMS', key, '>'];
    case 10:
      return ['XADD', key, 'MINID', '~', id, '*', 'other', 'fields', 'here', String(prng.below(9))];
    default:
      return ['XADD', key, '*', 'field', String(prng.below(100_000))];
  }
}

/** A stream's groups without what depends on the moment. */
async function groupsOf(server: ServerProcess, key: string): Promise<string> {
  const lines: string[] = [];
  for (const group of ['g', 'h']) {
    const pending = (await server.call('XPENDING', key, group, '-', '+', '10000')) as unknown[][];
    lines.push(
      `${group}: ${pending.map(([id, consumer, , count]) => `${id} ${consumer} ${count}`).join(', ')}`,
    );
  }
  const groups = (await server.call('XINFO', 'GROUPS', key)) as unknown[][];
  for (const group of groups) lines.push(`last ${group[group.indexOf('last-delivered-id') + 1]}`);
  return lines.join('\n');
}

describe.skipIf(!hasRedis)('streams', () => {
  it('are the same on a replica of another engine and after a restart from the AOF', async () => {
    const prng = new Prng(Date.now() % 1_000_000);
    const primary = await start('ours', '--appendonly', 'yes', '--rdb-version', '10');
    for (const key of ['stream0', 'stream1'])
      for (const group of ['g', 'h']) await primary.call('XGROUP', 'CREATE', key, group, '0', 'MKSTREAM');
    const replica = await start('redis');
    await replica.follow(primary);
    await replica.caughtUpWith(primary);
    for (let round = 0; round < COMMANDS; round += 50) {
      const commands = Array.from({ length: 50 }, () => command(prng));
      const answers = await Promise.all(commands.map((words) => primary.call(...words).catch(() => null)));
      for (const [index, [name, key]] of commands.entries()) {
        if (name === 'XADD') recent[Number(key?.slice(-1))]?.push(String(answers[index]));
      }
      for (const ids of recent) ids.splice(0, Math.max(0, ids.length - 60));
    }
    await replica.caughtUpWith(primary);
    const digest = String(await primary.call('DEBUG', 'DIGEST'));
    expect(String(await replica.call('DEBUG', 'DIGEST')), `seed ${prng.seed}`).toBe(digest);
    const groups = [await groupsOf(primary, 'stream0'), await groupsOf(primary, 'stream1')];
    expect([await groupsOf(replica, 'stream0'), await groupsOf(replica, 'stream1')]).toEqual(groups);
    await primary.call('DEBUG', 'LOADAOF');
    expect(String(await primary.call('DEBUG', 'DIGEST')), `seed ${prng.seed}`).toBe(digest);
    expect([await groupsOf(primary, 'stream0'), await groupsOf(primary, 'stream1')]).toEqual(groups);
  }, 60_000);
});

describe('XDELEX and XACKDEL', () => {
  it('tell of each id whether it was there, went, or is still needed', async () => {
    const server = await start('ours');
    for (let id = 1; id <= 6; id++) await server.call('XADD', 's', `${id}-0`, 'a', 'b');
    for (const group of ['g', 'h']) await server.call('XGROUP', 'CREATE', 's', group, '0');
    await server.call('XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', '4', 'STREAMS', 's', '>');
    await server.call('XREADGROUP', 'GROUP', 'h', 'c', 'COUNT', '2', 'STREAMS', 's', '>');
    expect(await server.call('XDELEX', 's', 'ACKED', 'IDS', '2', '1-0', '9-0')).toEqual([2, -1]);
    expect(await server.call('XACKDEL', 's', 'g', 'ACKED', 'IDS', '3', '1-0', '3-0', '6-0')).toEqual([
      2, 2, -1,
    ]);
    expect(await server.call('XACKDEL', 's', 'h', 'ACKED', 'IDS', '1', '1-0')).toEqual([1]);
    expect(await server.call('XDELEX', 's', 'DELREF', 'IDS', '1', '2-0')).toEqual([1]);
    expect(await server.call('XPENDING', 's', 'h')).toEqual([0, null, null, null]);
    expect(await server.call('XDELEX', 's', 'IDS', '1', '4-0')).toEqual([1]);
    expect(((await server.call('XPENDING', 's', 'g')) as unknown[])[0]).toBe(1);
    expect(await server.call('XLEN', 's')).toBe(3);
    expect(await server.call('XDELEX', 'none', 'IDS', '2', '1-0', '2-0')).toEqual([-1, -1]);
    expect(await server.call('XDELEX', 's', 'IDS', '2', '1-0')).toMatchObject({
      message: expect.stringMatching(/numids/),
    });
    expect(await server.call('XDELEX', 's', 'IDS', '0', '1-0')).toMatchObject({
      message: expect.stringMatching(/positive/),
    });
    expect(await server.call('XACKDEL', 's', 'g', 'ALL', 'IDS', '1', '1-0')).toMatchObject({
      message: expect.stringMatching(/syntax/),
    });
  });
});
