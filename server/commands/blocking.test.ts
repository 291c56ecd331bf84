import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Cluster } from '../cluster/cluster.ts';
import { Keyspace } from '../keyspace/keyspace.ts';
import { Stats } from '../keyspace/stats.ts';
import { PubSub } from '../pubsub/pubsub.ts';
import { Tracking } from '../pubsub/tracking.ts';
import { Propagation, TO_ALL } from '../replication/propagation.ts';
import { Prng } from '../structures/prng.ts';
import { TYPE_LIST, TYPE_STRING } from '../structures/record.ts';
import { Reply } from '../wire/reply.ts';
import { RequestParser } from '../wire/request.ts';
import { BlockedClients } from './blocked-clients.ts';
import { blockForKeys, parseTimeout, parseTimeoutMs } from './blocking.ts';
import { Call } from './call.ts';
import { Client, type ClientLink } from './client.ts';
import { clientCommands } from './client-commands.ts';
import { CommandTable } from './command-table.ts';
import type { ServerContext } from './context.ts';
import { Executor } from './execute.ts';
import { genericCommands } from './generic.ts';
import { BLOCKING, NO_KEY, type Row, WRITE } from './row.ts';
import { stringCommands } from './string.ts';
import { setTransactionExecutor, transactionCommands } from './transaction.ts';

/** BTAKE key [key ...] seconds: takes the first string there is. */
function btake(call: Call): void {
  const timeoutMs = parseTimeout(call, call.argc - 1);
  if (timeoutMs < 0) return;
  const { records } = call.context.keyspace;
  for (let index = 1; index < call.argc - 1; index++) {
    const ref = call.database.find(call.bytes, call.argStart[index], call.argLength[index]);
    if (ref === 0 || records.type(ref) !== TYPE_STRING) continue;
    const value = Buffer.alloc(records.valueLength(ref));
    records.copyValue(ref, 0, value.length, value, 0);
    call.database.remove(call.bytes, call.argStart[index], call.argLength[index]);
    call.propagateAs(['DEL', call.copy(index)]);
    call.reply.bulk(Buffer.concat([call.copy(index), Buffer.from('='), value]));
    return;
  }
  blockForKeys(call, {
    firstKey: 1,
    keyCount: call.argc - 2,
    type: TYPE_STRING,
    timeoutMs,
    onTimeout: (reply) => reply.nullArray(),
  });
}

/** BPASS from to seconds: moves a string on, as BLMOVE does. */
function bpass(call: Call): void {
  const ref = call.database.find(call.bytes, call.argStart[1], call.argLength[1]);
  if (ref === 0) {
    const timeoutMs = parseTimeout(call, 3);
    blockForKeys(call, {
      firstKey: 1,
      keyCount: 1,
      type: TYPE_STRING,
      timeoutMs,
      onTimeout: (reply) => reply.nullBulk(),
    });
    return;
  }
  call.database.remove(call.bytes, call.argStart[1], call.argLength[1]);
  const to = call.copy(2);
  call.database.setString(to, 0, to.length, Buffer.from('x'), 0, 1, -1);
  call.reply.ok();
}

/** BNEED key seconds: waits for a list that never comes, and answers when the key goes. */
function bneed(call: Call): void {
  const ref = call.database.find(call.bytes, call.argStart[1], call.argLength[1]);
  if (ref === 0) call.reply.error('NOGROUP gone');
  else {
    blockForKeys(call, {
      firstKey: 1,
      keyCount: 1,
      type: TYPE_LIST,
      timeoutMs: parseTimeout(call, 2),
      onTimeout: (reply) => reply.nullArray(),
      wakeOnDelete: true,
    });
  }
}

/** BFIXED word: runs again as BFIXED2. */
function bfixed(call: Call): void {
  if (call.is(2, 'NOW')) {
    blockForKeys(call, {
      firstKey: 1,
      keyCount: 1,
      type: TYPE_STRING,
      timeoutMs: 0,
      onTimeout: (reply) => reply.nullArray(),
      again: ['BFIXED', call.copy(1), 'then'],
    });
  } else call.reply.bulkText(`${call.text(2)} ${call.runsAgain}`);
}

const testCommands: readonly Row[] = [
  ['BTAKE', -3, WRITE | BLOCKING, [1, -2, 1], '1.0.0', btake, ''],
  ['BPASS', 4, WRITE | BLOCKING, [1, 2, 1], '1.0.0', bpass, ''],
  ['BNEED', 3, WRITE | BLOCKING, [1, 1, 1], '1.0.0', bneed, ''],
  ['BFIXED', 3, WRITE | BLOCKING, [1, 1, 1], '1.0.0', bfixed, ''],
  ['CLIENT', -2, 0, NO_KEY, '1.0.0', () => undefined, '', { subcommands: clientCommands }],
];

class TestLink implements ClientLink {
  remoteAddress = '';
  localAddress = '';
  pendingBytes = 0;
  queryBytes = 0;
  queryCapacity = 0;
  memoryBytes = 0;
  blocked = false;
  closed = '';
  answers: string[] = [];
  write(): void {}
  push(): void {}
  holdMessages(): void {}
  closeAfterReplies(reason: string): void {
    this.closed = reason;
  }
  destroy(reason: string): void {
    this.closed = reason;
  }
  block(): void {
    this.blocked = true;
  }
  unblock(write: (reply: Reply) => void): void {
    this.blocked = false;
    const reply = new Reply();
    write(reply);
    this.answers.push(reply.buffer.toString('latin1', 0, reply.at));
  }
}

class Bench {
  /** What was propagated, one command an entry. */
  readonly propagated: string[] = [];
  readonly propagation = new Propagation();
  readonly stats = new Stats();
  readonly keyspace = new Keyspace({ databases: 2, perSlot: false, stats: this.stats, random: Math.random });
  readonly table = new CommandTable([
    ...testCommands,
    ...stringCommands,
    ...genericCommands,
    ...transactionCommands,
  ]);
  readonly context: ServerContext & { cluster: unknown; replication: { writesPausedUntilMs: number } };
  readonly executor: Executor;
  readonly blocking: BlockedClients;
  readonly #clients = new Map<number, Client>();
  readonly #parser = new RequestParser();

  constructor() {
    this.keyspace.setNow(Date.now());
    const append = (bytes: Uint8Array, start: number, end: number): void => {
      const words = Buffer.from(bytes.subarray(start, end)).toString('latin1').split('\r\n');
      this.propagated.push(words.filter((word) => word !== '' && !/^[*$]\d+$/.test(word)).join(' '));
    };
    this.propagation.addSink({ append, selectedDatabase: -1 }, TO_ALL);
    const context = {
      keyspace: this.keyspace,
      stats: this.stats,
      cluster: null,
      config: { values: { 'min-replicas-to-write': 0, 'require-ttl': '' }, onChange: () => undefined },
      replication: {
        role: 'primary',
        writesPausedUntilMs: 0,
        offset: 0,
        primary: { cancelSync() {} },
        emptyStart: { holds: false },
      },
      persistence: { loading: null, trouble: null, beforeFlushAll() {}, afterFlushAll() {} },
      clients: {
        pausedUntilMs: 0,
        all: () => this.#clients.values(),
        byId: (id: number) => this.#clients.get(id),
      },
      propagation: this.propagation,
      pubsub: new PubSub(new Reply()),
      scripts: { suspended: null },
      tracking: new Tracking(new Reply(), () => undefined),
      guard: { calm: true, full: false },
      observer: {
        exact: false,
        requestBytes: Number.POSITIVE_INFINITY,
        replyBytes: Number.POSITIVE_INFINITY,
        monitors: { count: 0 },
        timed: () => undefined,
      },
    };
    this.context = context as unknown as Bench['context'];
    this.executor = new Executor(this.context, this.table);
    this.blocking = new BlockedClients(this.context, this.table, this.executor, () =>
      this.keyspace.setNow(Date.now()),
    );
    (this.context as { blocking: BlockedClients }).blocking = this.blocking;
    setTransactionExecutor(() => this.executor);
  }

  client(): { client: Client; link: TestLink; run: (line: string) => string } {
    const link = new TestLink();
    const client = new Client(this.#clients.size + 1, link, Date.now());
    client.authenticated = true;
    this.#clients.set(client.id, client);
    const reply = new Reply();
    const call = new Call(this.context, this.table, client, reply);
    const run = (line: string): string => {
      this.keyspace.setNow(Date.now());
      this.executor.refreshCalm();
      const words = line.split(' ');
      const bytes = Buffer.from(
        `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`,
      );
      call.take(this.#parser, 0, this.#parser.parse(bytes, 0, bytes.length, true));
      reply.at = 0;
      this.executor.execute(call);
      return reply.buffer.toString('latin1', 0, reply.at);
    };
    return { client, link, run };
  }
}

describe('blockForKeys', () => {
  let bench: Bench;
  beforeEach(() => {
    vi.useFakeTimers({ now: 1_700_000_000_000 });
    bench = new Bench();
  });
  afterEach(() => {
    bench.blocking.stop();
    vi.useRealTimers();
  });

  test('clients are served in the order they came, and each change serves one', () => {
    const clients = [bench.client(), bench.client(), bench.client()];
    for (const { run } of clients) expect(run('BTAKE k 0')).toBe('');
    expect(clients.every(({ link }) => link.blocked)).toBe(true);
    expect(bench.blocking.keyCount).toBe(1);
    const writer = bench.client();
    expect(writer.run('SET k 1')).toBe('+OK\r\n');
    writer.run('SET k 2');
    expect(clients.map(({ link }) => link.answers)).toEqual([['$3\r\nk=1\r\n'], ['$3\r\nk=2\r\n'], []]);
    expect(bench.propagated).toEqual(['SELECT 0', 'SET k 1', 'DEL k', 'SET k 2', 'DEL k']);
    bench.blocking.forget(clients[2]?.client as Client);
    expect(bench.blocking.keyCount).toBe(0);
    expect(bench.keyspace.watches.size).toBe(0);
  });

  test('a transaction is not interrupted: who waits is served when it has ended', () => {
    const waiter = bench.client();
    waiter.run('BTAKE a b 0');
    const writer = bench.client();
    for (const line of ['MULTI', 'SET b 1', 'SET a 2', 'DEL a', 'EXEC']) writer.run(line);
    expect(waiter.link.answers).toEqual(['$3\r\nb=1\r\n']);
    expect(bench.propagated).toEqual(['MULTI', 'SELECT 0', 'SET b 1', 'SET a 2', 'DEL a', 'EXEC', 'DEL b']);
  });

  test('within a transaction nothing blocks: the answer is that of the timeout', () => {
    const { run, link } = bench.client();
    run('MULTI');
    run('BTAKE a 0');
    expect(run('EXEC')).toBe('*1\r\n*-1\r\n');
    expect(link.blocked).toBe(false);
  });

  test('a command served may serve the next: A to B to C', () => {
    const second = bench.client();
    second.run('BPASS b c 0');
    const first = bench.client();
    first.run('BPASS a b 0');
    const last = bench.client();
    last.run('BTAKE c 0');
    bench.client().run('SET a 1');
    expect([first, second, last].map(({ link }) => link.answers.length)).toEqual([1, 1, 1]);
    expect(last.link.answers[0]).toBe('$3\r\nc=x\r\n');
  });

  test('a key in a circle ends: A to A serves once', () => {
    const { run, link } = bench.client();
    run('BPASS a a 0');
    bench.client().run('SET a 1');
    expect(link.answers).toEqual(['+OK\r\n']);
  });

  test('another database, another type and a mere deletion wake nobody', () => {
    const waiter = bench.client();
    waiter.client.databaseIndex = 1;
    waiter.run('BTAKE k 0');
    const needing = bench.client();
    const writer = bench.client();
    writer.run('SET n 1');
    needing.run('BNEED n 0');
    writer.run('SET k 1');
    expect(waiter.link.answers).toEqual([]);
    expect(needing.link.answers).toEqual([]);
    expect(bench.blocking.noKeyCount).toBe(1);
    writer.run('DEL n');
    expect(needing.link.answers).toEqual(['-NOGROUP gone\r\n']);
  });

  test('RENAME, FLUSHALL and expiry wake', () => {
    const writer = bench.client();
    const taker = bench.client();
    taker.run('BTAKE k 0');
    writer.run('SET other 1');
    writer.run('RENAME other k');
    expect(taker.link.answers).toEqual(['$3\r\nk=1\r\n']);
    const needing = bench.client();
    writer.run('SET n 1');
    needing.run('BNEED n 0');
    writer.run('FLUSHALL');
    expect(needing.link.answers.length).toBe(1);
    writer.run('SET n 1 PX 100');
    needing.run('BNEED n 0');
    vi.advanceTimersByTime(101);
    writer.run('GET n');
    expect(needing.link.answers.length).toBe(2);
  });

  test('deadlines are kept to the millisecond, across a wake that found nothing', () => {
    const waiter = bench.client();
    waiter.run('BTAKE k 0.25');
    vi.advanceTimersByTime(200);
    const writer = bench.client();
    for (const line of ['MULTI', 'SET k 1', 'DEL k', 'EXEC']) writer.run(line);
    vi.advanceTimersByTime(49);
    expect(waiter.link.answers).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(waiter.link.answers).toEqual(['*-1\r\n']);
    expect(waiter.client.blocked).toBe(false);
    expect(bench.blocking.keyCount).toBe(0);
  });

  test('a command counts once, when it is answered', () => {
    const entry = bench.table.find(Buffer.from('btake'), 0, 5);
    const { run } = bench.client();
    run('BTAKE k 0.1');
    expect(entry?.calls).toBe(0);
    expect(bench.stats.totalCommandsProcessed).toBe(0);
    vi.advanceTimersByTime(100);
    expect(entry?.calls).toBe(1);
    run('BTAKE k 0');
    bench.client().run('SET k 1');
    expect(entry?.calls).toBe(2);
    expect(bench.stats.totalCommandsProcessed).toBe(3);
  });

  test('CLIENT UNBLOCK answers as a timeout or with an error, and refuses who does not wait', () => {
    const waiter = bench.client();
    const other = bench.client();
    waiter.run('BTAKE k 0');
    const { id } = waiter.client;
    expect(other.run(`CLIENT UNBLOCK ${id} WRONG`)).toBe(
      '-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR\r\n',
    );
    expect(other.run(`CLIENT UNBLOCK ${id}`)).toBe(':1\r\n');
    expect(waiter.link.answers.splice(0)).toEqual(['*-1\r\n']);
    expect(other.run(`CLIENT UNBLOCK ${id} TIMEOUT`)).toBe(':0\r\n');
    waiter.run('BTAKE k 0');
    expect(other.run(`CLIENT UNBLOCK ${id} error`)).toBe(':1\r\n');
    expect(waiter.link.answers).toEqual(['-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n']);
    expect(bench.stats.errors.get('UNBLOCKED')).toBe(1);
    expect(other.run('CLIENT UNBLOCK 99')).toBe(':0\r\n');
    expect(other.run('CLIENT UNBLOCK x')).toBe('-ERR value is not an integer or out of range\r\n');
  });

  test('while writes are paused a client is kept, and served later', () => {
    const waiter = bench.client();
    waiter.run('BTAKE k 0');
    const key = Buffer.from('k');
    bench.context.replication.writesPausedUntilMs = Date.now() + 100;
    bench.executor.calm = false;
    bench.keyspace.databases[0]?.setString(key, 0, 1, key, 0, 1, -1);
    bench.blocking.serve();
    vi.advanceTimersByTime(90);
    expect(waiter.link.answers).toEqual([]);
    vi.advanceTimersByTime(30);
    bench.blocking.serve();
    expect(waiter.link.answers).toEqual(['$3\r\nk=k\r\n']);
  });

  test('the command to run again may have other words', () => {
    const { run, link } = bench.client();
    run('BFIXED k NOW');
    bench.client().run('SET k 1');
    expect(link.answers).toEqual(['$9\r\nthen true\r\n']);
  });

  test('a server that becomes a replica answers all and closes them', () => {
    const waiter = bench.client();
    waiter.run('BTAKE k 0');
    bench.blocking.failAll();
    expect(waiter.link.answers).toEqual([
      '-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)\r\n',
    ]);
    expect(waiter.link.closed).not.toBe('');
  });

  test('a slot that moved away answers MOVED', () => {
    const waiter = bench.client();
    waiter.run('BTAKE k 0');
    const stays = { route: () => null } as unknown as Cluster;
    (bench.context as { cluster: unknown }).cluster = stays;
    bench.blocking.redirectMoved();
    expect(waiter.link.answers).toEqual([]);
    (bench.context as { cluster: unknown }).cluster = { route: () => 'MOVED 1 127.0.0.1:7000' };
    bench.blocking.redirectMoved();
    expect(waiter.link.answers).toEqual(['-MOVED 1 127.0.0.1:7000\r\n']);
  });

  test('CLIENT REPLY OFF keeps the answer of a blocked command back', () => {
    const waiter = bench.client();
    waiter.run('CLIENT REPLY OFF');
    waiter.run('BTAKE k 0');
    bench.client().run('SET k 1');
    expect(waiter.link.answers).toEqual(['']);
  });

  test('the same key named twice waits once', () => {
    const waiter = bench.client();
    waiter.run('BTAKE k k 0');
    bench.client().run('SET k 1');
    expect(waiter.link.answers).toEqual(['$3\r\nk=1\r\n']);
    expect(bench.blocking.keyCount).toBe(0);
  });
});

describe('parseTimeout', () => {
  const bench = new Bench();
  function parse(text: string, whole: boolean): number | string {
    const { client } = bench.client();
    const reply = new Reply();
    const call = new Call(bench.context, bench.table, client, reply);
    const parser = new RequestParser();
    const bytes = Buffer.from(`*1\r\n$${text.length}\r\n${text}\r\n`);
    call.take(parser, 0, parser.parse(bytes, 0, bytes.length, true));
    const value = whole ? parseTimeoutMs(call, 0) : parseTimeout(call, 0);
    return value >= 0 ? value : reply.buffer.toString('latin1', 0, reply.at).trim();
  }

  test.each([
    ['0', 0],
    ['0.001', 1],
    ['0.0001', 1],
    ['1.5', 1500],
    ['1e2', 100000],
    ['+3', 3000],
    ['.5', 500],
    ['-1', '-ERR timeout is negative'],
    ['x', '-ERR timeout is not a float or out of range'],
    ['', '-ERR timeout is not a float or out of range'],
    ['1 ', '-ERR timeout is not a float or out of range'],
    ['nan', '-ERR timeout is not a float or out of range'],
    ['inf', '-ERR timeout is out of range'],
    ['0x7FFFFFFFFFFFFFFF', '-ERR timeout is out of range'],
    ['9223372036854775', '-ERR timeout is out of range'],
  ])('seconds: %j -> %j', (text, expected) => {
    expect(parse(text, false)).toBe(expected);
  });

  test('any text is a number of milliseconds or refused', () => {
    const seed = Number(process.env['SEED'] ?? Date.now() % 100000);
    console.log(`seed ${seed}`);
    const prng = new Prng(seed);
    const letters = '0123456789.+-eExXinfabINF \x00';
    for (let round = 0; round < 5000; round++) {
      let text = '';
      for (let left = prng.below(12); left > 0; left--) text += letters[prng.below(letters.length)];
      const value = parse(text, prng.below(2) === 0);
      if (typeof value === 'number')
        expect([text, Number.isInteger(value) && value >= 0]).toEqual([text, true]);
      else expect(value).toMatch(/^-ERR timeout is (negative|out of range|not an? \w+ or out of range)$/);
    }
  });

  test.each([
    ['0', 0],
    ['25', 25],
    ['-1', '-ERR timeout is negative'],
    ['1.5', '-ERR timeout is not an integer or out of range'],
    ['9223372036854775807', '-ERR timeout is out of range'],
  ])('milliseconds: %j -> %j', (text, expected) => {
    expect(parse(text, true)).toBe(expected);
  });
});
