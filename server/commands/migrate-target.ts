/**
 * Connections to the servers that keys move to: kept for a while, because keys of one slot move one after
 * another.
 */
import { RespClient, RespFailure } from '../wire/client.ts';
import { RespError } from '../wire/reply-parser.ts';

const IDLE_MS = 10_000;
const TARGETS_MAX = 64;
const UNSENT_BYTES_MAX = 1024 * 1024 * 1024;

export interface MigrateTarget {
  readonly host: string;
  readonly port: number;
  readonly database: number;
  /** Empty: the default user. */
  readonly username: string;
  /** Empty: no AUTH. */
  readonly password: string;
}

interface Kept {
  readonly client: RespClient;
  idleTimer: NodeJS.Timeout;
}

const kept = new Map<string, Kept>();

function nameOf(target: MigrateTarget): string {
  return JSON.stringify([target.host, target.port, target.database, target.username, target.password]);
}

/** A connection with the database selected, or why there is none. A fresh one when `fresh`. */
export async function connectTarget(
  target: MigrateTarget,
  deadlineMs: number,
  fresh: boolean,
): Promise<RespClient | RespFailure | RespError> {
  const name = nameOf(target);
  const existing = kept.get(name);
  if (existing !== undefined) {
    clearTimeout(existing.idleTimer);
    kept.delete(name);
    if (!fresh && existing.client.failure === undefined) return signedIn(existing.client, target, deadlineMs);
    existing.client.close();
  }
  const { host, port, username, password } = target;
  const credentials = password === '' ? {} : username === '' ? { password } : { username, password };
  const options = { host, port, connectDeadlineMs: deadlineMs, unsentBytesMax: UNSENT_BYTES_MAX };
  const client = await RespClient.connect({ ...options, callsMax: 65_536, ...credentials });
  if (client instanceof RespFailure) return client;
  if (target.database !== 0) {
    const selected = await client.call(['SELECT', target.database], { deadlineMs });
    if (selected instanceof RespError || selected instanceof RespFailure) {
      client.close();
      return selected;
    }
  }
  return client;
}

/** Connections that are kept. */
export function keptTargets(): number {
  return kept.size;
}

/** The connection after AUTH: the password may have changed since it was made. */
async function signedIn(
  client: RespClient,
  target: MigrateTarget,
  deadlineMs: number,
): Promise<RespClient | RespFailure | RespError> {
  const { username, password } = target;
  if (password === '') return client;
  const words = username === '' ? ['AUTH', password] : ['AUTH', username, password];
  const answer = await client.call(words, { deadlineMs });
  if (!(answer instanceof RespError)) return client;
  client.close();
  return answer;
}

/** Keeps a connection for the next move to the same target, or closes it. */
export function releaseTarget(target: MigrateTarget, client: RespClient): void {
  const name = nameOf(target);
  if (client.failure !== undefined || kept.size >= TARGETS_MAX || kept.has(name)) {
    client.close();
    return;
  }
  const idleTimer = setTimeout(() => {
    kept.delete(name);
    client.close();
  }, IDLE_MS);
  idleTimer.unref();
  kept.set(name, { client, idleTimer });
}
