/**
 * nodes.conf, one line a node, as Redis 7.2 writes it, and CLUSTER NODES, which is the same with fewer
 * fields:
 *
 *   <id> <ip>:<port>@<bus port>,<hostname>,<field>=<value>… <flags> <primary id or -> <ping ms> <pong ms>
 *        <config epoch> connected|disconnected <slot or first-last>… [<slot>->-<id>] [<slot>-<-<id>]
 *   vars currentEpoch <n> lastVoteEpoch <n>
 *
 * Departure from Redis: well-formed fields that we do not know are skipped, so that files of newer servers
 * load.
 */
import { isHostname, isNodeName } from './bus-extensions.ts';
import { isNodeId, SLOT_COUNT } from './bus-message.ts';
import type { ClusterState } from './cluster-state.ts';
import {
  type ClusterNode,
  FAILED,
  flagByName,
  HANDSHAKE,
  MYSELF,
  NO_ADDRESS,
  REPLICA,
} from './node-table.ts';
import { slotRanges } from './slots.ts';

const BUS_PORT_OFFSET = 10_000;

function migrationsOf(state: ClusterState): string {
  let text = '';
  for (let slot = 0; slot < SLOT_COUNT; slot++) {
    const target = state.slots.migratingNode(slot);
    const source = state.slots.importingNode(slot);
    if (target !== null) text += ` [${slot}->-${target.id}]`;
    else if (source !== null) text += ` [${slot}-<-${source.id}]`;
  }
  return text;
}

/** One line without its end. `forFile` adds the fields that clients do not see. */
export function describeNode(state: ClusterState, node: ClusterNode, forFile: boolean): string {
  let address = `${node.ip}:${node.port}@${node.busPort}`;
  if (forFile) {
    address += `,${node.hostname},tls-port=0,shard-id=${node.shardId}`;
    if (node.nodeName !== '') address += `,nodename=${node.nodeName}`;
  } else if (node.hostname !== '') address += `,${node.hostname}`;
  const epoch = node.isReplica && node.primary !== null ? node.primary.configEpoch : node.configEpoch;
  const link = node === state.myself || node.link !== null ? 'connected' : 'disconnected';
  const times = `${Math.floor(node.pingSentAt)} ${Math.floor(node.pongReceivedAt)}`;
  let line = `${node.id} ${address} ${node.flagNames} ${node.primary?.id ?? '-'} ${times} ${epoch} ${link}`;
  for (const [first, last] of slotRanges(node.slots))
    line += first === last ? ` ${first}` : ` ${first}-${last}`;
  return node === state.myself ? line + migrationsOf(state) : line;
}

/** The text of CLUSTER NODES. */
export function describeNodes(state: ClusterState): string {
  return [...state.nodes.all()].map((node) => `${describeNode(state, node, false)}\n`).join('');
}

/** The content of nodes.conf. */
export function writeNodesConf(state: ClusterState): string {
  const nodes = [...state.nodes.all()].filter((node) => !node.has(HANDSHAKE));
  const lines = nodes.map((node) => describeNode(state, node, true));
  lines.push(`vars currentEpoch ${state.currentEpoch} lastVoteEpoch ${state.lastVoteEpoch}`, '');
  return lines.join('\n');
}

interface NodeLine {
  readonly id: string;
  readonly ip: string;
  readonly port: number;
  readonly busPort: number;
  readonly hostname: string;
  readonly nodeName: string;
  readonly shardId: string;
  readonly flags: number;
  readonly primaryId: string | null;
  readonly pinged: boolean;
  readonly ponged: boolean;
  readonly configEpoch: number;
  readonly ranges: readonly (readonly [number, number])[];
  readonly migrating: readonly (readonly [number, string])[];
  readonly importing: readonly (readonly [number, string])[];
}

/** A number in decimal digits up to `max`, or NaN. */
function decimal(text: string | undefined, max: number): number {
  if (text === undefined || !/^\d{1,16}$/.test(text)) return Number.NaN;
  const value = Number(text);
  return value <= max ? value : Number.NaN;
}

type Address = Pick<NodeLine, 'ip' | 'port' | 'busPort' | 'hostname' | 'nodeName' | 'shardId'>;

function parseAddress(text: string): Address | string {
  const [place = '', hostname = '', ...fields] = text.split(',');
  const match = /^(.*):(\d{1,5})(?:@(\d{1,5}))?$/.exec(place);
  if (match === null) return `address "${place}" is not ip:port@busport`;
  const port = decimal(match[2], 65535);
  const busPort = match[3] === undefined ? port + BUS_PORT_OFFSET : decimal(match[3], 65535);
  if (Number.isNaN(port) || Number.isNaN(busPort)) return `port out of range in "${place}"`;
  if (hostname !== '' && !isHostname(hostname)) return `"${hostname}" is no host name`;
  let nodeName = '';
  let shardId = '';
  for (const field of fields) {
    const [name = '', value, ...rest] = field.split('=');
    if (name === '' || value === undefined || rest.length > 0) return `field "${field}" is not name=value`;
    if (name === 'shard-id') {
      if (!isNodeId(value)) return `shard id "${value}" is not 40 hex digits`;
      shardId = value;
    } else if (name === 'nodename' && value !== '') {
      if (!isNodeName(value)) return `"${value}" is no node name`;
      nodeName = value;
    }
  }
  return { ip: match[1] ?? '', port, busPort, hostname, nodeName, shardId };
}

type SlotFields = Pick<NodeLine, 'ranges' | 'migrating' | 'importing'>;

function parseSlots(words: readonly string[]): SlotFields | string {
  const ranges: [number, number][] = [];
  const migrating: [number, string][] = [];
  const importing: [number, string][] = [];
  for (const word of words) {
    const move = /^\[(\d{1,5})-([<>])-([0-9a-f]{40})\]$/.exec(word);
    const range = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(word);
    if (move !== null) {
      const slot = decimal(move[1], SLOT_COUNT - 1);
      if (Number.isNaN(slot)) return `slot out of range in "${word}"`;
      (move[2] === '>' ? migrating : importing).push([slot, move[3] as string]);
    } else if (range !== null) {
      const first = decimal(range[1], SLOT_COUNT - 1);
      const last = range[2] === undefined ? first : decimal(range[2], SLOT_COUNT - 1);
      if (!(first <= last)) return `slot out of range in "${word}"`;
      ranges.push([first, last]);
    } else return `"${word}" is no slot`;
  }
  return { ranges, migrating, importing };
}

function parseNodeLine(words: readonly string[]): NodeLine | string {
  const [id, place, flagText, primary, ping, pong, epoch, , ...slotWords] = words;
  if (words.length < 8 || !id || !place || !flagText || !primary) return 'fewer than eight fields';
  if (!isNodeId(id)) return `node id "${id}" is not 40 hex digits`;
  const address = parseAddress(place);
  if (typeof address === 'string') return address;
  let flags = 0;
  for (const name of flagText.split(',')) {
    const flag = flagByName(name.toLowerCase());
    if (flag === undefined) return `unknown flag "${name}"`;
    flags |= flag;
  }
  if ((flags & NO_ADDRESS) !== 0) flags |= FAILED;
  if (primary !== '-' && !isNodeId(primary)) return `primary id "${primary}" is not 40 hex digits`;
  const configEpoch = decimal(epoch, Number.MAX_SAFE_INTEGER);
  if (Number.isNaN(configEpoch)) return `config epoch "${epoch}" is no number`;
  const slots = parseSlots(slotWords);
  if (typeof slots === 'string') return slots;
  const primaryId = primary === '-' ? null : primary;
  const times = { pinged: Number(ping) > 0, ponged: Number(pong) > 0 };
  return { id, ...address, flags, primaryId, ...times, configEpoch, ...slots };
}

interface Parsed {
  readonly nodes: NodeLine[];
  currentEpoch: number;
  lastVoteEpoch: number;
}

function parseVars(words: readonly string[], into: Parsed): string | null {
  if (words.length % 2 === 0) return 'vars without a value';
  for (let i = 1; i < words.length; i += 2) {
    const value = decimal(words[i + 1], Number.MAX_SAFE_INTEGER);
    if (Number.isNaN(value)) return `value of ${words[i]} is no number`;
    if (words[i]?.toLowerCase() === 'currentepoch') into.currentEpoch = value;
    if (words[i]?.toLowerCase() === 'lastvoteepoch') into.lastVoteEpoch = value;
  }
  return null;
}

function parse(text: string): Parsed | string {
  const parsed: Parsed = { nodes: [], currentEpoch: 0, lastVoteEpoch: 0 };
  for (const [at, line] of text.split('\n').entries()) {
    const words = line.trim().split(/\s+/);
    if (words[0] === '') continue;
    let reason: string | null = null;
    if (words[0]?.toLowerCase() === 'vars') reason = parseVars(words, parsed);
    else {
      const node = parseNodeLine(words);
      if (typeof node === 'string') reason = node;
      else parsed.nodes.push(node);
    }
    if (reason !== null)
      return `corrupted cluster config file, line ${at + 1}: ${reason}: "${line.slice(0, 200)}"`;
  }
  const selves = parsed.nodes.filter((node) => (node.flags & MYSELF) !== 0).length;
  if (selves !== 1) return `corrupted cluster config file: ${selves} lines are flagged myself, not one`;
  return parsed;
}

function nodeNamed(state: ClusterState, id: string): ClusterNode {
  const known = state.nodes.byId(id);
  if (known !== undefined) return known;
  const node = state.newNode(id, 0);
  state.nodes.add(node);
  return node;
}

function applyLine(state: ClusterState, line: NodeLine): void {
  const node = nodeNamed(state, line.id);
  node.ip = line.ip;
  node.port = line.port;
  node.busPort = line.busPort;
  node.hostname = line.hostname;
  node.nodeName = line.nodeName;
  node.flags = line.flags;
  if (line.shardId !== '') node.shardId = line.shardId;
  if (node.has(FAILED)) node.failedAt = state.now;
  if (line.pinged) node.pingSentAt = state.now;
  if (line.ponged) node.pongReceivedAt = state.now;
  node.configEpoch = (line.flags & REPLICA) !== 0 && line.primaryId !== null ? 0 : line.configEpoch;
  for (const [first, last] of line.ranges) {
    for (let slot = first; slot <= last; slot++) state.slots.assign(slot, node);
  }
  if (node.has(MYSELF)) state.myself = node;
}

/** Relations come last: they may name nodes of later lines. */
function applyRelations(state: ClusterState, line: NodeLine): void {
  const node = nodeNamed(state, line.id);
  if (line.primaryId !== null && line.primaryId !== line.id) {
    const primary = nodeNamed(state, line.primaryId);
    node.follow(primary);
    if (line.shardId === '') node.shardId = primary.shardId;
  }
  for (const [slot, id] of line.migrating) state.slots.migratingTo[slot] = nodeNamed(state, id).index;
  for (const [slot, id] of line.importing) state.slots.importingFrom[slot] = nodeNamed(state, id).index;
}

/** Fills a new state from the content of nodes.conf; the answer is why that is impossible, or null. */
export function readNodesConf(state: ClusterState, text: string): string | null {
  const parsed = parse(text);
  if (typeof parsed === 'string') return parsed;
  for (const line of parsed.nodes) applyLine(state, line);
  for (const line of parsed.nodes) applyRelations(state, line);
  state.currentEpoch = parsed.currentEpoch;
  state.lastVoteEpoch = parsed.lastVoteEpoch;
  // A person may have edited the file: no epoch in it may be ahead of ours.
  state.currentEpoch = state.maxEpoch();
  return null;
}
