/** The parameters that say when a compact encoding ends, live. */
import type { ParameterName } from '../config/parameters.ts';
import type { Server } from '../server.ts';
import type { ValueLimits } from '../values/value-store.ts';

// biome-ignore format: a table, one parameter a row
const limitOf: readonly (readonly [parameter: ParameterName, limit: keyof ValueLimits])[] = [
  ['hash-max-listpack-entries', 'hashMaxListpackEntries'],
  ['hash-max-listpack-value',   'hashMaxListpackValue'],
  ['hll-sparse-max-bytes',      'hllSparseMaxBytes'],
  ['list-compress-depth',       'listCompressDepth'],
  ['list-max-listpack-size',    'listMaxListpackSize'],
  ['set-max-intset-entries',    'setMaxIntsetEntries'],
  ['set-max-listpack-entries',  'setMaxListpackEntries'],
  ['set-max-listpack-value',    'setMaxListpackValue'],
  ['stream-node-max-bytes',     'streamNodeMaxBytes'],
  ['stream-node-max-entries',   'streamNodeMaxEntries'],
  ['zset-max-listpack-entries', 'zsetMaxListpackEntries'],
  ['zset-max-listpack-value',   'zsetMaxListpackValue'],
];

/** Parameters whose change `applyValueLimits` takes over. */
export const limitParameters: readonly ParameterName[] = limitOf.map(([parameter]) => parameter);

export function applyValueLimits(server: Server): void {
  const { limits } = server.keyspace.values;
  for (const [parameter, limit] of limitOf) limits[limit] = Number(server.config.values[parameter]);
}
