/** Whether the process lives and whether it may get clients, with the reason in words. */

/** An answer of a probe. */
export interface ProbeAnswer {
  readonly healthy: boolean;
  /** One sentence for the person who looks at the pod. */
  readonly reason: string;
}

/** A replica that heard nothing for longer is not ready. */
const SILENCE_SECONDS_MAX = 30;

/** The process answers, so its event loop turns. */
export function probeLife(): ProbeAnswer {
  return { healthy: true, reason: 'alive' };
}

/**
 * Ready: the dataset is loaded, and this is a primary, or a replica whose link is up and was heard recently.
 * The state of the cluster is no part of it: a node that is not ready cannot be reached to repair it.
 *
 * @param fields what INFO prints in its persistence and replication sections
 */
export function probeReadiness(fields: ReadonlyMap<string, string>): ProbeAnswer {
  if (fields.get('loading') === '1') return { healthy: false, reason: 'loading the dataset from disk' };
  if (fields.get('master_waits_for_peers') === '1') {
    return { healthy: false, reason: 'came up empty: waits for the word of replicas that have data' };
  }
  if (fields.get('role') !== 'slave') return { healthy: true, reason: 'primary' };
  const primary = `${fields.get('master_host') ?? '?'}:${fields.get('master_port') ?? '?'}`;
  if (fields.get('master_sync_in_progress') === '1') {
    return { healthy: false, reason: `replica: full sync from ${primary} in progress` };
  }
  if (fields.get('master_link_status') !== 'up') {
    return { healthy: false, reason: `replica: link to ${primary} is down` };
  }
  const silence = Number(fields.get('master_last_io_seconds_ago') ?? '0');
  if (silence > SILENCE_SECONDS_MAX) {
    return { healthy: false, reason: `replica: heard nothing from ${primary} for ${silence} s` };
  }
  return { healthy: true, reason: `replica of ${primary}` };
}
