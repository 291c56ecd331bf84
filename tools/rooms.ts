/** Which room may import which: the table that `tidy.test.ts` holds the tree against. */

/** Rooms from the top down; a room may import every room of the tiers below its own. */
const serverTiers: readonly (readonly string[])[] = [
  ['server/main.ts', 'server/check-aof.ts', 'server/check-rdb.ts'],
  ['server/server.ts', 'server/wiring'],
  ['server/sessions', 'server/metrics'],
  ['server/commands'],
  ['server/acl', 'server/pubsub', 'server/scripting', 'server/cluster', 'server/replication'],
  ['server/persistence'],
  ['server/keyspace'],
  ['server/values'],
];

const operatorTiers: readonly (readonly string[])[] = [
  ['operator/main.ts'],
  ['operator/controller'],
  ['operator/observe', 'operator/act'],
  ['operator/plan'],
  ['operator/desired'],
  ['operator/api'],
];

const serverLeaves = ['server/structures', 'server/wire', 'server/config', 'server/version.ts'];

/** Imports that the tiers do not say. */
const further: Readonly<Record<string, readonly string[]>> = {
  // The wiring fills the parts of one server and is a piece of it, put into a room for its size.
  'server/server.ts': ['server/wiring'],
  'server/wiring': ['server/server.ts'],
  'server/version.ts': [],
  'server/structures': [],
  'server/wire': [],
  'server/config': ['server/structures'],
  'operator/kube': [],
  'operator/main.ts': ['operator/kube'],
  'operator/controller': ['operator/kube'],
  'operator/observe': ['operator/kube', 'server/wire'],
  'operator/act': ['operator/kube', 'server/wire'],
};

/** Rooms that see everything and that nobody may import. */
export const outsideRooms: readonly string[] = ['test', 'tools'];

/** What tests may import from everywhere beside what their room may: seeded randomness. */
export const testImports: readonly string[] = ['server/structures'];

/** Packages that each half may use; Node's own modules are free except in pure rooms. */
export const packagesOf: Readonly<Record<string, readonly string[]>> = {
  server: ['prom-client'],
  operator: ['@kubernetes/client-node', 'croner', 'pino', 'prom-client', 'yaml'],
};

/** Rooms that take clock, randomness and I/O as parameters; the modules they may import all the same. */
const pureRooms: Readonly<Record<string, readonly string[]>> = {
  'operator/plan': ['node:crypto'],
  'operator/desired': ['node:crypto'],
  'operator/api': ['node:crypto'],
  'server/structures': ['node:crypto'],
};

/** Rooms of a pure core with a thin shell: the files of the shell. */
const shells: Readonly<Record<string, readonly string[]>> = {
  'server/cluster': ['cluster.ts', 'hand-over.ts', 'links.ts', 'nodes-file.ts', 'peer-address.ts'],
  'server/replication': ['dial.ts', 'spill-disk.ts', 'sync-file.ts'],
};

/** The modules that a pure file may import; undefined: the file is not pure. */
export function pureImports(path: string): readonly string[] | undefined {
  const room = roomOf(path) ?? '';
  const shell = shells[room];
  if (shell === undefined) return pureRooms[room];
  return shell.some((name) => path === `${room}/${name}`) ? undefined : [];
}

/** Every room with the rooms it may import besides itself. */
export const roomImports: ReadonlyMap<string, readonly string[]> = makeTable();

function makeTable(): Map<string, readonly string[]> {
  const table = new Map<string, readonly string[]>(Object.entries(further));
  for (const [tiers, leaves] of [
    [serverTiers, serverLeaves],
    [operatorTiers, []],
  ] as const) {
    for (const [rank, tier] of tiers.entries()) {
      const below = tiers.slice(rank + 1).flat();
      for (const room of tier) table.set(room, [...below, ...leaves, ...(further[room] ?? [])]);
    }
  }
  return table;
}

/** The room of a file by its path from the root; undefined: it stands in no room. */
export function roomOf(path: string): string | undefined {
  const [half = '', second = ''] = path.split('/');
  if (outsideRooms.includes(half)) return half;
  const room = `${half}/${second}`;
  if (roomImports.has(room)) return room;
  return second.endsWith('.test.ts') ? roomOf(path.replace('.test.ts', '.ts')) : undefined;
}
