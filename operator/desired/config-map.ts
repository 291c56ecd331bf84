/** ConfigMap NAME-config: redis.conf, and for stock engines the scripts of probe and hand-over. */
import type { V1ConfigMap } from '@kubernetes/client-node';
import type { Effective } from '../api/effective.ts';
import { ownedMetadata } from './metadata.ts';
import { type ClusterIdentity, configMapName } from './names.ts';
import { renderRedisConf } from './redis-conf.ts';
import { handOverScript, readyScript } from './stock-scripts.ts';

export const CONFIG_FOLDER = '/etc/redwarden';
export const REDIS_CONF = 'redis.conf';
export const READY_SCRIPT = 'ready.sh';
export const HAND_OVER_SCRIPT = 'hand-over.sh';

export function configMap(cluster: ClusterIdentity, effective: Effective): V1ConfigMap {
  const data: { [file: string]: string } = { [REDIS_CONF]: renderRedisConf(effective) };
  if (effective.engine !== 'Redwarden') {
    data[READY_SCRIPT] = readyScript(effective.engine);
    data[HAND_OVER_SCRIPT] = handOverScript(effective.engine);
  }
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: ownedMetadata(cluster, configMapName(cluster)),
    data,
  };
}
