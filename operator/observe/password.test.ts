import { describe, expect, it } from 'vitest';
import type { KubeClient } from '../kube/client.ts';
import { Passwords } from './password.ts';

const reference = { secretName: 'c-auth', key: 'password', generated: true };

/** A client that counts questions and answers with the present value. */
function model(secret: { value: string }) {
  const asked: string[] = [];
  const get = async (_kind: unknown, { namespace, name }: { namespace?: string; name: string }) => {
    asked.push(`${namespace}/${name}`);
    return { metadata: { name }, data: { password: Buffer.from(secret.value).toString('base64') } };
  };
  let now = 0;
  const passwords = new Passwords({ get } as unknown as Pick<KubeClient, 'get'>, () => now);
  return { asked, passwords, later: (ms: number) => (now += ms) };
}

describe('Passwords', () => {
  it('asks once in a while, not once a pass', async () => {
    const { asked, passwords, later } = model({ value: 'p' });
    for (let pass = 0; pass < 5; pass += 1) {
      expect(await passwords.read('shop', reference)).toEqual({ kind: 'present', value: 'p' });
    }
    expect(asked).toEqual(['shop/c-auth']);
    later(60_001);
    await passwords.read('shop', reference);
    expect(asked).toHaveLength(2);
  });

  it('asks again after a cluster of the namespace was deleted and made again', async () => {
    const { asked, passwords } = model({ value: 'p' });
    await passwords.read('shop', reference);
    await passwords.read('shop-2', reference);
    passwords.forgetNamespace('shop');
    await passwords.read('shop', reference);
    await passwords.read('shop-2', reference);
    expect(asked).toEqual(['shop/c-auth', 'shop-2/c-auth', 'shop/c-auth']);
  });

  it('says that a Secret without a value is unusable', async () => {
    expect(await model({ value: '' }).passwords.read('shop', reference)).toMatchObject({ kind: 'unusable' });
  });
});
