/** Opens a connection to a host by name: resolved anew at each call, everything within one deadline. */
import { lookup, Resolver } from 'node:dns/promises';
import { isIP, Socket } from 'node:net';
import { messageOf } from '../config/failure.ts';

export interface DialHandlers {
  opened(): void;
  received(bytes: Uint8Array): void;
  /** The connection could not be made, or is gone. Called once, and not after `destroy`. */
  closed(reason: string): void;
}

export interface Dialled {
  /** Our end, `address:port`; empty while there is none. */
  readonly localAddress: string;
  write(bytes: Uint8Array): void;
  pause(): void;
  resume(): void;
  destroy(): void;
}

const DNS_TRY_MS = 1000;
const DNS_TRIES = 2;
const KEEP_ALIVE_MS = 60_000;

/** The addresses of the host, at least one. Throws when there is none within the deadline. */
export async function resolveHost(host: string, deadlineMs: number): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host];
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
async function resolveByAnyMeans(host: string): Promise<readonly string[]> {
  if (host.includes('.')) {
    const resolver = new Resolver({ timeout: DNS_TRY_MS, tries: DNS_TRIES });
    // Whatever goes wrong here, the system's resolver has the last word and the error.
    const found = await resolver.resolve4(host).catch(() => []);
    if (found.length > 0) return found;
  }
  return (await lookup(host, { all: true })).map((entry) => entry.address);
}

/**
 * Tries the host's addresses one after the other until one takes the connection, from `sourceAddress` unless
 * that is empty.
 */
export function dial(
  host: string,
  port: number,
  deadlineMs: number,
  handlers: DialHandlers,
  sourceAddress = '',
): Dialled {
  let socket: Socket | null = null;
  let over = false;
  const end = (reason: string): void => {
    if (over) return;
    over = true;
    clearTimeout(timer);
    socket?.destroy();
    handlers.closed(reason);
  };
  const timer = setTimeout(() => end(`no connection within ${deadlineMs} ms`), deadlineMs);
  const attempt = (addresses: readonly string[], index: number): void => {
    if (over) return;
    const next = new Socket();
    let opened = false;
    socket = next;
    next.setNoDelay(true);
    next.setKeepAlive(true, KEEP_ALIVE_MS);
    const failed = (reason: string): void => {
      if (socket !== next) return;
      if (opened || index + 1 >= addresses.length) end(reason);
      else attempt(addresses, index + 1);
    };
    next.on('error', (error) => failed(error.message));
    next.on('close', () => failed('the peer closed the connection'));
    next.on('connect', () => {
      opened = true;
      clearTimeout(timer);
      if (!over) handlers.opened();
    });
    next.on('data', (bytes: Uint8Array) => {
      if (!over) handlers.received(bytes);
    });
    const address = addresses[index] as string;
    if (sourceAddress === '') next.connect(port, address);
    else next.connect({ port, host: address, localAddress: sourceAddress });
  };
  resolveHost(host, deadlineMs).then(
    (addresses) => attempt(addresses, 0),
    (error: unknown) => end(`cannot resolve ${host}: ${messageOf(error)}`),
  );
  return {
    get localAddress() {
      return socket?.localPort === undefined ? '' : `${socket.localAddress}:${socket.localPort}`;
    },
    write: (bytes) => void (over || socket?.write(bytes)),
    pause: () => void socket?.pause(),
    resume: () => void socket?.resume(),
    destroy: () => {
      over = true;
      clearTimeout(timer);
      socket?.destroy();
    },
  };
}
