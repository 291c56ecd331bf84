/**
 * The password of a cluster, from its Secret. Secrets are read by name, never listed or watched, so answers
 * are kept for a while: an idle cluster must not cost a call a pass.
 */
import type { Effective } from '../api/effective.ts';
import type { KubeClient } from '../kube/client.ts';
import { KubeFailure } from '../kube/failure.ts';
import { SECRET } from '../kube/resource.ts';

export type Password =
  | { readonly kind: 'present'; readonly value: string }
  /** The Secret is not there. */
  | { readonly kind: 'absent'; readonly message: string }
  /** It could not be read, or lacks the key. */
  | { readonly kind: 'unusable'; readonly message: string };

const PRESENT_FOR_MS = 60_000;
const MISSING_FOR_MS = 2_000;
const KEPT_MAX = 5_000;

export class Passwords {
  readonly #client: Pick<KubeClient, 'get'>;
  readonly #now: () => number;
  readonly #kept = new Map<string, { readonly password: Password; readonly until: number }>();

  constructor(client: Pick<KubeClient, 'get'>, now: () => number) {
    this.#client = client;
    this.#now = now;
  }

  async read(namespace: string, reference: Effective['password']): Promise<Password> {
    const id = `${namespace}/${reference.secretName}/${reference.key}`;
    const kept = this.#kept.get(id);
    if (kept !== undefined && kept.until > this.#now()) return kept.password;
    const password = await this.#fetch(namespace, reference);
    const keepMs = password.kind === 'present' ? PRESENT_FOR_MS : MISSING_FOR_MS;
    this.#kept.delete(id);
    if (this.#kept.size >= KEPT_MAX) this.#kept.clear();
    this.#kept.set(id, { password, until: this.#now() + keepMs });
    return password;
  }

  /** After a server refused it, or the Secret was made: read again next time. */
  forget(namespace: string, reference: Effective['password']): void {
    this.#kept.delete(`${namespace}/${reference.secretName}/${reference.key}`);
  }

  /** After a cluster was deleted or made: its Secrets may have gone with it, or come. */
  forgetNamespace(namespace: string): void {
    for (const id of this.#kept.keys()) {
      if (id.startsWith(`${namespace}/`)) this.#kept.delete(id);
    }
  }

  async #fetch(namespace: string, { secretName, key }: Effective['password']): Promise<Password> {
    const secret = await this.#client.get(SECRET, { namespace, name: secretName });
    if (secret instanceof KubeFailure) {
      if (secret.kind === 'notFound') {
        const remedy = `create it with the password under the key ${key}`;
        return {
          kind: 'absent',
          message: `Secret ${secretName} does not exist in namespace ${namespace}: ${remedy}`,
        };
      }
      return { kind: 'unusable', message: `Secret ${secretName} cannot be read: ${secret.message}` };
    }
    const encoded = secret.data?.[key];
    const value = encoded === undefined ? '' : Buffer.from(encoded, 'base64').toString('utf8');
    if (value !== '') return { kind: 'present', value };
    return {
      kind: 'unusable',
      message: `Secret ${secretName} has no value under the key ${key}: write the password there`,
    };
  }
}
