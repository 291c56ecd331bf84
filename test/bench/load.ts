/** Load from this process: batches of commands over one connection, and redis-benchmark as a child. */
import { connect, type Socket } from 'node:net';
import { encodeCommand } from '../support/raw-connection.ts';
import { runCommand } from '../support/run-command.ts';

const LF = 10;
const BATCH_MS_MAX = 60_000;
const BENCHMARK_MS_MAX = 170_000;

/** One connection that sends batches whose replies are single lines, and counts the lines. */
export class LineConnection {
  readonly #socket: Socket;
  #lines = 0;
  #done: (() => void) | null = null;
  #failed: ((error: Error) => void) | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#count(chunk));
    socket.on('error', (error) => this.#failed?.(error));
    socket.on('close', () => this.#failed?.(new Error('connection closed')));
  }

  static open(port: number): Promise<LineConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.removeListener('error', reject);
        resolve(new LineConnection(socket));
      });
    });
  }

  /**
   * Sends bytes that make `lines` lines of replies; resolves with the milliseconds until the last one came.
   */
  batch(bytes: Uint8Array, lines: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const startMs = performance.now();
      const timer = setTimeout(() => reject(new Error(`no replies within ${BATCH_MS_MAX} ms`)), BATCH_MS_MAX);
      this.#lines = lines;
      this.#failed = (error) => {
        clearTimeout(timer);
        reject(error);
      };
      this.#done = () => {
        clearTimeout(timer);
        resolve(performance.now() - startMs);
      };
      this.#socket.write(bytes);
    });
  }

  close(): void {
    this.#failed = null;
    this.#socket.destroy();
  }

  #count(chunk: Buffer): void {
    for (let at = chunk.indexOf(LF); at >= 0; at = chunk.indexOf(LF, at + 1)) this.#lines--;
    if (this.#lines > 0 || this.#done === null) return;
    const done = this.#done;
    this.#done = null;
    done();
  }
}

/** Commands 0 to count-1, each with a reply of `lines` lines, in batches of 1000 over one connection. */
export async function fill(
  port: number,
  count: number,
  command: (index: number) => readonly string[],
  lines = 1,
): Promise<void> {
  const connection = await LineConnection.open(port);
  for (let from = 0; from < count; from += 1000) {
    const size = Math.min(1000, count - from);
    const parts = Array.from({ length: size }, (_, index) => encodeCommand(command(from + index)));
    await connection.batch(Buffer.concat(parts), size * lines);
  }
  connection.close();
}

export interface BenchmarkRun {
  readonly test: string;
  readonly requests: number;
  readonly pipeline: number;
  readonly connections: number;
  readonly keys: number;
  readonly valueBytes: number;
}

export interface BenchmarkResult {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** One run of redis-benchmark. */
export async function runBenchmark(port: number, run: BenchmarkRun): Promise<BenchmarkResult> {
  const argv = ['-h', '127.0.0.1', '-p', port, '-t', run.test, '-n', run.requests, '-P', run.pipeline];
  argv.push('-c', run.connections, '-r', run.keys, '-d', run.valueBytes, '--csv');
  const output = await runCommand('redis-benchmark', argv.map(String), { deadlineMs: BENCHMARK_MS_MAX });
  const line = output.trim().split('\n').at(-1) ?? '';
  // test, requests/s, average, min, p50, p95, p99, max
  const fields = line.split(',').map((field) => Number(field.replaceAll('"', '')));
  const [, requestsPerSecond = Number.NaN, , , p50Ms = Number.NaN, , p99Ms = Number.NaN] = fields;
  if (!(requestsPerSecond > 0)) throw new Error(`redis-benchmark said: ${output.slice(-300)}`);
  return { requestsPerSecond, p50Ms, p99Ms };
}
