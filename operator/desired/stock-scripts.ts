/**
 * What stock servers need a shell for: readiness and the hand-over before they stop. Redwarden answers
 * /readyz and hands over on SIGTERM by itself.
 */
import type { Engine } from '../api/effective.ts';

export type StockEngine = Exclude<Engine, 'Redwarden'>;

/** Seconds for the hand-over and its confirmation, within the pod's grace period. */
const HAND_OVER_SECONDS = 15;

export function serverProgram(engine: StockEngine): string {
  return engine === 'Valkey' ? 'valkey-server' : 'redis-server';
}

export function clientProgram(engine: StockEngine): string {
  return engine === 'Valkey' ? 'valkey-cli' : 'redis-cli';
}

/**
 * Ready: not loading, and a primary or linked to one. The state of the cluster as a whole is no readiness.
 */
export function readyScript(engine: StockEngine): string {
  return `# Ends with 0 when this server may get clients.
info=$(timeout 3 ${clientProgram(engine)} info replication persistence) || exit 1
case $info in *loading:1*) exit 1 ;; esac
case $info in *role:master* | *master_link_status:up*) exit 0 ;; esac
exit 1
`;
}

/** Lets the replica that has read furthest take over, and waits until it did. Always ends with 0. */
export function handOverScript(engine: StockEngine): string {
  const client = `timeout 3 ${clientProgram(engine)}`;
  return `# Before this server stops: if it is a primary, its most advanced replica takes over.
role() { ${client} info replication | tr -d '\\r' | sed -n 's/^role://p'; }
[ "$(role)" = master ] || exit 0
best=$(${client} info replication | tr -d '\\r' |
  sed -n 's/^slave[0-9]*:ip=\\([^,]*\\),port=\\([0-9]*\\),state=online,offset=\\([0-9]*\\).*/\\3 \\1 \\2/p' |
  sort -rn | head -n 1)
[ -n "$best" ] || exit 0
set -- $best
${client} -h "$2" -p "$3" cluster failover || exit 0
end=$(($(date +%s) + ${HAND_OVER_SECONDS}))
while [ "$(date +%s)" -lt "$end" ]; do
  [ "$(role)" = slave ] && exit 0
  sleep 0.2
done
exit 0
`;
}
