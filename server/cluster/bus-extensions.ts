/**
 * What follows the gossip entries of PING, PONG and MEET: records of `length u32 | type u16 | unused u16 |
 * value`, each padded with zero bytes to a multiple of 8. Unknown types are skipped.
 */

const HOSTNAME = 0;
const NODE_NAME = 1;
const FORGOTTEN = 2;
const SHARD_ID = 3;
const RECORD_HEAD_BYTES = 8;
const ID_BYTES = 40;
/** Longest host name or human node name, as in Redis (256 with the closing zero). */
export const NAME_BYTES_MAX = 255;
const RECORDS_MAX = 1024;

export interface ForgottenNode {
  readonly id: string;
  /** How long the receiver must not take the node in again. */
  readonly ttlSeconds: number;
}

/** Absent fields were not sent; an empty host name was not sent either. */
export interface PingExtensions {
  readonly hostname?: string;
  readonly nodeName?: string;
  readonly shardId?: string;
  readonly forgotten: readonly ForgottenNode[];
}

const NAME_PATTERN = /^[0-9A-Za-z._-]+$/;
const NODE_NAME_PATTERN = /^[^\0-\x20\x7f-\xff!#$%&()*+:;<>?@[\]^{|}~,="']+$/;
const HEX_40 = /^[0-9a-f]{40}$/;

/** True when `text` can stand as a host name in nodes.conf and on the bus. */
export function isHostname(text: string): boolean {
  return text.length <= NAME_BYTES_MAX && NAME_PATTERN.test(text);
}

/** True when `text` can stand as a human node name. */
export function isNodeName(text: string): boolean {
  return text.length <= NAME_BYTES_MAX && NODE_NAME_PATTERN.test(text);
}

function record(type: number, valueBytes: number): Buffer {
  const padded = Buffer.alloc(RECORD_HEAD_BYTES + ((valueBytes + 7) & ~7));
  padded.writeUInt32BE(padded.length, 0);
  padded.writeUInt16BE(type, 4);
  return padded;
}

function textRecord(type: number, text: string, closingZero: number): Buffer {
  const bytes = record(type, text.length + closingZero);
  bytes.write(text, RECORD_HEAD_BYTES, 'latin1');
  return bytes;
}

/** The records in wire form and how many they are. */
export function encodeExtensions(extensions: PingExtensions): { bytes: Buffer; count: number } {
  const parts: Buffer[] = [];
  if (extensions.hostname) parts.push(textRecord(HOSTNAME, extensions.hostname, 1));
  if (extensions.nodeName) parts.push(textRecord(NODE_NAME, extensions.nodeName, 1));
  for (const node of extensions.forgotten) {
    const bytes = textRecord(FORGOTTEN, node.id, 8);
    bytes.writeUInt32BE(node.ttlSeconds >>> 0, RECORD_HEAD_BYTES + ID_BYTES + 4);
    parts.push(bytes);
  }
  if (extensions.shardId) parts.push(textRecord(SHARD_ID, extensions.shardId, 0));
  return { bytes: Buffer.concat(parts), count: parts.length };
}

/**
 * Reads `count` records that must end where the frame ends; a string is the reason why they are malformed.
 */
export function decodeExtensions(frame: Buffer, start: number, count: number): PingExtensions | string {
  if (count > RECORDS_MAX) return 'too many extensions';
  const found: { hostname?: string; nodeName?: string; shardId?: string; forgotten: ForgottenNode[] } = {
    forgotten: [],
  };
  let at = start;
  for (let i = 0; i < count; i++) {
    if (at + RECORD_HEAD_BYTES > frame.length) return 'extension is torn';
    const length = frame.readUInt32BE(at);
    if (length < RECORD_HEAD_BYTES || length % 8 !== 0 || at + length > frame.length)
      return 'extension length';
    const value = frame.subarray(at + RECORD_HEAD_BYTES, at + length);
    const type = frame.readUInt16BE(at + 4);
    if (type === HOSTNAME || type === NODE_NAME) {
      const zero = value.indexOf(0);
      const text = value.toString('latin1', 0, zero < 0 ? value.length : zero);
      if (type === HOSTNAME && isHostname(text)) found.hostname = text;
      if (type === NODE_NAME && isNodeName(text)) found.nodeName = text;
    } else if (type === FORGOTTEN) {
      if (value.length !== ID_BYTES + 8) return 'forgotten node length';
      const id = value.toString('latin1', 0, ID_BYTES);
      if (!HEX_40.test(id)) return 'forgotten node is no node id';
      found.forgotten.push({ id, ttlSeconds: value.readUInt32BE(ID_BYTES + 4) });
    } else if (type === SHARD_ID) {
      if (value.length !== ID_BYTES) return 'shard id length';
      const id = value.toString('latin1', 0, ID_BYTES);
      if (!HEX_40.test(id)) return 'shard id is no id';
      found.shardId = id;
    }
    at += length;
  }
  return at === frame.length ? found : 'bytes behind the last extension';
}
