/**
 * Set and hash commands that choose at random or calculate: a replica of another engine and the append-only
 * file must come to the same data by what is propagated for them.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { Prng } from '../../server/structures/prng.ts';
import { hasRedis, ServerProcess } from './replication-harness.ts';

const COMMANDS = 3000;
const running: ServerProcess[] = [];

afterEach(async () => {
  for (const server of running.splice(0)) await server.remove();
});

async function start(engine: 'ours' | 'redis', ...options: string[]): Promise<ServerProcess> {
  const server = await ServerProcess.start(engine, '--enable-debug-command', 'yes', ...options);
  running.push(server);
  return server;
}

function command(prng: Prng): string[] {
  const set = `s${prng.below(3)}`;
  const hash = `h${prng.below(2)}`;
  const members = Array.from({ length: 1 + prng.below(40) }, () => {
    const number = prng.below(600);
    return prng.below(4) === 0 ? `m${number}` : String(number);
  });
  const kind = prng.below(14);
  if (kind < 4) return ['SADD', set, ...members];
  if (kind < 5) return ['SPOP', set];
  if (kind < 7) return ['SPOP', set, String(prng.below(2) === 0 ? prng.below(30) : prng.below(600))];
  if (kind < 8) return ['SMOVE', set, `s${prng.below(3)}`, members[0] ?? ''];
  if (kind < 9) return ['SUNIONSTORE', set, 's0', 's1', 's2'];
  if (kind < 11) return ['HSET', hash, ...members.flatMap((member) => [member, `${prng.below(1000)}`])];
  if (kind < 12) return ['HINCRBY', hash, members[0] ?? '', String(prng.below(100) - 50)];
  if (kind < 13) return ['HINCRBYFLOAT', hash, members[0] ?? '', `${prng.below(1000) / 7}`];
  return ['HDEL', hash, ...members];
}

describe.skipIf(!hasRedis)('sets and hashes', () => {
  it('are the same on a replica of another engine and after a restart from the append-only file', async () => {
    const prng = new Prng(Date.now() % 1_000_000);
    const primary = await start('ours', '--appendonly', 'yes');
    const replica = await start('redis');
    await replica.follow(primary);
    await replica.caughtUpWith(primary);
    for (let round = 0; round < COMMANDS; round += 100) {
      await Promise.all(Array.from({ length: 100 }, () => primary.call(...command(prng))));
    }
    await replica.caughtUpWith(primary);
    const digest = String(await primary.call('DEBUG', 'DIGEST'));
    expect(String(await replica.call('DEBUG', 'DIGEST')), `seed ${prng.seed}`).toBe(digest);
    await primary.call('DEBUG', 'LOADAOF');
    expect(String(await primary.call('DEBUG', 'DIGEST')), `seed ${prng.seed}`).toBe(digest);
  }, 60_000);
});
