import { describe, expect, it } from 'vitest';
import { probeReadiness } from './probes.ts';

function ready(fields: Readonly<Record<string, string>>): string {
  const answer = probeReadiness(new Map(Object.entries(fields)));
  return `${answer.healthy ? 'ready' : 'not ready'}: ${answer.reason}`;
}

const replica = { loading: '0', role: 'slave', master_host: 'a', master_port: '1' };

describe('probeReadiness', () => {
  it.each([
    [{ loading: '0', role: 'master' }, 'ready: primary'],
    [{ loading: '1', role: 'master' }, 'not ready: loading the dataset from disk'],
    [{ ...replica, master_link_status: 'up', master_last_io_seconds_ago: '1' }, 'ready: replica of a:1'],
    [{ ...replica, master_link_status: 'down' }, 'not ready: replica: link to a:1 is down'],
    [
      { ...replica, master_link_status: 'down', master_sync_in_progress: '1' },
      'not ready: replica: full sync from a:1 in progress',
    ],
    [
      { ...replica, master_link_status: 'up', master_last_io_seconds_ago: '31' },
      'not ready: replica: heard nothing from a:1 for 31 s',
    ],
  ])('%j', (fields, wanted) => {
    expect(ready(fields)).toBe(wanted);
  });
});
