/**
 * Damaged DUMP payloads of every type: each is refused or gives a value that every command can live with.
 * `SEED` says where the damage starts, `PAYLOADS` how many there are.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sealPayload } from '../../server/persistence/dump-payload.ts';
import { Prng } from '../../server/structures/prng.ts';
import { everyType } from '../support/every-type.ts';
import { RawConnection, type Word } from '../support/raw-connection.ts';
import { ServerProcess } from '../support/server-process.ts';

const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
const PAYLOADS = Number(process.env['PAYLOADS'] ?? 3000);
const FOOTER_BYTES = 10;
/** Larger payloads hide their damage among equal bytes. */
const PAYLOAD_BYTES_MAX = 30_000;

let server: ServerProcess;
let connection: RawConnection;

beforeAll(async () => {
  server = await ServerProcess.start('redwarden-server', ['--save', '', '--enable-debug-command', 'yes']);
  connection = await RawConnection.open(server.port);
}, 60_000);

afterAll(async () => {
  connection?.close();
  await server?.stop();
});

const K = 'damaged';

/** What is done with a value by its type: reads first, then changes. */
const uses: Readonly<Record<string, readonly (readonly Word[])[]>> = {
  string: [
    ['GET', K],
    ['BITCOUNT', K],
    ['PFCOUNT', K],
    ['APPEND', K, 'x'],
    ['SETRANGE', K, '5', 'y'],
    ['INCR', K],
  ],
  list: [
    ['LRANGE', K, '0', '-1'],
    ['LPOS', K, 'a', 'COUNT', '0'],
    ['LINSERT', K, 'BEFORE', 'a', 'b'],
    ['LSET', K, '0', 'new'],
    ['LPUSH', K, '1', 'x'.repeat(300)],
    ['RPOP', K, '2'],
    ['LREM', K, '0', '1'],
    ['LTRIM', K, '1', '-2'],
  ],
  set: [
    ['SMEMBERS', K],
    ['SSCAN', K, '0', 'COUNT', '10000'],
    ['SRANDMEMBER', K, '-5'],
    ['SADD', K, '7', 'a', 'long'.repeat(40)],
    ['SISMEMBER', K, 'a'],
    ['SREM', K, '1'],
    ['SPOP', K, '2'],
    ['SINTER', K, K],
  ],
  zset: [
    ['ZRANGE', K, '0', '-1', 'WITHSCORES'],
    ['ZRANGEBYSCORE', K, '-inf', '+inf'],
    ['ZRANK', K, 'm5'],
    ['ZADD', K, '1', 'a', '2', 'long'.repeat(40)],
    ['ZINCRBY', K, '1', 'a'],
    ['ZREM', K, 'b'],
    ['ZPOPMIN', K],
    ['ZREMRANGEBYRANK', K, '0', '1'],
  ],
  hash: [
    ['HGETALL', K],
    ['HSCAN', K, '0', 'COUNT', '10000'],
    ['HRANDFIELD', K, '-3', 'WITHVALUES'],
    ['HSET', K, 'f', 'w', 'g', 'long'.repeat(40)],
    ['HINCRBY', K, 'n', '1'],
    ['HDEL', K, 'f'],
  ],
  stream: [
    ['XRANGE', K, '-', '+'],
    ['XREVRANGE', K, '+', '-', 'COUNT', '20'],
    ['XINFO', 'STREAM', K, 'FULL'],
    ['XPENDING', K, 'group', '-', '+', '10'],
    ['XREADGROUP', 'GROUP', 'group', 'carol', 'COUNT', '5', 'STREAMS', K, '>'],
    ['XAUTOCLAIM', K, 'group', 'carol', '0', '0'],
    ['XADD', K, '*', 'f', 'v'],
    ['XDEL', K, '1005-1'],
    ['XTRIM', K, 'MAXLEN', '3'],
    ['XGROUP', 'DELCONSUMER', K, 'group', 'alice'],
  ],
};

const everyUse: readonly (readonly Word[])[] = [
  ['OBJECT', 'ENCODING', K],
  ['DEBUG', 'DIGEST-VALUE', K],
  ['MEMORY', 'USAGE', K, 'SAMPLES', '0'],
  ['DUMP', K],
  ['COPY', K, 'copied', 'REPLACE'],
];

async function payloads(): Promise<Buffer[]> {
  const keys = new Set<string>();
  for (const command of everyType(new Prng(1))) {
    await connection.call(command);
    if (!String(command[0]).startsWith('XGROUP') && command[0] !== 'XREADGROUP') keys.add(String(command[1]));
  }
  const found: Buffer[] = [];
  for (const compression of ['no', 'yes']) {
    await connection.call(['CONFIG', 'SET', 'rdbcompression', compression]);
    for (const key of keys) {
      const reply = await connection.call(['DUMP', key]);
      const payload = reply.subarray(reply.indexOf('\n') + 1, reply.length - 2 - FOOTER_BYTES);
      if (payload.length <= PAYLOAD_BYTES_MAX) found.push(Buffer.from(payload));
    }
  }
  return found;
}

/** Changes some bytes: most often near the head, where the lengths are. */
function damaged(payload: Buffer, random: Prng): Buffer {
  const broken = Buffer.from(payload);
  for (let change = random.below(4); change >= 0; change--) {
    const reach = random.below(3) === 0 ? broken.length : Math.min(broken.length, 60);
    const at = random.below(12) === 0 ? 0 : random.below(reach);
    const kind = random.below(4);
    if (kind === 0) broken[at] = random.below(256);
    else if (kind === 1) broken[at] = [0, 1, 127, 128, 253, 254, 255][random.below(7)] ?? 0;
    else if (kind === 2) broken[at] = (broken[at] ?? 0) ^ (1 << random.below(8));
    else broken.copyWithin(at, random.below(broken.length));
  }
  return random.below(10) === 0 ? broken.subarray(0, random.below(broken.length)) : broken;
}

it(`takes ${PAYLOADS} damaged payloads of every type, seed ${SEED}`, async () => {
  const random = new Prng(SEED);
  const whole = await payloads();
  let accepted = 0;
  for (let round = 0; round < PAYLOADS; round++) {
    const broken = damaged(whole[random.below(whole.length)] ?? Buffer.alloc(1), random);
    const sealed = Buffer.from(sealPayload(broken, 11));
    const told = `seed ${SEED}, round ${round}: ${sealed.toString('hex').slice(0, 400)}`;
    const send = async (command: readonly Word[]): Promise<string> => {
      try {
        return (await connection.call(command)).toString('latin1', 0, 100);
      } catch (error) {
        throw new Error(`${told}\nafter ${command.slice(0, 3).join(' ')}\n${server.output.slice(-3000)}`, {
          cause: error,
        });
      }
    };
    const reply = await send(['RESTORE', K, '0', sealed, 'REPLACE']);
    if (reply !== '+OK\r\n') {
      expect(reply, told).toMatch(/^-ERR (Bad data format|DUMP payload version or checksum are wrong)/);
      continue;
    }
    accepted++;
    const type = (await send(['TYPE', K])).slice(1, -2);
    for (const command of [...everyUse, ...(uses[type] ?? []), ...everyUse]) await send(command);
    await send(['DEL', 'copied']);
  }
  expect(accepted).toBeGreaterThan(0);
}, 120_000);
