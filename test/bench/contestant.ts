/** A server under measurement: started alone on loopback without persistence, watched through /proc. */
import { readFileSync } from 'node:fs';
import { RespClient, RespFailure } from '../../server/wire/client.ts';
import { findProgram } from '../kind/packages.ts';
import { type ServerKind, ServerProcess } from '../support/server-process.ts';

/** The clock tick of /proc on Linux, in microseconds. */
const TICK_MICROS = 10_000;
const CONNECT_MS_MAX = 5000;
const CALL_MS_MAX = 60_000;

export interface ProcessMemory {
  readonly residentBytes: number;
  readonly peakBytes: number;
}

export class Contestant {
  readonly name: string;
  readonly server: ServerProcess;

  private constructor(name: string, server: ServerProcess) {
    this.name = name;
    this.server = server;
  }

  static async start(kind: ServerKind, argv: readonly string[] = []): Promise<Contestant> {
    const server = await ServerProcess.start(kind, ['--save', '', '--appendonly', 'no', ...argv]);
    const version = /(?:valkey|redis)_version:(\S+)/.exec(await info(server.port, 'server'))?.[1] ?? '';
    return new Contestant(kind === 'redwarden-server' ? 'redwarden' : `${kind} ${version}`, server);
  }

  get port(): number {
    return this.server.port;
  }

  /** Processor time of the whole process so far, user and system, in microseconds. */
  processorMicros(): number {
    const text = readFileSync(`/proc/${this.server.pid}/stat`, 'utf8');
    // The name in parentheses may hold blanks: fields count from the last parenthesis.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * TICK_MICROS;
  }

  memory(): ProcessMemory {
    const text = readFileSync(`/proc/${this.server.pid}/status`, 'utf8');
    const bytes = (field: string): number =>
      Number(new RegExp(`${field}:\\s+(\\d+)`).exec(text)?.[1] ?? 0) * 1024;
    return { residentBytes: bytes('VmRSS'), peakBytes: bytes('VmHWM') };
  }

  /** used_memory as the server counts it. */
  async usedBytes(): Promise<number> {
    return Number(/used_memory:(\d+)/.exec(await info(this.port, 'memory'))?.[1] ?? 0);
  }

  stop(): Promise<void> {
    return this.server.stop();
  }
}

/** Servers of other people: those that this machine has, and Valkey's also when it must be fetched. */
export function installedPeers(withValkey: boolean): ServerKind[] {
  const peers: ServerKind[] = ['redis-server', 'valkey-server'];
  return peers.filter((peer) => findProgram(peer) !== undefined || (withValkey && peer === 'valkey-server'));
}

/** One command on a connection of its own; throws what the server answers as an error. */
export async function callOnce(port: number, words: readonly string[]): Promise<string> {
  const client = await RespClient.connect({ host: '127.0.0.1', port, connectDeadlineMs: CONNECT_MS_MAX });
  if (client instanceof RespFailure) throw new Error(client.message);
  const reply = await client.call(words, { deadlineMs: CALL_MS_MAX });
  client.close();
  if (reply instanceof RespFailure || reply instanceof Error) throw new Error(reply.message);
  return String(reply);
}

function info(port: number, section: string): Promise<string> {
  return callOnce(port, ['INFO', section]);
}
