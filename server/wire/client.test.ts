import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeCommand, RespClient, type RespClientOptions, RespFailure } from './client.ts';
import { RespError, type RespPush } from './reply-parser.ts';

const servers: Server[] = [];
const clients: RespClient[] = [];

afterEach(() => {
  for (const client of clients.splice(0)) client.close();
  for (const server of servers.splice(0)) server.close();
});

/** A peer that answers every chunk as the test says. */
function listen(onData: (text: string, socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => onData(chunk.toString('latin1'), socket));
  });
  servers.push(server);
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
  });
}

async function connect(port: number, options: Partial<RespClientOptions> = {}): Promise<RespClient> {
  const client = await RespClient.connect({ host: '127.0.0.1', port, connectDeadlineMs: 5000, ...options });
  if (client instanceof RespFailure) throw new Error(client.message);
  clients.push(client);
  return client;
}

const soon = { deadlineMs: 10_000 };

describe('RespClient', () => {
  it('answers pipelined calls in order, error replies as values', async () => {
    const port = await listen((_text, socket) => socket.write('+OK\r\n-ERR no\r\n$1\r\nx\r\n'));
    const client = await connect(port);
    const replies = await Promise.all([
      client.call(['SET', 'a', 1], soon),
      client.call(['FOO'], soon),
      client.call(['GET', 'a'], soon),
    ]);
    expect(replies).toEqual(['OK', new RespError('ERR no'), 'x']);
  });

  it('authenticates before it is handed out', async () => {
    const seen: string[] = [];
    const port = await listen((text, socket) => {
      seen.push(text);
      socket.write('+OK\r\n');
    });
    await connect(port, { password: 'pässword' });
    expect(seen).toEqual([Buffer.from('*2\r\n$4\r\nAUTH\r\n$9\r\npässword\r\n').toString('latin1')]);
  });

  it('sends HELLO 3 with the credentials and passes pushes on', async () => {
    const port = await listen((text, socket) => {
      socket.write(text.includes('HELLO') ? '%1\r\n+proto\r\n:3\r\n' : '>1\r\n+news\r\n+PONG\r\n');
    });
    const pushes: RespPush[] = [];
    const client = await connect(port, { protocol: 3, password: 'x', onPush: (push) => pushes.push(push) });
    expect(await client.call(['PING'], soon)).toBe('PONG');
    expect(pushes.map((push) => push.items)).toEqual([['news']]);
  });

  it('reports a refused password with the words of the server', async () => {
    const port = await listen((_text, socket) => socket.write('-WRONGPASS invalid\r\n'));
    const result = await RespClient.connect({
      host: '127.0.0.1',
      port,
      connectDeadlineMs: 5000,
      password: 'x',
    });
    expect(result).toEqual(new RespFailure('auth', 'WRONGPASS invalid'));
  });

  it('reports a refused connection as a value', async () => {
    const port = await listen(() => undefined);
    servers.pop()?.close();
    const result = await RespClient.connect({ host: '127.0.0.1', port, connectDeadlineMs: 5000 });
    expect(result).toMatchObject({ kind: 'connect', message: expect.stringContaining('ECONNREFUSED') });
  });

  it('gives up a peer that accepts and never answers AUTH within the connect deadline', async () => {
    const port = await listen(() => undefined);
    const result = await RespClient.connect({
      host: '127.0.0.1',
      port,
      connectDeadlineMs: 50,
      password: 'x',
    });
    expect(result).toMatchObject({ kind: 'timeout', message: expect.stringContaining('no reply to AUTH') });
  });

  it('closes the connection when a deadline passes, other calls end as closed', async () => {
    const port = await listen(() => undefined);
    const client = await connect(port);
    const replies = await Promise.all([
      client.call(['SLOW'], { deadlineMs: 30 }),
      client.call(['PING'], soon),
    ]);
    expect(replies.map((reply) => (reply as RespFailure).kind)).toEqual(['timeout', 'closed']);
    expect(await client.call(['PING'], soon)).toBe(client.failure);
  });

  it('ends calls under way when the peer goes away', async () => {
    const port = await listen((_text, socket) => socket.destroy());
    const client = await connect(port);
    expect(await client.call(['PING'], soon)).toMatchObject({ kind: 'closed' });
  });

  it('closes on a peer that does not speak RESP', async () => {
    const port = await listen((_text, socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'));
    const client = await connect(port);
    expect(await client.call(['PING'], soon)).toEqual(
      new RespFailure('protocol', "Protocol error: unknown reply type 'H'"),
    );
    expect(client.failure?.kind).toBe('protocol');
  });

  it('closes on a reply that nobody asked for', async () => {
    const port = await listen((_text, socket) => socket.write('+OK\r\n+OK\r\n'));
    const client = await connect(port);
    expect(await client.call(['PING'], soon)).toBe('OK');
    expect(client.failure?.message).toContain('nobody asked for');
  });

  it('refuses calls beyond its limit without sending them', async () => {
    const port = await listen(() => undefined);
    const client = await connect(port, { callsMax: 2 });
    void client.call(['A'], soon);
    void client.call(['B'], soon);
    expect(await client.call(['C'], soon)).toMatchObject({ kind: 'queueFull' });
  });

  it('keeps its order over many calls', async () => {
    let counter = 0;
    const port = await listen((text, socket) => {
      const calls = text.split('*1\r\n').length - 1;
      socket.write(Array.from({ length: calls }, () => `:${counter++}\r\n`).join(''));
    });
    const client = await connect(port, { callsMax: 10_000 });
    const replies = await Promise.all(Array.from({ length: 5000 }, () => client.call(['N'], soon)));
    expect(replies).toEqual(Array.from({ length: 5000 }, (_, index) => index));
  });
});

describe('encodeCommand', () => {
  it('counts bytes, not characters, and passes binary words through', () => {
    const blob = Buffer.from([1, 2, 3]);
    const pieces = encodeCommand(['SET', 'ä', blob, 7n]).map((piece) => Buffer.from(piece as string));
    expect(Buffer.concat(pieces)).toEqual(
      Buffer.concat([
        Buffer.from('*4\r\n$3\r\nSET\r\n$2\r\nä\r\n$3\r\n'),
        blob,
        Buffer.from('\r\n$1\r\n7\r\n'),
      ]),
    );
  });
});
