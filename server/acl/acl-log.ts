/** What was denied of late: the newest first, equal denials within a minute as one. */

export type DenialContext = 'toplevel' | 'multi' | 'lua';
export type LoggedReason = 'command' | 'key' | 'channel' | 'auth';

export interface AclLogEntry {
  count: number;
  readonly reason: LoggedReason;
  readonly context: DenialContext;
  /** What was denied: a command, a key, a channel; one character a byte. */
  readonly object: string;
  readonly userName: string;
  /** The client as CLIENT LIST shows it. */
  clientInfo: string;
  readonly id: number;
  readonly createdAtMs: number;
  updatedAtMs: number;
}

/** How many of the newest entries a denial may be counted with. */
const COMPARED = 10;
const GROUPED_MS = 60_000;

export class AclLog {
  #entries: AclLogEntry[] = [];
  #nextId = 0;
  /** Denials by what was denied, since the start or the last reset of the statistics. */
  readonly denied: Record<LoggedReason, number> = { command: 0, key: 0, channel: 0, auth: 0 };

  get entries(): readonly AclLogEntry[] {
    return this.#entries;
  }

  add(
    denial: Pick<AclLogEntry, 'reason' | 'context' | 'object' | 'userName' | 'clientInfo'>,
    nowMs: number,
    lengthMax: number,
  ): void {
    this.denied[denial.reason]++;
    this.trim(lengthMax);
    if (lengthMax === 0) return;
    const same = this.#entries.findIndex(
      (entry, index) =>
        index < COMPARED &&
        entry.reason === denial.reason &&
        entry.context === denial.context &&
        entry.object === denial.object &&
        entry.userName === denial.userName &&
        Math.abs(nowMs - entry.updatedAtMs) <= GROUPED_MS,
    );
    if (same >= 0) {
      const [entry] = this.#entries.splice(same, 1) as [AclLogEntry];
      entry.clientInfo = denial.clientInfo;
      entry.updatedAtMs = nowMs;
      entry.count++;
      this.#entries.unshift(entry);
      return;
    }
    this.#entries.unshift({
      ...denial,
      count: 1,
      id: this.#nextId++,
      createdAtMs: nowMs,
      updatedAtMs: nowMs,
    });
    this.trim(lengthMax);
  }

  trim(lengthMax: number): void {
    if (this.#entries.length > lengthMax) this.#entries.length = lengthMax;
  }

  clear(): void {
    this.#entries = [];
  }

  resetStatistics(): void {
    for (const reason of Object.keys(this.denied) as LoggedReason[]) this.denied[reason] = 0;
  }
}
