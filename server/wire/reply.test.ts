import { describe, expect, it } from 'vitest';
import { Reply } from './reply.ts';

function written(protocol: 2 | 3, write: (reply: Reply) => void): string {
  const reply = new Reply();
  reply.protocol = protocol;
  write(reply);
  return reply.buffer.toString('latin1', 0, reply.at);
}

describe('Reply', () => {
  it('writes integers of every length', () => {
    for (const value of [
      0,
      9,
      10,
      99,
      100,
      999,
      1000,
      123456,
      2147483647,
      2147483648,
      -1,
      -10,
      2 ** 53 - 1,
    ]) {
      expect(written(2, (reply) => reply.integer(value))).toBe(`:${value}\r\n`);
    }
  });

  it('writes nulls, maps, doubles, booleans and text as the protocol of the client asks', () => {
    const all = (reply: Reply): void => {
      reply.nullBulk();
      reply.nullArray();
      reply.map(1);
      reply.double('1.5');
      reply.boolean(true);
      reply.verbatim('é');
    };
    expect(written(2, all)).toBe('$-1\r\n*-1\r\n*2\r\n$3\r\n1.5\r\n:1\r\n$2\r\n\xc3\xa9\r\n');
    expect(written(3, all)).toBe('_\r\n_\r\n%1\r\n,1.5\r\n#t\r\n=6\r\ntxt:\xc3\xa9\r\n');
  });

  it('keeps line ends out of errors and notes their code', () => {
    const reply = new Reply();
    reply.error('ERR a\r\nb');
    expect(reply.buffer.toString('latin1', 0, reply.at)).toBe('-ERR a b\r\n');
    expect([reply.errors, reply.lastErrorCode]).toEqual([1, 'ERR']);
  });

  it('grows for values larger than its buffer', () => {
    const value = Buffer.alloc(300_000, 120);
    expect(written(2, (reply) => reply.bulk(value))).toBe(`$300000\r\n${'x'.repeat(300_000)}\r\n`);
  });
});

it('Reply: beyond its bound it says so, keeps its size and leaves the replies of others alone', () => {
  const reply = new Reply();
  reply.bulkText('of another client');
  const start = reply.at;
  const before = reply.buffer.toString('latin1', 0, start);
  reply.floor = start;
  reply.atMax = start + 200_000;
  for (let element = 0; element < 100_000; element++) reply.bulkText('some element');
  expect(reply.full).toBe(true);
  expect(reply.buffer.length).toBeLessThan(600_000);
  expect(reply.at).toBeGreaterThanOrEqual(start);
  expect(reply.buffer.toString('latin1', 0, start)).toBe(before);
});
