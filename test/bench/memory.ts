/** Bytes per key or element for the shapes that people keep: as the server counts, and as the system does. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerKind } from '../support/server-process.ts';
import { Contestant, callOnce } from './contestant.ts';
import { print, tableText } from './figures.ts';
import { fill } from './load.ts';

interface Shape {
  readonly name: string;
  /** Share of the usual number of keys: fewer of the large ones. */
  readonly share: number;
  command(index: number): readonly string[];
  /** Lines of a reply. */
  readonly lines?: number;
}

/** Scores in no order, so that trees split in the middle. */
const scored = (i: number): readonly string[] => ['ZADD', 'Z', String((i * 7919) % 1_000_003), `member:${i}`];
const smallHash = (i: number): readonly string[] => [
  'HSET',
  `h:${i}`,
  ...Array.from({ length: 10 }, (_, field) => [`field${field}`, `value${i}`]).flat(),
];
const padded = (index: number): string => `key:${String(index).padStart(12, '0')}`;
const SHAPES: readonly Shape[] = [
  { name: 'key:<i> -> value:<i>', share: 1, command: (i) => ['SET', `key:${i}`, `value:${i}`] },
  { name: 'the same with EX', share: 1, command: (i) => ['SET', `key:${i}`, `value:${i}`, 'EX', '86400'] },
  { name: '16 bytes -> number', share: 1, command: (i) => ['SET', padded(i), String(i)] },
  { name: '16 bytes -> 32 bytes', share: 1, command: (i) => ['SET', padded(i), 'v'.repeat(32)] },
  { name: '16 bytes -> 200 bytes', share: 0.5, command: (i) => ['SET', padded(i), 'v'.repeat(200)] },
  { name: '16 bytes -> 1000 bytes', share: 0.2, command: (i) => ['SET', padded(i), 'v'.repeat(1000)] },
  { name: 'hash of 10 small fields', share: 0.1, command: smallHash },
  { name: 'one big hash, a field', share: 1, command: (i) => ['HSET', 'H', `field:${i}`, `value:${i}`] },
  { name: 'one big set, a member', share: 1, command: (i) => ['SADD', 'S', `member:${i}`] },
  { name: 'one big sorted set, a member', share: 1, command: scored },
  { name: 'one big list, an element', share: 1, command: (i) => ['RPUSH', 'L', `element:${i}`] },
  {
    name: 'one stream, an entry',
    share: 1,
    command: (i) => ['XADD', 'X', '*', 'field', `value:${i}`],
    lines: 2,
  },
];
const SETTLE_MS = 500;

/** Each shape on a fresh server, so that resident memory means this shape only. */
export async function memory(quick: boolean, peers: readonly ServerKind[]): Promise<void> {
  const keys = quick ? 300_000 : 1_000_000;
  const kinds = ['redwarden-server', ...peers] as const;
  const rows: string[][] = [];
  for (const shape of SHAPES) {
    const count = keys * shape.share;
    for (const kind of kinds) {
      const contestant = await Contestant.start(kind);
      try {
        // The runtime compiles and takes its buffers before the keys are counted.
        await fill(contestant.port, 20_000, (index) => [
          'SET',
          `warm:${index % 10}`,
          'v'.repeat(index % 200),
        ]);
        await callOnce(contestant.port, ['FLUSHALL']);
        await sleep(SETTLE_MS);
        const used = await contestant.usedBytes();
        const resident = contestant.memory().residentBytes;
        await fill(contestant.port, count, shape.command, shape.lines);
        await sleep(SETTLE_MS);
        const perKey = (bytes: number): string => (bytes / count).toFixed(1);
        const now = contestant.memory().residentBytes;
        rows.push([
          shape.name,
          contestant.name,
          perKey((await contestant.usedBytes()) - used),
          perKey(now - resident),
          (now / 1e6).toFixed(0),
        ]);
      } finally {
        await contestant.stop();
      }
    }
  }
  print(`${keys} keys (fewer of the large ones)`);
  print(tableText(['shape', 'server', 'used bytes each', 'resident bytes each', 'resident MB'], rows));
}
