/** What the log says of input that is no command, of signals and of crashes. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { RawConnection } from '../support/raw-connection.ts';
import { ServerProcess } from '../support/server-process.ts';

const waitMsMax = 10_000;
let server: ServerProcess | undefined;

afterEach(async () => {
  await server?.stop();
  server = undefined;
});

async function start(...argv: readonly string[]): Promise<ServerProcess> {
  server = await ServerProcess.start('redwarden-server', ['--loglevel', 'verbose', ...argv]);
  return server;
}

async function logged(process: ServerProcess, pattern: RegExp): Promise<string> {
  const limit = performance.now() + waitMsMax;
  for (;;) {
    const found = pattern.exec(process.output)?.[0];
    if (found !== undefined) return found;
    if (performance.now() > limit) throw new Error(`no ${pattern} in\n${process.output}`);
    await sleep(20);
  }
}

async function sendMalformed(process: ServerProcess): Promise<void> {
  const connection = await RawConnection.open(process.port);
  connection.send(Buffer.from('*3\r\n$3\r\nSET\r\n$1\r\nx\r\n$blabla\r\n'), 0);
  await logged(process, /Protocol error .*/);
  connection.close();
}

describe('malformed input', () => {
  it('is logged with the client, without what users sent', async () => {
    const process = await start();
    await sendMalformed(process);
    const line = await logged(process, /Protocol error .*/);
    expect(line).toMatch(/^Protocol error \(invalid bulk length\) from client: id=\d+ addr=127/);
    expect(line).toMatch(/user=\*redacted\* .*\. Query buffer: \*redacted\*$/);
    expect(line).not.toContain('blabla');
  });

  it('is logged with a sample when hide-user-data-from-log is no', async () => {
    const process = await start('--hide-user-data-from-log', 'no');
    await sendMalformed(process);
    const line = await logged(process, /Protocol error .*/);
    expect(line).toMatch(/ user=default .*Query buffer: '\*3\.\..*\$blabla\.\.'$/);
  });
});

describe('reports', () => {
  it('SIGALRM shows a stack and the server goes on', async () => {
    const process = await start();
    globalThis.process.kill(process.pid, 'SIGALRM');
    await logged(process, /Received SIGALRM[\s\S]*STACK TRACE DONE/);
    const connection = await RawConnection.open(process.port);
    expect((await connection.call(['PING'])).toString()).toBe('+PONG\r\n');
    connection.close();
  });

  it('signals are noticed during a long DEBUG SLEEP, in which no client is served', async () => {
    const process = await start('--enable-debug-command', 'yes');
    const sleeper = await RawConnection.open(process.port);
    const other = await RawConnection.open(process.port);
    const slept = sleeper.call(['DEBUG', 'SLEEP', '5.5']);
    const started = performance.now();
    await sleep(100);
    let served = false;
    const pong = other.call(['PING']).then((reply) => {
      served = true;
      return reply;
    });
    globalThis.process.kill(process.pid, 'SIGALRM');
    await logged(process, /Received SIGALRM/);
    expect(served).toBe(false);
    expect((await slept).toString()).toBe('+OK\r\n');
    expect(performance.now() - started).toBeGreaterThan(5000);
    expect((await pong).toString()).toBe('+PONG\r\n');
    sleeper.close();
    other.close();
  }, 20_000);

  it('SIGABRT leaves a report and ends the process by that signal', async () => {
    const process = await start();
    globalThis.process.kill(process.pid, 'SIGABRT');
    await logged(process, /crashed by signal: 6[\s\S]*INFO OUTPUT[\s\S]*BUG REPORT END/);
  });

  it('an assertion that fails says so, and crash-log-enabled no leaves it at that', async () => {
    const process = await start('--enable-debug-command', 'yes', '--crash-log-enabled', 'no');
    const connection = await RawConnection.open(process.port);
    connection.send(Buffer.from('*2\r\n$5\r\nDEBUG\r\n$6\r\nASSERT\r\n'), 0);
    await logged(process, /ASSERTION FAILED ===[\s\S]*==> DEBUG ASSERT/);
    expect(process.output).not.toContain('BUG REPORT');
    connection.close();
  });
});
