/**
 * The table of CLUSTER NODES, one line a node:
 *
 *   id host:port@busPort[,hostname[,name=value...]] flags primary ping pong epoch link [slot...]
 *
 * A slot is `n`, `first-last`, or on the line of the node itself `[n->-id]` (migrating) and `[n-<-id]`
 * (importing). The host is empty while the address is not known. Source: redis.io, CLUSTER NODES.
 */

import type { SlotRange } from '../plan/slots.ts';
import type { OpenSlot, TableEntry } from '../plan/snapshot.ts';

export interface ClusterTable {
  readonly entries: readonly TableEntry[];
  readonly myself: TableEntry | undefined;
  /** Of the node that answered. */
  readonly openSlots: readonly OpenSlot[];
}

export function parseClusterNodes(text: string): ClusterTable {
  const entries: TableEntry[] = [];
  const openSlots: OpenSlot[] = [];
  for (const line of text.split('\n')) {
    const words = line.trim().split(' ');
    if (words.length < 8) continue;
    const open: OpenSlot[] = [];
    const entry = parseLine(words, open);
    entries.push(entry);
    if (entry.myself) openSlots.push(...open);
  }
  return { entries, myself: entries.find((entry) => entry.myself), openSlots };
}

function parseLine(words: readonly string[], openSlots: OpenSlot[]): TableEntry {
  const [nodeId = '', address = '', flagText = '', primaryId = '-', , , epoch = '0', link = ''] = words;
  const flags = new Set(flagText.split(','));
  const [endpoint = '', hostname = ''] = address.split(',');
  const at = endpoint.indexOf('@');
  const hostPort = at === -1 ? endpoint : endpoint.slice(0, at);
  const colon = hostPort.lastIndexOf(':');
  const slots: SlotRange[] = [];
  for (const word of words.slice(8)) {
    const open = /^\[(\d+)-([<>])-([0-9a-f]+)\]$/.exec(word);
    if (open !== null) {
      const direction = open[2] === '>' ? 'migrating' : 'importing';
      openSlots.push({ slot: Number(open[1]), direction, peerId: open[3] ?? '' });
      continue;
    }
    const range = /^(\d+)(?:-(\d+))?$/.exec(word);
    if (range !== null) slots.push({ first: Number(range[1]), last: Number(range[2] ?? range[1]) });
  }
  return {
    nodeId,
    host: hostPort.slice(0, Math.max(0, colon)),
    port: Number(hostPort.slice(colon + 1)),
    hostname: hostname === '' || hostname.includes('=') ? undefined : hostname,
    role: flags.has('slave') ? 'replica' : 'primary',
    primaryId: primaryId === '-' ? undefined : primaryId,
    myself: flags.has('myself'),
    failed: flags.has('fail'),
    suspected: flags.has('fail?'),
    handshake: flags.has('handshake'),
    noAddress: flags.has('noaddr') || colon <= 0,
    connected: flags.has('myself') || link === 'connected',
    configEpoch: Number(epoch),
    slots,
  };
}
