/** The configuration that the operator renders is one that the server starts with. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { resolveEffective } from '../../operator/api/effective.ts';
import type { RedisCluster } from '../../operator/api/generated/redis-cluster.ts';
import { AUTH_FILE, isSameValue, liveSettings } from '../../operator/api/settings.ts';
import { renderRedisConf } from '../../operator/desired/redis-conf.ts';
import { AUTH_CONF, serverSecret } from '../../operator/desired/secret.ts';
import type { Config } from '../../server/config/config.ts';
import { loadConfig, StartFailure } from '../../server/config/config-file.ts';

const root = path.join(import.meta.dirname, '..', '..');

function example(name: string) {
  const text = readFileSync(path.join(root, 'examples', `${name}.yaml`), 'utf8');
  const effective = resolveEffective(parse(text) as RedisCluster, { serverImage: 'x' });
  if (effective.kind !== 'effective') throw new Error(effective.message);
  return effective;
}

/** The server's own reading of the files that a pod mounts and the command line that it gets. */
function start(effective: ReturnType<typeof example>, password: string): Config {
  const secret = serverSecret({ name: 'x', namespace: 'y', uid: 'z' }, password).data?.[AUTH_CONF] ?? '';
  const files: { [name: string]: string } = {
    '/etc/redwarden/redis.conf': renderRedisConf(effective).replace('dir /data', 'dir /tmp'),
    [AUTH_FILE]: Buffer.from(secret, 'base64').toString('utf8'),
  };
  const argv = ['/etc/redwarden/redis.conf', '--cluster-announce-ip', '10.0.0.1'];
  const read = (name: string): string => {
    const text = files[name];
    if (text === undefined) throw new Error(`the server reads ${name}`);
    return text;
  };
  const config = loadConfig([...argv, '--cluster-announce-hostname', 'a-0.b.c.svc'], {
    read,
    expand: (name) => [name],
  });
  if (config instanceof StartFailure) throw new Error(config.text);
  return config;
}

describe('renderRedisConf', () => {
  it.each(['quickstart', 'production', 'cache'])('starts the server for examples/%s.yaml', (name) => {
    const effective = example(name);
    const config = start(effective, 'plain');
    for (const { name: setting, value, comparison } of liveSettings(effective)) {
      const [found] = config.get([setting]);
      expect(found?.[0]).toBe(setting);
      expect(isSameValue(comparison, value, found?.[1] ?? ''), `${setting}: ${value}, ${found?.[1]}`).toBe(
        true,
      );
    }
  });

  it('carries any password', () => {
    for (const password of [
      'simple',
      'two words',
      'quo"te',
      'back\\slash',
      '#hash',
      'new\nline',
      "sin'gle",
    ]) {
      const config = start(example('quickstart'), password);
      expect(config.values.requirepass).toBe(password);
      expect(config.values.masterauth).toBe(password);
    }
  });
});
