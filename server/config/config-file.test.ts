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
    ['replicaof a x', 1, 'replicaof a x', 'Invalid master port'],
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
