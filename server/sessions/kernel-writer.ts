/**
 * Writes to a socket without the stream machinery above it: one call into the runtime a reply, half the cost of
 * `socket.write` at one command a turn. Uses the same handle method that `net.Socket` itself uses; where the handle
 * does not look as expected, `socket.write` is taken instead.
 */
import type { Socket } from 'node:net';

/** What is used of a stream handle of the runtime. */
interface StreamHandle {
  /** Older runtimes take a request and return a status; newer ones take null and make one if they need it. */
  writeBuffer(request: WriteRequest | null, bytes: Uint8Array): number | WriteRequest;
  readonly writeQueueSize: number;
}

interface WriteRequest {
  handle: StreamHandle | null;
  oncomplete: ((status: number) => void) | null;
  buffer: Uint8Array | null;
}

type WriteRequestConstructor = new () => WriteRequest;

let requestConstructor: WriteRequestConstructor | null = null;
/** The runtime makes write requests itself, and only when the kernel does not take the bytes at once. */
let makesRequests = false;

/** The handle under a socket, null when there is none or it lacks what is needed. */
export function streamHandle(socket: Socket): StreamHandle | null {
  const handle = (socket as unknown as { _handle: StreamHandle | null })._handle;
  if (handle === null || typeof handle.writeBuffer !== 'function') return null;
  return typeof handle.writeQueueSize === 'number' ? handle : null;
}

/**
 * The runtime keeps the class of write requests to itself; the first ordinary write of a socket shows it.
 * Call before the first `socket.write` of any connection.
 */
export function learnWriteRequest(handle: StreamHandle): void {
  if (requestConstructor !== null || makesRequests) return;
  const own = handle.writeBuffer;
  handle.writeBuffer = function learn(
    request: WriteRequest | null,
    bytes: Uint8Array,
  ): number | WriteRequest {
    if (request === null) makesRequests = true;
    else requestConstructor = request.constructor as WriteRequestConstructor;
    delete (handle as { writeBuffer?: unknown }).writeBuffer;
    return own.call(this, request, bytes);
  };
}

export const SENT = 0;
export const QUEUED = 1;
export const FAILED = 2;
export const UNAVAILABLE = 3;

/**
 * Writes `bytes` at once. SENT: the kernel has them. QUEUED: the runtime still reads from `bytes`; `onDrained` is
 * called when it is done. FAILED: the connection is broken. UNAVAILABLE: use the socket.
 */
export function writeNow(handle: StreamHandle, bytes: Uint8Array, onDrained: (status: number) => void): number {
  if (makesRequests) {
    const result = handle.writeBuffer(null, bytes);
    if (typeof result === 'number') return result === 0 ? SENT : FAILED;
    result.handle = handle;
    result.buffer = bytes;
    result.oncomplete = onDrained;
    return QUEUED;
  }
  if (requestConstructor === null) return UNAVAILABLE;
  const request = new requestConstructor();
  request.handle = handle;
  request.buffer = bytes;
  request.oncomplete = onDrained;
  if (handle.writeBuffer(request, bytes) !== 0) return FAILED;
  return handle.writeQueueSize === 0 ? SENT : QUEUED;
}
