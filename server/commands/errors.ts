/** Every error text that more than one place answers with, as Redis 7.2 words it. */

export const SYNTAX = 'ERR syntax error';
export const NOT_INTEGER = 'ERR value is not an integer or out of range';
export const NOT_INTEGER_32 = 'ERR value is out of range, value must between -2147483648 and 2147483647';
export const NOT_FLOAT = 'ERR value is not a valid float';
export const NO_SUCH_KEY = 'ERR no such key';
export const WRONG_TYPE = 'WRONGTYPE Operation against a key holding the wrong kind of value';
export const OVERFLOW = 'ERR increment or decrement would overflow';
export const STRING_TOO_LONG = 'ERR string exceeds maximum allowed size (proto-max-bulk-len)';
export const INDEX_OUT_OF_RANGE = 'ERR index out of range';
export const OFFSET_OUT_OF_RANGE = 'ERR offset is out of range';
export const KEY_TOO_LONG = 'ERR key is longer than 1048575 bytes, the most this server keeps';
export const NO_AUTH_YET = 'NOAUTH Authentication required.';
export const WRONG_PASSWORD = 'WRONGPASS invalid username-password pair or user is disabled.';
export const NO_PASSWORD_SET =
  'ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?';
export const OUT_OF_MEMORY = "OOM command not allowed when used memory > 'maxmemory'.";
export const CONTAINER_FULL =
  'OOM command not allowed: the container has reached 90 % of its memory limit (container-memory-guard). Set maxmemory, delete data or raise the limit.';
export const READ_ONLY = "READONLY You can't write against a read only replica.";
export const REPLICA_KEYSPACE = "Replica can't interact with the keyspace";
export const LOADING_DATASET = 'LOADING Redis is loading the dataset in memory';
export const MASTER_DOWN = "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";
export const NO_REPLICAS = 'NOREPLICAS Not enough good replicas to write.';
export const MISCONF =
  "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may modify the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.";
export const CROSS_SLOT = "CROSSSLOT Keys in request don't hash to the same slot";
export const EXEC_ABORT = 'EXECABORT Transaction discarded because of previous errors.';
export const NESTED_MULTI = 'ERR MULTI calls can not be nested';
export const EXEC_WITHOUT_MULTI = 'ERR EXEC without MULTI';
export const DISCARD_WITHOUT_MULTI = 'ERR DISCARD without MULTI';
export const NOT_IN_TRANSACTION = 'ERR Command not allowed inside a transaction';
export const WATCH_INSIDE_MULTI = 'ERR WATCH inside MULTI is not allowed';
export const DB_INDEX_OUT_OF_RANGE = 'ERR DB index is out of range';

/** A subscribed RESP 2 client sent another command. */
export function notWhileSubscribed(name: string): string {
  return `ERR Can't execute '${name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context`;
}

/** A user lost a permission between MULTI and EXEC. */
export function noPermissionInExec(reason: string): string {
  return `NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is no longer allowed for the following reason: ${reason}`;
}

/** `ERR unknown subcommand or wrong number of arguments for 'x'. Try ACL HELP.` */
export function unknownSubcommand(word: string, container: string): string {
  return `ERR unknown subcommand or wrong number of arguments for '${word.slice(0, 128)}'. Try ${container} HELP.`;
}

/** `ERR wrong number of arguments for 'get' command`. */
export function wrongArity(name: string): string {
  return `ERR wrong number of arguments for '${name}' command`;
}

/** `ERR invalid expire time in 'set' command`. */
export function invalidExpire(name: string): string {
  return `ERR invalid expire time in '${name}' command`;
}

/** The append-only file cannot be written. */
export function aofMisconf(reason: string): string {
  return `MISCONF Errors writing to the AOF file: ${reason}`;
}

export const BUSY_SCRIPT =
  'BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.';
export const BUSY_FUNCTION =
  'BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.';
export const UNKILLABLE =
  'UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.';
