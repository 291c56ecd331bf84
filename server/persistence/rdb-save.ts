/** SAVE: the whole dataset into a file at once, with nobody served meanwhile. */
import { closeSync, fdatasyncSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { syncFolder } from '../config/replace-file.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import { Crc64 } from '../structures/crc64.ts';
import { RdbWriter, rdbTrailer } from './rdb-writer.ts';
import { type AccessAttributes, RecordWriter } from './record-writer.ts';

const CHUNK_BYTES = 1024 * 1024;
const SYNC_EVERY_BYTES = 8 * 1024 * 1024;

/** What the configuration says of RDB files. */
export interface RdbForm {
  readonly version: number;
  readonly compression: boolean;
  readonly checksum: boolean;
  /** Flush the file to the disk piece by piece, so that its end is no long wait. */
  readonly incrementalFsync: boolean;
}

export interface SaveOptions extends RdbForm {
  readonly attributes: AccessAttributes;
  readonly fields: readonly (readonly [name: string, value: string])[];
}

/** Every record of every database; nothing can change meanwhile, so no stamps are needed. */
function writeDataset(keyspace: Keyspace, writer: RdbWriter, records: RecordWriter, flush: () => void): void {
  for (const database of keyspace.databases) {
    if (database.size === 0) continue;
    writer.selectDatabase(database.index);
    writer.resize(database.size, database.expiring);
    let cursor = 0;
    do {
      cursor = database.scan(cursor, (ref) => records.write(writer, ref));
      if (writer.length >= CHUNK_BYTES) flush();
    } while (cursor !== 0);
  }
}

/** How bytes of the RDB reach the file: as they are, or turned into commands. */
export type SaveForm = (put: (chunk: Uint8Array) => void) => (chunk: Uint8Array) => void;

/**
 * Writes, syncs and renames. Throws on failure; what stood under `final` is whole then. Returns the bytes
 * written.
 */
export function saveDataset(
  keyspace: Keyspace,
  temporary: string,
  final: string,
  options: SaveOptions,
  form: SaveForm = (put) => put,
): number {
  const descriptor = openSync(temporary, 'w', 0o644);
  let bytesTotal = 0;
  let unsyncedBytes = 0;
  try {
    const crc = new Crc64();
    const put = form((chunk) => {
      for (let at = 0; at < chunk.length; ) at += writeSync(descriptor, chunk, at);
      bytesTotal += chunk.length;
      unsyncedBytes += chunk.length;
      if (!options.incrementalFsync || unsyncedBytes < SYNC_EVERY_BYTES) return;
      unsyncedBytes = 0;
      fdatasyncSync(descriptor);
    });
    const writer = new RdbWriter(options.compression);
    const flush = (): void => {
      const chunk = writer.written;
      if (options.checksum) crc.update(chunk, 0, chunk.length);
      put(chunk);
      writer.clear();
    };
    writer.header(options.version, options.fields);
    const records = new RecordWriter(keyspace);
    records.attributes = options.attributes;
    records.version = options.version;
    writeDataset(keyspace, writer, records, flush);
    flush();
    put(rdbTrailer(crc, options.checksum));
    fsyncSync(descriptor);
    renameSync(temporary, final);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    closeSync(descriptor);
  }
  syncFolder(dirname(final));
  return bytesTotal;
}
