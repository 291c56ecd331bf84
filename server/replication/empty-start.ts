/**
 * A primary that came up without any data, where others remember data of it.
 *
 *   fresh --a replica that lost us asks to go on in a history we do not know: its word--> collecting
 *     |                                                                      | COLLECT_MS, for the best word
 *     `--wait over, as every new server--> past                              v
 *   past <--link up, or nobody took over in time------------------------- asking -> following
 *
 * Served as in Redis, that replica would copy the nothing there is here, and the data were gone for good. In
 * its place it is asked to take over, this server follows it and so gets the data back. From the first word
 * to the end commands about data are refused and no replica is served. Once clients have written here their
 * writes are not thrown away either: then replicas are only kept waiting until the wait is over, for somebody
 * to decide. `repl-empty-primary-wait` is the wait: from the start for the first word, from there for a peer
 * that takes over.
 *
 * A replica whose answer is lost may have taken over: it is asked again, for some time, before another one
 * is; otherwise there would be two primaries.
 *
 * What counts as a word: a peer of this kind says itself that it lost this very primary (REPLCONF resumes).
 * Of others only one that comes right after the start, as it does when it looks for us every second: later
 * somebody may have sent it here.
 */
import type { ReplicationLog, ReplicationRuntime } from './replication-seams.ts';
import type { TakeOverDone } from './take-over-call.ts';

/** What a replica says it has. */
export interface PeerWord {
  /** Where it can be reached; port 0: unknown. */
  readonly host: string;
  readonly port: number;
  /** The history its data belongs to. */
  readonly id: string;
  /** First offset that it lacks. */
  readonly offset: number;
  /** True: it lost us; false: it was sent here; null: it does not know such words. */
  readonly lostUs: boolean | null;
}

export interface EmptyStartOwner {
  /** repl-empty-primary-wait; 0: as in Redis. */
  readonly waitSeconds: number;
  readonly isReplica: boolean;
  readonly linkUp: boolean;
  /** No key is here. */
  readonly isEmpty: boolean;
  /** In a cluster without slots: what replicas ask for here is another node's, whose place this one took. */
  readonly servesNothing: boolean;
  /** Commands about data are refused from now on, or not any more. */
  changed(): void;
  /** The peer takes over and this server follows it; `again`: it was asked before and no answer came. */
  handOver(word: PeerWord, again: boolean, done: TakeOverDone): void;
}

type Phase = 'past' | 'fresh' | 'collecting' | 'asking' | 'following';

export const COLLECT_MS = 1500;
export const STRANGER_MS = 5000;
export const ASK_AGAIN_MS = 2000;
const DOUBT_ASKS_MAX = 10;
const WORDS_MAX = 64;
const SECOND_MS = 1000;

export const WAITS_REFUSAL =
  'LOADING This primary came up empty and waits for the word of its replicas, which have data';

export class EmptyStart {
  readonly #owner: EmptyStartOwner;
  readonly #log: ReplicationLog;
  readonly #runtime: ReplicationRuntime;
  #phase: Phase = 'past';
  #startedMs = 0;
  /** When the waiting is over. */
  #deadlineMs = 0;
  #nextAskMs = 0;
  /** By address, the latest each. */
  readonly #words = new Map<string, PeerWord>();
  /** Those that refused since all were asked. */
  readonly #refused = new Set<string>();
  /** Who was asked and has not answered, and how often. */
  #doubted: PeerWord | null = null;
  #doubtAsks = 0;
  #toldWritten = false;

  constructor(owner: EmptyStartOwner, log: ReplicationLog, runtime: ReplicationRuntime) {
    this.#owner = owner;
    this.#log = log;
    this.#runtime = runtime;
  }

  /** Nothing was loaded at the start, and this server is a primary. */
  begin(): void {
    if (this.#owner.waitSeconds === 0) return;
    this.#phase = 'fresh';
    this.#startedMs = this.#runtime.nowMs();
    this.#deadlineMs = this.#startedMs + this.#owner.waitSeconds * SECOND_MS;
  }

  /** Commands about data are refused. */
  get holds(): boolean {
    return this.#phase !== 'past' && this.#phase !== 'fresh';
  }

  /** Why the replica that says this is not served, as an error without its dash; null: it is. */
  refusalOf(word: PeerWord | null): string | null {
    if (this.#phase === 'past') return null;
    const nowMs = this.#runtime.nowMs();
    if (this.#phase === 'fresh') {
      if (word === null || !this.#counts(word, nowMs)) return null;
      if (!this.#owner.isEmpty) return this.#keepWaiting(word);
      this.#hold(word, nowMs);
    }
    if (word !== null) this.#note(word);
    return `NOMASTERLINK ${WAITS_REFUSAL.slice('LOADING '.length)}`;
  }

  /** Ten times a second or so. */
  tick(): void {
    const nowMs = this.#runtime.nowMs();
    if (this.#phase === 'past') return;
    if (this.#owner.isReplica) {
      // It follows somebody, because it asked to or was told.
      if (this.#phase === 'fresh' || this.#owner.linkUp)
        this.end('this server follows a primary that has data');
      return;
    }
    if (this.#phase === 'following') this.#phase = 'asking';
    if (nowMs >= this.#deadlineMs) {
      if (this.holds && this.#owner.servesNothing) return;
      this.end('nobody took over within repl-empty-primary-wait: replicas will get what is here now');
    } else if (this.holds && nowMs >= this.#nextAskMs) this.#askNext(nowMs);
  }

  /** Also by REPLICAOF NO ONE, by which a person says that the data here is to count. */
  end(reason: string): void {
    const before = this.#phase;
    this.#phase = 'past';
    this.#words.clear();
    if (before === 'past' || (before === 'fresh' && !this.#toldWritten)) return;
    this.#log.write('warning', `The wait for the word of replicas is over: ${reason}.`);
    this.#owner.changed();
  }

  #counts(word: PeerWord, nowMs: number): boolean {
    if (word.lostUs !== null) return word.lostUs;
    return nowMs - this.#startedMs <= STRANGER_MS;
  }

  #hold(word: PeerWord, nowMs: number): void {
    const { waitSeconds } = this.#owner;
    this.#phase = 'collecting';
    this.#deadlineMs = nowMs + waitSeconds * SECOND_MS;
    this.#nextAskMs = nowMs + COLLECT_MS;
    this.#log.write(
      'warning',
      `This primary came up empty, but its replica ${nameOf(word)} has data of it (up to offset ` +
        `${word.offset - 1}). Replicas are not served and commands about data are refused for up to ` +
        `${waitSeconds} s, while a replica is asked to take over. REPLICAOF NO ONE ends the wait: replicas ` +
        `then lose their data. See repl-empty-primary-wait.`,
    );
    this.#owner.changed();
  }

  #keepWaiting(word: PeerWord): string {
    if (!this.#toldWritten) {
      this.#toldWritten = true;
      const seconds = Math.ceil((this.#deadlineMs - this.#runtime.nowMs()) / SECOND_MS);
      this.#log.write(
        'warning',
        `This primary came up empty and was written to, while its replica ${nameOf(word)} has data of it (up ` +
          `to offset ${word.offset - 1}). That replica is kept waiting for ${seconds} s, then it loses its ` +
          `data: until then promote it to keep them. REPLICAOF NO ONE here ends the wait.`,
      );
    }
    return 'NOMASTERLINK This primary came up empty and was written to: replicas with data have to wait';
  }

  #note(word: PeerWord): void {
    const name = nameOf(word);
    if (word.port !== 0 && (this.#words.size < WORDS_MAX || this.#words.has(name)))
      this.#words.set(name, word);
  }

  #askNext(nowMs: number): void {
    this.#nextAskMs = nowMs + ASK_AGAIN_MS;
    const doubted = this.#doubted;
    const word = doubted ?? this.#nextWord();
    if (word === undefined) return;
    const name = nameOf(word);
    this.#phase = 'asking';
    this.#nextAskMs = this.#deadlineMs;
    this.#log.write('notice', `Asking replica ${name} to take over, because it has the data.`);
    this.#owner.handOver(word, doubted !== null, (outcome, reason) => {
      this.#nextAskMs = this.#runtime.nowMs() + ASK_AGAIN_MS;
      if (outcome === 'taken') {
        this.#log.write('warning', `Replica ${name} took over. This server follows it to get the data back.`);
        if (this.#phase === 'asking') this.#phase = 'following';
        return;
      }
      this.#log.write('warning', `Replica ${name} does not take over: ${reason}`);
      const stillOpen = outcome === 'lost' || (outcome === 'unasked' && doubted !== null);
      this.#doubtAsks = stillOpen && doubted !== null ? this.#doubtAsks + 1 : 0;
      this.#doubted = stillOpen && this.#doubtAsks < DOUBT_ASKS_MAX ? word : null;
      if (this.#doubted === null) this.#refused.add(name);
    });
  }

  /** Who has most, of those that have not refused; when all have, all are asked again. */
  #nextWord(): PeerWord | undefined {
    const words = [...this.#words.values()].sort((one, other) => other.offset - one.offset);
    const next = words.find((one) => !this.#refused.has(nameOf(one)));
    if (next === undefined) this.#refused.clear();
    return next ?? words[0];
  }
}

function nameOf({ host, port }: PeerWord): string {
  return `${host}:${port}`;
}
