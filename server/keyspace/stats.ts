import { EvictionCounters } from './eviction-counters.ts';
import { Slices } from './slices.ts';

/** Counters of one server since start or CONFIG RESETSTAT. One shape; any room may count. */
export class Stats {
  totalConnectionsReceived = 0;
  totalCommandsProcessed = 0;
  rejectedConnections = 0;
  totalNetInputBytes = 0;
  totalNetOutputBytes = 0;
  totalErrorReplies = 0;
  totalReplInputBytes = 0;
  totalReplOutputBytes = 0;
  /** Reads and writes of client sockets. */
  totalReads = 0;
  totalWrites = 0;
  expiredKeys = 0;
  /** Fields of hashes that ended. */
  expiredFields = 0;
  evictedKeys = 0;
  /** Objects freed in the background. */
  lazyfreedObjects = 0;
  evictedClients = 0;
  clientOutputLimitDisconnections = 0;
  clientQueryLimitDisconnections = 0;
  keyspaceHits = 0;
  keyspaceMisses = 0;
  syncFull = 0;
  syncPartialOk = 0;
  syncPartialErr = 0;
  peakMemoryBytes = 0;
  readonly eviction: EvictionCounters = new EvictionCounters();
  readonly slices: Slices = new Slices();
  /** Error replies by their first word, as INFO errorstats prints them. */
  readonly errors: Map<string, number> = new Map();

  reset(): void {
    const peak = this.peakMemoryBytes;
    for (const key of Object.keys(this) as (keyof Stats)[]) {
      if (typeof this[key] === 'number') (this as unknown as Record<string, number>)[key] = 0;
    }
    this.peakMemoryBytes = peak;
    this.errors.clear();
    this.eviction.reset();
    this.slices.reset();
  }
}
