/**
 * Writes to a socket without the stream machinery above it: one call into the runtime a reply. Uses the
 * handle method that `net.Socket` itself uses in the Node that the project pins; where it is missing or
 * behaves otherwise, the caller takes `socket.write`.
 */
import type { Socket } from 'node:net';

/** A write that the kernel did not take at once. */
interface WriteRequest {
  handle: StreamHandle;
  oncomplete: (status: number) => void;
  /** Keeps the bytes alive until they are sent. */
  buffer: Uint8Array;
  /** Status when it completed before `oncomplete` was set, else null. */
  readonly writeStatus: number | null;
}

/** What is used of a stream handle of the runtime. */
interface StreamHandle {
  writeBuffer(request: null, bytes: Uint8Array): number | WriteRequest;
}

export const SENT = 0;
export const QUEUED = 1;
export const FAILED = 2;

/** The first Node whose handles make the request themselves, and only when the kernel does not take all. */
const NODE_MAJOR_MIN = 26;
const supported = Number(process.versions.node.split('.')[0]) >= NODE_MAJOR_MIN;

/** The handle under a socket, null when it cannot be written to directly. */
export function streamHandle(socket: Socket): StreamHandle | null {
  const handle = (socket as unknown as { _handle: StreamHandle | null })._handle;
  return supported && typeof handle?.writeBuffer === 'function' ? handle : null;
}

/**
 * Writes `bytes` at once. SENT: the kernel has them. QUEUED: the runtime still reads from `bytes`;
 * `onDrained` is called with a status (negative: failed) when it is done. FAILED: the connection is broken.
 */
export function writeNow(
  handle: StreamHandle,
  bytes: Uint8Array,
  onDrained: (status: number) => void,
): number {
  const result = handle.writeBuffer(null, bytes);
  if (typeof result === 'number') return result === 0 ? SENT : FAILED;
  result.handle = handle;
  result.buffer = bytes;
  result.oncomplete = onDrained;
  if (result.writeStatus !== null) setImmediate(onDrained, result.writeStatus);
  return QUEUED;
}
