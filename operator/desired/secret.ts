/**
 * The two Secrets around the password.
 *
 *     NAME-auth         key `password`: what people and clients read; made once, unless the spec names one
 *     NAME-server-auth  key `auth.conf`: the same password as configuration file, mounted into the pods
 *
 * Neither belongs into a plan, which is printed: `act` builds them from the password it holds.
 */
import type { V1Secret } from '@kubernetes/client-node';
import type { Effective } from '../api/effective.ts';
import { ownedMetadata } from './metadata.ts';
import { type ClusterIdentity, serverSecretName } from './names.ts';
import { quote } from './redis-conf.ts';

export const AUTH_CONF = 'auth.conf';

/** Letters and digits only, so that it needs no quoting in URLs, shells and files. */
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const PASSWORD_LENGTH = 32;

/** A password from random bytes; `randomBytes` is `crypto.randomBytes`. */
export function generatePassword(randomBytes: (count: number) => Uint8Array): string {
  let password = '';
  while (password.length < PASSWORD_LENGTH) {
    for (const byte of randomBytes(PASSWORD_LENGTH)) {
      // The rest of the byte's range would make some letters likelier than others.
      if (byte < 4 * ALPHABET.length && password.length < PASSWORD_LENGTH)
        password += ALPHABET[byte % ALPHABET.length];
    }
  }
  return password;
}

/** The generated Secret. Retained with the volumes: the next RedisCluster of this name finds both. */
export function passwordSecret(cluster: ClusterIdentity, effective: Effective, password: string): V1Secret {
  const metadata = ownedMetadata(cluster, effective.password.secretName);
  if (effective.storage.whenDeleted === 'Retain') delete metadata.ownerReferences;
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata,
    type: 'Opaque',
    data: { [effective.password.key]: base64(password) },
  };
}

/** The Secret that the pods include into their configuration. */
export function serverSecret(cluster: ClusterIdentity, password: string): V1Secret {
  const word = quote(password);
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: ownedMetadata(cluster, serverSecretName(cluster)),
    type: 'Opaque',
    data: { [AUTH_CONF]: base64(`requirepass ${word}\nmasterauth ${word}\n`) },
  };
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}
