/**
 * A Snapshot from a few lines of text, for the tests of rules.
 *
 *   shards 3 replicas 1              the spec; first line
 *   formed                           the status says that all slots were served
 *   0-0 zone a primary 0-5460        a member: shard-ordinal, then words in any order
 *   0-1 zone b replica of 0-0
 *   ghost 77 slots 3-4               a node id that only the tables know (failed, disconnected)
 *
 * Words of a member: `zone z`, `primary [ranges]`, `replica of s-o`, `keys n`, `epoch n`, `alone` (knows only
 * itself, and nobody knows it), `moved` (others know an old address), `opening` (and try to connect to it),
 * `silent`, `syncing`, `linkdown`,
 * `open n migrating s-o`, `open n importing s-o`, `set name value`, `used n`, `aof size base`, `rewriting`,
 * `saving`, `node name`, `gone` (its Kubernetes node is absent), `old` (an earlier revision), `unready`.
 * Node ids are `id-s-o`; the port is the server's.
 */

import { parseSlots, type SlotRange } from '../slots.ts';
import type {
  Address,
  Intent,
  KubernetesNode,
  Member,
  OpenSlot,
  ServerAnswer,
  Snapshot,
  TableEntry,
} from '../snapshot.ts';

interface Sketched {
  readonly name: string;
  readonly shard: number;
  readonly ordinal: number;
  readonly words: string[];
}

export function idOf(name: string): string {
  return `id-${name}`;
}

export function sketch(text: string, changes: Partial<Snapshot> = {}): Snapshot {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const head = (lines[0] ?? '').split(/\s+/);
  const shards = Number(head[1]);
  const replicasPerShard = Number(head[3]);
  const sketched: Sketched[] = [];
  const ghosts: TableEntry[] = [];
  for (const line of lines.slice(1)) {
    const words = line.split(/\s+/);
    const place = /^(\d+)-(\d+)$/.exec(words[0] ?? '');
    if (place !== null) {
      const [name, shard, ordinal] = [words[0] ?? '', Number(place[1]), Number(place[2])];
      sketched.push({ name, shard, ordinal, words });
    } else if (words[0] === 'ghost') ghosts.push(ghostOf(words));
  }
  const members = sketched.map((each) => memberOf(each, sketched, ghosts));
  const nodes = new Map<string, KubernetesNode>([['here', node('here', undefined)]]);
  for (const { pod } of members) {
    if (pod.nodeName !== undefined && !find(sketched, pod)?.words.includes('gone')) {
      nodes.set(pod.nodeName, node(pod.nodeName, pod.zone));
    }
  }
  const existing = [...new Set(sketched.map((each) => each.shard))];
  return {
    now: Date.parse('2026-05-04T03:30:00Z'),
    namespace: 'default',
    name: 'c',
    generation: 1,
    deleting: false,
    paused: false,
    breakGlassUntil: undefined,
    intent: intentOf(shards, replicasPerShard),
    objects: [],
    workloads: existing.map((shard) => {
      return { name: `c-shard-${shard}`, shard, replicas: replicasPerShard + 1, updateRevision: 'r1' };
    }),
    smallClaims: [],
    password: { kind: 'present', serverSecret: 'current' },
    nodes,
    members,
    cachesBehind: false,
    history: {
      formed: lines.includes('formed') ? true : lines.includes('forming') ? false : undefined,
      settingsApplied: lines.includes('applied'),
      nodeIds: new Map(),
      rewrites: new Map(),
    },
    ...changes,
  };
}

function find(sketched: readonly Sketched[], pod: { shard: number; ordinal: number }): Sketched | undefined {
  return sketched.find((each) => each.shard === pod.shard && each.ordinal === pod.ordinal);
}

function node(name: string, zone: string | undefined): KubernetesNode {
  return { name, zone, ready: true, unschedulable: false, taints: [] };
}

export function intentOf(shards: number, replicasPerShard: number, changes: Partial<Intent> = {}): Intent {
  return {
    kind: 'intent',
    shards,
    replicasPerShard,
    settings: [
      { name: 'maxmemory-policy', value: 'volatile-ttl', change: 'live', comparison: 'text' },
      { name: 'maxmemory', value: '100mb', change: 'live', comparison: 'bytes' },
    ],
    maxmemory: 104857600,
    maxmemoryPolicy: 'volatile-ttl',
    criticalPercent: 85,
    persistent: true,
    spread: true,
    aofRewrite: undefined,
    ...changes,
  };
}

function wordAfter(words: readonly string[], word: string): string | undefined {
  const index = words.indexOf(word);
  return index === -1 ? undefined : words[index + 1];
}

function memberOf(each: Sketched, all: readonly Sketched[], ghosts: readonly TableEntry[]): Member {
  const { words, shard, ordinal, name } = each;
  const silent = words.includes('silent');
  return {
    pod: {
      name: `c-shard-${name}`,
      uid: `uid-${name}`,
      shard,
      ordinal,
      address: words.includes('nowhere') ? undefined : addressOf(each),
      nodeName: wordAfter(words, 'node') ?? `n-${name}`,
      zone: wordAfter(words, 'zone'),
      ready: !silent && !words.includes('unready'),
      terminating: words.includes('terminating'),
      revision: words.includes('old') ? 'r0' : 'r1',
      trouble: words.includes('stuck')
        ? { reason: 'ImagePullBackOff', message: 'no such image', since: 0 }
        : undefined,
    },
    server: silent
      ? { kind: 'silent', reason: 'connect', message: 'connection refused' }
      : answerOf(each, all, ghosts),
  };
}

function addressOf(each: Sketched): Address {
  return { host: `10.0.${each.shard}.${each.ordinal}`, port: 6379, busPort: 16379 };
}

function answerOf(each: Sketched, all: readonly Sketched[], ghosts: readonly TableEntry[]): ServerAnswer {
  const { words } = each;
  const alone = words.includes('alone');
  const known = all.filter((other) => other === each || (!alone && !other.words.includes('alone')));
  const following = wordAfter(words, 'of');
  const aof = words.indexOf('aof');
  const number = (word: string): number => Number(wordAfter(words, word) ?? 0);
  return {
    kind: 'answer',
    nodeId: idOf(each.name),
    role: roleOf(words),
    primaryId: following === undefined ? undefined : idOf(following),
    linkUp: !words.includes('linkdown'),
    syncing: words.includes('syncing'),
    replicationOffset: 100,
    clusterOk: !words.includes('down'),
    currentEpoch: number('epoch'),
    configEpoch: number('epoch'),
    slots: slotsOf(words),
    openSlots: openSlotsOf(words),
    keys: number('keys'),
    table: [...known.map((other) => entryOf(other, other === each)), ...(alone ? [] : ghosts)],
    memory: { used: number('used'), max: 104857600 },
    persistence: {
      aofEnabled: aof !== -1,
      aofRewriteRunning: words.includes('rewriting'),
      aofSize: aof === -1 ? 0 : Number(words[aof + 1]),
      aofBaseSize: aof === -1 ? 0 : Number(words[aof + 2]),
      aofRewriteOk: !words.includes('rewritefailed'),
      aofWriteOk: true,
      snapshotRunning: words.includes('saving'),
      snapshotOk: true,
    },
    settings: settingsOf(words),
    version: '7.2.0',
  };
}

function entryOf(other: Sketched, myself: boolean): TableEntry {
  const { words } = other;
  const silent = words.includes('silent');
  const following = wordAfter(words, 'of');
  const moved = words.includes('moved');
  return {
    nodeId: idOf(other.name),
    ...(moved && !myself ? { host: '10.9.9.9', port: 6379 } : addressOf(other)),
    hostname: undefined,
    role: roleOf(words),
    primaryId: following === undefined ? undefined : idOf(following),
    myself,
    failed: silent && words.includes('failed'),
    suspected: silent,
    handshake: words.includes('handshake') && !myself,
    noAddress: false,
    connected: myself || words.includes('opening') || !(silent || moved),
    configEpoch: Number(wordAfter(words, 'epoch') ?? 0),
    slots: slotsOf(words),
  };
}

function ghostOf(words: readonly string[]): TableEntry {
  const slots = wordAfter(words, 'slots');
  const following = wordAfter(words, 'of');
  return {
    nodeId: `ghost-${words[1]}`,
    host: '10.8.8.8',
    port: 6379,
    hostname: wordAfter(words, 'hostname'),
    role: following === undefined ? 'primary' : 'replica',
    primaryId: following === undefined ? undefined : idOf(following),
    myself: false,
    failed: !words.includes('connected'),
    suspected: false,
    handshake: words.includes('handshake'),
    noAddress: false,
    connected: words.includes('connected'),
    configEpoch: Number(wordAfter(words, 'epoch') ?? 0),
    slots: slots === undefined ? [] : parseSlots(slots),
  };
}

function roleOf(words: readonly string[]): 'primary' | 'replica' {
  return words.includes('replica') ? 'replica' : 'primary';
}

function slotsOf(words: readonly string[]): SlotRange[] {
  const after = wordAfter(words, 'primary');
  return after !== undefined && /^\d+(-\d+)?(,|$)/.test(after) ? parseSlots(after) : [];
}

function openSlotsOf(words: readonly string[]): OpenSlot[] {
  const open: OpenSlot[] = [];
  words.forEach((word, index) => {
    if (word !== 'open') return;
    open.push({
      slot: Number(words[index + 1]),
      direction: words[index + 2] === 'migrating' ? 'migrating' : 'importing',
      peerId: idOf(words[index + 3] ?? ''),
    });
  });
  return open;
}

function settingsOf(words: readonly string[]): Map<string, string> {
  const settings = new Map([
    ['maxmemory-policy', 'volatile-ttl'],
    ['maxmemory', '104857600'],
  ]);
  words.forEach((word, index) => {
    if (word === 'set') settings.set(words[index + 1] ?? '', words[index + 2] ?? '');
  });
  return settings;
}
