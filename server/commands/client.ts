import type { AclUser } from '../acl/acl-user.ts';
import type { Subscriptions } from '../pubsub/pubsub.ts';
import type { TrackingState } from '../pubsub/tracking.ts';
import type { Reply } from '../wire/reply.ts';
import type { Waiting } from './blocking.ts';
import type { CommandEntry } from './command-table.ts';

/** How a client is connected; a replica's link and the stream of our own primary are clients too. */
export type ClientKind = 'normal' | 'replica' | 'primary' | 'aof' | 'pubsub';

/** A key that a client watches. */
export interface WatchedKey {
  readonly databaseIndex: number;
  readonly key: Buffer;
  /** It had expired when it came under watch: that it is gone later is no change. */
  stale: boolean;
}

/** The transport under a client. Filled by the sessions room; the AOF loader has one that discards. */
export interface ClientLink {
  readonly remoteAddress: string;
  readonly localAddress: string;
  /** Bytes that were accepted by `write` and not yet taken by the kernel. */
  readonly pendingBytes: number;
  /** Bytes of the argument that is being read, and of the buffer for it. */
  readonly queryBytes: number;
  readonly queryCapacity: number;
  /** What the connection holds in memory, about. */
  readonly memoryBytes: number;
  /**
   * Queue bytes behind the replies already made. The bytes are copied when the kernel does not take them at
   * once.
   */
  write(bytes: Uint8Array): void;
  /** Queue bytes [start, end) of the turn's messages; behind its reply when the client runs a command. */
  push(start: number, end: number): void;
  /** Messages to the client wait while `held`, and follow what it is answered meanwhile. */
  holdMessages(held: boolean): void;
  /** Close after what is queued was sent; `reason` goes to the log. */
  closeAfterReplies(reason: string): void;
  /** Close now and drop what is queued. */
  destroy(reason: string): void;
  /** Stop reading commands until `unblock` answers the one that is being executed. */
  block(): void;
  /** Answer the command that blocked and go on; nothing happens when the client is gone. */
  unblock(write: (reply: Reply) => void): void;
}

/** Everything the server knows of one connection apart from its bytes. One shape, made once a connection. */
export class Client {
  readonly id: number;
  readonly link: ClientLink;
  readonly createdAtMs: number;
  kind: ClientKind = 'normal';
  databaseIndex = 0;
  /** RESP version of the replies: 2 or 3. */
  protocol: 2 | 3 = 2;
  authenticated = false;
  /** null: may do everything, as our primary and files. */
  user: AclUser | null = null;
  name = '';
  libraryName = '';
  libraryVersion = '';
  lastInteractionMs = 0;
  lastCommand: CommandEntry | null = null;
  commandCount = 0;
  /** MULTI: raw RESP bytes of the queued commands, null outside a transaction. */
  queued: Uint8Array[] | null = null;
  queuedBytes = 0;
  /** Flags of all queued commands together: EXEC is held and refused for what it would run. */
  queuedFlags = 0;
  /** Flags that at least one of them does not have. */
  queuedLacks = 0;
  /** A queued command was refused, so EXEC answers EXECABORT. */
  queueError = false;
  /** WATCH: keys as `database:key` in latin1; null without WATCH. */
  watched: Map<string, WatchedKey> | null = null;
  /** A watched key was touched, so EXEC answers null. */
  watchBroken = false;
  asking = false;
  readonlyMode = false;
  noEvict = false;
  noTouch = false;
  /** CLIENT IMPORT-SOURCE: sees expired keys while import-mode is on. */
  importSource = false;
  /** It has said that it follows redirections. */
  redirectable = false;
  netInputBytes = 0;
  netOutputBytes = 0;
  replyMode: 'on' | 'off' | 'skip' | 'skip-next' = 'on';
  /** What the command wrote is a message, which CLIENT REPLY does not hold back. */
  answeredByMessage = false;
  /** Null before the first SUBSCRIBE. */
  subscriptions: Subscriptions | null = null;
  /** Subscribed to something: with RESP 2 only few commands are allowed. */
  subscribed = false;
  closing = false;
  /** Null while CLIENT TRACKING is off. */
  tracking: TrackingState | null = null;
  /** Waits for a deferred reply. */
  blocked = false;
  /** What it waits for, when CLIENT UNBLOCK may end that. */
  waiting: Waiting | null = null;
  /** What REPLCONF told before PSYNC. */
  replicaPort = 0;
  replicaAddress = '';
  replicaCapabilities = 0;
  replicaVersion = 0;
  replicaResumes = '';
  /** Replication offset behind the last write of this client: what WAIT waits for. */
  writeOffset = 0;
  /** Offset of the append-only file behind it: what WAITAOF waits for. */
  fileOffset = 0;

  get userName(): string {
    return this.user?.name ?? '(superuser)';
  }

  /** Whom logs name in place of this one: the caller of a script. */
  shownAs: Client | null = null;

  constructor(id: number, link: ClientLink, nowMs: number) {
    this.id = id;
    this.link = link;
    this.createdAtMs = nowMs;
    this.lastInteractionMs = nowMs;
  }
}
