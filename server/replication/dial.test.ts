import { createServer, type Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { dial } from './dial.ts';

const servers: Server[] = [];

async function listen(): Promise<number> {
  const server = createServer((socket) => socket.on('error', () => {}).pipe(socket));
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as { port: number }).port;
}

/** What happens to a connection until it closes or echoes. */
function story(host: string, port: number, deadlineMs: number): Promise<string[]> {
  const events: string[] = [];
  return new Promise((resolve) => {
    const connection = dial(host, port, deadlineMs, {
      opened: () => {
        events.push('opened');
        connection.write(Buffer.from('hello'));
      },
      received: (bytes) => {
        events.push(Buffer.from(bytes).toString());
        connection.destroy();
        resolve(events);
      },
      closed: (reason) => {
        events.push(reason);
        resolve(events);
      },
    });
  });
}

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

describe('dial', () => {
  it('reaches a host by address and by name, whichever of its addresses listens', async () => {
    const port = await listen();
    expect(await story('127.0.0.1', port, 5000)).toEqual(['opened', 'hello']);
    expect(await story('localhost', port, 5000)).toEqual(['opened', 'hello']);
  });

  it('tells once why there is no connection', async () => {
    const port = await listen();
    for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
    expect(await story('127.0.0.1', port, 5000)).toEqual([expect.stringContaining('ECONNREFUSED')]);
  });

  it('gives up at the deadline when the name has no answer', async () => {
    const [reason] = await story('no-such-host.invalid', 1, 1500);
    expect(reason).toMatch(/cannot resolve no-such-host\.invalid|no connection within 1500 ms/);
  });
});
