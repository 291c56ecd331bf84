/**
 * The frames of the cluster bus, binary compatible with Redis 7.x and Valkey. All integers are big-endian.
 *
 *   0 "RCmb" | 4 length u32 | 8 version u16 = 1 | 10 port | 12 type | 14 count | 16 currentEpoch u64
 *   24 configEpoch u64 | 32 offset u64 | 40 sender 40 B | 80 slots 2048 B | 2128 primary 40 B | 2168 ip 46 B
 *   2214 extensions u16 | 2216 reserved 30 B | 2246 plain port | 2248 bus port | 2250 flags | 2252 state u8
 *   2253 message flags 3 B | 2256 data
 *
 * `decodeMessage` never throws: whatever the bytes are, the answer is a message or a reason.
 * Departures from Redis: ids that are not 40 hex digits, and epochs beyond 2^53, are malformed.
 */
import { decodeExtensions, encodeExtensions, type PingExtensions } from './bus-extensions.ts';

export const HEADER_BYTES = 2256;
export const GOSSIP_BYTES = 104;
export const SLOT_COUNT = 16384;
export const SLOT_BYTES = SLOT_COUNT / 8;
/**
 * A frame longer than this is refused: the largest is a PUBLISH, which is bound by the query buffer of 1 GiB.
 */
export const FRAME_BYTES_MAX = 256 * 1024 * 1024;
const ID_BYTES = 40;
const IP_BYTES = 46;
const SIGNATURE = 0x52436d62;
const VERSION = 1;

export const PING = 0;
export const PONG = 1;
export const MEET = 2;
export const FAIL = 3;
export const PUBLISH = 4;
export const AUTH_REQUEST = 5;
export const AUTH_ACK = 6;
export const UPDATE = 7;
export const MFSTART = 8;
export const MODULE = 9;
export const PUBLISH_SHARD = 10;
/** Names as CLUSTER INFO prints them in cluster_stats_messages_<name>_sent. */
export const TYPE_NAMES = [
  'ping',
  'pong',
  'meet',
  'fail',
  'publish',
  'auth-req',
  'auth-ack',
  'update',
  'mfstart',
  'module',
  'publishshard',
] as const;

/** Bits of the first message flag byte. */
export const MESSAGE_PAUSED = 1;
export const MESSAGE_FORCE_ACK = 2;
export const MESSAGE_EXTENSIONS = 4;

/**
 * What every frame says of its sender. `slots` is a bitmap of 2048 bytes, slot 0 in the lowest bit of byte 0.
 */
export interface BusHeader {
  readonly type: number;
  readonly port: number;
  readonly plainPort: number;
  readonly busPort: number;
  readonly currentEpoch: number;
  readonly configEpoch: number;
  readonly offset: number;
  readonly sender: string;
  readonly slots: Uint8Array;
  /** null when the sender is a primary. */
  readonly primaryId: string | null;
  /** Empty when the receiver is to take the address of the connection. */
  readonly ip: string;
  readonly flags: number;
  readonly stateOk: boolean;
  readonly messageFlags: number;
}

/** What the sender knows of another node. Times are unix seconds. */
export interface GossipEntry {
  readonly id: string;
  readonly pingSentSeconds: number;
  readonly pongReceivedSeconds: number;
  readonly ip: string;
  readonly port: number;
  readonly busPort: number;
  readonly plainPort: number;
  readonly flags: number;
}

export type BusBody =
  | { readonly kind: 'gossip'; readonly gossip: readonly GossipEntry[]; readonly extensions: PingExtensions }
  | { readonly kind: 'fail'; readonly nodeId: string }
  | { readonly kind: 'publish'; readonly channel: Uint8Array; readonly payload: Uint8Array }
  | {
      readonly kind: 'update';
      readonly nodeId: string;
      readonly configEpoch: number;
      readonly slots: Uint8Array;
    }
  | { readonly kind: 'plain' };

export interface BusMessage {
  readonly header: BusHeader;
  readonly body: BusBody;
}

export type Decoded = { readonly message: BusMessage } | { readonly malformed: string };

/**
 * Length of the frame that starts at `at`, 0 when fewer than 8 bytes are there, -1 when no frame starts here.
 */
export function frameLength(bytes: Buffer, at: number, end: number): number {
  if (end - at < 8) return 0;
  if (bytes.readUInt32BE(at) !== SIGNATURE) return -1;
  const length = bytes.readUInt32BE(at + 4);
  return length < HEADER_BYTES || length > FRAME_BYTES_MAX ? -1 : length;
}

function writeEpoch(frame: Buffer, value: number, at: number): void {
  frame.writeUInt32BE(Math.floor(value / 0x100000000), at);
  frame.writeUInt32BE(value >>> 0, at + 4);
}

/** -1 when the number is beyond what a double holds exactly. */
function readEpoch(frame: Buffer, at: number): number {
  const high = frame.readUInt32BE(at);
  return high >= 1 << 21 ? -1 : high * 0x100000000 + frame.readUInt32BE(at + 4);
}

function readText(frame: Buffer, at: number, length: number): string {
  let end = at;
  while (end < at + length && frame[end] !== 0) end++;
  return frame.toString('latin1', at, end);
}

const ID_PATTERN = /^[0-9a-f]{40}$/;
const IP_PATTERN = /^[0-9A-Za-z:._%-]*$/;

/** True for 40 lower-case hex digits. */
export function isNodeId(text: string): boolean {
  return ID_PATTERN.test(text);
}

function encodeFrame(header: BusHeader, count: number, extensions: number, dataBytes: number): Buffer {
  const frame = Buffer.alloc(HEADER_BYTES + dataBytes);
  frame.writeUInt32BE(SIGNATURE, 0);
  frame.writeUInt32BE(frame.length, 4);
  frame.writeUInt16BE(VERSION, 8);
  frame.writeUInt16BE(header.port, 10);
  frame.writeUInt16BE(header.type, 12);
  frame.writeUInt16BE(count, 14);
  writeEpoch(frame, header.currentEpoch, 16);
  writeEpoch(frame, header.configEpoch, 24);
  writeEpoch(frame, header.offset, 32);
  frame.write(header.sender, 40, ID_BYTES, 'latin1');
  frame.set(header.slots, 80);
  if (header.primaryId !== null) frame.write(header.primaryId, 2128, ID_BYTES, 'latin1');
  frame.write(header.ip, 2168, IP_BYTES - 1, 'latin1');
  frame.writeUInt16BE(extensions, 2214);
  frame.writeUInt16BE(header.plainPort, 2246);
  frame.writeUInt16BE(header.busPort, 2248);
  frame.writeUInt16BE(header.flags, 2250);
  frame[2252] = header.stateOk ? 0 : 1;
  frame[2253] = header.messageFlags;
  return frame;
}

function writeGossip(frame: Buffer, entry: GossipEntry, at: number): void {
  frame.write(entry.id, at, ID_BYTES, 'latin1');
  frame.writeUInt32BE(entry.pingSentSeconds >>> 0, at + 40);
  frame.writeUInt32BE(entry.pongReceivedSeconds >>> 0, at + 44);
  frame.write(entry.ip, at + 48, IP_BYTES - 1, 'latin1');
  frame.writeUInt16BE(entry.port, at + 94);
  frame.writeUInt16BE(entry.busPort, at + 96);
  frame.writeUInt16BE(entry.flags, at + 98);
  frame.writeUInt16BE(entry.plainPort, at + 100);
}

/** Bytes of one frame; `header.type` must fit the kind of `body`. */
export function encodeMessage(header: BusHeader, body: BusBody): Buffer {
  switch (body.kind) {
    case 'gossip': {
      const extensions = encodeExtensions(body.extensions);
      const gossipBytes = body.gossip.length * GOSSIP_BYTES;
      const size = gossipBytes + extensions.bytes.length;
      const frame = encodeFrame(header, body.gossip.length, extensions.count, size);
      body.gossip.forEach((entry, i) => {
        writeGossip(frame, entry, HEADER_BYTES + i * GOSSIP_BYTES);
      });
      frame.set(extensions.bytes, HEADER_BYTES + gossipBytes);
      return frame;
    }
    case 'fail': {
      const frame = encodeFrame(header, 0, 0, ID_BYTES);
      frame.write(body.nodeId, HEADER_BYTES, ID_BYTES, 'latin1');
      return frame;
    }
    case 'publish': {
      const frame = encodeFrame(header, 0, 0, 8 + body.channel.length + body.payload.length);
      frame.writeUInt32BE(body.channel.length, HEADER_BYTES);
      frame.writeUInt32BE(body.payload.length, HEADER_BYTES + 4);
      frame.set(body.channel, HEADER_BYTES + 8);
      frame.set(body.payload, HEADER_BYTES + 8 + body.channel.length);
      return frame;
    }
    case 'update': {
      const frame = encodeFrame(header, 0, 0, 8 + ID_BYTES + SLOT_BYTES);
      writeEpoch(frame, body.configEpoch, HEADER_BYTES);
      frame.write(body.nodeId, HEADER_BYTES + 8, ID_BYTES, 'latin1');
      frame.set(body.slots, HEADER_BYTES + 8 + ID_BYTES);
      return frame;
    }
    case 'plain':
      return encodeFrame(header, 0, 0, 0);
  }
}

function malformed(reason: string): { readonly malformed: string } {
  return { malformed: reason };
}

function decodeHeader(frame: Buffer): BusHeader | string {
  if (frame.length < HEADER_BYTES) return 'shorter than a header';
  if (frame.readUInt32BE(0) !== SIGNATURE) return 'wrong signature';
  if (frame.readUInt32BE(4) !== frame.length) return 'length differs from the frame';
  if (frame.readUInt16BE(8) !== VERSION) return `protocol version ${frame.readUInt16BE(8)}`;
  const sender = frame.toString('latin1', 40, 80);
  if (!isNodeId(sender)) return 'sender is no node id';
  const primary = readText(frame, 2128, ID_BYTES);
  if (primary !== '' && !isNodeId(primary)) return 'primary is no node id';
  const ip = readText(frame, 2168, IP_BYTES);
  if (!IP_PATTERN.test(ip)) return 'announced address holds strange characters';
  const currentEpoch = readEpoch(frame, 16);
  const configEpoch = readEpoch(frame, 24);
  const offset = readEpoch(frame, 32);
  if (currentEpoch < 0 || configEpoch < 0 || offset < 0) return 'epoch or offset beyond 2^53';
  return {
    type: frame.readUInt16BE(12),
    port: frame.readUInt16BE(10),
    plainPort: frame.readUInt16BE(2246),
    busPort: frame.readUInt16BE(2248),
    currentEpoch,
    configEpoch,
    offset,
    sender,
    slots: frame.subarray(80, 80 + SLOT_BYTES),
    primaryId: primary === '' ? null : primary,
    ip,
    flags: frame.readUInt16BE(2250),
    stateOk: frame[2252] === 0,
    messageFlags: frame[2253] as number,
  };
}

function decodeGossip(frame: Buffer, header: BusHeader): Decoded {
  const count = frame.readUInt16BE(14);
  const extensionsAt = HEADER_BYTES + count * GOSSIP_BYTES;
  if (extensionsAt > frame.length) return malformed('gossip section is torn');
  const gossip: GossipEntry[] = [];
  for (let at = HEADER_BYTES; at < extensionsAt; at += GOSSIP_BYTES) {
    const id = frame.toString('latin1', at, at + ID_BYTES);
    if (!isNodeId(id)) return malformed('gossip names no node id');
    const ip = readText(frame, at + 48, IP_BYTES);
    if (!IP_PATTERN.test(ip)) return malformed('gossip address holds strange characters');
    gossip.push({
      id,
      pingSentSeconds: frame.readUInt32BE(at + 40),
      pongReceivedSeconds: frame.readUInt32BE(at + 44),
      ip,
      port: frame.readUInt16BE(at + 94),
      busPort: frame.readUInt16BE(at + 96),
      flags: frame.readUInt16BE(at + 98),
      plainPort: frame.readUInt16BE(at + 100),
    });
  }
  const announced = (header.messageFlags & MESSAGE_EXTENSIONS) !== 0;
  const extensions = decodeExtensions(frame, extensionsAt, announced ? frame.readUInt16BE(2214) : 0);
  if (typeof extensions === 'string') return malformed(extensions);
  return { message: { header, body: { kind: 'gossip', gossip, extensions } } };
}

function decodePublish(frame: Buffer, header: BusHeader): Decoded {
  if (frame.length < HEADER_BYTES + 8) return malformed('publish section is torn');
  const channelBytes = frame.readUInt32BE(HEADER_BYTES);
  const payloadBytes = frame.readUInt32BE(HEADER_BYTES + 4);
  if (HEADER_BYTES + 8 + channelBytes + payloadBytes !== frame.length) return malformed('publish lengths');
  const payloadAt = HEADER_BYTES + 8 + channelBytes;
  const channel = frame.subarray(HEADER_BYTES + 8, payloadAt);
  return { message: { header, body: { kind: 'publish', channel, payload: frame.subarray(payloadAt) } } };
}

function decodeUpdate(frame: Buffer, header: BusHeader): Decoded {
  if (frame.length !== HEADER_BYTES + 8 + ID_BYTES + SLOT_BYTES) return malformed('update length');
  const configEpoch = readEpoch(frame, HEADER_BYTES);
  const nodeId = frame.toString('latin1', HEADER_BYTES + 8, HEADER_BYTES + 8 + ID_BYTES);
  if (configEpoch < 0 || !isNodeId(nodeId)) return malformed('update names no node id or epoch');
  const slots = frame.subarray(HEADER_BYTES + 8 + ID_BYTES);
  return { message: { header, body: { kind: 'update', nodeId, configEpoch, slots } } };
}

/**
 * Reads exactly one frame. Slot bitmaps and publish bytes are views into `frame`, valid as long as it is.
 * Types that are not known decode as kind 'plain', so that newer peers do no harm.
 */
export function decodeMessage(frame: Buffer): Decoded {
  const header = decodeHeader(frame);
  if (typeof header === 'string') return malformed(header);
  switch (header.type) {
    case PING:
    case PONG:
    case MEET:
      return decodeGossip(frame, header);
    case FAIL: {
      if (frame.length !== HEADER_BYTES + ID_BYTES) return malformed('fail length');
      const nodeId = frame.toString('latin1', HEADER_BYTES, HEADER_BYTES + ID_BYTES);
      if (!isNodeId(nodeId)) return malformed('fail names no node id');
      return { message: { header, body: { kind: 'fail', nodeId } } };
    }
    case PUBLISH:
    case PUBLISH_SHARD:
      return decodePublish(frame, header);
    case UPDATE:
      return decodeUpdate(frame, header);
    case AUTH_REQUEST:
    case AUTH_ACK:
    case MFSTART:
      if (frame.length !== HEADER_BYTES) return malformed(`${TYPE_NAMES[header.type]} length`);
      return { message: { header, body: { kind: 'plain' } } };
    default:
      return { message: { header, body: { kind: 'plain' } } };
  }
}
