import { describe, expect, it } from 'vitest';
import { RespFailure, type Word } from '../../server/wire/client.ts';
import { type Reply, RespError } from '../../server/wire/reply-parser.ts';
import type { Step, Target } from '../plan/step.ts';
import { performStep } from './act.ts';
import type { Actor } from './actor.ts';

const ON: Target = { pod: 'c-shard-0-0', nodeId: 'aa', address: { host: 'h0', port: 6379, busPort: 16379 } };
const PEER: Target = {
  pod: 'c-shard-1-0',
  nodeId: 'bb',
  address: { host: 'h1', port: 6379, busPort: 16379 },
};

const line = (id: string, host: string, flags: string, slots = ''): string =>
  `${id} ${host}:6379@16379 ${flags} - 0 0 1 connected ${slots}`.trim();
const TABLE = [line('aa', 'h0', 'myself,master'), line('bb', 'h1', 'master')].join('\n');

/** Servers that answer from a table, by host; everything asked is noted. */
function make(answers: { readonly [command: string]: Reply }, reachable = ['h0', 'h1']) {
  const asked: string[] = [];
  let clock = 0;
  const connect: Actor['connect'] = async ({ host }) => {
    if (!reachable.includes(host)) return new RespFailure('connect', 'refused');
    return {
      call: async (words: readonly Word[]) => {
        clock += 1;
        const text = words.map(String).join(' ');
        if (!text.startsWith('CLUSTER MYID') && !text.startsWith('CLUSTER NODES'))
          asked.push(`${host} ${text}`);
        const known = Object.keys(answers).find(
          (command) => `${host} ${text}`.startsWith(command) || text.startsWith(command),
        );
        if (known !== undefined) return answers[known] ?? null;
        if (text === 'CLUSTER MYID') return host === 'h0' ? 'aa' : 'bb';
        if (text === 'CLUSTER NODES') return TABLE;
        if (text === 'DBSIZE') return 0;
        return text.startsWith('CLUSTER GETKEYSINSLOT') ? [] : 'OK';
      },
    };
  };
  const actor = { connect, password: 'secret', now: () => clock } as unknown as Actor;
  return { asked, perform: (step: Step) => performStep(actor, step) };
}

describe('performStep', () => {
  it('talks to nobody but the node that the plan meant', async () => {
    const { perform, asked } = make({ 'CLUSTER MYID': 'cc' });
    const result = await perform({ kind: 'addSlots', on: ON, ranges: [{ first: 0, last: 9 }] });
    expect(result).toMatchObject({ kind: 'refused', message: 'c-shard-0-0 is node cc by now, not aa' });
    expect(asked).toEqual([]);
  });

  it('a server that cannot be reached fails the step, and nothing throws', async () => {
    const { perform } = make({}, []);
    expect(await perform({ kind: 'rewriteAof', on: ON })).toEqual({
      kind: 'failed',
      message: 'c-shard-0-0: refused',
    });
  });
});

describe('addSlots', () => {
  const step: Step = { kind: 'addSlots', on: ON, ranges: [{ first: 0, last: 9 }] };
  it('assigns to an empty node', async () => {
    const { perform, asked } = make({});
    expect((await perform(step)).kind).toBe('done');
    expect(asked.at(-1)).toBe('h0 CLUSTER ADDSLOTSRANGE 0 9');
  });
  it('is done already when the slots are there', async () => {
    const { perform } = make({ 'CLUSTER NODES': line('aa', 'h0', 'myself,master', '0-9') });
    expect((await perform(step)).kind).toBe('already');
  });
  it.each([
    ['a slot', { 'CLUSTER NODES': line('aa', 'h0', 'myself,master', '77') }],
    ['a key', { DBSIZE: 1 }],
  ])('refuses a node that holds %s by now', async (_what, answers) => {
    const { perform, asked } = make(answers);
    expect((await perform(step)).kind).toBe('refused');
    expect(asked.filter((words) => words.includes('ADDSLOTS'))).toEqual([]);
  });
});

describe('replicate', () => {
  const step: Step = { kind: 'replicate', on: ON, primary: PEER };
  it('attaches an empty primary', async () => {
    const { perform, asked } = make({});
    expect((await perform(step)).kind).toBe('done');
    expect(asked.at(-1)).toBe('h0 CLUSTER REPLICATE bb');
  });
  it('refuses a primary with keys, a node with slots, an unknown primary', async () => {
    const own = line('aa', 'h0', 'myself,master', '5');
    for (const answers of [
      { DBSIZE: 3 },
      { 'CLUSTER NODES': `${own}\n${TABLE}` },
      { 'CLUSTER NODES': line('aa', 'h0', 'myself,master') },
    ]) {
      const { perform, asked } = make(answers as { readonly [command: string]: Reply });
      expect((await perform(step)).kind).toBe('refused');
      expect(asked.filter((words) => words.includes('REPLICATE'))).toEqual([]);
    }
  });
});

describe('meet and forget', () => {
  it('introduces nobody who is known at that address', async () => {
    const { perform, asked } = make({});
    expect((await perform({ kind: 'meet', via: ON, peer: PEER })).kind).toBe('already');
    const moved = make({
      'CLUSTER NODES': [line('aa', 'h0', 'myself,master'), line('bb', 'old', 'master')].join('\n'),
    });
    expect((await moved.perform({ kind: 'meet', via: ON, peer: PEER })).kind).toBe('done');
    expect(asked).toEqual([]);
    expect(moved.asked).toEqual(['h0 CLUSTER MEET h1 6379 16379']);
  });
  it('forgets no node that owns a slot by now', async () => {
    const table = [line('aa', 'h0', 'myself,master'), line('bb', 'h1', 'master,fail', '0-5')].join('\n');
    const { perform } = make({ 'CLUSTER NODES': table });
    expect((await perform({ kind: 'forget', on: ON, nodeId: 'bb' })).kind).toBe('refused');
    expect((await perform({ kind: 'forget', on: ON, nodeId: 'cc' })).kind).toBe('already');
  });
});

describe('setSetting', () => {
  const step: Step = { kind: 'setSetting', on: ON, name: 'maxmemory', value: '1mb', was: '0', cause: 'spec' };
  it('reads back what it set, whatever the unit', async () => {
    const { perform } = make({ 'CONFIG GET': ['maxmemory', '1048576'] });
    expect((await perform(step)).kind).toBe('done');
  });
  it('fails when the server says something else', async () => {
    const { perform } = make({ 'CONFIG GET': ['maxmemory', '0'] });
    expect(await perform(step)).toMatchObject({ kind: 'failed' });
    const refused = make({ 'CONFIG SET': new RespError('ERR out of range') });
    expect(await refused.perform(step)).toMatchObject({
      kind: 'failed',
      message: 'c-shard-0-0, CONFIG SET: ERR out of range',
    });
  });
});

describe('migrateSlots', () => {
  const step: Step = { kind: 'migrateSlots', from: ON, to: PEER, slots: [7], others: [] };
  it('opens both ends, moves keys with the password, and tells the target first', async () => {
    let given = false;
    const keys = {
      get 'CLUSTER GETKEYSINSLOT'(): Reply {
        if (given) return [];
        given = true;
        return [Buffer.from('k')];
      },
    };
    const { perform, asked } = make(keys);
    expect((await perform(step)).kind).toBe('done');
    expect(asked).toEqual([
      'h1 CLUSTER SETSLOT 7 IMPORTING aa',
      'h0 CLUSTER SETSLOT 7 MIGRATING bb',
      'h0 CLUSTER GETKEYSINSLOT 7 64',
      'h0 MIGRATE h1 6379  0 5000 REPLACE AUTH secret KEYS k',
      'h0 CLUSTER GETKEYSINSLOT 7 64',
      'h1 CLUSTER SETSLOT 7 NODE bb',
      'h0 CLUSTER SETSLOT 7 NODE bb',
    ]);
  });
  it('only tells the source of a slot that the target owns by now', async () => {
    const { perform, asked } = make({
      'h1 CLUSTER SETSLOT 7 IMPORTING': new RespError("ERR I'm already the owner of hash slot 7"),
    });
    expect((await perform(step)).kind).toBe('done');
    expect(asked.at(-1)).toBe('h0 CLUSTER SETSLOT 7 NODE bb');
    expect(asked).toHaveLength(2);
  });
  it('stops when time is up, with the slot left for the next pass', async () => {
    let rounds = 0;
    const keys = {
      get 'CLUSTER GETKEYSINSLOT'(): Reply {
        rounds += 1;
        return [Buffer.from(`k${rounds}`)];
      },
    };
    const { perform, asked } = make(keys);
    expect(await perform(step)).toMatchObject({ kind: 'unfinished' });
    expect(asked.filter((words) => words.includes('NODE'))).toEqual([]);
  });
});
