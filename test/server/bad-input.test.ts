/**
 * Input that no good client sends, and clients that behave badly: each gets Redis' own answer or a closed
 * connection, memory returns, and a client that works beside them all the time notices nothing.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeCommand, RawConnection } from '../support/raw-connection.ts';
import { ServerProcess } from '../support/server-process.ts';
import { waitUntil, withDeadline } from '../support/wait-until.ts';

const QUIET_MS = 150;
const SOON_MS = 20_000;
const LARGE_MS = 60_000;
const MEGABYTE = 1024 * 1024;
const BULK_MAX = 512 * MEGABYTE;
/** What may stay of a large request: buffers that are kept for the next one. */
const KEPT_BYTES_MAX = 16 * MEGABYTE;
/** With fewer descriptors than these need: as many connections as they allow. */
const IDLE_WANTED = 10_000;

let server: ServerProcess;
let peer: ServerProcess;
let watcher: RawConnection;
let watching = true;
let watched: Promise<number>;

/** A client that works through all of this file: one INCR after the other, each of which must be the next. */
async function watch(): Promise<number> {
  let count = 0;
  while (watching) {
    count += 1;
    const reply = (await watcher.call(['INCR', 'watched'])).toString();
    if (reply !== `:${count}\r\n`) throw new Error(`INCR ${count} answered ${reply}`);
    await sleep(2);
  }
  return count;
}

beforeAll(async () => {
  server = await ServerProcess.start('redwarden-server', [
    '--save',
    '',
    '--admin-port',
    '0',
    '--maxclients',
    '20000',
  ]);
  peer = await ServerProcess.start('redis-server', ['--save', '']);
  watcher = await RawConnection.open(server.port);
  watched = watch();
  // A failure is seen at the end.
  watched.catch(() => {});
});

afterAll(async () => {
  watching = false;
  const count = await watched;
  watcher.close();
  await Promise.all([server.stop(), peer.stop()]);
  expect(count).toBeGreaterThan(0);
});

interface Exchange {
  readonly answer: string;
  readonly closed: boolean;
}

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      socket.on('error', () => {});
      resolve(socket);
    });
  });
}

/** Sends parts, and takes what comes until the connection is closed or quiet. */
async function exchange(port: number, ...parts: (string | Buffer)[]): Promise<Exchange> {
  const socket = await open(port);
  const chunks: Buffer[] = [];
  let closed = false;
  let lastMs = performance.now();
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    lastMs = performance.now();
  });
  socket.on('close', () => {
    closed = true;
  });
  for (const part of parts) {
    socket.write(part);
    await new Promise((resolve) => setImmediate(resolve));
  }
  // The server has read all of it when it answers somebody who came later.
  const later = await RawConnection.open(port);
  await later.call(['ECHO', 'x']);
  await later.call(['ECHO', 'x']);
  later.close();
  lastMs = performance.now();
  while (!closed && performance.now() - lastMs < QUIET_MS) await sleep(5);
  socket.destroy();
  return { answer: Buffer.concat(chunks).toString('latin1'), closed };
}

interface Memory {
  readonly used: number;
  readonly resident: number;
  /** Held for clients. */
  readonly buffered: number;
  readonly clients: number;
}

async function memory(connection: RawConnection): Promise<Memory> {
  const info = (await connection.call(['INFO'])).toString();
  const field = (name: string): number => Number(new RegExp(`\n${name}:(\\d+)`).exec(info)?.[1]);
  return {
    used: field('used_memory'),
    resident: field('used_memory_rss'),
    buffered: field('mem_clients_normal'),
    clients: field('connected_clients'),
  };
}

/** Connections that were closed because too many replies waited for them. */
async function limitClosed(connection: RawConnection): Promise<number> {
  const info = String(await connection.call(['INFO', 'stats']));
  return Number(/client_output_buffer_limit_disconnections:(\d+)/.exec(info)?.[1]);
}

function megabytes(bytes: number): string {
  return `${(bytes / MEGABYTE).toFixed(1)} MB`;
}

// biome-ignore format: a table
const malformed: readonly (readonly [what: string, bytes: string])[] = [
  ['a count that is no number',             '*abc\r\n'],
  ['an empty count',                        '*\r\n'],
  ['a count beyond 32 bits',                '*3000000000\r\n'],
  ['a count beyond 64 bits',                '*99999999999999999999\r\n'],
  ['a count with blanks',                   '* 1\r\n$4\r\nPING\r\n'],
  ['a count with a plus',                   '*+1\r\n$4\r\nPING\r\n'],
  ['a negative count',                      '*-1\r\nPING\r\n'],
  ['a very negative count',                 '*-1000000\r\nPING\r\n'],
  ['a count of zero',                       '*0\r\nPING\r\n'],
  ['a count that does not end',             `*${'1'.repeat(70_000)}`],
  ['a negative length',                     '*1\r\n$-1\r\n'],
  ['a length that is no number',            '*1\r\n$abc\r\n'],
  ['an empty length',                       '*1\r\n$\r\n'],
  ['a length beyond the limit',             `*1\r\n$${BULK_MAX + 1}\r\n`],
  ['a length beyond 32 bits',               '*1\r\n$4294967296\r\n'],
  ['a length beyond 64 bits',               '*1\r\n$99999999999999999999\r\n'],
  ['a length that does not end',            `*1\r\n$${'1'.repeat(70_000)}`],
  ['a wrong length behind a right one',     '*2\r\n$4\r\nPING\r\n$x\r\n'],
  ['an integer where a bulk is expected',   '*1\r\n:5\r\n'],
  ['an array within an array',              '*1\r\n*1\r\n$4\r\nPING\r\n'],
  ['a simple string',                       '*1\r\n+PING\r\n'],
  ['a length that is too short',            '*1\r\n$3\r\nPING\r\n'],
  ['a length that is too long',             '*1\r\n$5\r\nPING\r\nPING\r\n'],
  ['something else than CRLF at the end',   '*1\r\n$4\r\nPINGxxPING\r\n'],
  ['a double quote that does not close',    'SET "key\r\n'],
  ['a single quote that does not close',    "SET 'key\r\n"],
  ['text behind a closing quote',           'SET "key"x 1\r\n'],
  ['a quote that ends in a backslash',      'SET "key\\\r\n'],
  ['a line that does not end',              'x'.repeat(70_000)],
  ['a zero byte before the line end',       'PI\0NG\r\nPING\r\n'],
  ['a zero byte in a line that is endless', `PI\0NG\r\n${'x'.repeat(70_000)}`],
  ['a zero byte behind a whole line',       'PING\r\n\0PING\r\n'],
  ['empty lines',                           '\r\n\r\n\r\nPING\r\n'],
  ['an unknown command',                    '*2\r\n$7\r\nN\u00f6SUCH\r\n$3\r\na\r\n\r\n'],
  ['a command with too few words',          'GET\r\n'],
  ['a command with too many words',         'GET a b c\r\n'],
];

describe('frames', () => {
  it.each(malformed)("%s gets redis-server's answer", async (_, bytes) => {
    const [ours, theirs] = await Promise.all([
      exchange(server.port, Buffer.from(bytes, 'latin1')),
      exchange(peer.port, Buffer.from(bytes, 'latin1')),
    ]);
    expect(ours).toEqual(theirs);
  });

  const stream = Buffer.concat([
    encodeCommand(['SET', 'torn', 'a value\r\nwith a line end']),
    Buffer.from('GET torn\r\n'),
    encodeCommand(['MULTI']),
    encodeCommand(['APPEND', 'torn', '']),
    encodeCommand(['EXEC']),
    Buffer.from('ECHO "in \\x71uotes"\r\n'),
    encodeCommand(['EVAL', 'return ARGV[1]', '0', 'x']),
    encodeCommand(['STRLEN', 'torn']),
  ]);

  it(`torn at each of ${stream.length} bytes: the same replies`, { timeout: 60_000 }, async () => {
    const connection = await RawConnection.open(server.port);
    const REPLIES = 8;
    const whole = await connection.send(stream, REPLIES);
    for (let cut = 1; cut < stream.length; cut += 1) {
      const replies = connection.send(stream.subarray(0, cut), REPLIES);
      await new Promise((resolve) => setTimeout(resolve, cut % 8 === 0 ? 2 : 0));
      connection.write(stream.subarray(cut));
      expect([cut, (await replies).map(String)]).toEqual([cut, whole.map(String)]);
    }
    connection.close();
  });

  it('cut off at each byte: the connection goes and nothing else', async () => {
    for (let cut = 1; cut < stream.length; cut += 1) {
      const socket = await open(server.port);
      socket.write(stream.subarray(0, cut));
      if (cut % 2 === 0) socket.end();
      else socket.destroy();
      socket.resume();
    }
    await waitUntil(
      'they are all gone',
      SOON_MS,
      async () => (await memory(watcher)).clients === 1 || undefined,
    );
  });
});

describe('large requests', () => {
  /** SET with a value of so many bytes, in pieces; its reply. */
  async function setLarge(key: string, bytes: number): Promise<string> {
    const socket = await open(server.port);
    const answer = new Promise<string>((resolve, reject) => {
      socket.once('data', (data) => resolve(data.toString()));
      socket.once('close', () => reject(new Error('closed')));
    });
    socket.write(`*3\r\n$3\r\nSET\r\n$${key.length}\r\n${key}\r\n$${bytes}\r\n`);
    const piece = Buffer.alloc(MEGABYTE, 'x');
    for (let sent = 0; sent < bytes; sent += piece.length) {
      const taken = socket.write(piece.subarray(0, Math.min(piece.length, bytes - sent)));
      if (!taken) await once(socket, 'drain');
    }
    socket.write('\r\n');
    const reply = await withDeadline('SET is answered', LARGE_MS, answer);
    socket.destroy();
    return reply;
  }

  it('a value of 512 MB is taken, and its memory comes back', { timeout: 120_000 }, async () => {
    const connection = await RawConnection.open(server.port);
    const before = await memory(connection);
    expect(await setLarge('huge', BULK_MAX)).toBe('+OK\r\n');
    expect(String(await connection.call(['STRLEN', 'huge']))).toBe(`:${BULK_MAX}\r\n`);
    expect(String(await connection.call(['GETRANGE', 'huge', '-3', '-1']))).toBe('$3\r\nxxx\r\n');
    const during = await memory(connection);
    expect(during.used - before.used).toBeGreaterThanOrEqual(BULK_MAX);
    await connection.call(['DEL', 'huge']);
    const after = await waitUntil('the memory is back', SOON_MS, async () => {
      const now = await memory(connection);
      return now.resident < before.resident + 4 * KEPT_BYTES_MAX && now.used < before.used + KEPT_BYTES_MAX
        ? now
        : undefined;
    });
    connection.close();
    const line = (what: string, { used, resident }: { used: number; resident: number }): string =>
      `${what}: used ${megabytes(used)}, resident ${megabytes(resident)}`;
    console.log([line('before', before), line('with 512 MB', during), line('after', after)].join('; '));
  });

  it('proto-max-bulk-len refuses what is longer, at once', async () => {
    const bytes = encodeCommand(['CONFIG', 'SET', 'proto-max-bulk-len', '1mb']);
    for (const { port } of [server, peer]) {
      const connection = await RawConnection.open(port);
      await connection.send(bytes, 1);
      connection.close();
    }
    const request = `*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$${MEGABYTE + 1}\r\n`;
    const [ours, theirs] = await Promise.all([exchange(server.port, request), exchange(peer.port, request)]);
    expect(ours).toEqual(theirs);
    expect(ours).toEqual({ answer: '-ERR Protocol error: invalid bulk length\r\n', closed: true });
    const connection = await RawConnection.open(server.port);
    expect(String(await connection.call(['SET', 'key', 'x'.repeat(MEGABYTE)]))).toBe('+OK\r\n');
    await connection.call(['CONFIG', 'SET', 'proto-max-bulk-len', '512mb']);
    await connection.call(['DEL', 'key']);
    connection.close();
  });

  it('a million words are taken by both, and their memory comes back', { timeout: 60_000 }, async () => {
    const words = 1024 * 1024;
    const request = Buffer.concat([
      Buffer.from(`*${words}\r\n$3\r\nDEL\r\n`),
      Buffer.from('$1\r\nk\r\n'.repeat(words - 1)),
    ]);
    const before = await memory(watcher);
    for (const { port } of [server, peer]) {
      const connection = await RawConnection.open(port);
      expect(String((await connection.send(request, 1))[0])).toBe(':0\r\n');
      connection.close();
    }
    await waitUntil('the memory is back', SOON_MS, async () => {
      return (await memory(watcher)).used < before.used + KEPT_BYTES_MAX || undefined;
    });
  });
});

describe('clients that behave badly', () => {
  it('who never reads is closed at the output limit, and the memory comes back', {
    timeout: 60_000,
  }, async () => {
    const LIMIT = 32 * MEGABYTE;
    const DEAF = 5;
    const connection = await RawConnection.open(server.port);
    await connection.call(['CONFIG', 'SET', 'client-output-buffer-limit', `normal ${LIMIT} 0 0`]);
    await connection.call(['SET', 'large', 'x'.repeat(MEGABYTE)]);
    const before = await memory(connection);
    const closedBefore = await limitClosed(connection);
    const deaf = await Promise.all(Array.from({ length: DEAF }, () => open(server.port)));
    for (const socket of deaf) {
      socket.pause();
      socket.write('GET large\r\n'.repeat(30));
    }
    const during = await waitUntil('replies pile up', SOON_MS, async () => {
      const now = await memory(connection);
      return now.buffered > before.buffered + DEAF * 15 * MEGABYTE ? now : undefined;
    });
    for (const socket of deaf) socket.write('GET large\r\n'.repeat(30));
    const after = await waitUntil('the memory is back', SOON_MS, async () => {
      const now = await memory(connection);
      return now.clients === before.clients && now.buffered < before.buffered + MEGABYTE ? now : undefined;
    });
    for (const socket of deaf) socket.destroy();
    expect((await limitClosed(connection)) - closedBefore).toBe(DEAF);
    await connection.call(['CONFIG', 'SET', 'client-output-buffer-limit', 'normal 0 0 0']);
    await connection.call(['DEL', 'large']);
    connection.close();
    const figures = [before, during, after].map(({ buffered }) => megabytes(buffered));
    console.log(`${DEAF} clients that do not read: before, during, after ${figures.join(', ')}`);
  });

  it('10,000 idle connections change nothing for another, and cost nothing once they are gone', {
    timeout: 120_000,
  }, async () => {
    const limit = Number(
      /Max open files\s+\d+\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 1024,
    );
    const count = Math.min(IDLE_WANTED, limit - 500);
    const before = await memory(watcher);
    const sockets: Socket[] = [];
    while (sockets.length < count) {
      const more = Math.min(200, count - sockets.length);
      sockets.push(...(await Promise.all(Array.from({ length: more }, () => open(server.port)))));
    }
    const during = await waitUntil('all are accepted', SOON_MS, async () => {
      const now = await memory(watcher);
      return now.clients >= count + 1 ? now : undefined;
    });
    const busy = await RawConnection.open(server.port);
    const replies = await busy.send(Buffer.from('PING\r\n'.repeat(5000)), 5000);
    expect(replies.every((reply) => reply.toString() === '+PONG\r\n')).toBe(true);
    // They were not forgotten either.
    const first = sockets[0]!;
    const answer = new Promise((resolve) => first.once('data', (data) => resolve(data.toString())));
    first.write('PING\r\n');
    expect(await answer).toBe('+PONG\r\n');
    for (const socket of sockets) socket.destroy();
    const after = await waitUntil('all are gone', SOON_MS, async () => {
      const now = await memory(watcher);
      return now.clients <= before.clients + 1 && now.used < before.used + MEGABYTE ? now : undefined;
    });
    busy.close();
    const more = megabytes(after.used - before.used);
    console.log(
      `${during.clients} connections (${IDLE_WANTED} wanted, ${limit} descriptors); then ${more} more used`,
    );
  });

  it('beyond maxclients a connection is told so and closed', async () => {
    const connection = await RawConnection.open(server.port);
    await connection.call(['CONFIG', 'SET', 'maxclients', '2']);
    const socket = await open(server.port);
    const closed = once(socket, 'close');
    const [data] = (await once(socket, 'data')) as [Buffer];
    expect(data.toString()).toBe('-ERR max number of clients reached\r\n');
    await closed;
    await connection.call(['CONFIG', 'SET', 'maxclients', '20000']);
    connection.close();
  });

  it('one with a pipeline of 1000 leaves the others their share', { timeout: 60_000 }, async () => {
    const BATCHES = 100;
    const DEPTH = 1000;
    const OTHERS = 8;
    const batch = Buffer.concat(
      Array.from({ length: DEPTH }, (_, at) => encodeCommand(['SET', `greedy:${at}`, 'x'.repeat(100)])),
    );
    const greedy = await RawConnection.open(server.port);
    const others = await Promise.all(Array.from({ length: OTHERS }, () => RawConnection.open(server.port)));
    const answered = others.map(() => 0);
    let ended = false;
    const polite = others.map(async (connection, other) => {
      while (!ended) {
        expect(String(await connection.call(['INCR', `other:${other}`]))).toBe(
          `:${answered[other]! + 1}\r\n`,
        );
        answered[other]! += 1;
      }
    });
    let replies = 0;
    for (let round = 0; round < BATCHES; round += 1) {
      for (const reply of await greedy.send(batch, DEPTH)) if (reply.toString() === '+OK\r\n') replies += 1;
    }
    ended = true;
    await Promise.all(polite);
    greedy.close();
    for (const connection of others) connection.close();
    console.log(
      `${replies} replies of ${BATCHES * DEPTH} for the greedy one, for the others ${answered.join(' ')}`,
    );
    expect(replies).toBe(BATCHES * DEPTH);
    // A turn gives each of them one share: they were served in between, not behind.
    for (const count of answered) expect(count).toBeGreaterThanOrEqual(BATCHES / 2);
  });
});
