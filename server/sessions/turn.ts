/**
 * The turn: all commands that one round of the event loop brings write their replies into one buffer; when
 * the round ends the AOF gets its bytes first, in one write, then every connection its replies, in one write
 * each. What may not leave before the disk has it (appendfsync always) waits by its AOF offset.
 */
import type { Persistence } from '../persistence/persistence.ts';
import { Reply } from '../wire/reply.ts';

/** One connection, as the turn sees it. */
export interface TurnMember {
  /** Its first and last segment of this turn, -1 without one; the turn's own. */
  firstSegment: number;
  lastSegment: number;
  /** Takes replies; true when the kernel took all of them, so that the buffer may be used again. */
  send(bytes: Uint8Array): boolean;
  /** Requests wait that had to leave the others their share; go on with them. */
  resume(): void;
}

const NOTHING = new Uint8Array(0);
/** Segments that a turn has room for at first. */
const SEGMENTS_MIN = 256;
/**
 * Replies that leave before the turn ends: while they are in the processor's cache, a buffer that grows costs
 * more than a write. And of so many members: the first must not wait until a thousand others were read.
 */
const FULL_BYTES = 256 * 1024;
const FULL_SEGMENTS = 64;
/** Replies of a member begin at a multiple of it: a line of the processor's cache. */
const LINE_BYTES = 64;
/** Views of the reply buffer are kept for the next turns: those of one line, in so many lines. */
const VIEW_LINES = 64;

/** Stands where no member is, so that one that has gone is not kept. */
const NOBODY: TurnMember = { firstSegment: -1, lastSegment: -1, send: () => true, resume: () => undefined };

interface Waiting {
  readonly offset: number;
  readonly member: TurnMember;
  readonly bytes: Uint8Array;
}

export class Turn {
  /** Replies of the commands that connections run themselves. */
  readonly reply = new Reply();
  /**
   * What comes beside them: messages, late answers, streams. Many connections may be given the same bytes of
   * it by `deliver`.
   */
  readonly messages = new Reply();
  readonly #persistence: Persistence;
  // Segments of the two buffers in the order they were made; those of one member are linked by #nexts.
  // The lists keep their room: an array that is emptied and filled again costs more than a short command.
  #count = 0;
  readonly #members: TurnMember[] = [];
  #starts = new Int32Array(SEGMENTS_MIN);
  #ends = new Int32Array(SEGMENTS_MIN);
  #nexts = new Int32Array(SEGMENTS_MIN);
  #ofMessages = new Uint8Array(SEGMENTS_MIN);
  // Short replies at the same place come again turn after turn: their views, one for each line and length,
  // are made once.
  readonly #views: Uint8Array[] = Array.from({ length: VIEW_LINES * LINE_BYTES }, () => NOTHING);
  #viewed: Uint8Array = NOTHING;
  /** Where the reply buffer ended before `place`. */
  #unplaced = 0;
  #scheduled = false;
  #begun = false;
  #resumable: TurnMember[] = [];
  /** Replies held back until the AOF is safe, oldest first. */
  #waiting: Waiting[] = [];
  /** Runs before the first command of a turn. */
  readonly #onBegin: () => void;
  /** Runs at the end of each turn, before replies leave. */
  readonly #beforeEnd: () => void;
  /** Runs when they have left. */
  readonly #afterEnd: () => void;

  constructor(persistence: Persistence, onBegin: () => void, beforeEnd: () => void, afterEnd: () => void) {
    this.#persistence = persistence;
    this.#onBegin = onBegin;
    this.#beforeEnd = beforeEnd;
    this.#afterEnd = afterEnd;
  }

  /** Where the next replies of `member` begin; `note` must follow. */
  place(member: TurnMember): number {
    const { reply } = this;
    this.#unplaced = reply.at;
    if (member.lastSegment < 0) reply.at = (reply.at + LINE_BYTES - 1) & -LINE_BYTES;
    return reply.at;
  }

  /** Replies from `start` to the end of the buffer belong to `member`. */
  note(member: TurnMember, start: number): void {
    const { reply } = this;
    if (start !== reply.at) this.#add(member, 0, start, reply.at);
    else reply.at = this.#unplaced;
  }

  /** Bytes [start, end) of `messages` go to `member`, behind what it was given in this turn so far. */
  deliver(member: TurnMember, start: number, end: number): void {
    if (start !== end) this.#add(member, 1, start, end);
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
    this.#afterEnd();
    this.#begun = false;
    if (this.#resumable.length === 0) return;
    const members = this.#resumable;
    this.#resumable = [];
    for (const member of members) member.resume();
  };

  /** So much is waiting that it should leave now. */
  get full(): boolean {
    return this.#count >= FULL_SEGMENTS || this.reply.at >= FULL_BYTES;
  }

  /** Sends what the turn has made so far. */
  flush(): void {
    this.#persistence.flushTurn();
    if (this.#count === 0) return;
    const hold = this.#persistence.releasedOffset < this.#persistence.offset || this.#waiting.length > 0;
    let repliesPinned = false;
    let messagesPinned = false;
    let shared: Uint8Array = NOTHING;
    let sharedStart = -1;
    let sharedEnd = -1;
    for (let index = 0; index < this.#count; index++) {
      const member = this.#members[index];
      this.#members[index] = NOBODY;
      if (member.firstSegment !== index) continue;
      member.firstSegment = -1;
      member.lastSegment = -1;
      const single = this.#nexts[index] < 0;
      const ofMessages = this.#ofMessages[index] === 1;
      let bytes: Uint8Array;
      if (!single) bytes = this.#gather(index);
      else if (!ofMessages) bytes = this.#reusedView(this.#starts[index], this.#ends[index]);
      else if (sharedStart === this.#starts[index] && sharedEnd === this.#ends[index]) bytes = shared;
      else {
        bytes = this.#view(index);
        shared = bytes;
        sharedStart = this.#starts[index];
        sharedEnd = this.#ends[index];
      }
      if (hold) {
        this.#waiting.push({ offset: this.#persistence.offset, member, bytes: Buffer.from(bytes) });
      } else if (!member.send(bytes) && single) {
        if (ofMessages) messagesPinned = true;
        else repliesPinned = true;
      }
    }
    this.#count = 0;
    this.reply.reset(repliesPinned);
    this.messages.reset(messagesPinned);
  }

  #add(member: TurnMember, ofMessages: number, start: number, end: number): void {
    const last = member.lastSegment;
    if (last >= 0 && this.#ofMessages[last] === ofMessages && this.#ends[last] === start) {
      this.#ends[last] = end;
      return;
    }
    const index = this.#count++;
    if (index === this.#starts.length) this.#grow();
    this.#members[index] = member;
    this.#starts[index] = start;
    this.#ends[index] = end;
    this.#nexts[index] = -1;
    this.#ofMessages[index] = ofMessages;
    if (last >= 0) this.#nexts[last] = index;
    else member.firstSegment = index;
    member.lastSegment = index;
    this.schedule();
  }

  #grow(): void {
    const size = this.#starts.length * 2;
    const longer = (list: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> => {
      const next = new Int32Array(size);
      next.set(list);
      return next;
    };
    this.#starts = longer(this.#starts);
    this.#ends = longer(this.#ends);
    this.#nexts = longer(this.#nexts);
    const marks = new Uint8Array(size);
    marks.set(this.#ofMessages);
    this.#ofMessages = marks;
  }

  /** A view of the reply buffer, of an earlier turn where there is one. */
  #reusedView(start: number, end: number): Uint8Array {
    const { buffer } = this.reply;
    const length = end - start;
    const reused = length <= LINE_BYTES && start % LINE_BYTES === 0 && start < VIEW_LINES * LINE_BYTES;
    if (!reused) return new Uint8Array(buffer.buffer, buffer.byteOffset + start, length);
    if (buffer !== this.#viewed) {
      this.#viewed = buffer;
      this.#views.fill(NOTHING);
    }
    const place = start + length - 1;
    const known = this.#views[place];
    if (known !== NOTHING) return known;
    const view = new Uint8Array(buffer.buffer, buffer.byteOffset + start, length);
    this.#views[place] = view;
    return view;
  }

  /** A plain view of a segment: half the price of `subarray`, which makes a Buffer. */
  #view(index: number): Uint8Array {
    const { buffer } = this.#ofMessages[index] === 1 ? this.messages : this.reply;
    const start = this.#starts[index];
    return new Uint8Array(buffer.buffer, buffer.byteOffset + start, this.#ends[index] - start);
  }

  /** All segments of a member as one: one write is cheaper than several. */
  #gather(first: number): Uint8Array {
    let size = 0;
    for (let index = first; index >= 0; index = this.#nexts[index]) {
      size += this.#ends[index] - this.#starts[index];
    }
    const bytes = Buffer.allocUnsafe(size);
    let at = 0;
    for (let index = first; index >= 0; index = this.#nexts[index]) {
      const view = this.#view(index);
      bytes.set(view, at);
      at += view.length;
    }
    return bytes;
  }

  /** The disk has caught up: sends the replies that waited for it. */
  release(): void {
    const released = this.#persistence.releasedOffset;
    let count = 0;
    while (count < this.#waiting.length && this.#waiting[count].offset <= released) count++;
    for (const { member, bytes } of this.#waiting.splice(0, count)) member.send(bytes);
  }
}
