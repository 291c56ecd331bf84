/** From the start of the process to the first PONG, and what an empty server takes. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { repositoryRoot } from '../kind/environment.ts';
import { freePort, type ServerKind } from '../support/server-process.ts';
import { Contestant } from './contestant.ts';
import { print, spreadOf, spreadText } from './figures.ts';

const STARTS = 10;
const START_MS_MAX = 10_000;
const GATE_MS = 300;
const IDLE_SECONDS = 10;
const IDLE_CONNECTIONS = 1000;

export async function startup(peers: readonly ServerKind[]): Promise<void> {
  const samples: number[] = [];
  for (let start = 0; start < STARTS; start++) samples.push(await startOnce());
  const spread = spreadOf(samples);
  const verdict = spread.median < GATE_MS ? 'met' : 'missed';
  print(`start until PONG, ms: ${spreadText(spread, 0)}; gate < ${GATE_MS}: ${verdict}`);
  for (const kind of ['redwarden-server', ...peers] as const) await idle(await Contestant.start(kind));
}

async function idle(contestant: Contestant): Promise<void> {
  try {
    await sleep(1000);
    const before = contestant.processorMicros();
    await sleep(IDLE_SECONDS * 1000);
    const milli = (contestant.processorMicros() - before) / 1000 / IDLE_SECONDS;
    const { residentBytes } = contestant.memory();
    const sockets = await Promise.all(Array.from({ length: IDLE_CONNECTIONS }, () => open(contestant.port)));
    await sleep(500);
    const perConnection = (contestant.memory().residentBytes - residentBytes) / IDLE_CONNECTIONS;
    for (const socket of sockets) socket.destroy();
    print(
      `${contestant.name} idle: ${(residentBytes / 1e6).toFixed(1)} MB resident, ` +
        `${milli.toFixed(1)} ms of processor a second, ${(perConnection / 1024).toFixed(1)} KiB a connection`,
    );
  } finally {
    await contestant.stop();
  }
}

function open(port: number): Promise<ReturnType<typeof connect>> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('error', reject);
    socket.once('connect', () => resolve(socket));
  });
}

/** Milliseconds from spawn to PONG; asks again every other millisecond. */
async function startOnce(): Promise<number> {
  const port = await freePort();
  const directory = mkdtempSync(path.join(tmpdir(), 'redwarden-start-'));
  const argv = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', directory];
  const startMs = performance.now();
  const child = spawn(path.join(repositoryRoot, 'server/bin/redwarden-server'), argv, { stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  try {
    while (performance.now() - startMs < START_MS_MAX) {
      if (await answersPing(port)) return performance.now() - startMs;
      await sleep(2);
    }
    throw new Error(`the server does not answer within ${START_MS_MAX} ms`);
  } finally {
    child.kill('SIGKILL');
    await ended;
    rmSync(directory, { recursive: true, force: true });
  }
}

function answersPing(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    // Refused means "not yet": the caller asks again until its deadline.
    socket.once('error', () => resolve(false));
    socket.once('connect', () => socket.write('PING\r\n'));
    socket.once('data', (chunk) => {
      socket.destroy();
      resolve(chunk.toString() === '+PONG\r\n');
    });
  });
}
