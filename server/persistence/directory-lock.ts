/**
 * One process for one set of files. Node has no fcntl and no flock; an abstract socket does what they do: its
 * name can be bound once, and the kernel frees it with the process in whatever way that ends. A second socket
 * carries the owner's pid in its name, where the next process finds it without asking a server that may be
 * busy.
 *
 *   @redwarden-lock-<device>-<inode of the folder>-<digest of the name>
 *   @redwarden-lock-<device>-<inode of the folder>-<digest of the name>-pid-<pid>
 *
 * Abstract names end at the network namespace: a container with a network of its own and another machine on
 * the same volume are not seen.
 */
import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:net';

const DIGEST_DIGITS = 16;

/** Binds an abstract name; null when another process has it. */
function bind(name: string): Promise<Server | null> {
  const server = createServer((socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(null);
      else reject(error);
    });
    server.listen({ path: `\0${name}` }, () => {
      server.unref();
      resolve(server);
    });
  });
}

/** The pid in the second name of the owner; 'unknown' when it has none yet. */
function ownerOf(name: string): string {
  const pattern = new RegExp(`@${name}-pid-(\\d+)`);
  return pattern.exec(readFileSync('/proc/net/unix', 'latin1'))?.[1] ?? 'unknown';
}

export class DirectoryLock {
  #held: readonly Server[] = [];
  #taking: Promise<void> | null = null;
  /** Counts `release`: what was asked for before it is not kept after it. */
  #releases = 0;
  /** Given up while it was being taken: not kept. */
  #wanted = false;

  /**
   * Takes `name` in `folder`, which exists; nothing happens when it is held already. Rejects with a sentence
   * that names `what`, the folder and the process that has it.
   */
  take(folder: string, name: string, what: string): Promise<void> {
    if (this.#held.length !== 0 || process.platform !== 'linux') return Promise.resolve();
    this.#taking ??= this.#bind(folder, name, what).finally(() => {
      this.#taking = null;
    });
    return this.#taking;
  }

  async #bind(folder: string, name: string, what: string): Promise<void> {
    const releases = this.#releases;
    this.#wanted = true;
    const { dev, ino } = statSync(folder);
    const digest = createHash('sha256').update(name).digest('hex').slice(0, DIGEST_DIGITS);
    const lock = `redwarden-lock-${dev}-${ino}-${digest}`;
    const server = await bind(lock);
    if (server === null) {
      throw new Error(`Another server, process ${ownerOf(lock)}, uses ${what} in ${folder}`);
    }
    const note = await bind(`${lock}-pid-${process.pid}`);
    this.#held = note === null ? [server] : [server, note];
    if (releases !== this.#releases) this.release();
    if (!this.#wanted) this.release();
  }

  release(): void {
    this.#releases += 1;
    this.#wanted = false;
    for (const server of this.#held) server.close();
    this.#held = [];
  }
}
