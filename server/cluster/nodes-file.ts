/** nodes.conf on the disk: read once, replaced atomically, and used by one process only. */
import { createHash } from 'node:crypto';
import { readFileSync, realpathSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { replaceFile, syncFolder } from '../config/replace-file.ts';

export class NodesFile {
  readonly path: string;
  #lock: Server | null = null;
  #saves = 0;

  constructor(path: string) {
    this.path = path;
  }

  /**
   * Keeps other processes of this machine away from the file: an abstract socket, which the kernel frees when
   * the process ends in whatever way. The answer is why the file cannot be used, or null.
   */
  lock(): Promise<string | null> {
    const folder = realpathSync(dirname(this.path));
    const digest = createHash('sha256')
      .update(join(folder, basename(this.path)))
      .digest('hex')
      .slice(0, 40);
    const server = createServer((socket) => socket.destroy());
    return new Promise((resolve) => {
      server.once('error', (error: NodeJS.ErrnoException) => {
        resolve(
          error.code === 'EADDRINUSE'
            ? `Sorry, the cluster configuration file ${this.path} is already used ` +
                'by a different Redis Cluster node. Please make sure that different nodes use ' +
                'different cluster configuration files.'
            : `Impossible to lock ${this.path}: ${error.message}`,
        );
      });
      server.listen(`\0redwarden-nodes-${digest}`, () => {
        server.unref();
        this.#lock = server;
        resolve(null);
      });
    });
  }

  unlock(): void {
    this.#lock?.close();
    this.#lock = null;
  }

  /** The content, empty when there is no file yet. Throws when it cannot be read. */
  read(): string {
    try {
      return readFileSync(this.path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
      throw error;
    }
  }

  /**
   * Replaces the file. With `durable` the new content survives a power failure. Throws when the disk does not
   * take it.
   */
  save(content: string, durable: boolean): void {
    const temporary = `${this.path}.tmp-${process.pid}-${this.#saves++}`;
    replaceFile(this.path, temporary, Buffer.from(content), durable);
    if (durable) syncFolder(dirname(this.path));
  }
}
