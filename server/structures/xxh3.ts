/**
 * XXH3, the 64-bit variant without seed: what DIGEST answers and IFDEQ compares. Short inputs are mixed in a
 * few multiplications; longer ones go through eight lanes, 64 bytes a step, scrambled every 1024 bytes. The
 * lanes are kept as halves of 32 bits, because they see every byte; all else is 64-bit arithmetic of BigInt.
 */
import { productHigh } from './product.ts';

const PRIME32 = [0x9e3779b1n, 0x85ebca77n, 0xc2b2ae3dn] as const;
const PRIME64 = [
  0x9e3779b185ebca87n,
  0xc2b2ae3d27d4eb4fn,
  0x165667b19e3779f9n,
  0x85ebca77c2b2ae63n,
  0x27d4eb2f165667c5n,
] as const;
const MIX1 = 0x165667919e3779f9n;
const MIX2 = 0x9fb21c651e98df25n;
const SECRET = Buffer.from(
  'b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221' +
    'b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8' +
    'a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb' +
    '170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e',
  'hex',
);
const SHORT_MAX = 16;
const MIDDLE_MAX = 128;
const LONG_MIN = 241;
const STRIPE_BYTES = 64;
const STRIPES_PER_BLOCK = 16;
const LANES = 8;
/**
 * Where the secret is read by the rounds behind the eighth, the last of them, and at the end of long inputs.
 */
const LATE_AT = 3;
const LATE_END_AT = 119;
const SCRAMBLE_AT = 128;
const LAST_STRIPE_AT = 121;
const MERGE_AT = 11;

const word = (value: bigint): bigint => BigInt.asUintN(64, value);
const secret = (at: number): bigint => SECRET.readBigUInt64LE(at);

function rotate(value: bigint, by: bigint): bigint {
  return word(value << by) | (value >> (64n - by));
}

/** Both halves of a 128-bit product in one. */
function fold(left: bigint, right: bigint): bigint {
  const product = left * right;
  return word(product) ^ (product >> 64n);
}

function avalanche(hash: bigint): bigint {
  const mixed = word((hash ^ (hash >> 37n)) * MIX1);
  return mixed ^ (mixed >> 32n);
}

function oldAvalanche(hash: bigint): bigint {
  hash = word((hash ^ (hash >> 33n)) * PRIME64[1]);
  hash = word((hash ^ (hash >> 29n)) * PRIME64[2]);
  return hash ^ (hash >> 32n);
}

function mix16(bytes: Buffer, at: number, secretAt: number): bigint {
  return fold(
    bytes.readBigUInt64LE(at) ^ secret(secretAt),
    bytes.readBigUInt64LE(at + 8) ^ secret(secretAt + 8),
  );
}

/** The hash of all of `bytes`. */
export function xxh3(bytes: Buffer): bigint {
  const { length } = bytes;
  if (length <= SHORT_MAX) return shortHash(bytes, length);
  if (length >= LONG_MIN) return longHash(bytes, length);
  let sum = BigInt(length) * PRIME64[0];
  if (length <= MIDDLE_MAX) {
    for (let pair = Math.floor((length - 1) / 32); pair >= 0; pair--) {
      sum += mix16(bytes, pair * 16, pair * 32) + mix16(bytes, length - pair * 16 - 16, pair * 32 + 16);
    }
    return avalanche(word(sum));
  }
  for (let round = 0; round < LANES; round++) sum += mix16(bytes, round * 16, round * 16);
  sum = avalanche(word(sum));
  for (let round = LANES; round < Math.floor(length / 16); round++) {
    sum += mix16(bytes, round * 16, (round - LANES) * 16 + LATE_AT);
  }
  return avalanche(word(sum + mix16(bytes, length - 16, LATE_END_AT)));
}

function shortHash(bytes: Buffer, length: number): bigint {
  if (length === 0) return oldAvalanche(secret(56) ^ secret(64));
  if (length <= 3) {
    const combined =
      (BigInt(bytes[0]) << 16n) |
      (BigInt(bytes[length >>> 1]) << 24n) |
      BigInt(bytes[length - 1]) |
      (BigInt(length) << 8n);
    return oldAvalanche(combined ^ BigInt((SECRET.readUInt32LE(0) ^ SECRET.readUInt32LE(4)) >>> 0));
  }
  if (length <= 8) {
    const input = BigInt(bytes.readUInt32LE(length - 4)) + (BigInt(bytes.readUInt32LE(0)) << 32n);
    let hash = input ^ secret(8) ^ secret(16);
    hash = word((hash ^ rotate(hash, 49n) ^ rotate(hash, 24n)) * MIX2);
    hash = word((hash ^ ((hash >> 35n) + BigInt(length))) * MIX2);
    return hash ^ (hash >> 28n);
  }
  const low = bytes.readBigUInt64LE(0) ^ secret(24) ^ secret(32);
  const high = bytes.readBigUInt64LE(length - 8) ^ secret(40) ^ secret(48);
  return avalanche(word(BigInt(length) + swapped(low) + high + fold(low, high)));
}

function swapped(value: bigint): bigint {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes.readBigUInt64BE(0);
}

/** The lanes of a long input: low and high halves in turn. */
class Lanes {
  readonly #halves = new Int32Array(LANES * 2);

  constructor() {
    const [first, second, third] = PRIME32;
    const start = [third, PRIME64[0], PRIME64[1], PRIME64[2], PRIME64[3], second, PRIME64[4], first];
    for (const [lane, value] of start.entries()) this.#set(lane, value);
  }

  get(lane: number): bigint {
    const halves = this.#halves;
    return (BigInt(halves[lane * 2 + 1] >>> 0) << 32n) | BigInt(halves[lane * 2] >>> 0);
  }

  /** Takes in 64 bytes from `at` on. */
  accumulate(bytes: Buffer, at: number, secretAt: number): void {
    const halves = this.#halves;
    for (let lane = 0; lane < LANES; lane++, at += 8, secretAt += 8) {
      const low = bytes.readInt32LE(at);
      const high = bytes.readInt32LE(at + 4);
      addTo(halves, (lane ^ 1) * 2, low, high);
      const left = low ^ SECRET.readInt32LE(secretAt);
      const right = high ^ SECRET.readInt32LE(secretAt + 4);
      addTo(halves, lane * 2, Math.imul(left, right), productHigh(left, right));
    }
  }

  scramble(): void {
    for (let lane = 0; lane < LANES; lane++) {
      const value = this.get(lane);
      this.#set(lane, word((value ^ (value >> 47n) ^ secret(SCRAMBLE_AT + lane * 8)) * PRIME32[0]));
    }
  }

  #set(lane: number, value: bigint): void {
    this.#halves[lane * 2] = Number(value & 0xffffffffn);
    this.#halves[lane * 2 + 1] = Number(value >> 32n);
  }
}

/** Adds a 64-bit integer to the one whose low half is at `at`. */
function addTo(halves: Int32Array, at: number, low: number, high: number): void {
  const sum = (halves[at] >>> 0) + (low >>> 0);
  halves[at] = sum;
  halves[at + 1] += high + (sum > 0xffffffff ? 1 : 0);
}

function longHash(bytes: Buffer, length: number): bigint {
  const lanes = new Lanes();
  const stripes = Math.floor((length - 1) / STRIPE_BYTES);
  for (let stripe = 0; stripe < stripes; stripe++) {
    const within = stripe % STRIPES_PER_BLOCK;
    lanes.accumulate(bytes, stripe * STRIPE_BYTES, within * 8);
    if (within === STRIPES_PER_BLOCK - 1) lanes.scramble();
  }
  lanes.accumulate(bytes, length - STRIPE_BYTES, LAST_STRIPE_AT);
  let sum = BigInt(length) * PRIME64[0];
  for (let lane = 0; lane < LANES; lane += 2) {
    const at = MERGE_AT + lane * 8;
    sum += fold(lanes.get(lane) ^ secret(at), lanes.get(lane + 1) ^ secret(at + 8));
  }
  return avalanche(word(sum));
}
