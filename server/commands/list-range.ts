/** Elements of a list as a reply, copied straight out of its listpacks. */
import { ListElement } from '../structures/list-element.ts';
import * as listpack from '../structures/listpack.ts';
import type { Reply } from '../wire/reply.ts';
import type { Call } from './call.ts';
import { listsOf } from './list-arguments.ts';

const DOLLAR = 36;
const ZERO = 48;
const CR = 13;
const LF = 10;
/** Head and ends of a bulk string, and the digits of the smallest integers. */
const FRAME_BYTES = 16;
/** Below this an entry is an integer of 0 to 127, then a string of up to 63 bytes. */
const SHORT_STRING = 0x80;
const LONGER = 0xc0;

const element = new ListElement();
const NO_VIEW = new DataView(new ArrayBuffer(0));
// The two buffers that runs were read from and written to last, as views of 64-bit words.
let source: Uint8Array = new Uint8Array(0);
let sourceView: DataView = NO_VIEW;
let target: Uint8Array = source;
let targetView: DataView = NO_VIEW;

/** An array of `count` elements from `index` on, towards the tail or the head. */
export function writeRange(call: Call, ref: number, index: number, count: number, forward: boolean): void {
  const { reply } = call;
  reply.array(count);
  const cursor = listsOf(call).open(ref, index, forward);
  let left = count;
  while (left > 0) {
    const position = forward ? cursor.beginRun() : -1;
    if (position >= 0) {
      left = writeRun(reply, cursor.runBytes, position, left);
      cursor.endRun(runEnd);
      continue;
    }
    cursor.next();
    reply.bulkRange(cursor.element.bytes, cursor.element.start, cursor.element.end);
    left--;
  }
}

/** Where `writeRun` came to. */
let runEnd = 0;

/** Writes up to `left` entries from a position on; how many of `left` remain when the listpack ends. */
function writeRun(reply: Reply, bytes: Buffer, position: number, left: number): number {
  let out = reply.buffer;
  let to = reply.at;
  if (bytes !== source) {
    source = bytes;
    sourceView = viewOf(bytes);
  }
  const read = sourceView;
  let write = targetOf(out);
  for (; left > 0 && bytes[position] !== listpack.END; left--) {
    const head = bytes[position];
    if (head >= LONGER) {
      reply.at = to;
      position = writeEntry(reply, bytes, position);
      out = reply.buffer;
      write = targetOf(out);
      to = reply.at;
      continue;
    }
    const length = head < SHORT_STRING ? (head < 10 ? 1 : head < 100 ? 2 : 3) : head & 0x3f;
    if (to + length + FRAME_BYTES > out.length) {
      reply.at = to;
      reply.reserve(length + FRAME_BYTES);
      out = reply.buffer;
      write = targetOf(out);
    }
    out[to++] = DOLLAR;
    if (length >= 10) out[to++] = ZERO + ((length / 10) | 0);
    out[to++] = ZERO + (length % 10);
    out[to++] = CR;
    out[to++] = LF;
    if (head < SHORT_STRING) {
      if (head >= 100) out[to++] = ZERO + 1;
      if (head >= 10) out[to++] = ZERO + (((head / 10) | 0) % 10);
      out[to++] = ZERO + (head % 10);
      position += 2;
    } else {
      const end = position + 1 + length;
      let from = position + 1;
      // By eight: byte by byte, the copying was most of what a range costs.
      for (; from + 8 <= end; from += 8, to += 8) {
        write.setBigUint64(to, read.getBigUint64(from, true), true);
      }
      while (from < end) out[to++] = bytes[from++];
      position = end + 1;
    }
    out[to++] = CR;
    out[to++] = LF;
  }
  reply.at = to;
  runEnd = position;
  return left;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function targetOf(bytes: Uint8Array): DataView {
  if (bytes !== target) {
    target = bytes;
    targetView = viewOf(bytes);
  }
  return targetView;
}

/** Writes one entry of any kind; returns where the next one begins. */
function writeEntry(reply: Reply, bytes: Buffer, position: number): number {
  // Read as the first entry of a listpack that begins before it: only the distance counts.
  element.read(bytes, position - listpack.HEADER_BYTES, listpack.HEADER_BYTES);
  reply.bulkRange(element.bytes, element.start, element.end);
  return position + listpack.entryBytes(bytes, position);
}
