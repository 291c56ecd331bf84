/**
 * Numbers of the RDB format, shared by writer, reader, DUMP and RESTORE.
 *
 *   file   = "REDIS" dddd | "VALKEY" ddd, (aux | function | database record)*, EOF, 8 bytes CRC-64
 *          little-endian
 *   record = [EXPIRE_MS 8 bytes LE | EXPIRE_SECONDS 4 bytes LE] [IDLE length | FREQUENCY byte] type key value
 *   length = 00nnnnnn | 01nnnnnn nnnnnnnn | 0x80 4 bytes BE | 0x81 8 bytes BE | 11 + encoding (strings only)
 *   string = length bytes | int8 | int16 LE | int32 LE | LZF packed-length length bytes
 */

export const OPCODE_SLOT_IMPORT = 243;
export const OPCODE_SLOT_INFO = 244;
export const OPCODE_FUNCTION2 = 245;
/** A field of the header that is no field: the code of a library of functions, one character a byte. */
export const LIBRARY_FIELD = '\0library';
export const OPCODE_FUNCTION_PRE_GA = 246;
export const OPCODE_MODULE_AUX = 247;
export const OPCODE_IDLE = 248;
export const OPCODE_FREQUENCY = 249;
export const OPCODE_AUX = 250;
export const OPCODE_RESIZEDB = 251;
export const OPCODE_EXPIRE_MS = 252;
export const OPCODE_EXPIRE_SECONDS = 253;
export const OPCODE_SELECTDB = 254;
export const OPCODE_EOF = 255;

export const TYPE_STRING = 0;
export const TYPE_MODULE_OLD = 6;
export const TYPE_MODULE = 7;

export const LENGTH_14 = 0x40;
export const LENGTH_32 = 0x80;
export const LENGTH_64 = 0x81;
export const ENCODED_INT8 = 0xc0;
export const ENCODED_INT16 = 0xc1;
export const ENCODED_INT32 = 0xc2;
export const ENCODED_LZF = 0xc3;

/** Versions whose files are read under the name "REDIS"; "VALKEY" files start a range of their own. */
export const RDB_VERSION_MIN = 1;
export const RDB_VERSION_MAX = 12;
export const VALKEY_RDB_VERSION = 80;
/** Written when the configuration does not say otherwise: read by Redis 7.2 and every Valkey. */
export const RDB_VERSION_DEFAULT = 11;
/** First version in which fields of hashes may have an expiry. */
export const RDB_VERSION_FIELD_EXPIRY = 12;
/** First version whose files end with a checksum. */
export const RDB_VERSION_CHECKSUM = 5;

/** A longer string is taken for a damaged file. */
export const STRING_BYTES_MAX = 512 * 1024 * 1024;

const TYPE_NAMES: readonly string[] = [
  'string',
  'list',
  'set',
  'sorted set (text scores)',
  'hash',
  'sorted set',
  'module (old)',
  'module',
  'unknown',
  'hash (zipmap)',
  'list (ziplist)',
  'set (intset)',
  'sorted set (ziplist)',
  'hash (ziplist)',
  'list (quicklist of ziplists)',
  'stream (listpacks 1)',
  'hash (listpack)',
  'sorted set (listpack)',
  'list (quicklist)',
  'stream (listpacks 2)',
  'set (listpack)',
  'stream (listpacks 3)',
  'hash with field expiry (pre-release)',
  'hash with field expiry (pre-release, listpack)',
  'hash with field expiry',
  'hash with field expiry (listpack)',
];

// biome-ignore format: a table
const BLOB_NAMES: ReadonlyMap<number, string> = new Map([
  [9, 'Zipmap'], [10, 'List ziplist'], [11, 'Intset'], [12, 'Zset ziplist'], [13, 'Hash ziplist'], [14, 'Ziplist'],
  [16, 'Hash listpack'], [17, 'Zset listpack'], [18, 'Listpack'], [20, 'Set listpack'], [25, 'Hash listpack'],
]);

/** What the log says of a value that is damaged; of those that are one blob, in Redis' words. */
export function damageText(rdbType: number, reason: string): string {
  const name = BLOB_NAMES.get(rdbType);
  return name === undefined ? reason : `${name} integrity check failed: ${reason}`;
}

/** What a type number means, in words; `version` tells Redis' numbering from Valkey's. */
export function rdbTypeName(type: number, version: number): string {
  if (version >= VALKEY_RDB_VERSION && type === 22) return 'hash with field expiry';
  return TYPE_NAMES[type] ?? 'unknown';
}

/**
 * The version to write when the configuration says `configured`: the default gives way when fields of hashes
 * expire, because a dataset that cannot be saved is worse than a file that only newer servers read.
 */
export function writtenVersion(configured: number, fieldsExpire: boolean): number {
  return fieldsExpire && configured === RDB_VERSION_DEFAULT ? RDB_VERSION_FIELD_EXPIRY : configured;
}
