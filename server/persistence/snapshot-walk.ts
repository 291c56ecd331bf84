/**
 * The order in which a snapshot comes to the keys: database by database, bucket by bucket; then the tables
 * that databases lost meanwhile (FLUSHALL), which are its own from then on and are freed at its end.
 */
import type { Database } from '../keyspace/database.ts';
import type { Keyspace } from '../keyspace/keyspace.ts';
import { TYPE_STRING } from '../structures/record.ts';

export interface WalkVisitor {
  /** The walk begins with this database. */
  begin(database: Database): void;
  visit(database: number, ref: number): void;
}

export class SnapshotWalk {
  readonly #keyspace: Keyspace;
  readonly #visitor: WalkVisitor;
  readonly #databases: readonly Database[];
  #database = 0;
  #cursor = 0;
  readonly #lost: { readonly database: number; readonly header: number }[] = [];
  #lostAt = 0;

  /** `databases` keep the number that they have now: SWAPDB may give them others. */
  constructor(keyspace: Keyspace, databases: readonly Database[], visitor: WalkVisitor) {
    this.#keyspace = keyspace;
    this.#visitor = visitor;
    this.#databases = databases;
    for (const database of databases) database.snapshotIndex = database.index;
    if (databases.length === 0) return;
    keyspace.adoptTable = (database, header) => {
      this.#lost.push({ database, header });
      return true;
    };
  }

  /** One bucket; false when there is none left. */
  step(): boolean {
    const database = this.#databases[this.#database];
    if (database === undefined) return this.#stepLost();
    if (database.size === 0) this.#cursor = 0;
    else {
      if (this.#cursor === 0) this.#visitor.begin(database);
      const index = database.snapshotIndex;
      this.#cursor = database.scan(this.#cursor, (ref) => this.#visitor.visit(index, ref));
    }
    if (this.#cursor === 0) this.#database += 1;
    return true;
  }

  /** Frees what is the snapshot's own. Nobody else may need it: open records have ended. */
  end(): void {
    const { lazyFree, table } = this.#keyspace;
    this.#keyspace.adoptTable = null;
    for (const { header } of this.#lost.splice(0)) {
      if (!lazyFree.releaseTable(header)) table.destroy(header, (ref) => this.#keyspace.release(ref));
    }
  }

  #stepLost(): boolean {
    const lost = this.#lost[this.#lostAt];
    if (lost === undefined) return false;
    const { database, header } = lost;
    this.#cursor = this.#keyspace.table.scan(header, this.#cursor, (ref) =>
      this.#visitor.visit(database, ref),
    );
    if (this.#cursor === 0) this.#lostAt += 1;
    return true;
  }
}

/** Every record gets the present epoch, so that none can carry the number of a run to come. */
export function renewStamps(keyspace: Keyspace): void {
  const { records, epoch, values } = keyspace;
  const renew = (ref: number): void => {
    records.setMark(ref, epoch);
    if (records.type(ref) === TYPE_STRING) return;
    const table = values.of(records.type(ref)).tableOf?.(records.encoding(ref), records.root(ref)) ?? 0;
    if (table === 0) return;
    let cursor = 0;
    do cursor = values.elements.scan(table, cursor, (element) => records.setMark(element, epoch));
    while (cursor !== 0);
  };
  for (const database of keyspace.databases) {
    let cursor = 0;
    do cursor = database.scan(cursor, renew);
    while (cursor !== 0);
  }
}
