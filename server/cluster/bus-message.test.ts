import { describe, expect, it } from 'vitest';
import {
  AUTH_REQUEST,
  type BusBody,
  type BusHeader,
  decodeMessage,
  encodeMessage,
  FAIL,
  frameLength,
  GOSSIP_BYTES,
  HEADER_BYTES,
  MESSAGE_EXTENSIONS,
  MFSTART,
  PING,
  PUBLISH,
  UPDATE,
} from './bus-message.ts';

const ID = 'a1'.repeat(20);
const OTHER_ID = '0f'.repeat(20);

function header(type: number, change: Partial<BusHeader> = {}): BusHeader {
  const slots = new Uint8Array(2048);
  slots[0] = 0b101;
  return {
    type,
    port: 7000,
    plainPort: 0,
    busPort: 17000,
    currentEpoch: 2 ** 40 + 5,
    configEpoch: 7,
    offset: 123456789012,
    sender: ID,
    slots,
    primaryId: null,
    ip: '10.0.0.1',
    flags: 1,
    stateOk: true,
    messageFlags: 0,
    ...change,
  };
}

const pingBody: BusBody = {
  kind: 'gossip',
  gossip: [
    {
      id: OTHER_ID,
      pingSentSeconds: 1,
      pongReceivedSeconds: 4_000_000_000,
      ip: '::1',
      port: 7001,
      busPort: 17001,
      plainPort: 0,
      flags: 2,
    },
  ],
  extensions: {
    hostname: 'node-1.example',
    nodeName: 'first',
    shardId: OTHER_ID,
    forgotten: [{ id: ID, ttlSeconds: 60 }],
  },
};

const SAMPLES: readonly (readonly [string, Buffer])[] = [
  ['ping', encodeMessage(header(PING, { messageFlags: MESSAGE_EXTENSIONS }), pingBody)],
  ['fail', encodeMessage(header(FAIL), { kind: 'fail', nodeId: OTHER_ID })],
  [
    'publish',
    encodeMessage(header(PUBLISH), {
      kind: 'publish',
      channel: Buffer.from('c'),
      payload: Buffer.from('hi'),
    }),
  ],
  [
    'update',
    encodeMessage(header(UPDATE), {
      kind: 'update',
      nodeId: OTHER_ID,
      configEpoch: 9,
      slots: new Uint8Array(2048),
    }),
  ],
  ['auth request', encodeMessage(header(AUTH_REQUEST, { primaryId: OTHER_ID }), { kind: 'plain' })],
  ['mfstart', encodeMessage(header(MFSTART), { kind: 'plain' })],
];

function decoded(frame: Buffer): { header: BusHeader; body: BusBody } {
  const result = decodeMessage(frame);
  if ('malformed' in result) throw new Error(result.malformed);
  return result.message;
}

describe('encodeMessage', () => {
  it('puts every header field where Redis has it', () => {
    const frame = SAMPLES[0]?.[1] as Buffer;
    expect(frame.toString('latin1', 0, 4)).toBe('RCmb');
    expect(frame.readUInt32BE(4)).toBe(frame.length);
    expect(frame.readUInt16BE(8)).toBe(1);
    expect(frame.readUInt16BE(10)).toBe(7000);
    expect(frame.readUInt16BE(14)).toBe(1);
    expect(frame.readBigUInt64BE(16)).toBe(2n ** 40n + 5n);
    expect(frame.toString('latin1', 40, 80)).toBe(ID);
    expect(frame[80]).toBe(0b101);
    expect(frame.readUInt16BE(2214)).toBe(4);
    expect(frame.readUInt16BE(2248)).toBe(17000);
    expect(frame.toString('latin1', HEADER_BYTES, HEADER_BYTES + 40)).toBe(OTHER_ID);
    expect((frame.length - HEADER_BYTES - GOSSIP_BYTES) % 8).toBe(0);
  });
});

describe('decodeMessage', () => {
  it.each(SAMPLES)('reads back what was written: %s', (_name, frame) => {
    const { header: read, body } = decoded(frame);
    expect(encodeMessage(read, body).equals(frame)).toBe(true);
  });

  it('reads names, gossip and forgotten nodes', () => {
    const { body } = decoded(SAMPLES[0]?.[1] as Buffer);
    expect(body).toEqual(pingBody);
  });

  it('ignores extensions without the flag only when no bytes are left', () => {
    const frame = encodeMessage(header(PING), pingBody);
    expect(decodeMessage(frame)).toEqual({ malformed: 'bytes behind the last extension' });
  });

  it('takes frames of unknown types as plain', () => {
    const frame = encodeMessage(header(77), { kind: 'plain' });
    expect(decoded(frame).body.kind).toBe('plain');
  });

  it('refuses other versions, wrong lengths and names that are no ids', () => {
    const version = encodeMessage(header(PING), { kind: 'plain' });
    version.writeUInt16BE(2, 8);
    expect(decodeMessage(version)).toEqual({ malformed: 'protocol version 2' });
    expect(
      'malformed' in
        decodeMessage(encodeMessage(header(PING, { sender: 'x'.repeat(40) }), { kind: 'plain' })),
    ).toBe(true);
    const fail = SAMPLES[1]?.[1] as Buffer;
    expect('malformed' in decodeMessage(fail.subarray(0, fail.length - 1))).toBe(true);
  });

  it('answers every mutated, torn or random frame with a value', () => {
    const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
    let random = seed;
    const below = (limit: number): number => {
      random = (Math.imul(random, 1103515245) + 12345) >>> 0;
      return Math.floor((random / 4294967296) * limit);
    };
    for (let round = 0; round < 20_000; round++) {
      const frame = Buffer.from(SAMPLES[below(SAMPLES.length)]?.[1] as Buffer);
      const kind = below(4);
      if (kind === 0) for (let i = below(8); i >= 0; i--) frame[below(frame.length)] = below(256);
      if (kind === 1)
        for (let i = below(40); i >= 0; i--)
          frame[HEADER_BYTES + below(frame.length - HEADER_BYTES + 1)] = below(256);
      if (kind === 2) frame.writeUInt16BE(below(65536), [12, 14, 2214][below(3)] as number);
      const cut = kind === 3 ? frame.subarray(0, below(frame.length)) : frame;
      if (cut.length >= 8 && below(2) === 0) cut.writeUInt32BE(cut.length, 4);
      let result: unknown;
      expect(() => (result = decodeMessage(cut)), `seed ${seed}, round ${round}`).not.toThrow();
      expect(result).toBeDefined();
    }
  });
});

describe('frameLength', () => {
  it('waits for eight bytes, then tells the length or that no frame starts here', () => {
    const frame = SAMPLES[1]?.[1] as Buffer;
    expect(frameLength(frame, 0, 7)).toBe(0);
    expect(frameLength(frame, 0, 8)).toBe(frame.length);
    expect(frameLength(Buffer.from('GET / HTTP/1.1\r\n'), 0, 16)).toBe(-1);
    const huge = Buffer.from(frame);
    huge.writeUInt32BE(0xffffffff, 4);
    expect(frameLength(huge, 0, 8)).toBe(-1);
  });
});
