/** Replication and what it needs of the other parts. */
import { randomFillSync } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../config/failure.ts';
import { FileSink } from '../persistence/file-sink.ts';
import { type DisklessLoad, datasetLoader } from '../replication/dataset-loader.ts';
import { Replication } from '../replication/replication.ts';
import { replicationSettings } from '../replication/replication-settings.ts';
import { Spill } from '../replication/spill.ts';
import { spillDisk } from '../replication/spill-disk.ts';
import { syncFile } from '../replication/sync-file.ts';
import type { Server } from '../server.ts';

/** One round of asking the replicas of the shard. */
const HAND_OVER_MS = 15_000;

export function makeReplication(server: Server): Replication {
  const { config, log, stats, keyspace, propagation, persistence, turn } = server;
  let following = false;
  return new Replication({
    settings: replicationSettings(config, () => config.values.port),
    log,
    counters: stats,
    propagation,
    runtime: {
      nowMs: () => Date.now(),
      random: (bytes) => {
        randomFillSync(bytes);
      },
      afterTurn: (task) => {
        setImmediate(task);
        turn.schedule();
      },
      after: (ms, task) => {
        const timer = setTimeout(task, ms);
        return () => clearTimeout(timer);
      },
    },
    seams: {
      snapshots: persistence.snapshots,
      spill: new Spill(
        spillDisk(() => config.values.dir),
        () => config.values['repl-spill-max'],
      ),
      syncFile: (pid) =>
        syncFile(config.values.dir, config.values.dbfilename, pid, () => deletesSyncFiles(config)),
      savesFiles: () => config.values.save.length !== 0,
      rdbFields: () => persistence.rdbFields(),
      rdbCompression: () => config.values.rdbcompression,
      loader: makeLoader(server),
      applier: server.makeApplier('primary'),
      isEmpty: () => keyspace.size === 0,
      servesNothing: () => server.cluster !== null && server.cluster.state.myself.slotCount === 0,
      get clusterHandOver() {
        return clusterHandOver(server);
      },
      nextClientId: () => server.sessions.nextClientId(),
      filedOffset: () => persistence.filedStreamOffset,
    },
    moved: (primary) => config.assign('replicaof', primary ?? undefined),
    stateChanged: (role, writesPaused) => {
      if (role === 'replica' && !following) server.blocking.failAll();
      following = role === 'replica';
      // Commands of this turn were judged by the former state.
      server.executor.calm = false;
      // Deleting an expired key is a write: not for replicas, and not while the stream must stand.
      keyspace.deletesExpired = role === 'primary' && !writesPaused && !config.values['import-mode'];
      if (role === 'primary') keyspace.replicaExpiry.clear();
      log.role = role === 'replica' ? 'S' : 'M';
    },
  });
}

function makeLoader(server: Server) {
  const { config, keyspace, persistence } = server;
  return datasetLoader({
    builder: () => persistence.syncBuilder(),
    disklessLoad: () => config.values['repl-diskless-load'] as DisklessLoad,
    empty: () => keyspace.size === 0,
    flush: () => {
      persistence.beforeFlushAll();
      keyspace.flushAll();
    },
    fileName: () => config.values.dbfilename,
    openFile: () => {
      const { dir, dbfilename } = config.values;
      return new FileSink(join(dir, `temp-replica-${process.pid}.rdb`), join(dir, dbfilename));
    },
    loadedFile: () => {
      const { dir, dbfilename } = config.values;
      if (deletesSyncFiles(config)) rmSync(join(dir, dbfilename), { force: true });
    },
    loading: (state) => {
      persistence.syncLoading = state;
      server.executor.calm = false;
    },
    nowMs: () => Date.now(),
    replaced: () => {
      persistence.datasetReplaced();
      server.tracking.flushed(server.clients.all());
      // Who waits for a key that is there now has missed its coming.
      for (const database of keyspace.databases) keyspace.noteFlushed(database);
    },
  });
}

/** rdb-del-sync-files, unless the files are wanted anyway. */
function deletesSyncFiles({ values }: Server['config']): boolean {
  return values['rdb-del-sync-files'] && values.save.length === 0 && !values.appendonly;
}

/** Of a replica that has the data when this node came up without. */
function clusterHandOver({ cluster }: Server): ((done: (refusal: string | null) => void) => void) | null {
  if (cluster === null) return null;
  return (done) => {
    cluster.giveAway(HAND_OVER_MS).then(
      (result) => done(result === 'done' ? null : `no hand-over in the cluster: ${result}`),
      (error: unknown) => done(messageOf(error)),
    );
  };
}
