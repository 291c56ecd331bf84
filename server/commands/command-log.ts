/**
 * The logs of commands that were slow, whose request was large or whose reply was: each with its own
 * threshold and length, the newest entry first. Words that hold secrets are not kept.
 */
import type { Call } from './call.ts';
import { redactedWords } from './redaction.ts';

/** Words and bytes of a word that an entry keeps. */
const WORDS_MAX = 32;
const WORD_BYTES_MAX = 128;

export interface LogEntry {
  readonly id: number;
  readonly timeSeconds: number;
  /** Microseconds, or bytes. */
  readonly amount: number;
  readonly words: readonly Uint8Array[];
  readonly address: string;
  readonly clientName: string;
}

export class CommandLog {
  #entries: LogEntry[] = [];
  #nextId = 0;
  /** From this amount on a command is noted; Infinity: never. */
  threshold = Number.POSITIVE_INFINITY;
  lengthMax = 128;

  get length(): number {
    return this.#entries.length;
  }

  /** The newest `count` entries. */
  newest(count: number): readonly LogEntry[] {
    return count === 0 ? [] : this.#entries.slice(-count).reverse();
  }

  /** Notes a command; the oldest entry makes room. */
  add(call: Call, amount: number, nowMs: number): void {
    if (this.lengthMax === 0) return;
    const client = call.client.shownAs ?? call.client;
    this.#entries.push({
      id: this.#nextId++,
      timeSeconds: Math.floor(nowMs / 1000),
      amount: Math.floor(amount),
      words: keptWords(call),
      address: client.link.remoteAddress,
      clientName: client.name,
    });
    if (this.#entries.length > this.lengthMax) {
      this.#entries.splice(0, this.#entries.length - this.lengthMax);
    }
  }

  reset(): void {
    this.#entries = [];
  }
}

function keptWords(call: Call): Uint8Array[] {
  const words = redactedWords(call, WORDS_MAX, WORD_BYTES_MAX).map((word, index) => {
    const more = call.argLength[index] - WORD_BYTES_MAX;
    // A shorter one is whole, or stands for a secret.
    if (word.length < WORD_BYTES_MAX || more <= 0) return word;
    return Buffer.concat([word, Buffer.from(`... (${more} more bytes)`)]);
  });
  if (call.argc > WORDS_MAX) {
    words[WORDS_MAX - 1] = Buffer.from(`... (${call.argc - WORDS_MAX + 1} more arguments)`);
  }
  return words;
}
