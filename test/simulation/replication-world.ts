/**
 * Several replication nodes in one process: virtual time, a network that tears, delays and cuts, and datasets
 * of appended strings, so that a byte applied twice or not at all shows.
 */
import type { DialHandlers, Dialled } from '../../server/replication/dial.ts';
import { OWN_PEER_VERSION } from '../../server/replication/primary-link.ts';
import { Propagation } from '../../server/replication/propagation.ts';
import type { SyncFile } from '../../server/replication/rdb-run.ts';
import { Replication } from '../../server/replication/replication.ts';
import type {
  ReplicaPeer,
  ReplicationRuntime,
  ReplicationSeams,
  ReplicationSettings,
} from '../../server/replication/replication-seams.ts';
import { Spill, type SpillDisk, type SpillFile } from '../../server/replication/spill.ts';
import type { Prng } from '../../server/structures/prng.ts';

/** Small, so that short histories fill files. */
const SPILL_SIZES = { memoryBytes: 1 << 17, writeBehindBytes: 1 << 18, segmentBytes: 1 << 21 };

interface Timed {
  readonly atMs: number;
  readonly order: number;
  readonly task: () => void;
  cancelled: boolean;
}

export class VirtualTime {
  nowMs = 1_000_000;
  #queue: Timed[] = [];
  #order = 0;

  after(ms: number, task: () => void): () => void {
    const timed: Timed = { atMs: this.nowMs + ms, order: this.#order++, task, cancelled: false };
    let at = this.#queue.length;
    while (at > 0 && (this.#queue[at - 1] as Timed).atMs > timed.atMs) at--;
    this.#queue.splice(at, 0, timed);
    return () => {
      timed.cancelled = true;
    };
  }

  run(ms: number): void {
    const endMs = this.nowMs + ms;
    for (let next = this.#queue[0]; next !== undefined && next.atMs <= endMs; next = this.#queue[0]) {
      this.#queue.shift();
      this.nowMs = next.atMs;
      if (!next.cancelled) next.task();
    }
    this.nowMs = endMs;
  }
}

/** One direction of a connection: bytes arrive later, in pieces, in order. */
class Pipe {
  pendingBytes = 0;
  broken = false;
  readonly #world: ReplicationWorld;
  readonly #deliver: (bytes: Uint8Array) => void;
  #freeAtMs = 0;

  constructor(world: ReplicationWorld, deliver: (bytes: Uint8Array) => void) {
    this.#world = world;
    this.#deliver = deliver;
  }

  write(bytes: Uint8Array): void {
    const { random, time } = this.#world;
    let start = 0;
    // Few events for much data: what tears is at the ends.
    const most = bytes.length > 4000 ? 4000 : 400;
    while (start < bytes.length) {
      const length = Math.min(bytes.length - start, 1 + random.below(random.below(8) === 0 ? 5 : most));
      const piece = bytes.slice(start, start + length);
      start += length;
      this.pendingBytes += length;
      this.#freeAtMs = Math.max(this.#freeAtMs, time.nowMs) + random.below(3);
      time.after(this.#freeAtMs - time.nowMs, () => {
        this.pendingBytes -= length;
        if (!this.broken && !this.#world.silent) this.#deliver(piece);
      });
    }
  }
}

export interface Connection {
  readonly ends: readonly [string, string];
  cut(reason: string): void;
}

/** Commands in RESP, one after the other; the rest is kept. */
class Commands {
  #text = '';

  feed(bytes: Uint8Array, run: (words: string[]) => void): void {
    this.#text += Buffer.from(bytes).toString('latin1');
    for (let words = this.#next(); words !== null; words = this.#next()) if (words.length > 0) run(words);
  }

  #next(): string[] | null {
    if (this.#text.startsWith('\n')) {
      this.#text = this.#text.slice(1);
      return [];
    }
    const head = /^\*(\d+)\r\n/.exec(this.#text);
    if (head === null) return null;
    let at = head[0].length;
    const words: string[] = [];
    for (let left = Number(head[1]); left > 0; left--) {
      const size = /^\$(\d+)\r\n/.exec(this.#text.slice(at, at + 20));
      if (size === null) return null;
      at += size[0].length;
      const end = at + Number(size[1]);
      if (this.#text.length < end + 2) return null;
      words.push(this.#text.slice(at, end));
      at = end + 2;
    }
    this.#text = this.#text.slice(at);
    return words;
  }
}

export class WorldNode {
  readonly name: string;
  readonly replication: Replication;
  readonly propagation = new Propagation();
  readonly counters = {
    syncFull: 0,
    syncPartialOk: 0,
    syncPartialErr: 0,
    totalReplInputBytes: 0,
    totalReplOutputBytes: 0,
  };
  readonly logs: string[] = [];
  /** repl-spill-max. */
  spillBytesMax = 0;
  /** `database/key` -> all that was appended. */
  dataset = new Map<string, string>();
  readonly settings: { -readonly [Name in keyof ReplicationSettings]: ReplicationSettings[Name] };
  readonly #world: ReplicationWorld;
  readonly #seams: ReplicationSeams;

  constructor(name: string, world: ReplicationWorld) {
    this.name = name;
    this.#world = world;
    this.settings = {
      port: 1,
      primaryUser: '',
      primaryPassword: '',
      sourceAddress: '',
      announceAddress: name,
      announcePort: 0,
      announced: true,
      priority: 100,
      replicaReadOnly: true,
      disklessSync: true,
      disklessSyncDelaySeconds: 0,
      disklessSyncMaxReplicas: 0,
      pingPeriodSeconds: 10,
      timeoutSeconds: 60,
      emptyPrimaryWaitSeconds: 60,
      backlogBytes: 200_000,
      backlogTtlSeconds: 3600,
      minReplicasToWrite: 0,
      minReplicasMaxLagSeconds: 10,
      outputLimit: { hardBytes: 0, softBytes: 0, softSeconds: 0 },
    };
    this.#seams = this.#makeSeams();
    this.replication = new Replication({
      settings: this.settings,
      log: { write: (_level, text) => void this.logs.push(text) },
      counters: this.counters,
      runtime: world.runtime(),
      propagation: this.propagation,
      seams: this.#seams,
      stateChanged: () => {},
      moved: () => {},
      dial: (host, _port, _deadlineMs, handlers) => world.dial(this, host, handlers),
    });
    const tick = (): void => {
      this.replication.tick(world.time.nowMs);
      world.time.after(100, tick);
    };
    tick();
  }

  /** A client's write, if this node takes it. */
  append(database: number, key: string, value: string): void {
    this.#apply(database, key, value);
    this.propagation.words(database, ['APPEND', key, value]);
  }

  /** Several at once. */
  transaction(database: number, pairs: readonly (readonly [string, string])[]): void {
    this.propagation.beginUnit();
    for (const [key, value] of pairs) this.append(database, key, value);
    this.propagation.endUnit();
  }

  /** What a connection of a replica says. */
  serve(peer: ReplicaPeer, words: string[]): void {
    const [name, option = '', value = ''] = words;
    const answer = (text: string): void => peer.link.write(Buffer.from(`${text}\r\n`));
    if (name === 'PING') answer('+PONG');
    else if (name === 'PSYNC') {
      const refused = words[3] === 'FAILOVER' ? this.replication.takeOver(option) : null;
      if (refused !== null) {
        answer(`-${refused}`);
        return;
      }
      const refusal = this.replication.refusalOf(peer, { id: option, offset: Number(value) });
      if (refusal !== null) answer(`-${refusal}`);
      else this.replication.attach(peer, { id: option, offset: Number(value) }, false);
    } else if (option === 'ACK') this.replication.primary.acknowledged(peer.id, Number(value));
    else {
      if (option === 'capa') peer.replicaCapabilities = 3;
      if (option === 'version') peer.replicaVersion = OWN_PEER_VERSION;
      if (option === 'resumes') peer.replicaResumes = value;
      answer('+OK');
    }
  }

  #apply(database: number, key: string, value: string): void {
    const place = `${database}/${key}`;
    this.dataset.set(place, (this.dataset.get(place) ?? '') + value);
  }

  #makeSeams(): ReplicationSeams {
    const node = this;
    const world = this.#world;
    return {
      rdbFields: () => [],
      spill: new Spill(world.disk(), () => node.spillBytesMax, SPILL_SIZES),
      syncFile: () => world.syncFile(),
      savesFiles: () => false,
      rdbCompression: () => false,
      filedOffset: () => -1,
      nextClientId: () => 1,
      isEmpty: () => node.dataset.size === 0,
      servesNothing: () => false,
      clusterHandOver: null,
      snapshots: {
        start: (request) => {
          const { sink, fields } = request.begin(1);
          const text = JSON.stringify({ fields, data: [...node.dataset] });
          let at = 0;
          let over = false;
          const step = (): void => {
            if (over) return;
            if (at < text.length) {
              sink.write(Buffer.from(text.slice(at, at + 500)));
              at += 500;
              world.time.after(world.random.below(4), step);
              return;
            }
            over = true;
            void sink.finish();
            request.onEnd(null);
          };
          world.time.after(1, step);
          const cancel = (reason: string): void => {
            if (over) return;
            over = true;
            sink.abort();
            request.onEnd(new Error(reason));
          };
          return { cancel };
        },
      },
      loader: {
        flushesFirst: () => false,
        begin: () => {
          let text = '';
          return {
            toDisk: false,
            offset: 0,
            feed: (bytes) => {
              text += Buffer.from(bytes).toString('latin1');
              return null;
            },
            finish: (placed, done) => {
              const { fields, data } = JSON.parse(text);
              node.dataset = new Map(data);
              placed(Number(new Map<string, string>(fields).get('repl-stream-db')));
              done(null);
            },
            abort: () => {},
          };
        },
      },
      applier: {
        database: 0,
        apply(bytes, start, end) {
          new Commands().feed(bytes.subarray(start, end), ([name, first = '', second = '']) => {
            if (name === 'SELECT') this.database = Number(first);
            else if (name === 'APPEND') node.#apply(this.database, first, second);
            else if (first === 'GETACK') node.replication.replica?.askAck();
          });
          return end;
        },
      },
    };
  }
}

export class ReplicationWorld {
  readonly time = new VirtualTime();
  readonly random: Prng;
  readonly nodes: Map<string, WorldNode> = new Map();
  readonly connections: Set<Connection> = new Set();
  /** Pairs `a b` that cannot open connections. */
  readonly blocked: Set<string> = new Set();
  /** Connections stand, and nothing arrives. */
  silent = false;
  /** What the disk says to every request. */
  diskProblem: string | null = null;
  /** Files that are open. */
  spillFiles = 0;
  #nextId = 1;

  constructor(random: Prng) {
    this.random = random;
  }

  add(name: string): WorldNode {
    const node = new WorldNode(name, this);
    this.nodes.set(name, node);
    return node;
  }

  runtime(): ReplicationRuntime {
    const { time, random } = this;
    return {
      nowMs: () => time.nowMs,
      random: (bytes) => {
        for (let at = 0; at < bytes.length; at++) bytes[at] = random.below(256);
      },
      afterTurn: (task) => void time.after(0, task),
      after: (ms, task) => time.after(ms, task),
    };
  }

  /** A disk that takes its time, and fails as long as `diskProblem` says so. */
  disk(): SpillDisk {
    return {
      open: () => {
        if (this.diskProblem !== null) throw new Error(this.diskProblem);
        this.spillFiles++;
        return this.#spillFile();
      },
    };
  }

  #spillFile(): SpillFile {
    const content = new Uint8Array(SPILL_SIZES.segmentBytes);
    let closed = false;
    const later = (task: () => void, done: (error: Error | null) => void): void => {
      if (closed) throw new Error('the spill file is closed already');
      this.time.after(this.random.below(20), () => {
        if (closed) throw new Error('the spill file was closed under a request');
        if (this.diskProblem === null) task();
        done(this.diskProblem === null ? null : new Error(this.diskProblem));
      });
    };
    return {
      write: (bytes, position, done) => later(() => content.set(bytes, position), done),
      writeNow: (bytes, position) => {
        if (this.diskProblem !== null) throw new Error(this.diskProblem);
        content.set(bytes, position);
      },
      read: (bytes, position, done) =>
        later(() => bytes.set(content.subarray(position, position + bytes.length)), done),
      close: () => {
        if (closed) throw new Error('the spill file is closed twice');
        closed = true;
        this.spillFiles--;
      },
    };
  }

  /** What `repl-diskless-sync no` writes and reads. */
  syncFile(): SyncFile {
    const chunks: Uint8Array[] = [];
    return {
      sink: {
        pendingBytes: 0,
        failure: null,
        write: (chunk) => void chunks.push(chunk),
        finish: () => Promise.resolve(),
        abort: () => {},
      },
      open: () => {
        const content = Buffer.concat(chunks);
        return {
          end: content.length,
          view: () => null,
          read: (position, done) => {
            this.time.after(this.random.below(20), () =>
              done(null, content.subarray(position, position + 700)),
            );
          },
          close: () => {},
        };
      },
    };
  }

  cutAll(reason: string): void {
    for (const connection of [...this.connections]) connection.cut(reason);
  }

  dial(from: WorldNode, host: string, handlers: DialHandlers): Dialled {
    const target = this.nodes.get(host);
    const id = this.#nextId++;
    const commands = new Commands();
    const toReplica = new Pipe(this, (bytes) => handlers.received(bytes));
    const toPrimary = new Pipe(this, (bytes) => commands.feed(bytes, (words) => target?.serve(peer, words)));
    let open = false;
    const close = (tell: boolean, reason: string): void => {
      toReplica.broken = true;
      toPrimary.broken = true;
      this.connections.delete(connection);
      if (open) this.time.after(this.random.below(20), () => target?.replication.primary.detach(id));
      open = false;
      if (tell) this.time.after(1, () => handlers.closed(reason));
    };
    const peer: ReplicaPeer = {
      id,
      link: {
        remoteAddress: `${from.name}:4711`,
        get pendingBytes() {
          return toReplica.pendingBytes;
        },
        write: (bytes) => toReplica.write(bytes),
        closeAfterReplies: (reason) => close(true, reason),
        destroy: (reason) => close(true, reason),
      },
      replicaPort: 1,
      replicaAddress: from.name,
      replicaCapabilities: 0,
      replicaVersion: 0,
      replicaResumes: '',
    };
    const connection: Connection = {
      ends: [from.name, host],
      cut: (reason) => {
        if (open) close(true, reason);
      },
    };
    this.time.after(1 + this.random.below(5), () => {
      if (toReplica.broken) return;
      if (target === undefined || this.blocked.has(`${from.name} ${host}`)) {
        close(true, 'connection refused');
        return;
      }
      open = true;
      this.connections.add(connection);
      handlers.opened();
    });
    return {
      localAddress: '',
      write: (bytes) => toPrimary.write(bytes),
      pause: () => {},
      resume: () => {},
      destroy: () => close(false, ''),
    };
  }
}
