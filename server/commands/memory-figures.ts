/** The figures that INFO memory and MEMORY STATS print: what data, buffers and process hold, in bytes. */
import { SEGMENT_BYTES } from '../structures/arena.ts';
import type { ServerContext } from './context.ts';

/** Memory of a connection apart from what waits in it. */
const CLIENT_BYTES = 2048;

export interface MemoryFigures {
  /** Exactly what the arena handed out, and buffers of clients and replication. */
  readonly used: number;
  readonly peak: number;
  readonly startup: number;
  /** What the arena holds of the system. */
  readonly held: number;
  /** What fragmentation is measured against: a nearly empty arena is not fragmented. */
  readonly base: number;
  readonly fragmentation: number;
  readonly resident: number;
  /** Memory of the log of the replication stream. */
  readonly streamLog: number;
  /** Of that, what repl-backlog-size keeps anyway; the rest is counted to replicas. */
  readonly backlog: number;
  readonly normalClients: number;
  readonly replicaClients: number;
  readonly overhead: number;
  readonly dataset: number;
}

export function memoryFigures(context: ServerContext): MemoryFigures {
  const { keyspace, stats, clients } = context;
  let normalClients = 0;
  let replicaClients = 0;
  for (const client of clients.all()) {
    const bytes = CLIENT_BYTES + client.link.pendingBytes + client.queuedBytes;
    if (client.kind === 'replica') replicaClients += bytes;
    else normalClients += bytes;
  }
  const { backlog, replicas } = context.replication;
  const streamLog = backlog?.memoryBytes ?? 0;
  const kept = replicas.length === 0 ? streamLog : context.config.values['repl-backlog-size'];
  replicaClients += Math.max(0, streamLog - kept);
  const used = keyspace.arena.usedBytes;
  const held = keyspace.arena.reservedBytes;
  // Up to one segment the arena is empty rather than fragmented; alerts on the ratio must not fire for it.
  const base = Math.max(used, Math.min(held, SEGMENT_BYTES));
  const tables = tableBytes(keyspace.size);
  return {
    used,
    peak: Math.max(stats.peakMemoryBytes, used),
    startup: 0,
    held,
    base,
    fragmentation: base === 0 ? 0 : held / base,
    resident: process.memoryUsage.rss(),
    streamLog,
    backlog: Math.min(streamLog, kept),
    normalClients,
    replicaClients,
    overhead: tables,
    dataset: Math.max(0, used - tables),
  };
}

/** About what the tables of so many keys hold: buckets of 64 bytes for 7 entries, three quarters full. */
export function tableBytes(keys: number): number {
  return Math.ceil((keys * 64) / 7 / 0.75);
}
