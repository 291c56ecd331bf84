/** Opens a connection to a host by name: resolved anew at each call, everything within one deadline. */
import { lookup, Resolver } from 'node:dns/promises';
import { isIP, Socket } from 'node:net';

export interface DialHandlers {
  opened(): void;
  received(bytes: Uint8Array): void;
  /** The connection could not be made, or is gone. Called once, and not after `destroy`. */
  closed(reason: string): void;
}

export interface Dialled {
  write(bytes: Uint8Array): void;
  pause(): void;
  resume(): void;
  /** Our own end of the connection; empty before it stands. */
  readonly localAddress: string;
  destroy(): void;
}

const DNS_TRY_MS = 1000;
const DNS_TRIES = 2;
const KEEP_ALIVE_MS = 60_000;

/** An address of the host. Throws when there is none within the deadline. */
export async function resolveHost(host: string, deadlineMs: number): Promise<string> {
  if (isIP(host) !== 0) return host;
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no address for ${host} within ${deadlineMs} ms`)), deadlineMs);
  });
  try {
    return await Promise.race([deadline, resolveByAnyMeans(host)]);
  } finally {
    clearTimeout(timer);
  }
}

/** c-ares does not occupy the thread pool; the system's resolver knows hosts files and search domains. */
async function resolveByAnyMeans(host: string): Promise<string> {
  if (host.includes('.')) {
    const resolver = new Resolver({ timeout: DNS_TRY_MS, tries: DNS_TRIES });
    const found = await resolver.resolve4(host).catch(() => []);
    if (found[0] !== undefined) return found[0];
  }
  return (await lookup(host)).address;
}

export function dial(host: string, port: number, deadlineMs: number, handlers: DialHandlers): Dialled {
  const socket = new Socket();
  let over = false;
  const end = (reason: string): void => {
    if (over) return;
    over = true;
    clearTimeout(timer);
    socket.destroy();
    handlers.closed(reason);
  };
  const timer = setTimeout(() => end(`no connection within ${deadlineMs} ms`), deadlineMs);
  socket.on('error', (error) => end(error.message));
  socket.on('close', () => end('the peer closed the connection'));
  socket.on('connect', () => {
    clearTimeout(timer);
    if (!over) handlers.opened();
  });
  socket.on('data', (bytes: Uint8Array) => {
    if (!over) handlers.received(bytes);
  });
  resolveHost(host, deadlineMs).then(
    (address) => {
      if (over) return;
      socket.setNoDelay(true);
      socket.setKeepAlive(true, KEEP_ALIVE_MS);
      socket.connect(port, address);
    },
    (error: unknown) => end(`cannot resolve ${host}: ${error instanceof Error ? error.message : error}`),
  );
  return {
    write: (bytes) => void (over || socket.write(bytes)),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    get localAddress() {
      return socket.localAddress ?? '';
    },
    destroy: () => {
      over = true;
      clearTimeout(timer);
      socket.destroy();
    },
  };
}
