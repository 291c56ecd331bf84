/** Persistence over real files, in both directions with the machine's redis-server where there is one. */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { sealPayload } from '../../server/persistence/dump-payload.ts';
import {
  hasRedis,
  hasRedwarden,
  Node,
  newFolder,
  removeFolders,
  ServerProcess,
  until,
} from './persistence-harness.ts';

afterAll(removeFolders);

const LONG = 'abcdefgh'.repeat(60_000);
const NOISE = Array.from({ length: 3000 }, (_, k) => String.fromCharCode((k * k * 31 + k * 7) & 255)).join(
  '',
);
const AOF: { appendonly: true } = { appendonly: true };

function fill(node: Node): void {
  node.set('text', 'value');
  node.set('number', '-123456');
  node.set('empty', '');
  node.set('long', LONG);
  node.set('noise', NOISE);
  node.set('expiring', 'soon', 3, 4_000_000_000_123);
  for (let k = 0; k < 2000; k += 1) node.set(`key:${k}`, String(k * k));
}

function expectFilled(node: Node): void {
  expect(node.get('text')).toBe('value');
  expect(node.get('number')).toBe('-123456');
  expect(node.get('empty')).toBe('');
  expect(node.get('long') === LONG).toBe(true);
  expect(node.get('noise') === NOISE).toBe(true);
  expect(node.get('expiring', 3)).toBe('soon');
  expect(node.get('key:1999')).toBe(String(1999 * 1999));
}

async function started(folder: string, overrides: ConstructorParameters<typeof Node>[1] = {}): Promise<Node> {
  const node = new Node(folder, overrides);
  await node.persistence.load();
  return node;
}

/** Commands of a turn, then its end. */
function turn(node: Node, commands: () => void): void {
  commands();
  node.persistence.flushTurn();
}

function manifestOf(folder: string): string {
  return readFileSync(join(folder, 'appendonlydir/appendonly.aof.manifest'), 'latin1');
}

describe('Persistence, RDB', () => {
  it('loads what SAVE and BGSAVE wrote', async () => {
    const folder = newFolder();
    const node = await started(folder);
    fill(node);
    expect(node.persistence.save.saveNow()).toBeNull();
    expectFilled(await started(folder));
    node.set('text', 'changed');
    node.keyspace.dirty = 5;
    node.persistence.save.start();
    node.set('text', 'after T0');
    await until(() => !node.persistence.save.running);
    expect(node.log).toMatch(/\* Background saving terminated with success/);
    expect(node.keyspace.dirty).toBe(1);
    const again = await started(folder);
    expect(again.get('text')).toBe('changed');
    expect(again.log).toMatch(/DB loaded from disk/);
    expect(readdirSync(folder)).toEqual(['dump.rdb']);
  });

  it('keeps the old file when a save fails, and says so', async () => {
    const folder = newFolder();
    const node = await started(folder, { save: [{ seconds: 3600, changes: 1 }] });
    node.set('a', '1');
    node.config.values['dbfilename'] = 'missing/dump.rdb';
    node.persistence.save.start();
    expect(node.persistence.save.running).toBe(true);
    await until(() => !node.persistence.save.running);
    expect(node.persistence.save.lastOk).toBe(false);
    expect(node.persistence.trouble).toEqual({ kind: 'rdb' });
    expect(node.log).toMatch(/No such file or directory\n.*# Background saving error$/);
    expect(node.persistence.save.saveNow()).toMatch(/ENOENT/);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('saves when a save point is reached', async () => {
    const folder = newFolder();
    const node = await started(folder, { save: [{ seconds: 60, changes: 2 }] });
    node.set('a', '1');
    node.persistence.tick(Date.now() + 61_000);
    expect(node.persistence.save.running).toBe(false);
    node.set('b', '1');
    node.persistence.tick(Date.now() + 30_000);
    expect(node.persistence.save.running).toBe(false);
    node.persistence.tick(Date.now() + 61_000);
    await until(() => !node.persistence.save.running);
    expect(node.log).toMatch(/2 changes in 60 seconds. Saving.../);
    expect(existsSync(join(folder, 'dump.rdb'))).toBe(true);
  });

  it('refuses a damaged file and loads nothing of it', async () => {
    const folder = newFolder();
    const node = await started(folder);
    fill(node);
    node.persistence.save.saveNow();
    const path = join(folder, 'dump.rdb');
    truncateSync(path, statSync(path).size - 20);
    const broken = new Node(folder);
    expect(await broken.loadError()).toMatch(/Short read.*dump.rdb/);
    expect(broken.keyspace.size).toBe(0);
  });

  it('leaves out keys that have expired', async () => {
    const folder = newFolder();
    const node = await started(folder);
    node.set('gone', '1', 0, Date.now() - 1000);
    node.set('here', '1');
    node.persistence.save.saveNow();
    const again = await started(folder);
    expect([again.get('gone'), again.get('here')]).toEqual([null, '1']);
    expect(again.persistence.infoLines()).toContain('rdb_last_load_keys_expired:1');
  });
});

describe('Persistence, append-only files', () => {
  it('replays what was appended, over rewrites and restarts', async () => {
    const folder = newFolder();
    const node = await started(folder, AOF);
    turn(node, () => fill(node));
    expect(node.persistence.aof.rewrite()).toBe(true);
    turn(node, () => node.set('text', 'since the rewrite'));
    await until(() => !node.persistence.aof.rewriting);
    turn(node, () => node.set('last', 'one', 5));
    expect(node.log).toMatch(/Background AOF rewrite terminated with success/);
    await until(() => !manifestOf(folder).includes('type h'));
    expect(manifestOf(folder)).toBe(
      'file appendonly.aof.2.base.rdb seq 2 type b\nfile appendonly.aof.2.incr.aof seq 2 type i\n',
    );
    expect(readdirSync(join(folder, 'appendonlydir'))).toHaveLength(3);
    node.persistence.close();
    const again = await started(folder, AOF);
    expect([again.get('text'), again.get('last', 5), again.get('key:1999')]).toEqual([
      'since the rewrite',
      'one',
      String(1999 * 1999),
    ]);
    expect(again.keyspace.dirty).toBe(0);
    again.persistence.close();
  });

  it('writes bases as commands when asked to', async () => {
    const folder = newFolder();
    const commands = { ...AOF, 'aof-use-rdb-preamble': false };
    const node = await started(folder, commands);
    turn(node, () => fill(node));
    node.persistence.aof.rewrite();
    await until(() => !node.persistence.aof.rewriting);
    node.persistence.close();
    const base = readFileSync(join(folder, 'appendonlydir/appendonly.aof.2.base.aof'), 'latin1');
    expect(base.startsWith('*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n')).toBe(true);
    const again = await started(folder, commands);
    expectFilled(again);
    again.persistence.close();
  });

  it('makes nothing of a rewrite that fails', async () => {
    const folder = newFolder();
    const node = await started(folder, AOF);
    turn(node, () => node.set('a', '1'));
    mkdirSync(join(folder, 'appendonlydir/appendonly.aof.2.base.rdb'));
    node.persistence.aof.rewrite();
    turn(node, () => node.set('b', '2'));
    await until(() => !node.persistence.aof.rewriting);
    expect(node.log).toMatch(/Background AOF rewrite terminated with error/);
    expect(node.persistence.aof.rewrites.lastOk).toBe(false);
    turn(node, () => node.set('c', '3'));
    node.persistence.close();
    const again = await started(folder, AOF);
    expect([again.get('a'), again.get('b'), again.get('c')]).toEqual(['1', '2', '3']);
    again.persistence.close();
  });

  it('turns on and off while the server runs', async () => {
    const folder = newFolder();
    const node = await started(folder);
    fill(node);
    expect(node.propagation.active).toBe(false);
    expect(node.config.set([['appendonly', 'yes']], true)).toBeUndefined();
    expect(node.persistence.aof.state).toBe('waiting');
    turn(node, () => node.set('text', 'meanwhile'));
    await until(() => node.persistence.aof.state === 'on');
    turn(node, () => node.set('last', 'one'));
    node.persistence.close();
    const again = await started(folder, AOF);
    expect([again.get('text'), again.get('last'), again.get('number')]).toEqual([
      'meanwhile',
      'one',
      '-123456',
    ]);
    again.config.set([['appendonly', 'no']], true);
    expect([again.persistence.aof.state, again.propagation.active]).toEqual(['off', false]);
    again.persistence.close();
  });

  it('writes the first base at once when the server ends before it is done', async () => {
    const folder = newFolder();
    const node = await started(folder);
    fill(node);
    node.config.set([['appendonly', 'yes']], true);
    expect(await node.persistence.shutdown({ save: null, now: false, force: true })).toBeNull();
    // The lock that was being taken goes as soon as it is there.
    await new Promise((resolve) => setTimeout(resolve, 50));
    const again = await started(folder, AOF);
    expectFilled(again);
    again.persistence.close();
  });

  it('begins anew when a full sync replaced the dataset, and keeps the old files until then', async () => {
    const source = await started(newFolder());
    fill(source);
    source.persistence.save.saveNow();
    const folder = newFolder();
    const node = await started(folder, AOF);
    turn(node, () => node.set('old', 'dataset'));
    const builder = node.persistence.syncBuilder();
    builder.feed(readFileSync(join(source.config.values['dir'], 'dump.rdb')));
    expect(node.get('old')).toBe('dataset');
    builder.commit();
    node.persistence.datasetReplaced();
    expect(node.get('old')).toBeNull();
    turn(node, () => node.set('text', 'value'));
    await until(() => node.persistence.aof.state === 'on');
    node.persistence.close();
    const again = await started(folder, AOF);
    expect(again.get('old')).toBeNull();
    expectFilled(again);
    again.persistence.close();
  });

  it('cuts a torn tail off, or refuses it', async () => {
    const folder = newFolder();
    const node = await started(folder, AOF);
    turn(node, () => fill(node));
    node.persistence.close();
    const path = join(folder, 'appendonlydir/appendonly.aof.1.incr.aof');
    const whole = statSync(path).size;
    appendFileSync(
      path,
      '*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$4\r\ntext\r\n$4\r\nhalf\r\n*3\r\n$3\r\nSE',
    );
    const strict = new Node(folder, { ...AOF, 'aof-load-truncated': false });
    expect(await strict.loadError()).toMatch(
      /Unexpected end of file reading the append only file appendonly.aof.1.incr/,
    );
    strict.persistence.close();
    const again = await started(folder, AOF);
    expectFilled(again);
    expect(statSync(path).size).toBe(whole);
    expect(again.log).toMatch(/Revert incomplete MULTI\/EXEC transaction/);
    again.persistence.close();
  });

  it('refuses a damaged file and a damaged manifest by name', async () => {
    const folder = newFolder();
    const node = await started(folder, AOF);
    turn(node, () => fill(node));
    node.persistence.close();
    const incr = join(folder, 'appendonlydir/appendonly.aof.1.incr.aof');
    appendFileSync(incr, 'garbage\r\n');
    const broken = new Node(folder, AOF);
    expect(await broken.loadError()).toMatch(
      /^Bad file format reading the append only file appendonly.*no command at offset \d+/,
    );
    broken.persistence.close();
    const manifest = join(folder, 'appendonlydir/appendonly.aof.manifest');
    writeFileSync(manifest, readFileSync(manifest, 'latin1').repeat(2));
    const worse = new Node(folder, AOF);
    expect(await worse.loadError()).toBe('Found duplicate base file information');
    expect(worse.log).toMatch(/Reading the manifest file, at line 3/);
    worse.persistence.close();
    writeFileSync(manifest, 'file missing.1.base.rdb seq 1 type b\n');
    const missing = new Node(folder, AOF);
    expect(await missing.loadError()).toMatch(/^The append log file missing.1.base.rdb doesn't exist/);
    missing.persistence.close();
  });

  it('answers damaged files with one error or loads their beginning, and never hangs', async () => {
    const seed = Date.now() & 0x7fffffff;
    let state = seed | 1;
    const next = (below: number): number => {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      return (state >>> 0) % below;
    };
    const folder = newFolder();
    const node = await started(folder, AOF);
    for (let k = 0; k < 200; k += 1) turn(node, () => node.set(`key:${k}`, 'v'.repeat(k), k % 3));
    node.persistence.close();
    const paths = readdirSync(join(folder, 'appendonlydir')).map((name) =>
      join(folder, 'appendonlydir', name),
    );
    const originals = paths.map((path) => readFileSync(path));
    for (let round = 0; round < 60; round += 1) {
      const which = next(paths.length);
      for (const [index, path] of paths.entries()) {
        const bytes = Buffer.from(originals[index]!);
        if (index === which) for (let k = 0; k <= next(3); k += 1) bytes[next(bytes.length)] = next(256);
        writeFileSync(path, index === which && next(3) === 0 ? bytes.subarray(0, next(bytes.length)) : bytes);
      }
      const damaged = new Node(folder, AOF);
      try {
        await damaged.persistence.load();
      } catch (error) {
        expect((error as Error).message.length, `seed ${seed}`).toBeGreaterThan(10);
      }
      damaged.persistence.close();
    }
  });

  it('knows its place in a history after an orderly end, and not when changes followed', async () => {
    const folder = newFolder();
    const node = await started(folder, AOF);
    node.position = [
      ['repl-id', 'ab'.repeat(20)],
      ['repl-offset', '12345'],
      ['repl-stream-db', '3'],
    ];
    turn(node, () => node.set('a', '1'));
    node.persistence.close();
    const again = await started(folder, AOF);
    expect(Object.fromEntries(again.persistence.loadedFields)).toEqual(Object.fromEntries(node.position));
    again.position = node.position;
    again.persistence.tick(Date.now());
    turn(again, () => again.set('a', '2'));
    again.position = [];
    again.persistence.close();
    const last = await started(folder, AOF);
    expect([last.get('a'), last.persistence.loadedFields.size]).toEqual(['2', 0]);
    last.persistence.close();
  });

  it('refuses to turn on where it cannot write', async () => {
    const folder = newFolder();
    const node = await started(folder, { appenddirname: 'file' });
    writeFileSync(join(folder, 'file'), '');
    expect(node.config.set([['appendonly', 'yes']], true)).toMatch(
      /appendonly.*(ENOTDIR|Unable to turn on AOF)/,
    );
    expect([node.persistence.aof.state, node.config.values['appendonly']]).toEqual(['off', false]);
  });

  it('refuses a folder that another server uses', async () => {
    const folder = newFolder();
    const node = await started(folder, AOF);
    expect(await new Node(folder, AOF).loadError()).toMatch(
      /Another server, process \d+, uses the append-only files in /,
    );
    node.persistence.close();
    (await started(folder, AOF)).persistence.close();
  });

  it('takes over the single file of an older version', async () => {
    const folder = newFolder();
    writeFileSync(
      join(folder, 'appendonly.aof'),
      '*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n',
    );
    const node = await started(folder, AOF);
    expect(node.get('a', 2)).toBe('b');
    turn(node, () => node.set('c', 'd'));
    node.persistence.close();
    const again = await started(folder, AOF);
    expect([again.get('a', 2), again.get('c')]).toEqual(['b', 'd']);
    again.persistence.close();
  });

  it('rewrites by itself when the files have grown', async () => {
    const folder = newFolder();
    const node = await started(folder, { ...AOF, 'auto-aof-rewrite-min-size': 1000 as never });
    turn(node, () => fill(node));
    node.persistence.tick(Date.now());
    expect(node.log).toMatch(/Starting automatic rewriting of AOF on \d+% growth/);
    await until(() => !node.persistence.aof.rewriting);
    expect(node.persistence.aof.rewrites.count).toBe(1);
    node.persistence.tick(Date.now());
    expect(node.persistence.aof.rewriting).toBe(false);
    node.persistence.close();
  });
});

describe.skipIf(!hasRedis)('Persistence against redis-server', () => {
  it('loads an RDB that Redis saved, and the reverse', async () => {
    const folder = newFolder();
    const redis = await ServerProcess.redis(folder);
    await redis.call('SET', 'text', 'value');
    await redis.call('SET', 'number', '-123456');
    await redis.call('SET', 'empty', '');
    await redis.call('SET', 'long', LONG);
    await redis.call('SET', 'noise', Buffer.from(NOISE, 'latin1'));
    for (let k = 0; k < 2000; k += 500) {
      const some = Array.from({ length: 500 }, (_, n) =>
        redis.call('SET', `key:${k + n}`, String((k + n) ** 2)),
      );
      await Promise.all(some);
    }
    await redis.call('SELECT', '3');
    await redis.call('SET', 'expiring', 'soon', 'PXAT', '4000000000123');
    await redis.call('SAVE');
    await redis.stop();
    const node = await started(folder);
    expectFilled(node);
    expect(node.keyspace.size).toBe(2006);
    node.set('ours', 'too');
    expect(node.persistence.save.saveNow()).toBeNull();
    const back = await ServerProcess.redis(folder);
    expect(await back.call('DBSIZE')).toBe(2006);
    expect(await back.call('GET', 'ours')).toBe('too');
    expect((await back.call('GET', 'long')) === LONG).toBe(true);
    expect((await back.call('GET', 'noise')) === NOISE).toBe(true);
    await back.call('SELECT', '3');
    expect(await back.call('PEXPIRETIME', 'expiring')).toBe(4_000_000_000_123);
    await back.stop();
  });

  it('goes on in append-only files of Redis, and the reverse', async () => {
    const folder = newFolder();
    const on = ['--appendonly', 'yes', '--aof-timestamp-enabled', 'yes'];
    const redis = await ServerProcess.redis(folder, ...on);
    await redis.call('SET', 'base', '1');
    await redis.call('BGREWRITEAOF');
    await redis.call('SET', 'a', '1');
    await redis.call('MULTI');
    await redis.call('SET', 'b', '2');
    await redis.call('SET', 'c', '3');
    await redis.call('EXEC');
    await redis.stop();
    const node = await started(folder, AOF);
    expect(['base', 'a', 'b', 'c'].map((key) => node.get(key))).toEqual(['1', '1', '2', '3']);
    turn(node, () => node.set('ours', LONG, 4));
    node.persistence.aof.rewrite();
    turn(node, () => node.set('after', 'T0'));
    await until(() => !node.persistence.aof.rewriting);
    turn(node, () => node.set('b', 'changed'));
    node.persistence.close();
    const back = await ServerProcess.redis(folder, ...on);
    expect(await back.call('GET', 'after')).toBe('T0');
    expect(await back.call('GET', 'b')).toBe('changed');
    expect(await back.call('GET', 'base')).toBe('1');
    await back.call('SELECT', '4');
    expect((await back.call('GET', 'ours')) === LONG).toBe(true);
    await back.stop();
  });

  it.skipIf(!hasRedwarden)('takes DUMP payloads of Redis, and the reverse', async () => {
    const redis = await ServerProcess.redis(newFolder());
    const ours = await ServerProcess.redwarden(newFolder(), '--rdb-version', '10');
    for (const value of ['', '12', '-70000', 'text', LONG, NOISE]) {
      const bytes = Buffer.from(value, 'latin1');
      await redis.call('SET', 'theirs', bytes);
      const payload = await redis.raw('DUMP', 'theirs');
      expect(await ours.call('RESTORE', 'copy', '0', payload, 'REPLACE')).toBe('OK');
      expect((await ours.call('GET', 'copy')) === value).toBe(true);
      const back = await ours.raw('DUMP', 'copy');
      expect(await redis.call('RESTORE', 'back', '0', back, 'REPLACE')).toBe('OK');
      expect((await redis.call('GET', 'back')) === value).toBe(true);
    }
    await redis.call('RPUSH', 'list', 'a');
    const list = await redis.raw('DUMP', 'list');
    for (const server of [redis, ours]) {
      const payload = await server.raw('DUMP', server === redis ? 'theirs' : 'copy');
      const broken = Buffer.from(payload);
      broken[3]! ^= 1;
      const error = async (...words: (string | Buffer)[]): Promise<string> => {
        try {
          return String(await server.call(...words));
        } catch (thrown) {
          return (thrown as Error).message;
        }
      };
      expect(await error('RESTORE', 'k', '0', broken)).toBe('ERR DUMP payload version or checksum are wrong');
      expect(await error('RESTORE', 'k', '-1', payload)).toBe('ERR Invalid TTL value, must be >= 0');
      expect(await error('RESTORE', 'k', '0', payload, 'FREQ', '256')).toMatch(/Invalid FREQ value/);
      expect(await error('RESTORE', 'k', '0', payload, 'IDLETIME', '-1')).toMatch(/Invalid IDLETIME value/);
      expect(await error('RESTORE', 'k', '0', payload, 'NOPE')).toBe('ERR syntax error');
      expect(await error('RESTORE', 'k', '1000', payload)).toBe('OK');
      expect(await error('RESTORE', 'k', '0', payload)).toBe('BUSYKEY Target key name already exists.');
      expect(await error('RESTORE', 'k', '1', payload, 'REPLACE', 'ABSTTL')).toBe('OK');
      expect(await error('EXISTS', 'k')).toBe('0');
      expect(await error('RESTORE', 'k', '4000000000000', payload, 'ABSTTL', 'IDLETIME', '100')).toBe('OK');
      expect(await error('PEXPIRETIME', 'k')).toBe('4000000000000');
    }
    expect(await ours.call('RESTORE', 'list', '0', list)).toBe('OK');
    const module = Buffer.from(sealPayload(Buffer.of(7, 0), 10));
    await expect(ours.call('RESTORE', 'module', '0', module)).rejects.toThrow('ERR Bad data format');
    await redis.stop();
    await ours.stop();
  });

  it('refuses a file with a type it does not know, by name, and changes nothing', async () => {
    const folder = newFolder();
    // A string and a value of a module, in a file without checksum.
    const records = `\xfe\0\0\x04fine\x011\x07\x06user:1\x81${'\0'.repeat(8)}\0`;
    writeFileSync(join(folder, 'dump.rdb'), `REDIS0011${records}\xff${'\0'.repeat(8)}`, 'latin1');
    const node = new Node(folder);
    expect(await node.loadError()).toMatch(
      /module data I can't load: no matching module type 'AAAAAAAAA' \(offset 19 of .*dump.rdb\)/,
    );
    expect(node.keyspace.size).toBe(0);
  });
});
