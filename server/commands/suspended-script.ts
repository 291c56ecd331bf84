/** A script that is late: who asked for it, what is answered when it ends, and whether it shall. */
import { Reply } from '../wire/reply.ts';
import { Call } from './call.ts';

export class SuspendedScript {
  /** The call with words of its own: those that came lie where others have been read since. */
  readonly call: Call;
  /** What the client is told in the end. */
  readonly reply = new Reply();
  /** When the script began, in ms of `performance`. */
  readonly startedMs: number;
  /** CLIENT REPLY OFF or SKIP: nothing is said. */
  readonly muted: boolean;
  /** It shall end at its next step. */
  killed = false;
  /** What goes on behind it: the rest of a transaction. */
  after: ((reply: Reply, muted: boolean) => void) | null = null;

  constructor(call: Call, startedMs: number) {
    this.startedMs = startedMs;
    this.muted = call.client.replyMode === 'off' || call.client.replyMode === 'skip';
    this.reply.protocol = call.client.protocol;
    this.call = keptCall(call, this.reply);
  }

  /** Takes what was answered since `start` out of `from`: it goes in front of the script's reply. */
  takeOver(from: Reply, start: number): void {
    this.reply.raw(from.buffer.subarray(start, from.at));
    from.at = start;
  }

  /** The words of the call. */
  words(): Buffer[] {
    return Array.from({ length: this.call.argc }, (_, index) => this.call.copy(index));
  }
}

function keptCall(call: Call, reply: Reply): Call {
  const kept = new Call(call.context, call.table, call.client, reply);
  kept.entry = call.entry;
  kept.database = call.database;
  kept.bytes = Buffer.from(call.bytes.subarray(call.sourceStart, call.sourceEnd));
  kept.argc = call.argc;
  kept.argStart = call.argStart.slice(0, call.argc).map((start) => start - call.sourceStart);
  kept.argLength = call.argLength.slice(0, call.argc);
  kept.sourceEnd = kept.bytes.length;
  kept.canonical = call.canonical;
  kept.inTransaction = call.inTransaction;
  return kept;
}
