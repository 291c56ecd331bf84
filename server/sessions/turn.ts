/**
 * The turn: all commands that one round of the event loop brings write their replies into one buffer; when
 * the round ends the AOF gets its bytes first, in one write, then every connection its replies, in one write
 * each. What may not leave before the disk has it (appendfsync always) waits by its AOF offset.
 */
import type { Persistence } from '../persistence/persistence.ts';
import { Reply } from '../wire/reply.ts';

/** One connection, as the turn sees it. */
export interface TurnMember {
  /** Takes replies; true when the kernel took all of them, so that the buffer may be used again. */
  send(bytes: Uint8Array): boolean;
  /** Requests wait that had to leave the others their share; go on with them. */
  resume(): void;
}

interface Waiting {
  readonly offset: number;
  readonly member: TurnMember;
  readonly bytes: Uint8Array;
}

export class Turn {
  readonly reply = new Reply();
  readonly #persistence: Persistence;
  readonly #members: TurnMember[] = [];
  readonly #starts: number[] = [];
  /** True while commands of a connection write their replies. */
  executing = false;
  #tasks: (() => void)[] = [];
  #scheduled = false;
  #begun = false;
  #resumable: TurnMember[] = [];
  /** Replies held back until the AOF is safe, oldest first. */
  #waiting: Waiting[] = [];
  /** Runs before the first command of a turn. */
  readonly #onBegin: () => void;
  /** Runs at the end of each turn, before replies leave. */
  readonly #beforeEnd: () => void;

  constructor(persistence: Persistence, onBegin: () => void, beforeEnd: () => void) {
    this.#persistence = persistence;
    this.#onBegin = onBegin;
    this.#beforeEnd = beforeEnd;
  }

  /** Replies from `start` to the end of the buffer belong to `member`. */
  note(member: TurnMember, start: number): void {
    if (start === this.reply.at) return;
    this.#members.push(member);
    this.#starts.push(start);
    this.schedule();
  }

  /**
   * Runs `task`, which writes for one connection, when no command of another is writing its replies: now, or
   * at the end of the turn.
   */
  whenIdle(task: () => void): void {
    if (!this.executing) {
      task();
      return;
    }
    this.#tasks.push(task);
    this.schedule();
  }

  /** Gives `member` another share in the next turn. */
  resumeLater(member: TurnMember): void {
    this.#resumable.push(member);
    this.schedule();
  }

  /** Commands are about to run: the first of a turn sets the clock and looks at what stands in their way. */
  begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#onBegin();
    this.schedule();
  }

  schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#end);
  }

  readonly #end = (): void => {
    this.#scheduled = false;
    this.#beforeEnd();
    this.flush();
    this.#begun = false;
    if (this.#resumable.length === 0) return;
    const members = this.#resumable;
    this.#resumable = [];
    for (const member of members) member.resume();
  };

  /** Sends what the turn has made so far. */
  flush(): void {
    if (this.#tasks.length > 0) {
      const tasks = this.#tasks;
      this.#tasks = [];
      for (const task of tasks) task();
    }
    this.#persistence.flushTurn();
    const count = this.#members.length;
    if (count === 0) return;
    const { reply } = this;
    const hold = this.#persistence.releasedOffset < this.#persistence.offset || this.#waiting.length > 0;
    let pinned = false;
    for (let index = 0; index < count; index++) {
      const end = index + 1 < count ? this.#starts[index + 1] : reply.at;
      const start = this.#starts[index];
      // A plain view: half the price of `subarray`, which makes a Buffer.
      const bytes = new Uint8Array(reply.buffer.buffer, reply.buffer.byteOffset + start, end - start);
      const member = this.#members[index];
      if (hold) {
        this.#waiting.push({ offset: this.#persistence.offset, member, bytes: Buffer.from(bytes) });
      } else if (!member.send(bytes)) pinned = true;
    }
    this.#members.length = 0;
    this.#starts.length = 0;
    reply.reset(pinned);
  }

  /** The disk has caught up: sends the replies that waited for it. */
  release(): void {
    const released = this.#persistence.releasedOffset;
    let count = 0;
    while (count < this.#waiting.length && this.#waiting[count].offset <= released) count++;
    for (const { member, bytes } of this.#waiting.splice(0, count)) member.send(bytes);
  }
}
