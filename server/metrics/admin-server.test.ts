import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Log, silence } from '../config/log.ts';
import { AdminServer } from './admin-server.ts';

let info = '';
let address = '';
const admin = new AdminServer({
  port: 0,
  address: '127.0.0.1',
  info: { render: () => info, renderForMetrics: () => info },
  log: new Log({ level: 'warning', format: 'redis', sink: silence }),
});

beforeAll(async () => {
  address = `http://127.0.0.1:${await admin.listen()}`;
});

afterAll(() => admin.close());

async function get(path: string, method = 'GET'): Promise<{ status: number; body: string }> {
  const response = await fetch(address + path, { method, signal: AbortSignal.timeout(10_000) });
  return { status: response.status, body: await response.text() };
}

describe('AdminServer', () => {
  it('answers probes with status and reason', async () => {
    info = '# Replication\r\nrole:master\r\nloading:0\r\n';
    expect(await get('/livez')).toEqual({ status: 200, body: 'alive\n' });
    expect(await get('/readyz')).toEqual({ status: 200, body: 'primary\n' });
    info = 'loading:1\r\n';
    expect(await get('/readyz?verbose')).toEqual({ status: 503, body: 'loading the dataset from disk\n' });
  });

  it('refuses other paths and methods', async () => {
    expect((await get('/')).status).toBe(404);
    expect((await get('/livez', 'POST')).status).toBe(405);
  });

  it('prints metrics under the names that dashboards know', async () => {
    info = [
      '# Memory',
      'used_memory:12345',
      'role:master',
      'maxmemory_policy:allkeys-lru',
      'total_commands_processed:7',
      'cmdstat_get:calls=3,usec=2000000,usec_per_call=1.00,rejected_calls=0,failed_calls=1',
      'errorstat_ERR:count=2',
      'db0:keys=5,expires=1,avg_ttl=0',
      'cluster_state:ok',
      'cluster_slots_ok:16384',
    ].join('\r\n');
    const { status, body } = await get('/metrics');
    expect(status).toBe(200);
    const lines = body.split('\n');
    expect(lines).toContain('redis_up 1');
    expect(lines).toContain('redis_memory_used_bytes 12345');
    expect(lines).toContain('redis_commands_processed_total 7');
    expect(lines).toContain('redis_commands_duration_seconds_total{cmd="get"} 2');
    expect(lines).toContain('redis_errors_total{err="ERR"} 2');
    expect(lines).toContain('redis_cluster_state 1');
    expect(lines).toContain('redis_cluster_slots_ok 16384');
    expect(lines).toContain('redis_db_keys{db="db0"} 5');
    expect(body).toMatch(/redis_instance_info\{role="master",.*maxmemory_policy="allkeys-lru"\} 1/);
    expect(body).toMatch(/redwarden_event_loop_delay_seconds\{quantile="0.99"\} /);
    info = 'total_commands_processed:9\r\n';
    expect((await get('/metrics')).body).toContain('redis_commands_processed_total 9');
  });
});
