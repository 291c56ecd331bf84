/** What `faulty-disk.ts` is told to do to calls of the file system. */

/** `open` is for writing and for making folders. */
export type FaultCall = 'open' | 'openToRead' | 'write' | 'fsync' | 'rename' | 'unlink' | 'truncate';

export interface FaultRule {
  readonly call: FaultCall;
  /** A piece of the path. */
  readonly path: string;
  /** A code such as EIO; without one the call succeeds. */
  readonly error?: string;
  /** ms that the call takes longer. */
  readonly delayMs?: number;
  /** A write takes at most so many bytes. */
  readonly bytesMax?: number;
  /** Calls that match and pass first. */
  readonly skip?: number;
  /** Calls that it then holds for; all when absent. */
  readonly times?: number;
}
