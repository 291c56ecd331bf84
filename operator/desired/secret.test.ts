import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { resolveEffective } from '../api/effective.ts';
import { generatePassword, passwordSecret, serverSecret } from './secret.ts';

const orders = { name: 'orders', namespace: 'shop', uid: 'uid-1' };

function decode(data: { [key: string]: string } | undefined, key: string): string {
  return Buffer.from(data?.[key] ?? '', 'base64').toString('utf8');
}

function secretWith(whenDeleted: 'Retain' | 'Delete') {
  const effective = resolveEffective(
    {
      apiVersion: 'redwarden.dev/v1alpha1',
      kind: 'RedisCluster',
      metadata: { name: 'orders' },
      spec: {
        profile: 'Sessions',
        shards: 3,
        replicasPerShard: 1,
        resources: { limits: { memory: '1Gi' } },
        storage: { size: '1Gi', whenDeleted },
      },
    },
    { serverImage: 'x' },
  );
  if (effective.kind !== 'effective') throw new Error(effective.message);
  return passwordSecret(orders, effective, 'p4ss');
}

describe('generatePassword', () => {
  it('has 32 letters and digits and differs each time', () => {
    const passwords = Array.from({ length: 50 }, () => generatePassword(randomBytes));
    for (const password of passwords) expect(password).toMatch(/^[A-Za-z0-9]{32}$/);
    expect(new Set(passwords).size).toBe(50);
  });

  it('skips bytes that would make some letters likelier', () => {
    let calls = 0;
    const password = generatePassword((count) => new Uint8Array(count).fill(calls++ === 0 ? 255 : 0));
    expect(password).toBe('A'.repeat(32));
  });
});

describe('passwordSecret', () => {
  it('outlives the cluster with whenDeleted Retain only', () => {
    expect(secretWith('Retain').metadata?.ownerReferences).toBeUndefined();
    expect(secretWith('Delete').metadata?.ownerReferences).toHaveLength(1);
    expect(decode(secretWith('Retain').data, 'password')).toBe('p4ss');
  });
});

describe('serverSecret', () => {
  it('quotes a password so that the server reads exactly it', () => {
    const text = decode(serverSecret(orders, 'a "b"\\c\n#é').data, 'auth.conf');
    expect(text).toBe(
      'requirepass "a \\"b\\"\\\\c\\x0a#\\xc3\\xa9"\nmasterauth "a \\"b\\"\\\\c\\x0a#\\xc3\\xa9"\n',
    );
  });

  it('leaves a plain password as it is', () => {
    expect(decode(serverSecret(orders, 'abc123').data, 'auth.conf')).toBe(
      'requirepass abc123\nmasterauth abc123\n',
    );
  });
});
