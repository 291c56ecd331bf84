/** WATCH: which clients must fail their EXEC when a key changes. */

/** The part of a client that WATCH needs. */
export interface Watcher {
  watchBroken: boolean;
  /** Waits for the key to come, rather than to stay as it is. */
  readonly waits?: boolean;
}

/** Name of a key across databases, in latin1 so that any bytes are kept apart. */
export function watchName(databaseIndex: number, key: Uint8Array, start: number, length: number): string {
  const text = Buffer.from(key.buffer, key.byteOffset + start, length).latin1Slice();
  return `${databaseIndex}:${text}`;
}

export class Watches {
  readonly #watchers = new Map<string, Set<Watcher>>();

  /** Hook: is told of every key that changes. */
  listener: ((key: Uint8Array, start: number, length: number) => void) | null = null;

  /** 0 when nobody wants to know of changes: lets the hot path skip all of this. */
  get size(): number {
    return this.#watchers.size + (this.listener === null ? 0 : 1);
  }

  /** Keys that are watched. */
  get watchedKeys(): number {
    return this.#watchers.size;
  }

  add(name: string, watcher: Watcher): void {
    const watchers = this.#watchers.get(name);
    if (watchers === undefined) this.#watchers.set(name, new Set([watcher]));
    else watchers.add(watcher);
  }

  remove(name: string, watcher: Watcher): void {
    const watchers = this.#watchers.get(name);
    if (watchers === undefined) return;
    watchers.delete(watcher);
    if (watchers.size === 0) this.#watchers.delete(name);
  }

  touch(databaseIndex: number, key: Uint8Array, start: number, length: number): void {
    if (this.listener !== null) this.listener(key, start, length);
    if (this.#watchers.size === 0) return;
    const watchers = this.#watchers.get(watchName(databaseIndex, key, start, length));
    if (watchers !== undefined) for (const watcher of watchers) watcher.watchBroken = true;
  }

  /**
   * Touches those watched keys of a database that `concerned` picks; `waits`: all of the key's watchers wait
   * for it.
   */
  touchWhere(databaseIndex: number, concerned: (key: Uint8Array, waits: boolean) => boolean): void {
    const prefix = `${databaseIndex}:`;
    for (const [name, watchers] of this.#watchers) {
      if (!name.startsWith(prefix)) continue;
      let waits = true;
      for (const watcher of watchers) waits &&= watcher.waits === true;
      if (!concerned(Buffer.from(name.slice(prefix.length), 'latin1'), waits)) continue;
      for (const watcher of watchers) watcher.watchBroken = true;
    }
  }
}
