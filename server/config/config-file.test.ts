import { describe, expect, it } from 'vitest';
import type { Config } from './config.ts';
import { type FileReader, loadConfig, StartFailure } from './config-file.ts';

function files(contents: Readonly<Record<string, string>>): FileReader {
  return {
    read(path) {
      const text = contents[path];
      if (text !== undefined) return text;
      throw Object.assign(new Error('no such file'), { errno: -2 });
    },
    expand: (pattern) =>
      pattern.endsWith('*')
        ? Object.keys(contents).filter((path) => path.startsWith(pattern.slice(0, -1)))
        : [pattern],
  };
}

function load(argv: readonly string[], contents: Readonly<Record<string, string>> = {}): Config {
  const result = loadConfig(argv, files(contents));
  if (result instanceof StartFailure) throw new Error(result.text);
  return result;
}

function refusal(argv: readonly string[], contents: Readonly<Record<string, string>> = {}): string {
  const result = loadConfig(argv, files(contents));
  return result instanceof StartFailure ? result.text : 'no failure';
}

/** What stands in the file that Debian's redis-server package installs, comments left out. */
const debianDirectives = [
  'bind 127.0.0.1 -::1',
  'protected-mode yes',
  'port 6379',
  'tcp-backlog 511',
  'timeout 0',
  'tcp-keepalive 300',
  'daemonize yes',
  'pidfile /run/redis/redis-server.pid',
  'loglevel notice',
  'logfile /var/log/redis/redis-server.log',
  'databases 16',
  'always-show-logo no',
  'set-proc-title yes',
  'proc-title-template "{title} {listen-addr} {server-mode}"',
  'stop-writes-on-bgsave-error yes',
  'rdbcompression yes',
  'rdbchecksum yes',
  'dbfilename dump.rdb',
  'rdb-del-sync-files no',
  'dir /tmp',
  'replica-serve-stale-data yes',
  'replica-read-only yes',
  'repl-diskless-sync yes',
  'repl-diskless-sync-delay 5',
  'repl-diskless-sync-max-replicas 0',
  'repl-diskless-load disabled',
  'repl-disable-tcp-nodelay no',
  'replica-priority 100',
  'acllog-max-len 128',
  'lazyfree-lazy-eviction no',
  'lazyfree-lazy-expire no',
  'lazyfree-lazy-server-del no',
  'replica-lazy-flush no',
  'lazyfree-lazy-user-del no',
  'lazyfree-lazy-user-flush no',
  'oom-score-adj no',
  'oom-score-adj-values 0 200 800',
  'disable-thp yes',
  'appendonly no',
  'appendfilename "appendonly.aof"',
  'appenddirname "appendonlydir"',
  'appendfsync everysec',
  'no-appendfsync-on-rewrite no',
  'auto-aof-rewrite-percentage 100',
  'auto-aof-rewrite-min-size 64mb',
  'aof-load-truncated yes',
  'aof-use-rdb-preamble yes',
  'aof-timestamp-enabled no',
  'slowlog-log-slower-than 10000',
  'slowlog-max-len 128',
  'latency-monitor-threshold 0',
  'notify-keyspace-events ""',
  'hash-max-listpack-entries 512',
  'hash-max-listpack-value 64',
  'list-max-listpack-size -2',
  'list-compress-depth 0',
  'set-max-intset-entries 512',
  'zset-max-listpack-entries 128',
  'zset-max-listpack-value 64',
  'hll-sparse-max-bytes 3000',
  'stream-node-max-bytes 4096',
  'stream-node-max-entries 100',
  'activerehashing yes',
  'client-output-buffer-limit normal 0 0 0',
  'client-output-buffer-limit replica 256mb 64mb 60',
  'client-output-buffer-limit pubsub 32mb 8mb 60',
  'hz 10',
  'dynamic-hz yes',
  'aof-rewrite-incremental-fsync yes',
  'rdb-save-incremental-fsync yes',
  'jemalloc-bg-thread yes',
];

function fatal(line: number, text: string, reason: string): string {
  const head = '\n*** FATAL CONFIG FILE ERROR (Redis 7.2.0) ***\n';
  return `${head}Reading the configuration file, at line ${line}\n>>> '${text}'\n${reason}\n`;
}

describe('loadConfig', () => {
  it('reads comments, quotes, escapes, repeated directives and includes', () => {
    const config = load(['/c'], {
      '/c': [
        '# comment',
        'port 7000',
        '  requirepass "a \\"b\\" \\x41" ',
        "logfile 'x y'",
        'save 900 1',
        'save 300 10',
        'include /more/*',
        'client-output-buffer-limit replica 1mb 1mb 5',
        'BIND 127.0.0.1 -::1',
      ].join('\r\n'),
      '/more/a': 'maxmemory 100mb\n',
      '/more/b': 'slaveof 10.0.0.1 6379\n',
    });
    expect(config.values.port).toBe(7000);
    expect(config.values.requirepass).toBe('a "b" A');
    expect(config.values.logfile).toBe('x y');
    expect(config.print('save')).toBe('900 1 300 10');
    expect(config.values.maxmemory).toBe(104_857_600);
    expect(config.values.replicaof).toEqual({ host: '10.0.0.1', port: 6379 });
    expect(config.values['client-output-buffer-limit'].replica.softSeconds).toBe(5);
    expect(config.values['client-output-buffer-limit'].pubsub.softSeconds).toBe(60);
    expect(config.values.bind).toEqual(['127.0.0.1', '-::1']);
    expect(config.path).toBe('/c');
  });

  it('takes the file that Debian installs unchanged', () => {
    const config = load(['/etc/redis/redis.conf'], { '/etc/redis/redis.conf': debianDirectives.join('\n') });
    expect(config.values.daemonize).toBe(true);
    expect(config.values.bind).toEqual(['127.0.0.1', '-::1']);
    expect(config.values['auto-aof-rewrite-min-size']).toBe(67_108_864);
  });

  it('lets options of the command line win over the file', () => {
    const config = load(['/c', '--port', '7001', '--save', '--hz', '20', '--bind', '127.0.0.1 ::1'], {
      '/c': 'port 1\nsave 1 1\n',
    });
    expect(config.values.port).toBe(7001);
    expect(config.values.save).toEqual([]);
    expect(config.values.hz).toBe(20);
    expect(config.values.bind).toEqual(['127.0.0.1', '::1']);
  });

  it('takes a value that starts with dashes, one argument for name and value, and standard input', () => {
    const config = load(['--requirepass', '--foo', '--hz 30', '-'], { '-': 'port 12' });
    expect(config.values.requirepass).toBe('--foo');
    expect(config.values.hz).toBe(30);
    expect(config.values.port).toBe(12);
    expect(config.path).toBeUndefined();
  });

  it.each([
    [['--save', '60 1'], '60 1'],
    [['--save', ''], ''],
    [['--save', '60', '1', '--save', '30', '5'], '60 1 30 5'],
    [['--save', '', '--save', '60', '1'], '60 1'],
  ])('reads save points of the command line %j', (argv, wanted) => {
    expect(load(argv).print('save')).toBe(wanted);
  });
});

describe('loadConfig refuses as Redis prints it', () => {
  it.each([
    ['port 1\nfoo bar\n', 2, 'foo bar', 'Bad directive or wrong number of arguments'],
    ['port abc', 1, 'port abc', "argument couldn't be parsed into an integer"],
    ['port 1 2', 1, 'port 1 2', 'wrong number of arguments'],
    ['port', 1, 'port', 'wrong number of arguments'],
    ['dir "abc', 1, 'dir "abc', 'Unbalanced quotes in configuration line'],
    ['dir /does-not-exist', 1, 'dir /does-not-exist', 'No such file or directory'],
    ['unixsocketperm 999', 1, 'unixsocketperm 999', "argument couldn't be parsed as an octal number"],
    ['replicaof a x', 1, 'replicaof a x', 'Invalid primary port'],
  ])('%j', (text, line, shown, reason) => {
    expect(refusal(['/c'], { '/c': text })).toBe(fatal(line, shown, reason));
  });

  it('counts the options of the command line as lines after the file', () => {
    const reason = 'Bad directive or wrong number of arguments';
    expect(refusal(['/c', '--port', '1', '--foo', 'bar'], { '/c': '' })).toBe(fatal(3, 'foo "bar"', reason));
    expect(refusal(['--port', 'abc'])).toBe(
      fatal(2, 'port "abc"', "argument couldn't be parsed into an integer"),
    );
  });

  it('a file that cannot be read, a circle of includes, replicaof in a cluster', () => {
    expect(refusal(['/none'])).toContain(
      "# Fatal error, can't open config file '/none': No such file or directory\n",
    );
    expect(refusal(['/c'], { '/c': 'include /c' })).toContain('include is nested deeper than 16 files');
    expect(refusal(['--cluster-enabled', 'yes', '--replicaof', 'a', '1'])).toContain(
      'replicaof directive not allowed in cluster mode',
    );
  });
});
