/**
 * New connections. When a thousand clients come back at once, those that are there already must not wait
 * until all of them are set up: a share of them is in each turn. Their handles are taken from the listening
 * one directly, where the runtime lets us: the socket that `net.Server` makes for each would be thrown away.
 */
import type { Server, Socket } from 'node:net';
import { getSystemErrorMessage } from 'node:util';

/** What is used of the handle under a connection. */
export interface ConnectionHandle {
  /** Not for Unix sockets. */
  setNoDelay?(on: boolean): number;
  close(): void;
}

interface ListeningHandle {
  onconnection?: (status: number, accepted: ConnectionHandle | undefined) => void;
}

/** Connections that are set up in one turn, some 20 µs each. */
const SHARE = 32;

export class Arrivals {
  readonly #admit: (handle: ConnectionHandle) => void;
  #waiting: ConnectionHandle[] = [];
  #left = SHARE;
  #scheduled = false;

  constructor(admit: (handle: ConnectionHandle) => void) {
    this.#admit = admit;
  }

  /** Connections that are not set up yet. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Takes what arrives at a server from its handle; to be called once it listens. */
  watch(server: Server): void {
    const handle = (server as unknown as { _handle: ListeningHandle | null })._handle;
    if (typeof handle?.onconnection !== 'function') return;
    handle.onconnection = (status, accepted) => {
      if (accepted !== undefined) this.arrive(accepted);
      else server.emit('error', new Error(getSystemErrorMessage(status)));
    };
  }

  /** For a runtime whose listening handles are not known: takes the handle out of a paused socket. */
  arriveIn(socket: Socket): void {
    const carrier = socket as unknown as { _handle: ConnectionHandle | null };
    const handle = carrier._handle;
    carrier._handle = null;
    if (handle !== null) this.arrive(handle);
  }

  arrive(handle: ConnectionHandle): void {
    if (this.#left > 0 && this.#waiting.length === 0) {
      this.#left--;
      this.#admit(handle);
    } else this.#waiting.push(handle);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#nextTurn);
  }

  readonly #nextTurn = (): void => {
    this.#scheduled = false;
    const share = this.#waiting.splice(0, SHARE);
    this.#left = SHARE - share.length;
    for (const handle of share) this.#admit(handle);
    if (share.length > 0) this.#schedule();
  };

  /** Closes what is not set up yet. */
  close(): void {
    for (const handle of this.#waiting.splice(0)) handle.close();
  }
}
