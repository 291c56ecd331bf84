/**
 * The link of a replica to its primary, without sockets and clocks: what happened goes in by method, what to
 * do comes out through `PrimaryLinkEffects`.
 *
 *   waiting -> connecting -> ping -> introduce -> psync -+-> streaming (+CONTINUE)
 *      ^                                                 +-> header -> payload -> loading -> streaming
 *      +---------------- any failure, after a back-off --+
 *
 * Invariants: every phase but `waiting` ends by an answer, by a lost connection or after `timeoutMs` without
 * a byte; a lost connection in any phase leads back to `waiting`; the dataset is replaced only when the
 * payload was read to its end (`loadEnd`).
 */
import { PayloadReader } from './payload-reader.ts';
import { encodeCommand } from './propagation.ts';

export type LinkPhase =
  | 'waiting'
  | 'connecting'
  | 'ping'
  | 'introduce'
  | 'psync'
  | 'header'
  | 'payload'
  | 'loading'
  | 'streaming';

export type LogLevel = 'debug' | 'verbose' | 'notice' | 'warning';

/** What a replica tells of itself, read anew at each attempt because configuration is live. */
export interface Introduction {
  readonly user: string;
  /** masterauth; empty for none. */
  readonly password: string;
  readonly listeningPort: number;
  /** replica-announce-ip; empty for none. */
  readonly announcedAddress: string;
  readonly timeoutMs: number;
  /** Name of our history when we have data of this very primary, else empty. */
  readonly resumes: string;
}

/** The end of what we have of a history: PSYNC asks for what follows. */
export interface PartialPoint {
  readonly id: string;
  /** Last offset applied. */
  readonly offset: number;
}

export interface PrimaryLinkEffects {
  /** Open a connection; answered by `opened` or `closed`. */
  connect(host: string, port: number): void;
  send(bytes: Uint8Array): void;
  /** Close the connection; no `closed` is expected for it. */
  disconnect(): void;
  /** Read no more until `resume`. */
  pause(): void;
  resume(): void;
  log(level: LogLevel, text: string): void;
  introduction(): Introduction;
  /** Null when only a full resync makes sense. */
  partialPoint(): PartialPoint | null;
  /** Whether the peer is asked to take over; called when PSYNC is sent. */
  asksToTakeOver(): boolean;
  /** Its answer when it was asked: null when it took over, else the error line. */
  tookOver(refusal: string | null): void;
  /** A full resync begins. What we have stays valid until `loadEnd`. */
  fullResync(id: string, offset: number): void;
  /** `bytesTotal` null: unknown. */
  loadBegin(bytesTotal: number | null): void;
  loadBytes(bytes: Uint8Array, start: number, end: number): void;
  /** The payload is complete; answered by `loaded` or `rejected`, also during the call. */
  loadEnd(): void;
  /** Drop the half-read payload. */
  loadAbort(): void;
  /** The primary continues our history, under a new id if it names one. */
  continued(newId: string | null): void;
  /** Bytes of the stream, in order, each once. */
  stream(bytes: Uint8Array, start: number, end: number): void;
  /** The stream flows from now on. */
  up(): void;
  /** It flowed and does not any more. */
  down(): void;
  /** Last offset applied, for ACK. */
  appliedOffset(): number;
  /** Offset up to which our append-only file is safe, for FACK; -1 when there is none. */
  filedOffset(): number;
}

/** What we announce ourselves as: Valkey adapts the RDB to it and sends version 11, this server sends 12. */
const PEER_VERSION = '7.4.0';
/** The same as REPLCONF version is kept: no other server says it. */
export const OWN_PEER_VERSION = 0x070400;
const LINE_BYTES_MAX = 4096;
const ACK_EVERY_MS = 1000;
/** Waits before attempts after failures; the last one repeats. The first is for a stream that broke. */
export const RETRY_DELAYS_MS: readonly number[] = [0, 250, 500, 1000];
/** After an RDB that cannot be loaded: the next is hardly better, and each costs the primary a snapshot. */
export const RETRY_AFTER_BAD_RDB_MS = 10_000;

const decoder = new TextDecoder('latin1');
const PING = encodeCommand(['PING']);
const NEWLINE = new Uint8Array([10]);

export class PrimaryLink {
  readonly host: string;
  readonly port: number;
  readonly #effects: PrimaryLinkEffects;
  phase: LinkPhase = 'waiting';
  /** When a byte last came from the primary. */
  lastIoMs: number;
  /** Since when the stream does not flow; 0 while it does. */
  downSinceMs: number;
  #payload: PayloadReader | null = null;
  #retryAtMs: number;
  #failures = 0;
  #lastAckMs = 0;
  #line = '';
  /** Names of the introduction's commands whose answers are outstanding. */
  #unanswered: string[] = [];
  /** Bytes that came behind the payload while the dataset loads. */
  #held: Uint8Array | null = null;
  #askedToTakeOver = false;
  #stopped = false;

  constructor(host: string, port: number, effects: PrimaryLinkEffects, nowMs: number) {
    this.host = host;
    this.port = port;
    this.#effects = effects;
    this.lastIoMs = nowMs;
    this.downSinceMs = nowMs;
    this.#retryAtMs = nowMs;
  }

  /** Payload under way: bytes read and announced, null outside of a full resync. */
  get transfer(): { readonly bytesRead: number; readonly bytesTotal: number | null } | null {
    return this.phase === 'header' || this.phase === 'payload' || this.phase === 'loading'
      ? { bytesRead: this.#payload?.bytesRead ?? 0, bytesTotal: this.#payload?.bytesTotal ?? null }
      : null;
  }

  /** When `tick` has something to do in `waiting`. */
  get retryAtMs(): number {
    return this.#retryAtMs;
  }

  /** Gives the link up for good; nothing comes out afterwards. */
  stop(nowMs: number): void {
    if (this.#stopped) return;
    this.#leave(nowMs);
    this.#stopped = true;
  }

  tick(nowMs: number): void {
    if (this.#stopped) return;
    if (this.phase === 'waiting') {
      if (nowMs >= this.#retryAtMs) this.#connect(nowMs);
      return;
    }
    if (nowMs - this.lastIoMs > this.#effects.introduction().timeoutMs) {
      this.#timedOut(nowMs);
      return;
    }
    // The primary waits for our word; what we wait for is our own disk.
    if (this.phase === 'loading') this.lastIoMs = nowMs;
    if ((this.phase === 'streaming' || this.phase === 'loading') && nowMs - this.#lastAckMs >= ACK_EVERY_MS) {
      this.#lastAckMs = nowMs;
      if (this.phase === 'loading') this.#effects.send(NEWLINE);
      else this.acknowledge(nowMs);
    }
  }

  /** Sends the applied offset; also in answer to GETACK. */
  acknowledge(nowMs: number): void {
    if (this.phase !== 'streaming') return;
    this.#lastAckMs = nowMs;
    const words = ['REPLCONF', 'ACK', String(this.#effects.appliedOffset())];
    const filed = this.#effects.filedOffset();
    if (filed >= 0) words.push('FACK', String(filed));
    this.#effects.send(encodeCommand(words));
  }

  /** The connection stands. */
  opened(nowMs: number): void {
    if (this.phase !== 'connecting') return;
    this.lastIoMs = nowMs;
    this.#effects.log('notice', 'Non blocking connect for SYNC fired the event.');
    this.phase = 'ping';
    this.#effects.send(PING);
  }

  /** The connection could not be made, or broke, or must be given up for `reason`. */
  failed(reason: string, nowMs: number): void {
    if (this.#stopped || this.phase === 'waiting') return;
    if (this.phase === 'streaming') this.#effects.log('warning', `Connection with master lost. ${reason}`);
    else if (this.phase === 'connecting')
      this.#effects.log('warning', `Error condition on socket for SYNC: ${reason}`);
    else this.#effects.log('warning', `PRIMARY <-> REPLICA sync interrupted: ${reason}`);
    this.#leave(nowMs);
  }

  /** What the primary sent cannot be loaded or applied. */
  rejected(reason: string, nowMs: number): void {
    if (this.#stopped || this.phase === 'waiting') return;
    this.failed(reason, nowMs);
    this.#retryAtMs = nowMs + RETRY_AFTER_BAD_RDB_MS;
  }

  /** The new dataset is in place. */
  loaded(nowMs: number): void {
    if (this.phase !== 'loading') return;
    this.#effects.log('notice', 'PRIMARY <-> REPLICA sync: Finished with success');
    this.#enterStream(nowMs);
    const held = this.#held;
    this.#held = null;
    this.#effects.resume();
    if (held !== null) this.received(held, 0, held.length, nowMs);
  }

  /** Bytes from the primary. */
  received(bytes: Uint8Array, start: number, end: number, nowMs: number): void {
    this.lastIoMs = nowMs;
    while (start < end) {
      switch (this.phase) {
        case 'streaming':
          this.#effects.stream(bytes, start, end);
          return;
        case 'payload':
          start = this.#readPayload(bytes, start, end, nowMs);
          break;
        case 'loading':
          this.#hold(bytes, start, end);
          return;
        case 'waiting':
        case 'connecting':
          return;
        default:
          start = this.#readLine(bytes, start, end, nowMs);
      }
    }
  }

  #connect(nowMs: number): void {
    this.#effects.log('notice', `Connecting to PRIMARY ${this.host}:${this.port}`);
    this.phase = 'connecting';
    this.lastIoMs = nowMs;
    this.#line = '';
    this.#effects.connect(this.host, this.port);
    // The answer may have come during the call.
    if ((this.phase as LinkPhase) !== 'waiting')
      this.#effects.log('notice', 'PRIMARY <-> REPLICA sync started');
  }

  #timedOut(nowMs: number): void {
    if (this.phase === 'streaming') {
      this.#effects.log('warning', 'PRIMARY timeout: no data nor PING received...');
      this.#effects.log('warning', 'Connection with master lost.');
    } else if (this.phase === 'header' || this.phase === 'payload' || this.phase === 'loading') {
      const advice = `If the problem persists try to set the 'repl-timeout' parameter to a larger value.`;
      this.#effects.log('warning', `Timeout receiving bulk data from PRIMARY... ${advice}`);
    } else {
      this.#effects.log('warning', 'Timeout connecting to the PRIMARY...');
    }
    this.#leave(nowMs);
  }

  #leave(nowMs: number): void {
    const was = this.phase;
    this.phase = 'waiting';
    if (was !== 'waiting') this.#effects.disconnect();
    if (was === 'header' || was === 'payload' || was === 'loading') this.#effects.loadAbort();
    this.#payload = null;
    this.#held = null;
    this.#unanswered = [];
    const delays = RETRY_DELAYS_MS;
    if (was === 'streaming') {
      this.#failures = 0;
      this.downSinceMs = nowMs;
      this.#effects.down();
    } else {
      this.#failures = Math.min(this.#failures + 1, delays.length - 1);
    }
    this.#retryAtMs = nowMs + (delays[this.#failures] as number);
  }

  /** Collects one line of the handshake; an empty one is the primary's sign of life. */
  #readLine(bytes: Uint8Array, start: number, end: number, nowMs: number): number {
    const stop = bytes.indexOf(10, start);
    const lineEnd = stop < 0 || stop >= end ? end : stop;
    this.#line += decoder.decode(bytes.subarray(start, lineEnd));
    if (this.#line.length > LINE_BYTES_MAX) {
      this.failed('the primary answered with an endless line', nowMs);
      return end;
    }
    if (lineEnd === end) return end;
    const line = this.#line.endsWith('\r') ? this.#line.slice(0, -1) : this.#line;
    this.#line = '';
    if (line !== '') this.#answered(line, nowMs);
    return lineEnd + 1;
  }

  #answered(line: string, nowMs: number): void {
    if (this.phase === 'ping') this.#pinged(line, nowMs);
    else if (this.phase === 'introduce') this.#introduced(line, nowMs);
    else if (this.phase === 'psync') this.#psynced(line, nowMs);
    else this.#headed(line, nowMs);
  }

  #pinged(line: string, nowMs: number): void {
    const wantsAuth = /^-(NOAUTH|NOPERM|ERR operation not permitted)/.test(line);
    if (!line.startsWith('+') && !wantsAuth) {
      this.failed(`Error reply to PING from master: '${line}'`, nowMs);
      return;
    }
    this.#effects.log('notice', 'Master replied to PING, replication can continue...');
    const self = this.#effects.introduction();
    const commands: [name: string, words: string[]][] = [];
    if (self.password !== '') {
      const user = self.user === '' ? [] : [self.user];
      commands.push(['AUTH', ['AUTH', ...user, self.password]]);
    }
    commands.push(['REPLCONF listening-port', ['REPLCONF', 'listening-port', String(self.listeningPort)]]);
    if (self.announcedAddress !== '') {
      commands.push(['REPLCONF ip-address', ['REPLCONF', 'ip-address', self.announcedAddress]]);
    }
    commands.push(['REPLCONF capa', ['REPLCONF', 'capa', 'eof', 'capa', 'psync2']]);
    commands.push(['REPLCONF version', ['REPLCONF', 'version', PEER_VERSION]]);
    if (self.resumes !== '') commands.push(['REPLCONF resumes', ['REPLCONF', 'resumes', self.resumes]]);
    this.phase = 'introduce';
    this.#unanswered = commands.map(([name]) => name);
    for (const [, words] of commands) this.#effects.send(encodeCommand(words));
  }

  #introduced(line: string, nowMs: number): void {
    const name = this.#unanswered.shift() as string;
    if (line.startsWith('-')) {
      if (name === 'AUTH') {
        this.failed(`Unable to AUTH to PRIMARY: ${line}`, nowMs);
        return;
      }
      this.#effects.log('notice', `(Non critical) Master does not understand ${name}: ${line}`);
    }
    if (this.#unanswered.length !== 0) return;
    const known = this.#effects.partialPoint();
    this.#askedToTakeOver = known !== null && this.#effects.asksToTakeOver();
    const failover = this.#askedToTakeOver ? ['FAILOVER'] : [];
    if (known === null) {
      this.#effects.log('notice', 'Partial resynchronization not possible (no cached master)');
      this.#effects.send(encodeCommand(['PSYNC', '?', '-1']));
    } else {
      const next = known.offset + 1;
      this.#effects.log('notice', `Trying a partial resynchronization (request ${known.id}:${next}).`);
      this.#effects.send(encodeCommand(['PSYNC', known.id, String(next), ...failover]));
    }
    this.phase = 'psync';
  }

  #psynced(line: string, nowMs: number): void {
    const full = /^\+FULLRESYNC ([0-9a-fA-F]{40}) (\d{1,16})$/.exec(line);
    const proceed = /^\+CONTINUE(?: ([0-9a-fA-F]{40}))?$/.exec(line);
    // A refusal may end this link.
    if (this.#askedToTakeOver) this.#effects.tookOver(full === null && proceed === null ? line : null);
    if (this.#stopped) return;
    if (full !== null) {
      const [, id = '', offset = ''] = full;
      this.#effects.log('notice', `Full resync from master: ${id}:${offset}`);
      this.#effects.fullResync(id.toLowerCase(), Number(offset));
      this.phase = 'header';
      return;
    }
    if (proceed !== null) {
      this.#effects.log('notice', 'Successful partial resynchronization with master.');
      this.#effects.continued(proceed[1]?.toLowerCase() ?? null);
      this.#enterStream(nowMs);
      return;
    }
    this.failed(
      /^-(NOPRIMARYLINK|LOADING)/.test(line)
        ? `Master is currently unable to PSYNC but should be in the future: ${line}`
        : `Unexpected reply to PSYNC from master: ${line}`,
      nowMs,
    );
  }

  #headed(line: string, nowMs: number): void {
    const payload = PayloadReader.fromHeader(line);
    if (payload === null) {
      this.failed(
        line.startsWith('-')
          ? `PRIMARY aborted replication with an error: ${line.slice(1)}`
          : `Bad protocol from PRIMARY, the first byte is not '$' (we received '${line}')`,
        nowMs,
      );
      return;
    }
    this.#payload = payload;
    this.phase = 'payload';
    this.#effects.loadBegin(payload.bytesTotal);
    if (payload.done && (this.phase as LinkPhase) === 'payload') this.#finishPayload();
  }

  #readPayload(bytes: Uint8Array, start: number, end: number, nowMs: number): number {
    const payload = this.#payload as PayloadReader;
    const next = payload.read(bytes, start, end, (view, from, to) => {
      // A loader that gives up answers by `rejected`; the rest of this packet is then of no interest.
      if (this.phase === 'payload') this.#effects.loadBytes(view, from, to);
    });
    this.lastIoMs = nowMs;
    if (this.phase !== 'payload') return end;
    if (payload.done) this.#finishPayload();
    return next;
  }

  #finishPayload(): void {
    this.phase = 'loading';
    this.#effects.pause();
    this.#effects.loadEnd();
  }

  /** Reading is paused, so this is at most what one packet carried behind the payload. */
  #hold(bytes: Uint8Array, start: number, end: number): void {
    const before = this.#held ?? new Uint8Array(0);
    const joined = new Uint8Array(before.length + end - start);
    joined.set(before);
    joined.set(bytes.subarray(start, end), before.length);
    this.#held = joined;
  }

  #enterStream(nowMs: number): void {
    this.phase = 'streaming';
    this.#payload = null;
    this.#failures = 0;
    this.downSinceMs = 0;
    this.lastIoMs = nowMs;
    this.#effects.up();
    this.acknowledge(nowMs);
  }
}
