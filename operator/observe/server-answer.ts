/** What one server says of itself, asked in one round trip. Silence is a value with a reason. */
import { RespFailure, type RespFailureKind } from '../../server/wire/client.ts';
import { type Reply, RespError } from '../../server/wire/reply-parser.ts';
import { SLOT_COUNT } from '../plan/slots.ts';
import type { Address, PersistenceFact, ServerAnswer, ServerFact, ServerSilence } from '../plan/snapshot.ts';
import { parseClusterNodes } from './cluster-nodes.ts';
import type { Connect } from './connections.ts';

const ANSWER_DEADLINE_MS = 3_000;

/** INFO as fields, sections together. */
export type Info = ReadonlyMap<string, string>;

/** Asks everything that rules need; `settings` are the names to read back. */
export async function askServer(
  connect: Connect,
  address: Address | undefined,
  password: string | undefined,
  settings: readonly string[],
): Promise<ServerFact> {
  if (address === undefined) return silence('noAddress', 'the pod has no address yet');
  const connection = await connect(address, password);
  if (connection instanceof RespFailure) return silence(reasonOf(connection.kind), connection.message);
  const questions: readonly (readonly string[])[] = [
    ['CLUSTER', 'NODES'],
    ['CLUSTER', 'INFO'],
    ['INFO'],
    ['CONFIG', 'GET', ...settings],
  ];
  const replies = await Promise.all(
    questions.map((words) => connection.call(words, { deadlineMs: ANSWER_DEADLINE_MS })),
  );
  const problem = replies.map(problemOf).find((found) => found !== undefined);
  if (problem !== undefined) return problem;
  const [nodes, clusterInfo, info, values] = replies;
  return readAnswer(
    textOf(nodes as Reply),
    readInfo(textOf(clusterInfo as Reply)),
    readInfo(textOf(info as Reply)),
    readPairs(values as Reply),
  );
}

function readAnswer(
  nodes: string,
  clusterInfo: Info,
  info: Info,
  settings: ReadonlyMap<string, string>,
): ServerFact {
  const table = parseClusterNodes(nodes);
  if (table.myself === undefined) return silence('protocol', 'CLUSTER NODES names no node as myself');
  if (info.get('loading') === '1') return silence('loading', 'the server is still reading its files');
  const replica = table.myself.role === 'replica';
  const answer: ServerAnswer = {
    kind: 'answer',
    nodeId: table.myself.nodeId,
    role: table.myself.role,
    primaryId: replica ? table.myself.primaryId : undefined,
    linkUp: !replica || info.get('master_link_status') === 'up',
    syncing: replica ? info.get('master_sync_in_progress') === '1' : sendsFullSync(info),
    replicationOffset: numberOf(info, replica ? 'slave_repl_offset' : 'master_repl_offset'),
    clusterOk: seesWhole(clusterInfo),
    currentEpoch: numberOf(clusterInfo, 'cluster_current_epoch'),
    configEpoch: table.myself.configEpoch,
    slots: replica ? [] : table.myself.slots,
    openSlots: table.openSlots,
    keys: countKeys(info),
    table: table.entries,
    memory: { used: numberOf(info, 'used_memory'), max: numberOf(info, 'maxmemory') },
    persistence: readPersistence(info),
    settings,
    version: info.get('valkey_version') ?? info.get('redis_version') ?? '',
  };
  return answer;
}

function readPersistence(info: Info): PersistenceFact {
  return {
    aofEnabled: info.get('aof_enabled') === '1',
    aofRewriteRunning:
      info.get('aof_rewrite_in_progress') === '1' || info.get('aof_rewrite_scheduled') === '1',
    aofSize: numberOf(info, 'aof_current_size'),
    aofBaseSize: numberOf(info, 'aof_base_size'),
    aofRewriteOk: (info.get('aof_last_bgrewrite_status') ?? 'ok') === 'ok',
    aofWriteOk: (info.get('aof_last_write_status') ?? 'ok') === 'ok',
    snapshotRunning: info.get('rdb_bgsave_in_progress') === '1',
    snapshotOk: (info.get('rdb_last_bgsave_status') ?? 'ok') === 'ok',
  };
}

/** `slave0:ip=10.0.0.3,port=6379,state=send_bulk,...` */
function sendsFullSync(info: Info): boolean {
  for (const [field, value] of info) {
    if (/^slave\d+$/.test(field) && /state=(?!online)/.test(value)) return true;
  }
  return false;
}

/** `db0:keys=12,expires=0,avg_ttl=0` */
function countKeys(info: Info): number {
  let keys = 0;
  for (const [field, value] of info) {
    if (/^db\d+$/.test(field)) keys += Number(/keys=(\d+)/.exec(value)?.[1] ?? 0);
  }
  return keys;
}

export function readInfo(text: string): Info {
  const fields = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    const colon = line.indexOf(':');
    if (colon > 0 && !line.startsWith('#')) fields.set(line.slice(0, colon), line.slice(colon + 1));
  }
  return fields;
}

function numberOf(info: Info, field: string): number {
  const value = Number(info.get(field) ?? 0);
  return Number.isFinite(value) ? value : 0;
}

/** An array of names and values, or a RESP3 map. */
function readPairs(reply: Reply): Map<string, string> {
  const pairs = new Map<string, string>();
  if (reply instanceof Map) {
    for (const [name, value] of reply) pairs.set(textOf(name), textOf(value));
  } else if (Array.isArray(reply)) {
    for (let index = 0; index + 1 < reply.length; index += 2) {
      pairs.set(textOf(reply[index] ?? ''), textOf(reply[index + 1] ?? ''));
    }
  }
  return pairs;
}

/** A reply as text; numbers in decimal. */
export function textOf(reply: Reply): string {
  if (typeof reply === 'string') return reply;
  if (Buffer.isBuffer(reply)) return reply.toString('utf8');
  return reply === null ? '' : String(reply);
}

function problemOf(reply: Reply | RespFailure): ServerSilence | undefined {
  if (reply instanceof RespFailure) return silence(reasonOf(reply.kind), reply.message);
  if (!(reply instanceof RespError)) return undefined;
  if (reply.code === 'LOADING') return silence('loading', 'the server is still reading its files');
  const auth = reply.code === 'NOAUTH' || reply.code === 'WRONGPASS' || reply.code === 'NOPERM';
  return silence(auth ? 'auth' : 'protocol', reply.message);
}

const REASONS: { readonly [kind in RespFailureKind]: ServerSilence['reason'] } = {
  connect: 'connect',
  closed: 'connect',
  auth: 'auth',
  timeout: 'timeout',
  protocol: 'protocol',
  queueFull: 'timeout',
};

function reasonOf(kind: RespFailureKind): ServerSilence['reason'] {
  return REASONS[kind];
}

function silence(reason: ServerSilence['reason'], message: string): ServerSilence {
  return { kind: 'silent', reason, message };
}

/**
 * Without cluster-require-full-coverage a server calls the state ok while it has not heard of every shard,
 * and answers CLUSTERDOWN for the slots it does not know.
 */
function seesWhole(clusterInfo: ReadonlyMap<string, string>): boolean {
  if (clusterInfo.get('cluster_state') === 'fail') return false;
  return Number(clusterInfo.get('cluster_slots_assigned') ?? SLOT_COUNT) === SLOT_COUNT;
}
