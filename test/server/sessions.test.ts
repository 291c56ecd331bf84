/**
 * The built server over real connections: what a client does to its own connection and to those of others.
 */
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeCommand, RawConnection } from '../support/raw-connection.ts';
import { ServerProcess } from '../support/server-process.ts';

let server: ServerProcess;

beforeAll(async () => {
  server = await ServerProcess.start('redwarden-server', ['--save', '']);
});
afterAll(() => server.stop());

async function text(connection: RawConnection, ...words: string[]): Promise<string> {
  return (await connection.call(words)).toString('latin1');
}

/** All bytes until the server closes. */
function untilClosed(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let all = '';
    socket.on('data', (chunk) => {
      all += chunk.toString('latin1');
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(all));
  });
}

describe('a connection', () => {
  it('answers a frame that arrives one byte at a time', async () => {
    const connection = await RawConnection.open(server.port);
    const frame = encodeCommand(['SET', 'torn', 'x'.repeat(50)]);
    const answer = connection.send(frame.subarray(0, 1), 1);
    for (let at = 1; at < frame.length; at++) {
      await new Promise((resolve) => setImmediate(resolve));
      connection.write(frame.subarray(at, at + 1));
    }
    expect((await answer)[0]?.toString()).toBe('+OK\r\n');
    connection.close();
  });

  it('answers 20,000 commands sent at once, in their order', async () => {
    const connection = await RawConnection.open(server.port);
    const frames = Array.from({ length: 20_000 }, (_, index) => encodeCommand(['ECHO', `message ${index}`]));
    const replies = await connection.send(Buffer.concat(frames), frames.length);
    replies.forEach((reply, index) => {
      const message = `message ${index}`;
      expect(reply.toString()).toBe(`$${message.length}\r\n${message}\r\n`);
    });
    connection.close();
  });

  it('stores and returns a value of 40 MB, and changes it in its middle', async () => {
    const connection = await RawConnection.open(server.port);
    const value = Buffer.alloc(40_000_000, 'abcdefghijklmnopqrstuvwxyz');
    await connection.call(['SET', 'large', value]);
    expect(await text(connection, 'STRLEN', 'large')).toBe(':40000000\r\n');
    expect(await text(connection, 'SETRANGE', 'large', '20000000', 'MIDDLE')).toBe(':40000000\r\n');
    value.write('MIDDLE', 20_000_000);
    const reply = await connection.call(['GET', 'large']);
    expect(reply.subarray(11, -2).equals(value)).toBe(true);
    expect(await text(connection, 'DEL', 'large')).toBe(':1\r\n');
    connection.close();
  });

  it('takes a million arguments in one command', async () => {
    const connection = await RawConnection.open(server.port);
    const words = ['EXISTS', ...Array.from({ length: 999_999 }, (_, index) => `k${index & 15}`)];
    expect((await connection.call(words)).toString()).toBe(':0\r\n');
    connection.close();
  });

  it('is closed after a protocol error, and the server goes on', async () => {
    for (const frame of ['*1\r\n+PING\r\n', '*99999999\r\n', '*1\r\n$-7\r\n', 'get "open\r\n']) {
      const socket = connect(server.port, '127.0.0.1');
      const answer = untilClosed(socket);
      socket.write(frame);
      expect(await answer).toMatch(/^-ERR Protocol error: /);
    }
    const connection = await RawConnection.open(server.port);
    expect(await text(connection, 'PING')).toBe('+PONG\r\n');
    connection.close();
  });

  it('speaks RESP 3 after HELLO 3 and RESP 2 after RESET', async () => {
    const connection = await RawConnection.open(server.port);
    expect(await text(connection, 'HELLO', '3')).toMatch(/^%7\r\n/);
    expect(await text(connection, 'GET', 'none')).toBe('_\r\n');
    expect(await text(connection, 'RESET')).toBe('+RESET\r\n');
    expect(await text(connection, 'GET', 'none')).toBe('$-1\r\n');
    expect(await text(connection, 'HELLO', '4')).toMatch(/^-NOPROTO/);
    connection.close();
  });

  it('gets no replies after CLIENT REPLY OFF, and the next one is left out by SKIP', async () => {
    const connection = await RawConnection.open(server.port);
    const frames = [
      ['CLIENT', 'REPLY', 'OFF'],
      ['ECHO', 'unheard'],
      ['CLIENT', 'REPLY', 'ON'],
      ['CLIENT', 'REPLY', 'SKIP'],
      ['ECHO', 'skipped'],
      ['ECHO', 'heard'],
    ].map(encodeCommand);
    const replies = await connection.send(Buffer.concat(frames), 2);
    expect(replies.map(String)).toEqual(['+OK\r\n', '$5\r\nheard\r\n']);
    connection.close();
  });

  it('has its EXEC refused after a watched key changed or a command was wrong', async () => {
    const one = await RawConnection.open(server.port);
    const other = await RawConnection.open(server.port);
    await text(one, 'WATCH', 'watched');
    await text(other, 'SET', 'watched', '1');
    await text(one, 'MULTI');
    expect(await text(one, 'INCR', 'watched')).toBe('+QUEUED\r\n');
    expect(await text(one, 'EXEC')).toBe('*-1\r\n');
    await text(one, 'MULTI');
    expect(await text(one, 'INCR')).toMatch(/^-ERR wrong number/);
    expect(await text(one, 'EXEC')).toMatch(/^-EXECABORT/);
    await text(one, 'MULTI');
    await text(one, 'INCR', 'watched');
    await text(one, 'GET', 'watched');
    expect(await text(one, 'EXEC')).toBe('*2\r\n:2\r\n$1\r\n2\r\n');
    one.close();
    other.close();
  });

  it('waits while writes are paused, and reads go on', async () => {
    const admin = await RawConnection.open(server.port);
    const writer = await RawConnection.open(server.port);
    await text(admin, 'CLIENT', 'PAUSE', '60000', 'WRITE');
    let written = false;
    const write = text(writer, 'SET', 'paused', '1').then((reply) => {
      written = true;
      return reply;
    });
    expect(await text(admin, 'GET', 'paused')).toBe('$-1\r\n');
    expect(written).toBe(false);
    await text(admin, 'CLIENT', 'UNPAUSE');
    expect(await write).toBe('+OK\r\n');
    admin.close();
    writer.close();
  });

  it('that never reads is closed at its output limit, and its memory comes back', async () => {
    const admin = await RawConnection.open(server.port);
    await text(admin, 'CONFIG', 'SET', 'client-output-buffer-limit', 'normal 10mb 0 0');
    await admin.call(['SET', 'value', Buffer.alloc(1_000_000)]);
    const greedy = connect(server.port, '127.0.0.1');
    greedy.pause();
    const closed = new Promise<void>((resolve) => greedy.once('close', () => resolve()));
    greedy.on('error', () => greedy.destroy());
    greedy.write(Buffer.concat(Array.from({ length: 100 }, () => encodeCommand(['GET', 'value']))));
    while (!server.output.includes('exceed client-output-buffer-limit')) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const list = await text(admin, 'CLIENT', 'LIST', 'TYPE', 'normal');
    expect(list.split('\n').filter((line) => line.startsWith('id=')).length).toBe(1);
    greedy.resume();
    await closed;
    await text(admin, 'CONFIG', 'SET', 'client-output-buffer-limit', 'normal 0 0 0');
    admin.close();
  });

  it('is one of many: 1,000 idle ones change nothing for another', async () => {
    const idle = await Promise.all(Array.from({ length: 1000 }, () => RawConnection.open(server.port)));
    const connection = await RawConnection.open(server.port);
    expect(await text(connection, 'PING')).toBe('+PONG\r\n');
    for (const each of idle) each.close();
    connection.close();
  });
});

describe('a password', () => {
  it('is asked for, compared whole, and limits what a stranger may send', async () => {
    const guarded = await ServerProcess.start('redwarden-server', ['--requirepass', 'secret']);
    try {
      const connection = await RawConnection.open(guarded.port);
      expect(await text(connection, 'GET', 'a')).toMatch(/^-NOAUTH/);
      expect(await text(connection, 'AUTH', 'secre')).toMatch(/^-WRONGPASS/);
      expect(await text(connection, 'AUTH', 'secretsecret')).toMatch(/^-WRONGPASS/);
      expect(await text(connection, 'AUTH', 'other', 'secret')).toMatch(/^-WRONGPASS/);
      expect(await text(connection, 'AUTH', 'secret')).toBe('+OK\r\n');
      expect(await text(connection, 'GET', 'a')).toBe('$-1\r\n');
      connection.close();
      const stranger = connect(guarded.port, '127.0.0.1');
      const answer = untilClosed(stranger);
      stranger.write('*2\r\n$3\r\nGET\r\n$1000000\r\n');
      expect(await answer).toBe('-ERR Protocol error: unauthenticated bulk length\r\n');
    } finally {
      await guarded.stop();
    }
  });
});
