/**
 * A snapshot of large values while they change: what is in the file is the dataset of the moment when it
 * began, by DEBUG DIGEST of who loads it, this server and a real one.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { Prng } from '../../server/structures/prng.ts';
import { RespClient, RespFailure } from '../../server/wire/client.ts';
import { type ServerKind, ServerProcess } from '../support/server-process.ts';
import { waitUntil } from '../support/wait-until.ts';

const CALL_MS = 20_000;
const ELEMENTS = 6000;
const servers: ServerProcess[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});

async function connect(server: ServerProcess): Promise<(...words: (string | number)[]) => Promise<unknown>> {
  const client = await RespClient.connect({
    host: '127.0.0.1',
    port: server.port,
    connectDeadlineMs: CALL_MS,
  });
  if (client instanceof RespFailure) throw new Error(client.message);
  return async (...words) => {
    const answer = await client.call(words.map(String), { deadlineMs: CALL_MS });
    if (answer instanceof RespFailure || answer instanceof Error) throw new Error(answer.message);
    return answer;
  };
}

async function start(kind: ServerKind, argv: readonly string[] = []): Promise<ServerProcess> {
  const server = await ServerProcess.start(kind, ['--save', '', '--enable-debug-command', 'yes', ...argv]);
  servers.push(server);
  return server;
}

/** Words that change one of the values or their keys. */
function change(prng: Prng): (string | number)[] {
  const below = (most: number): number => Math.floor(prng.fraction() * most);
  const name = below(3);
  const element = `e:${below(ELEMENTS * 1.3)}`;
  switch (below(30)) {
    case 0:
      return ['RENAME', `hash:${name}`, `hash:${below(3)}`];
    case 1:
      return ['UNLINK', `${['hash', 'set', 'zset', 'list', 'stream'][below(5)]}:${name}`];
    case 2:
      return ['COPY', `zset:${name}`, `zset:${below(3)}`, 'REPLACE'];
    case 3:
      return ['PEXPIRE', `set:${name}`, 1 + below(40)];
    case 4:
      return ['SET', `text:${name}`, 'x'.repeat(below(800_000))];
    case 5:
      return ['APPEND', `text:${name}`, 'y'.repeat(below(300_000))];
    case 6:
      return ['SUNIONSTORE', `set:${name}`, `set:${below(3)}`, `set:${below(3)}`];
    case 7:
      return ['ZPOPMIN', `zset:${name}`, 1 + below(400)];
    case 8:
      return ['SPOP', `set:${name}`, 1 + below(400)];
    case 9:
    case 10:
      return ['RPUSH', `list:${name}`, element, element];
    case 11:
      return ['LPOP', `list:${name}`, 1 + below(50)];
    case 12:
    case 13:
      return ['HDEL', `hash:${name}`, element, `e:${below(ELEMENTS)}`];
    case 14:
    case 15:
      return ['SREM', `set:${name}`, element];
    case 16:
    case 17:
      return ['ZREM', `zset:${name}`, element];
    case 18:
    case 19:
      return ['ZADD', `zset:${name}`, below(1000), element];
    case 20:
    case 21:
      return ['SADD', `set:${name}`, element];
    case 22:
    case 23:
      return ['XADD', `stream:${name}`, '*', 'field', element];
    case 24:
    case 25:
      return ['XDEL', `stream:${name}`, `${1 + below(ELEMENTS)}-0`, `${1 + below(ELEMENTS)}-0`];
    case 26:
      return ['XTRIM', `stream:${name}`, 'MAXLEN', ELEMENTS - below(400)];
    case 27:
      return ['XREADGROUP', 'GROUP', 'g', 'c', 'COUNT', 20, 'STREAMS', `stream:${name}`, '>'];
    default:
      return ['HSET', `hash:${name}`, element, 'v'.repeat(below(60))];
  }
}

async function fill(call: (...words: (string | number)[]) => Promise<unknown>): Promise<void> {
  for (let name = 0; name < 3; name++) {
    for (let from = 0; from < ELEMENTS; from += 500) {
      const elements = Array.from({ length: 500 }, (_, k) => `e:${from + k}`);
      await call('HSET', `hash:${name}`, ...elements.flatMap((element) => [element, `v:${element}:${name}`]));
      await call('SADD', `set:${name}`, ...elements);
      await call('ZADD', `zset:${name}`, ...elements.flatMap((element, k) => [k - 250, element]));
      await call('RPUSH', `list:${name}`, ...elements);
    }
    await call('SET', `text:${name}`, 'long'.repeat(100_000));
    for (let from = 0; from < ELEMENTS; from += 500) {
      const ids = Array.from({ length: 500 }, (_, k) => from + k + 1);
      await Promise.all(ids.map((id) => call('XADD', `stream:${name}`, `${id}-0`, 'field', `value ${id}`)));
    }
    await call('XGROUP', 'CREATE', `stream:${name}`, 'g', '0');
  }
}

describe('a snapshot of large values', () => {
  it('holds the dataset of its beginning, whatever happens to the values and their keys', async () => {
    const seed = Date.now() & 0xffffff;
    const prng = new Prng(seed);
    const server = await start('redwarden-server', ['--rdb-key-save-delay', '2000', '--rdb-version', '10']);
    const call = await connect(server);
    for (let round = 0; round < 3; round++) {
      await call('FLUSHALL');
      await fill(call);
      const [digest] = (await Promise.all([call('DEBUG', 'DIGEST'), call('BGSAVE')])) as string[];
      const changes = round === 2 ? 40 : 1500;
      await Promise.all(Array.from({ length: changes }, () => call(...change(prng)).catch(() => undefined)));
      if (round === 2) await call('FLUSHALL');
      await waitUntil('the end of the save', CALL_MS, async () => {
        const text = String(await call('INFO', 'persistence'));
        return text.includes('rdb_bgsave_in_progress:0') ? text : undefined;
      });
      expect(String(await call('INFO', 'persistence')), `seed ${seed}`).toContain(
        'rdb_last_bgsave_status:ok',
      );
      for (const kind of ['redwarden-server', 'redis-server'] as const) {
        const loader = await start(kind, ['--dir', server.directory, '--dbfilename', 'dump.rdb']);
        const ask = await connect(loader);
        expect(await ask('DEBUG', 'DIGEST'), `seed ${seed}, round ${round}, ${kind}`).toBe(digest);
        await ask('SHUTDOWN', 'NOSAVE').catch(() => undefined);
      }
    }
  }, 90_000);
});
