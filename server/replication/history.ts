/** The history of changes that this server's dataset belongs to: its names, its length, its recent bytes. */
import { Backlog, type BacklogTrouble } from './backlog.ts';
import { branchIds, freshIds, type ReplicationIds } from './replication-state.ts';
import type { Spill } from './spill.ts';

export class History {
  ids: ReplicationIds;
  backlog: Backlog | null = null;
  /** Told when a backlog cannot keep what its readers lack. */
  onTrouble: BacklogTrouble = () => {};
  /** What the log may hold in memory before the owner drops readers. */
  memoryBytesMax: () => number = () => Number.POSITIVE_INFINITY;
  readonly #newId: () => string;
  readonly #spill: Spill | null;
  /** Length while there is no backlog. */
  #closedOffset = 0;

  constructor(newId: () => string, spill: Spill | null) {
    this.#newId = newId;
    this.#spill = spill;
    this.ids = freshIds(newId());
  }

  /** Bytes of the stream so far; also the offset of the last one. */
  get offset(): number {
    return this.backlog?.end ?? this.#closedOffset;
  }

  /** Begins to keep the stream, if it is not kept yet. */
  open(bytesMax: number): Backlog {
    this.backlog ??= this.#newBacklog(this.#closedOffset, bytesMax);
    return this.backlog;
  }

  /** Gives the kept stream up. Changes are not counted from here, so this history must not be continued. */
  close(): void {
    this.#closedOffset = this.offset;
    this.#dropBacklog();
    this.ids = freshIds(this.#newId());
  }

  /** The dataset was replaced by one of another history. */
  adopt(id: string, offset: number, bytesMax: number): void {
    this.ids = freshIds(id);
    this.#dropBacklog();
    this.backlog = this.#newBacklog(offset, bytesMax);
  }

  /** From here on this server writes a history of its own that continues the one so far. */
  branch(): void {
    this.ids = branchIds(this.ids, this.offset, this.#newId());
  }

  /** The primary goes on with the same bytes under another name. */
  rename(id: string): void {
    if (id !== this.ids.id) this.ids = branchIds(this.ids, this.offset, id);
  }

  /** DEBUG CHANGE-REPL-ID: another name, so that nobody can continue from here. */
  changeId(): void {
    this.ids = freshIds(this.#newId());
  }

  /** What a snapshot knew of the history it was taken from. */
  restore(id: string, offset: number): void {
    this.ids = freshIds(id);
    this.#dropBacklog();
    this.#closedOffset = offset;
  }

  #newBacklog(position: number, bytesMax: number): Backlog {
    const backlog = new Backlog(position, bytesMax, this.#spill);
    backlog.onTrouble = (reason, readers) => this.onTrouble(reason, readers);
    backlog.memoryBytesMax = () => this.memoryBytesMax();
    return backlog;
  }

  #dropBacklog(): void {
    this.backlog?.close();
    this.backlog = null;
  }
}
