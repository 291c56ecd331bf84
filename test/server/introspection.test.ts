/** What the running server tells of itself: slow log, latency, MONITOR, MEMORY, CLIENT, COMMAND, DEBUG. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { RawConnection } from '../support/raw-connection.ts';
import { freePort, ServerProcess } from '../support/server-process.ts';

let server: ServerProcess;
let connection: RawConnection;

async function say(line: string): Promise<string> {
  return (await connection.call(line.split(' '))).toString('latin1');
}

beforeAll(async () => {
  server = await ServerProcess.start('redwarden-server', ['--save', '', '--enable-debug-command', 'yes']);
}, 60_000);
afterAll(() => server.stop());
beforeEach(async () => {
  connection = await RawConnection.open(server.port);
  return () => connection.close();
});

describe('SLOWLOG and COMMANDLOG', () => {
  it('note what is slower or larger than the threshold, newest first, without secrets', async () => {
    await say('CONFIG SET slowlog-log-slower-than 0');
    await say('SLOWLOG RESET');
    await say('CONFIG SET requirepass ');
    await say('GET x');
    await say('CONFIG SET slowlog-log-slower-than -1');
    const log = await say('SLOWLOG GET 2');
    expect(log.startsWith('*2\r\n*6\r\n')).toBe(true);
    expect(log).toContain('*2\r\n$3\r\nGET\r\n$1\r\nx\r\n');
    expect(log).toContain('$10\r\n(redacted)\r\n');
    expect(await say('SLOWLOG LEN')).toBe(':3\r\n');
    expect(await say('COMMANDLOG LEN slow')).toBe(':3\r\n');
    expect(await say('SLOWLOG GET -2')).toBe('-ERR count should be greater than or equal to -1\r\n');
  });

  it('cut long words and many words', async () => {
    await say('CONFIG SET commandlog-request-larger-than 100');
    await say('COMMANDLOG RESET large-request');
    await say(`ECHO ${'a'.repeat(200)}`);
    await say(`MGET${' k'.repeat(40)}`);
    await say('CONFIG SET commandlog-request-larger-than -1');
    const log = await say('COMMANDLOG GET -1 large-request');
    expect(log).toContain('... (72 more bytes)');
    expect(log).toContain('... (10 more arguments)');
    expect(await say('COMMANDLOG GET 1 nothing')).toContain('-ERR type should be one of the following');
  });
});

it('MONITOR shows commands after they ran, with escapes, and nothing of administrators', async () => {
  const watcher = await RawConnection.open(server.port);
  const shown = watcher.send(Buffer.from('MONITOR\r\n'), 2);
  for (let tries = 0; tries < 1000 && !(await say('CLIENT LIST')).includes(' flags=O '); tries += 1);
  await say('CONFIG GET port');
  await connection.call(['ECHO', Uint8Array.of(1, 34, 10, 255)]);
  const line = (await shown)[1]?.toString('latin1');
  expect(line).toMatch(/^\+\d+\.\d{6} \[0 127\.0\.0\.1:\d+\] "ECHO" "\\x01\\"\\n\\xff"\r\n$/);
  watcher.close();
});

it('LATENCY knows events above the threshold and the histogram of every command', async () => {
  await say('CONFIG SET latency-monitor-threshold 20');
  await say('DEBUG SLEEP 0.03');
  await say('CONFIG SET latency-monitor-threshold 0');
  expect(await say('LATENCY LATEST')).toContain('$7\r\ncommand\r\n');
  expect(await say('LATENCY GRAPH command')).toContain('command - high ');
  expect(await say('LATENCY HISTORY nothing')).toBe('*0\r\n');
  expect(await say('LATENCY RESET')).toBe(':1\r\n');
  await say('CONFIG RESETSTAT');
  await say('GET x');
  await say('GET x');
  const histogram = await say('LATENCY HISTOGRAM get nothing');
  expect(
    histogram.startsWith('*2\r\n$3\r\nget\r\n*4\r\n$5\r\ncalls\r\n:2\r\n$14\r\nhistogram_usec\r\n'),
  ).toBe(true);
  expect(await say('INFO latencystats')).toMatch(/latency_percentiles_usec_get:p50=[\d.]+,p99=[\d.]+,p99.9=/);
});

it('MEMORY USAGE counts the value, STATS the whole', async () => {
  await say(`SET big ${'x'.repeat(5000)}`);
  expect(Number((await say('MEMORY USAGE big')).slice(1))).toBeGreaterThan(5000);
  expect(await say('MEMORY USAGE none')).toBe('$-1\r\n');
  expect(await say('MEMORY USAGE big SAMPLES -1')).toBe('-ERR syntax error\r\n');
  expect(await say('MEMORY STATS')).toContain('dataset.bytes');
  expect(await say('MEMORY PURGE')).toBe('+OK\r\n');
});

it('CLIENT LIST and KILL take filters together and refuse nonsense', async () => {
  const other = await RawConnection.open(server.port);
  const id = (await other.call(['CLIENT', 'ID'])).toString().slice(1).trim();
  const list = await say(`CLIENT LIST ID ${id} TYPE normal SKIPME yes`);
  expect(list.split('\n').filter((line) => line.startsWith('id='))).toHaveLength(1);
  expect(list).toMatch(/ tot-net-in=\d+ tot-net-out=\d+ tot-cmds=1\n/);
  expect(await say('CLIENT LIST ID 0')).toBe('-ERR client-id should be greater than 0\r\n');
  expect(await say('CLIENT LIST MAXAGE -1')).toBe('-ERR maxage should be greater than 0\r\n');
  expect(await say('CLIENT LIST USER nobody')).toBe("-ERR No such user 'nobody'\r\n");
  expect(await say('CLIENT LIST TYPE nothing')).toBe("-ERR Unknown client type 'nothing'\r\n");
  expect(await say(`CLIENT KILL ID ${id} MAXAGE 1000`)).toBe(':0\r\n');
  expect(await say(`CLIENT KILL ID ${id}`)).toBe(':1\r\n');
  expect(await say('CLIENT KILL 1.2.3.4:5')).toBe('-ERR No such client\r\n');
  other.close();
});

it('COMMAND GETKEYSANDFLAGS says what happens to each key', async () => {
  expect(await say('COMMAND GETKEYSANDFLAGS SET k v')).toBe(
    '*1\r\n*2\r\n$1\r\nk\r\n*2\r\n+OW\r\n+update\r\n',
  );
  expect(await say('COMMAND GETKEYSANDFLAGS SET k v GET')).toContain('+RW\r\n+access\r\n+update\r\n');
  expect(await say('COMMAND GETKEYSANDFLAGS ZINTERSTORE d 2 a b')).toBe(
    '*3\r\n*2\r\n$1\r\nd\r\n*2\r\n+OW\r\n+update\r\n' +
      '*2\r\n$1\r\na\r\n*2\r\n+RO\r\n+access\r\n*2\r\n$1\r\nb\r\n*2\r\n+RO\r\n+access\r\n',
  );
  expect(await say('COMMAND GETKEYSANDFLAGS PING')).toBe('-ERR The command has no key arguments\r\n');
  expect(await say('COMMAND INFO config|get|x')).toBe('*1\r\n*-1\r\n');
});

it('CONFIG SET port moves the listener; a port in use is refused and all stays as it was', async () => {
  const [first, taken] = [await freePort(), server.port];
  const moving = await ServerProcess.start('redwarden-server', ['--save', '']);
  const before = await RawConnection.open(moving.port);
  expect((await before.call(['CONFIG', 'SET', 'port', String(first)])).toString()).toBe('+OK\r\n');
  const after = await RawConnection.open(first);
  expect((await after.call(['CONFIG', 'SET', 'port', String(taken)])).toString()).toContain(
    'Unable to listen on this port',
  );
  expect((await after.call(['CONFIG', 'GET', 'port'])).toString()).toContain(String(first));
  expect((await after.call(['CONFIG', 'SET', 'bind', '999.1.1.1'])).toString()).toContain(
    'Failed to bind to specified addresses',
  );
  const again = await RawConnection.open(first);
  expect((await again.call(['PING'])).toString()).toBe('+PONG\r\n');
  for (const each of [before, after, again]) each.close();
  await moving.stop();
});

describe('DEBUG', () => {
  it('answers every reply type', async () => {
    expect(await say('DEBUG PROTOCOL double')).toBe('$5\r\n3.141\r\n');
    expect(await say('DEBUG PROTOCOL push')).toBe('-ERR RESP2 is not supported by this command\r\n');
    expect(await say('DEBUG PROTOCOL nothing')).toContain('-ERR Wrong protocol type name');
  });

  it('tells of a key, refuses unknown subcommands and wrong numbers of words', async () => {
    await say('SET number 12');
    expect(await say('DEBUG OBJECT number')).toMatch(
      /^\+Value at:0x\w+ refcount:1 encoding:int serializedlength:2 /,
    );
    expect(await say('DEBUG OBJECT none')).toBe('-ERR no such key\r\n');
    expect(await say('DEBUG NOTHING')).toContain(
      "-ERR unknown subcommand or wrong number of arguments for 'NOTHING'",
    );
    expect(await say('DEBUG SLEEP')).toContain('-ERR unknown subcommand');
    expect(await say('DEBUG STRINGMATCH-TEST')).toMatch(/^\+/);
    expect(await say('DEBUG QUICKLIST-PACKED-THRESHOLD 4gb')).toContain(
      '-ERR argument must be a memory value',
    );
  });

  it('an attribute of RESP 3 stands before its reply', async () => {
    await say('HELLO 3');
    const reply = await say('DEBUG PROTOCOL attrib');
    expect(reply.startsWith('|1\r\n$14\r\nkey-popularity\r\n')).toBe(true);
  });
});
