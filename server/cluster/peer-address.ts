/**
 * Where to connect to for a peer: the address that gossip knows, and in turn what its announced name resolves
 * to.
 */
import { lookup, Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';

const DNS_TRY_MS = 500;
const DNS_TRIES = 2;

async function resolveByAnyMeans(host: string): Promise<string> {
  if (host.includes('.')) {
    // c-ares does not occupy the thread pool, which a dead name server would fill.
    const resolver = new Resolver({ timeout: DNS_TRY_MS, tries: DNS_TRIES });
    const found = await resolver.resolve4(host).catch(() => []);
    if (found[0] !== undefined) return found[0];
  }
  // The system's resolver knows hosts files, search domains and IPv6.
  return (await lookup(host)).address;
}

/** The address of a host name, or null when it has none or the deadline passes. */
export async function resolveWithin(host: string, deadlineMs: number): Promise<string | null> {
  if (isIP(host) !== 0) return host;
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), deadlineMs);
  });
  const found = resolveByAnyMeans(host).catch(() => null);
  try {
    return await Promise.race([deadline, found]);
  } finally {
    clearTimeout(timer);
  }
}
