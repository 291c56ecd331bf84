/** One blocked client, and one key that such clients wait for; `BlockedClients` owns both. */
import type { Watcher } from '../keyspace/watch.ts';
import { encodeCommand } from '../replication/propagation.ts';
import { keySlot } from '../structures/crc16.ts';
import type { Reply } from '../wire/reply.ts';
import type { BlockRequest, Waiting } from './blocking.ts';
import type { Call } from './call.ts';
import type { Client } from './client.ts';
import type { CommandEntry } from './command-table.ts';
import type { Deadline } from './deadlines.ts';
import { encodeCall } from './execute.ts';

/** Who serves them. */
export interface WaiterOwner {
  /** The key changed. */
  markReady(key: BlockedKey): void;
  /** The client is answered without its command being run: with an error, or as after its time. */
  answerUnserved(waiter: Waiter, error: string | null): void;
}

/** One key that clients wait for. It watches the key as WATCH does. */
export class BlockedKey implements Watcher {
  readonly waits = true;
  readonly name: string;
  readonly databaseIndex: number;
  readonly bytes: Buffer;
  /** In the order they came. */
  readonly waiters = new Set<Waiter>();
  /** Waiters that are woken when the key goes. */
  wakesOnDelete = 0;
  /** Stands in the list of ready keys. */
  ready = false;
  readonly #owner: WaiterOwner;

  constructor(owner: WaiterOwner, name: string, databaseIndex: number, bytes: Buffer) {
    this.#owner = owner;
    this.name = name;
    this.databaseIndex = databaseIndex;
    this.bytes = bytes;
  }

  get watchBroken(): boolean {
    return this.ready;
  }

  /** The key changed. */
  set watchBroken(_changed: boolean) {
    if (this.ready || this.waiters.size === 0) return;
    this.ready = true;
    this.#owner.markReady(this);
  }
}

/** One blocked client with the command that it waits for. */
export class Waiter implements Waiting, Deadline {
  readonly client: Client;
  readonly entry: CommandEntry;
  /** The command in RESP. */
  readonly request: Uint8Array;
  readonly type: number;
  readonly wakeOnDelete: boolean;
  readonly onTimeout: (reply: Reply) => void;
  readonly deadlineMs: number;
  heapIndex = -1;
  readonly keys: BlockedKey[] = [];
  /** Cluster slot of the keys. */
  readonly slot: number;
  readonly asking: boolean;
  /** CLIENT REPLY said that nothing is to be answered. */
  readonly muted: boolean;
  readonly #owner: WaiterOwner;

  constructor(owner: WaiterOwner, call: Call, request: BlockRequest, nowMs: number) {
    this.#owner = owner;
    this.client = call.client;
    this.entry = call.entry;
    this.type = request.type;
    this.wakeOnDelete = request.wakeOnDelete === true;
    this.onTimeout = request.onTimeout;
    this.deadlineMs = nowMs + request.timeoutMs;
    this.asking = call.client.asking;
    this.muted = call.client.replyMode !== 'on';
    const start = call.argStart[request.firstKey];
    this.slot =
      call.context.cluster === null ? 0 : keySlot(call.bytes, start, call.argLength[request.firstKey]);
    if (request.again !== undefined) this.request = encodeCommand(request.again);
    else if (call.canonical)
      this.request = Buffer.from(call.bytes.subarray(call.sourceStart, call.sourceEnd));
    else this.request = encodeCall(call);
  }

  timeOut(): void {
    this.#owner.answerUnserved(this, null);
  }

  fail(error: string): void {
    this.#owner.answerUnserved(this, error);
  }
}
