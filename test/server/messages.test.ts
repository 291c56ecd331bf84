/** Publish and subscribe, blocking and their limits over real connections. */
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeCommand, RawConnection } from '../support/raw-connection.ts';
import { ServerProcess } from '../support/server-process.ts';
import { waitUntil } from '../support/wait-until.ts';

let server: ServerProcess;
let control: RawConnection;

beforeAll(async () => {
  server = await ServerProcess.start('redwarden-server', ['--save', '']);
  control = await RawConnection.open(server.port);
});
afterAll(async () => {
  control.close();
  await server.stop();
});

function until(what: string, check: () => boolean | Promise<boolean>): Promise<true> {
  return waitUntil(what, 10_000, async () => ((await check()) ? true : undefined), 2);
}

async function field(section: string, name: string): Promise<number> {
  const info = (await control.call(['INFO', section])).toString('latin1');
  return Number(new RegExp(`${name}:(\\d+)`).exec(info)?.[1]);
}

/** Subscribes with a plain socket; everything that comes is added up. */
async function listener(...words: string[]): Promise<{ socket: Socket; text(): string; bytes(): number }> {
  const socket = connect({ port: server.port, host: '127.0.0.1', noDelay: true });
  let all = '';
  socket.on('data', (chunk) => {
    all += chunk.toString('latin1');
  });
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.once('connect', resolve));
  socket.write(encodeCommand(words));
  await until('the first reply', () => all.length > 0);
  all = '';
  return { socket, text: () => all, bytes: () => all.length };
}

describe('messages', () => {
  it('reach 100 subscribers of both protocols in the order they were published', async () => {
    const listeners = [];
    for (let index = 0; index < 100; index++) {
      const each = await listener('HELLO', index % 2 === 0 ? '2' : '3');
      each.socket.write(encodeCommand(['SUBSCRIBE', 'news']));
      listeners.push(each);
    }
    await until('100 subscribers', async () =>
      (await control.call(['PUBSUB', 'NUMSUB', 'news'])).toString().includes(':100'),
    );
    const frames = Array.from({ length: 500 }, (_, index) => encodeCommand(['PUBLISH', 'news', `m${index}`]));
    const replies = await control.send(Buffer.concat(frames), frames.length);
    expect(new Set(replies.map(String))).toEqual(new Set([':100\r\n']));
    const expected = Array.from({ length: 500 }, (_, index) => `m${index}`);
    for (const { text, socket } of listeners) {
      await until('the last message', () => text().includes('m499\r\n'));
      expect([...text().matchAll(/\r\n(m\d+)\r\n/g)].map((match) => match[1])).toEqual(expected);
      socket.destroy();
    }
    await until('no channel', async () => (await field('stats', 'pubsub_channels')) === 0);
  });

  it('to a client that never reads close it at the limit, and it alone', async () => {
    await control.call(['CONFIG', 'SET', 'client-output-buffer-limit', 'pubsub 4mb 0 0']);
    const deaf = await listener('SUBSCRIBE', 'flood');
    const well = await listener('SUBSCRIBE', 'flood');
    deaf.socket.pause();
    const message = 'x'.repeat(64 * 1024);
    let receivers = 2;
    for (let sent = 0; sent < 2000 && receivers === 2; sent++) {
      const before = well.bytes();
      receivers = Number((await control.call(['PUBLISH', 'flood', message])).toString().slice(1));
      await until('the other subscriber', () => well.bytes() > before);
    }
    expect(receivers).toBe(1);
    expect(await field('clients', 'pubsub_clients')).toBe(1);
    expect(await field('stats', 'client_output_buffer_limit_disconnections')).toBe(1);
    deaf.socket.destroy();
    well.socket.destroy();
  });
});

describe('a blocked client', () => {
  it('has its further commands run when it is answered, in their order', async () => {
    const waiter = await RawConnection.open(server.port);
    const frames = [
      ['BLPOP', 'queue', '0'],
      ['ECHO', 'second'],
      ['BLPOP', 'queue', '0'],
      ['ECHO', 'fourth'],
    ];
    const replies = waiter.send(Buffer.concat(frames.map(encodeCommand)), frames.length);
    await until('it waits', async () => (await field('clients', 'blocked_clients')) === 1);
    await control.call(['RPUSH', 'queue', 'a']);
    await until('it waits again', async () => (await field('clients', 'blocked_clients')) === 1);
    await control.call(['RPUSH', 'queue', 'b']);
    expect((await replies).map((reply) => /(a|b|second|fourth)\r\n$/.exec(reply.toString())?.[1])).toEqual([
      'a',
      'second',
      'b',
      'fourth',
    ]);
    waiter.close();
  });

  it('that goes with commands unread is noticed, and takes nothing', async () => {
    const socket = connect({ port: server.port, host: '127.0.0.1' });
    await new Promise((resolve) => socket.once('connect', resolve));
    socket.write(encodeCommand(['BLPOP', 'queue', '0']));
    await until('it waits', async () => (await field('clients', 'blocked_clients')) === 1);
    socket.write(Buffer.concat(Array.from({ length: 1000 }, () => encodeCommand(['PING']))));
    socket.end();
    await until('it has gone', async () => (await field('clients', 'blocked_clients')) === 0);
    expect(await field('clients', 'total_blocking_keys')).toBe(0);
    expect((await control.call(['RPUSH', 'queue', 'x'])).toString()).toBe(':1\r\n');
    await control.call(['DEL', 'queue']);
  });

  it('is served before the next command of who served it, also within one write', async () => {
    const waiter = await RawConnection.open(server.port);
    const served = waiter.call(['BLPOP', 'queue', '0']);
    await until('it waits', async () => (await field('clients', 'blocked_clients')) === 1);
    const frames = [
      ['RPUSH', 'queue', 'a'],
      ['LLEN', 'queue'],
    ];
    const replies = await control.send(Buffer.concat(frames.map(encodeCommand)), 2);
    expect(replies.map(String)).toEqual([':1\r\n', ':0\r\n']);
    expect((await served).toString()).toContain('a\r\n');
    waiter.close();
  });
});
