/** Small files that are replaced in one step: a reader, and a crash, finds the old content or the new one. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';

/** Writes a file anew; with `durable` its content is safe from a power cut. Throws the system's error. */
export function writeWhole(path: string, bytes: Uint8Array, durable = true): void {
  const file = openSync(path, 'w', 0o644);
  try {
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    if (durable) fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/**
 * Puts a file in the place of `path`, by way of `temporary` in the same folder. Throws the system's error;
 * what stood under `path` is whole then. That it is the new content after a power cut takes `syncFolder` as
 * well.
 */
export function replaceFile(path: string, temporary: string, bytes: Uint8Array, durable = true): void {
  try {
    writeWhole(temporary, bytes, durable);
    renameSync(temporary, path);
  } catch (error) {
    try {
      rmSync(temporary, { force: true });
    } catch {
      // What is left over does no harm; why nothing was replaced is what counts.
    }
    throw error;
  }
}

/** Makes renames and new files of a folder outlive a power cut. Throws the system's error. */
export function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
