import { describe, expect, it } from 'vitest';
import { RespFailure, type Word } from '../../server/wire/client.ts';
import { type Reply, RespError } from '../../server/wire/reply-parser.ts';
import type { Connect } from './connections.ts';
import { askServer } from './server-answer.ts';

const ADDRESS = { host: 'h', port: 6379, busPort: 16379 };
const NODES =
  'aa h:6379@16379 myself,slave bb 0 0 4 connected\nbb g:6379@16379 master - 0 0 4 connected 0-16383\n';
const INFO = [
  '# Server',
  'redis_version:7.2.4',
  'loading:0',
  'used_memory:900',
  'maxmemory:1000',
  'role:slave',
  'master_link_status:up',
  'master_sync_in_progress:1',
  'slave_repl_offset:55',
  'aof_enabled:1',
  'aof_current_size:300',
  'aof_base_size:100',
  'aof_last_write_status:err',
  'rdb_bgsave_in_progress:1',
  'db0:keys=3,expires=0,avg_ttl=0',
  'db3:keys=4,expires=0,avg_ttl=0',
].join('\r\n');

function connectTo(answers: { readonly [command: string]: Reply | RespFailure }): Connect {
  return async () => ({
    call: async (words: readonly Word[]) => answers[words.map(String).join(' ')] ?? null,
  });
}

const USUAL = {
  'CLUSTER NODES': NODES,
  'CLUSTER INFO': 'cluster_current_epoch:4\r\n',
  INFO: INFO,
  'CONFIG GET maxmemory': ['maxmemory', Buffer.from('1000')],
};

const ask = (connect: Connect) => askServer(connect, ADDRESS, 'p', ['maxmemory']);

describe('askServer', () => {
  it('reads what a replica says of itself', async () => {
    expect(await ask(connectTo(USUAL))).toMatchObject({
      kind: 'answer',
      nodeId: 'aa',
      role: 'replica',
      primaryId: 'bb',
      linkUp: true,
      syncing: true,
      replicationOffset: 55,
      currentEpoch: 4,
      slots: [],
      keys: 7,
      memory: { used: 900, max: 1000 },
      persistence: {
        aofEnabled: true,
        aofSize: 300,
        aofBaseSize: 100,
        aofWriteOk: false,
        snapshotRunning: true,
      },
      settings: new Map([['maxmemory', '1000']]),
    });
  });

  it('sees that a primary sends a full sync', async () => {
    const info = 'slave0:ip=g,port=6379,state=send_bulk,offset=0,lag=0\r\nused_memory:1\r\n';
    const nodes = 'aa h:6379@16379 myself,master - 0 0 4 connected 0-9\n';
    const answer = await ask(connectTo({ ...USUAL, 'CLUSTER NODES': nodes, INFO: info }));
    expect(answer).toMatchObject({
      role: 'primary',
      syncing: true,
      linkUp: true,
      slots: [{ first: 0, last: 9 }],
    });
  });

  it.each([
    ['connect', async () => new RespFailure('connect', 'refused')],
    ['auth', async () => new RespFailure('auth', 'WRONGPASS')],
    ['loading', connectTo({ ...USUAL, 'CLUSTER NODES': new RespError('LOADING Redis is loading') })],
    ['loading', connectTo({ ...USUAL, INFO: 'loading:1\r\n' })],
    ['timeout', connectTo({ ...USUAL, INFO: new RespFailure('timeout', 'no reply') })],
    ['auth', connectTo({ ...USUAL, INFO: new RespError('NOAUTH Authentication required.') })],
    ['protocol', connectTo({ ...USUAL, 'CLUSTER NODES': '' })],
    [
      'protocol',
      connectTo({
        ...USUAL,
        'CLUSTER NODES': new RespError('ERR This instance has cluster support disabled'),
      }),
    ],
  ] as const)('is silent for the reason %s', async (reason, connect) => {
    expect(await ask(connect as Connect)).toMatchObject({ kind: 'silent', reason });
  });

  it('a pod without address is silent without a call', async () => {
    const never: Connect = () => Promise.reject(new Error('called'));
    expect(await askServer(never, undefined, 'p', [])).toMatchObject({ kind: 'silent', reason: 'noAddress' });
  });
});
