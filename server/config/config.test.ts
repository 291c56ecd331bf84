import { describe, expect, it } from 'vitest';
import { Config } from './config.ts';
import { defaultValues, parameterTable } from './parameter-table.ts';

function fresh(): Config {
  return new Config(defaultValues());
}

describe('parameterTable', () => {
  it('has every name once, older names included', () => {
    const names = parameterTable.flatMap((row) => [row.name, row.olderName ?? []]).flat();
    expect(new Set(names).size).toBe(names.length);
  });

  it('has a summary and either LIVE, FIXED or GUARDED on every row', () => {
    for (const row of parameterTable) {
      expect(row.summary, row.name).toMatch(/\.$/);
      expect([1, 2, 4], row.name).toContain(row.flags & 7);
    }
  });
});

describe('defaultValues', () => {
  it('gives typed values', () => {
    const values = defaultValues();
    const maxmemory: number = values.maxmemory;
    expect(maxmemory).toBe(0);
    expect(values.appendonly).toBe(false);
    expect(values.appendfsync).toBe('everysec');
    expect(values['auto-aof-rewrite-min-size']).toBe(64 * 1024 * 1024);
    expect(values.replicaof).toBeUndefined();
    expect(values.save).toHaveLength(3);
  });
});

describe('Config.get', () => {
  it('matches patterns without regard to case and lists older names', () => {
    const config = fresh();
    expect(config.get(['MAXMEMORY'])).toEqual([['maxmemory', '0']]);
    expect(config.get(['slave-priority'])).toEqual([['slave-priority', '100']]);
    expect(config.get(['maxmemory-s*', 'hz']).map(([name]) => name)).toEqual(['hz', 'maxmemory-samples']);
    expect(config.get(['nothing'])).toEqual([]);
  });

  it('prints the special kinds as Redis does', () => {
    const config = fresh();
    expect(config.print('client-output-buffer-limit')).toBe(
      'normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60',
    );
    expect(config.print('save')).toBe('3600 1 300 100 60 10000');
    expect(config.print('shutdown-on-sigterm')).toBe('default');
    expect(config.print('bind')).toBe('* -::*');
  });

  it('shows hidden parameters only by their exact name', () => {
    expect(fresh().get(['rdb-key*'])).toEqual([]);
    expect(fresh().get(['rdb-key-save-delay'])).toHaveLength(1);
  });
});

describe('Config.set refuses with the text of Redis', () => {
  const related = (name: string, reason: string): string =>
    `CONFIG SET failed (possibly related to argument '${name}') - ${reason}`;
  it.each([
    ['databases', '20', "can't set immutable config"],
    ['cluster-announce-port', 'abc', "argument couldn't be parsed into an integer"],
    ['cluster-announce-port', '99999', 'argument must be between 0 and 65535 inclusive'],
    ['timeout', '1.5', "argument couldn't be parsed into an integer"],
    [
      'client-query-buffer-limit',
      '99999999999999999999',
      'argument must be between 1048576 and 9223372036854775807 inclusive',
    ],
    ['maxmemory', '1zz', 'argument must be a memory value'],
    ['maxmemory', '-1', 'argument must be a memory value'],
    ['appendonly', 'maybe', "argument must be 'yes' or 'no'"],
    ['appendfsync', 'foo', 'argument(s) must be one of the following: everysec, always, no'],
    ['databases', '4', "can't set immutable config"],
    ['dir', '/', "can't set protected config"],
    ['save', '1', 'Invalid save parameters'],
    ['save', 'a b', 'Invalid save parameters'],
    ['maxclients', '0', 'argument must be between 1 and 4294967295 inclusive'],
    ['maxmemory-clients', '500%', 'percentage argument must be less or equal to 100'],
    ['latency-monitor-threshold', '-1', 'argument must be between 0 and 9223372036854775807 inclusive'],
    ['notify-keyspace-events', 'Q', "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."],
    ['client-output-buffer-limit', 'normal 1 2', 'Wrong number of arguments in buffer limit configuration.'],
    [
      'client-output-buffer-limit',
      'foo 1 2 3',
      'Invalid client class specified in buffer limit configuration.',
    ],
    [
      'shutdown-on-sigterm',
      'a',
      'argument(s) must be one of the following: default, save, nosave, now, force',
    ],
    ['oom-score-adj-values', '1 2', 'wrong number of arguments'],
    ['tls-port', '6380', 'TLS is not available in this version'],
  ])('%s %s', (name, value, reason) => {
    const config = fresh();
    const before = config.get(['*']);
    expect(config.set([[name, value]], true)).toBe(related(name, reason));
    expect(config.get(['*'])).toEqual(before);
  });

  it('an unknown name and a name given twice', () => {
    const config = fresh();
    expect(config.set([['foo', 'bar']], true)).toBe(
      "Unknown option or number of arguments for CONFIG SET - 'foo'",
    );
    const twice = [
      ['maxmemory', '1'],
      ['maxmemory', '2'],
    ] as const;
    expect(config.set(twice, true)).toBe(related('maxmemory', 'duplicate parameter'));
    expect(config.values.maxmemory).toBe(0);
  });
});

describe('Config.set', () => {
  it('reads units, clamps and aliases', () => {
    const config = fresh();
    const pairs = [
      ['maxmemory', '1gb'],
      ['hz', '100000'],
      ['repl-backlog-size', '5'],
      ['slave-priority', '7'],
      ['client-output-buffer-limit', 'pubsub 1kb 2k 3'],
      ['shutdown-on-sigterm', 'force save'],
      ['notify-keyspace-events', 'KEA'],
    ] as const;
    expect(config.set(pairs, false)).toBeUndefined();
    expect(config.values.maxmemory).toBe(1_073_741_824);
    expect(config.values.hz).toBe(500);
    expect(config.values['repl-backlog-size']).toBe(16_384);
    expect(config.values['replica-priority']).toBe(7);
    expect(config.values['client-output-buffer-limit'].pubsub).toEqual({
      hardBytes: 1024,
      softBytes: 2000,
      softSeconds: 3,
    });
    expect(config.print('shutdown-on-sigterm')).toBe('save force');
    expect(config.print('notify-keyspace-events')).toBe('AKE');
  });

  it('takes everything back when one listener refuses', () => {
    const config = fresh();
    const told: string[] = [];
    config.onChange('maxmemory', (value, previous) => {
      told.push(`${previous}>${value}`);
      return undefined;
    });
    config.onChange('appendonly', () => 'Unable to turn on AOF. Check server logs.');
    const pairs = [
      ['maxmemory', '5'],
      ['appendonly', 'yes'],
    ] as const;
    expect(config.set(pairs, true)).toBe(
      "CONFIG SET failed (possibly related to argument 'appendonly') - Unable to turn on AOF. Check server logs.",
    );
    expect(config.values.maxmemory).toBe(0);
    expect(config.values.appendonly).toBe(false);
    expect(told).toEqual(['0>5', '5>0']);
  });

  it('tells nobody when the value stays', () => {
    const config = fresh();
    let told = 0;
    config.onChange('hz', () => {
      told += 1;
      return undefined;
    });
    expect(config.set([['hz', '10']], true)).toBeUndefined();
    expect(told).toBe(0);
  });

  it('lets guarded parameters through where the configuration says so', () => {
    const config = new Config({ ...defaultValues(), 'enable-protected-configs': 'local' });
    expect(config.set([['dbfilename', 'other.rdb']], false)).toContain("can't set protected config");
    expect(config.set([['dbfilename', 'other.rdb']], true)).toBeUndefined();
    expect(config.set([['dbfilename', 'a/b']], true)).toContain(
      "dbfilename can't be a path, just a filename",
    );
  });
});

describe('Config.assign', () => {
  it('sets what clients may not, and tells the listeners', () => {
    const config = fresh();
    const seen: unknown[] = [];
    config.onChange('replicaof', (value) => {
      seen.push(value);
      return undefined;
    });
    config.assign('replicaof', { host: 'a', port: 1 });
    config.assign('replicaof', undefined);
    expect(seen).toEqual([{ host: 'a', port: 1 }, undefined]);
  });
});
