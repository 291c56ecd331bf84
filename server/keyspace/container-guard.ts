/**
 * Stands between the data and the kernel's killer where nobody set maxmemory: in a container that is nearly
 * full, commands that would add data are refused until there is room again.
 *
 *   limit of the control group * GUARD_SHARE - resident memory = what the arena may still take
 *
 * Measured at every tick; in between the arena's own growth counts, so that a fast writer does not pass it
 * by.
 */
import type { Arena } from '../structures/arena.ts';

/** Share of the container's limit that the process may have. */
export const GUARD_SHARE = 0.9;
/** Room that ends the refusing, as a share of the container's limit. */
const REOPEN_SHARE = 0.02;
/** With more room than this the guard costs no command anything. */
const CALM_BYTES = 256 * 1024 * 1024;

export interface GuardOptions {
  /** Memory limit of the container in bytes, Infinity without one. */
  readonly limitBytes: number;
  /** Resident memory of the process, in bytes. */
  residentBytes(): number;
  /** Told when the guard begins (true) and ends to refuse. */
  onChange(full: boolean): void;
}

export class ContainerGuard {
  /** `container-memory-guard`, and no maxmemory. */
  enabled = true;
  /** Commands need not be looked at one by one. */
  calm = true;
  readonly #arena: Arena;
  readonly #options: GuardOptions;
  /** Bytes that the arena may hold before commands are refused. */
  #reservedMax = Number.POSITIVE_INFINITY;
  #wasFull = false;

  constructor(arena: Arena, options: GuardOptions) {
    this.#arena = arena;
    this.#options = options;
  }

  /** Memory of the process at which commands are refused; Infinity without a limit. */
  get limitBytes(): number {
    return Math.floor(this.#options.limitBytes * GUARD_SHARE);
  }

  /** Whether commands that add data are refused now. */
  get full(): boolean {
    return this.#arena.reservedBytes > this.#reservedMax;
  }

  /** At every tick. */
  tick(): void {
    const watching = this.enabled && this.#options.limitBytes !== Number.POSITIVE_INFINITY;
    const room = watching ? this.limitBytes - this.#options.residentBytes() : Number.POSITIVE_INFINITY;
    // Once full it stays so until there is room worth the name: otherwise every tick would let some in.
    const stays = (this.full || room <= 0) && room <= this.#options.limitBytes * REOPEN_SHARE;
    this.#reservedMax = stays ? -1 : this.#arena.reservedBytes + room;
    this.calm = room > CALM_BYTES;
    if (this.full === this.#wasFull) return;
    this.#wasFull = this.full;
    this.#options.onChange(this.full);
  }
}

/**
 * Memory limit of the control group of this process, in bytes; Infinity where there is none. `read` returns a
 * file's text and throws when there is no such file.
 */
export function containerLimit(read: (path: string) => string): number {
  for (const path of ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes']) {
    let text: string;
    try {
      text = read(path).trim();
    } catch {
      // The other version of control groups, or none at all.
      continue;
    }
    const bytes = Number(text);
    // Version 1 says "no limit" by a number near 2^63.
    if (Number.isFinite(bytes) && bytes > 0 && bytes < 2 ** 60) return bytes;
  }
  return Number.POSITIVE_INFINITY;
}
