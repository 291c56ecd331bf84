/**
 * What the server does when the disk fails it: every row of docs/faults.md, by injection (faulty-disk.ts)
 * into the built server or by damaging its files. Each test ends with a restart on a sound disk.
 */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FaultRule } from '../support/fault-rule.ts';
import { waitUntil } from '../support/wait-until.ts';
import { onFaultyDisk } from './crash-harness.ts';
import {
  freePort,
  hasRedwarden,
  newFolder,
  REDWARDEN,
  removeFolders,
  ServerProcess,
} from './persistence-harness.ts';

const SOON_MS = 15_000;
const AOF = ['--appendonly', 'yes', '--auto-aof-rewrite-percentage', '0'];
const SAVING = ['--save', '3600', '1', '--appendonly', 'no'];

let folder = '';
let rulesFile = '';
const running: ServerProcess[] = [];

beforeEach(() => {
  folder = newFolder();
  rulesFile = path.join(newFolder(), 'rules');
});
afterEach(async () => {
  for (const server of running.splice(0)) if (alive(server)) await server.stop('SIGKILL');
});
afterAll(removeFolders);

function alive(server: ServerProcess): boolean {
  return server.child.exitCode === null && server.child.signalCode === null;
}

/** The disk does this from now on; without rules it is sound again. */
function disk(...rules: FaultRule[]): void {
  writeFileSync(`${rulesFile}.new`, JSON.stringify(rules));
  renameSync(`${rulesFile}.new`, rulesFile);
}

async function start(...options: string[]): Promise<ServerProcess> {
  const fixed = [...options, '--admin-port', '0'];
  const server = await ServerProcess.start(
    REDWARDEN,
    folder,
    fixed,
    onFaultyDisk(folder, { rules: rulesFile }),
  );
  running.push(server);
  return server;
}

/** What a server that does not start says at its end. */
async function refusal(...options: string[]): Promise<string> {
  try {
    await start(...options);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('it starts');
}

/** Reply or text of the error. */
async function ask(server: ServerProcess, ...words: string[]): Promise<unknown> {
  try {
    return await server.call(...words);
  } catch (error) {
    return (error as Error).message;
  }
}

function logs(server: ServerProcess, text: string): Promise<true> {
  return waitUntil(
    `the log says '${text}'`,
    SOON_MS,
    async () => server.output.includes(text) || undefined,
    20,
  );
}

/** Waits until INFO has a line. */
function says(server: ServerProcess, line: string): Promise<true> {
  return waitUntil(
    `INFO says ${line}`,
    SOON_MS,
    async () => {
      return String(await server.call('INFO', 'persistence')).includes(`${line}\r\n`) || undefined;
    },
    20,
  );
}

function answers(server: ServerProcess, reply: unknown, ...words: string[]): Promise<true> {
  return waitUntil(
    `${words.join(' ')} answers ${reply}`,
    SOON_MS,
    async () => {
      return (await ask(server, ...words)) === reply || undefined;
    },
    50,
  );
}

function exited(server: ServerProcess): Promise<true> {
  return waitUntil('the server ends', SOON_MS, async () => !alive(server) || undefined, 20);
}

/** Kills the server; another one on a sound disk has these keys. */
async function restartHas(
  server: ServerProcess,
  expected: Record<string, string>,
  ...options: string[]
): Promise<ServerProcess> {
  if (alive(server)) await server.stop('SIGKILL');
  disk();
  const again = await start(...options);
  for (const [key, value] of Object.entries(expected))
    expect([key, await again.call('GET', key)]).toEqual([key, value]);
  return again;
}

const INCREMENT = '.incr.aof';

describe.skipIf(!hasRedwarden)('the append-only file', () => {
  const full = 'MISCONF Errors writing to the AOF file: No space left on device';

  it.each([
    ['ENOSPC', 'No space left on device'],
    ['EIO', 'Input/output error'],
  ])('write %s: refuses writes until one succeeds, and nothing is missing then', async (error, words) => {
    const server = await start(...AOF);
    await server.call('SET', 'before', '1');
    disk({ call: 'write', path: INCREMENT, error });
    expect(await ask(server, 'SET', 'kept', '2')).toBe('OK');
    const misconf = `MISCONF Errors writing to the AOF file: ${words}`;
    expect(await ask(server, 'SET', 'refused', '3')).toBe(misconf);
    expect(await ask(server, 'PING')).toBe(misconf);
    expect(await ask(server, 'GET', 'kept')).toBe('2');
    await says(server, 'aof_last_write_status:err');
    await logs(server, `Error writing to the AOF file: ${words}`);
    disk();
    await logs(server, 'AOF write error looks solved. The server can write again.');
    await answers(server, 'OK', 'SET', 'after', '4');
    await says(server, 'aof_last_write_status:ok');
    await server.stop();
    await restartHas(server, { before: '1', kept: '2', after: '4' }, ...AOF);
  });

  it('short write: the rest follows, also when the disk is full in between', async () => {
    const server = await start(...AOF);
    disk(
      { call: 'write', path: INCREMENT, bytesMax: 7, times: 1 },
      { call: 'write', path: INCREMENT, error: 'ENOSPC' },
    );
    expect(await ask(server, 'SET', 'torn', '1')).toBe('OK');
    expect(await ask(server, 'SET', 'refused', '2')).toBe(full);
    disk({ call: 'write', path: INCREMENT, bytesMax: 5 });
    await answers(server, 'OK', 'SET', 'after', '3');
    await restartHas(server, { torn: '1', after: '3' }, ...AOF);
  });

  it('short write and a crash: the torn tail is cut at the next start, and said', async () => {
    const server = await start(...AOF);
    await server.call('SET', 'before', '1');
    disk(
      { call: 'write', path: INCREMENT, bytesMax: 7, times: 1 },
      { call: 'write', path: INCREMENT, error: 'ENOSPC' },
    );
    await ask(server, 'SET', 'torn', '1');
    await says(server, 'aof_last_write_status:err');
    const again = await restartHas(server, { before: '1' }, ...AOF);
    expect(await again.call('GET', 'torn')).toBeNull();
    expect(again.output).toMatch(/Truncating the AOF appendonly\.aof\.1\.incr\.aof at offset \d+/);
  });

  it.each(['write', 'fsync'] as const)(
    '%s fails under always: the process ends, no reply leaves',
    async (call) => {
      const always = [...AOF, '--appendfsync', 'always'];
      const server = await start(...always);
      await server.call('SET', 'safe', '1');
      disk({ call, path: INCREMENT, error: 'EIO' });
      expect(await ask(server, 'SET', 'unsafe', '2')).not.toBe('OK');
      await exited(server);
      expect(server.child.exitCode).toBe(1);
      await logs(server, "when the AOF fsync policy is 'always'");
      await logs(server, 'Input/output error');
      await restartHas(server, { safe: '1' }, ...always);
    },
  );

  it('fsync fails under everysec: writes are refused until one succeeds, then the files are made anew', async () => {
    const server = await start(...AOF);
    disk({ call: 'fsync', path: INCREMENT, error: 'EIO' });
    await server.call('SET', 'doubtful', '1');
    await answers(
      server,
      'MISCONF Errors writing to the AOF file: Input/output error',
      'SET',
      'refused',
      '2',
    );
    await logs(server, 'Fail to fsync the AOF file: Input/output error');
    disk();
    await answers(server, 'OK', 'SET', 'after', '3');
    // What a failed fsync covered may be lost although the next one succeeds: only new files are sure.
    await logs(server, 'Background AOF rewrite finished successfully');
    expect(readdirSync(path.join(folder, 'appendonlydir'))).toContain('appendonly.aof.2.base.rdb');
    await restartHas(server, { doubtful: '1', after: '3' }, ...AOF);
  });

  it('slow fsync under everysec: clients are served, and waiting for it is counted', async () => {
    const server = await start(...AOF);
    disk({ call: 'fsync', path: INCREMENT, delayMs: 4000 });
    let number = 0;
    await waitUntil(
      'a write is made without waiting',
      SOON_MS,
      async () => {
        number += 1;
        expect(await server.call('SET', 'key', String(number))).toBe('OK');
        return server.output.includes('Asynchronous AOF fsync is taking too long') || undefined;
      },
      20,
    );
    expect(String(await server.call('INFO', 'persistence'))).toMatch(/aof_delayed_fsync:[1-9]/);
    await restartHas(server, {}, ...AOF);
  });

  const steps: [string, FaultRule][] = [
    ['the next increment cannot be made', { call: 'open', path: '.2.incr.aof', error: 'EROFS' }],
    ['the manifest cannot be written', { call: 'write', path: 'manifest', error: 'ENOSPC' }],
    ['the manifest cannot be synced', { call: 'fsync', path: 'manifest', error: 'EIO' }],
    ['the manifest cannot be renamed', { call: 'rename', path: 'manifest', error: 'EIO' }],
    ['the base cannot be made', { call: 'open', path: '.base', error: 'EACCES' }],
    ['the base cannot be written', { call: 'write', path: '.base', error: 'ENOSPC' }],
    ['the base cannot be synced', { call: 'fsync', path: '.base', error: 'EIO' }],
    ['the base cannot be renamed', { call: 'rename', path: '.base', error: 'EIO' }],
    ['the folder cannot be synced', { call: 'fsync', path: 'appendonlydir', error: 'EIO', skip: 1 }],
  ];
  it.each(steps)('a rewrite when %s: fails, and the old files go on', async (_, rule) => {
    const server = await start(...AOF, '--appendfsync', 'no');
    await server.call('SET', 'before', '1');
    disk(rule);
    await ask(server, 'BGREWRITEAOF');
    await says(server, 'aof_last_bgrewrite_status:err');
    expect(await ask(server, 'SET', 'after', '2')).toBe('OK');
    await logs(server, 'Background AOF rewrite terminated with error');
    disk();
    await waitUntil('a rewrite succeeds', SOON_MS, async () => {
      await ask(server, 'BGREWRITEAOF');
      return (
        String(await server.call('INFO', 'persistence')).includes('aof_last_bgrewrite_status:ok') || undefined
      );
    });
    await server.call('SET', 'last', '3');
    await restartHas(server, { before: '1', after: '2', last: '3' }, ...AOF);
  });

  it('old files that cannot be removed stay and are named', async () => {
    const server = await start(...AOF);
    disk({ call: 'unlink', path: 'appendonlydir', error: 'EACCES' });
    await server.call('SET', 'key', '1');
    await server.call('BGREWRITEAOF');
    await logs(server, 'Cannot remove an old append-only file: appendonly.aof.1.base.rdb');
    await restartHas(server, { key: '1' }, ...AOF);
  });

  it.each([
    ['the folder', { call: 'open', path: 'appendonlydir' }, 'appendonlydir'],
    ['the base', { call: 'open', path: '.base' }, '.base'],
    ['the manifest', { call: 'open', path: 'manifest' }, 'manifest'],
  ] as [string, FaultRule, string][])(
    'refuses to start when %s cannot be made, with its name',
    async (_, rule, name) => {
      disk({ ...rule, error: 'EROFS' });
      const message = await refusal(...AOF);
      expect(message).toMatch(/EROFS|Read-only file system/);
      expect(message).toContain(name);
    },
  );

  /** A folder with a base of one key and an increment of two. */
  async function files(): Promise<{ base: string; increment: string; manifest: string }> {
    const server = await start(...AOF);
    await server.call('SET', 'one', '1');
    await server.call('BGREWRITEAOF');
    await logs(server, 'Background AOF rewrite finished successfully');
    await server.call('SET', 'two', '2');
    await server.call('SET', 'three', '3');
    await server.stop();
    const at = (name: string): string => path.join(folder, 'appendonlydir', name);
    return {
      base: at('appendonly.aof.2.base.rdb'),
      increment: at('appendonly.aof.2.incr.aof'),
      manifest: at('appendonly.aof.manifest'),
    };
  }

  function cut(file: string, pattern: string): number {
    const bytes = readFileSync(file);
    const place = bytes.indexOf(pattern);
    expect(place).toBeGreaterThan(0);
    writeFileSync(file, bytes.subarray(0, place + pattern.length));
    return place;
  }

  it('torn tail of the last file: cut, or a refusal with the offset when aof-load-truncated is no', async () => {
    const { increment } = await files();
    cut(increment, 'three');
    const message = await refusal(...AOF, '--aof-load-truncated', 'no');
    expect(message).toContain(
      'Unexpected end of file reading the append only file appendonly.aof.2.incr.aof',
    );
    expect(message).toMatch(/offset \d+/);
    const server = await start(...AOF);
    expect(await server.call('MGET', 'one', 'two', 'three')).toEqual([
      Buffer.from('1'),
      Buffer.from('2'),
      null,
    ]);
  });

  it('torn base: refuses to start whatever is allowed', async () => {
    const { base } = await files();
    writeFileSync(base, readFileSync(base).subarray(0, -5));
    const message = await refusal(...AOF);
    expect(message).toContain('appendonly.aof.2.base.rdb');
    expect(message).toMatch(/offset \d+/);
  });

  it('flipped bit: a refusal with file and offset', async () => {
    const { base, increment } = await files();
    const flip = (file: string, at: number): void => {
      const bytes = readFileSync(file);
      bytes[at]! ^= 4;
      writeFileSync(file, bytes);
    };
    flip(base, 30);
    const first = await refusal(...AOF);
    expect(first).toContain('appendonly.aof.2.base.rdb');
    expect(first).toMatch(/offset \d+/);
    flip(base, 30);
    flip(increment, readFileSync(increment).indexOf('$3'));
    const second = await refusal(...AOF);
    expect(second).toContain('Bad file format reading the append only file appendonly.aof.2.incr.aof');
    expect(second).toMatch(/offset \d+/);
  });

  it('a manifest that names a missing file, or is none: refuses to start and says which', async () => {
    const { increment, manifest } = await files();
    renameSync(increment, `${increment}.away`);
    expect(await refusal(...AOF)).toContain(
      "The append log file appendonly.aof.2.incr.aof doesn't exist: No such file or directory",
    );
    renameSync(`${increment}.away`, increment);
    const text = readFileSync(manifest, 'utf8');
    writeFileSync(manifest, `file x seq 1 type b\nnonsense\n${text}`);
    const message = await refusal(...AOF);
    expect(message).toContain('*** FATAL AOF MANIFEST FILE ERROR ***');
    expect(message).toContain('Reading the manifest file, at line 2');
    writeFileSync(manifest, '');
    expect(await refusal(...AOF)).toContain('Found an empty AOF manifest');
  });

  it('a second process: refuses to start, names the folder and the first; a crash leaves nothing behind', async () => {
    const server = await start(...AOF);
    expect(await refusal(...AOF)).toContain(
      `Another server, process ${server.child.pid}, uses the append-only files in ${folder}/appendonlydir`,
    );
    await server.call('SET', 'mine', '1');
    await restartHas(server, { mine: '1' }, ...AOF);
  });
});

describe.skipIf(!hasRedwarden)('the RDB file', () => {
  const MISCONF = /^MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist/;

  const steps: [string, FaultRule][] = [
    ['the file cannot be made', { call: 'open', path: 'temp-', error: 'EROFS' }],
    ['the disk is full', { call: 'write', path: 'temp-', error: 'ENOSPC' }],
    ['a write fails', { call: 'write', path: 'temp-', error: 'EIO' }],
    ['the fsync fails', { call: 'fsync', path: 'temp-', error: 'EIO' }],
    ['the rename fails', { call: 'rename', path: 'temp-', error: 'EACCES' }],
  ];
  it.each(steps)('BGSAVE when %s: MISCONF until one succeeds, the old file stays whole', async (_, rule) => {
    const server = await start(...SAVING);
    await server.call('SET', 'before', '1');
    await server.call('SAVE');
    const old = readFileSync(path.join(folder, 'dump.rdb'));
    disk(rule);
    await server.call('SET', 'more', '2');
    await ask(server, 'BGSAVE');
    await says(server, 'rdb_last_bgsave_status:err');
    expect(await ask(server, 'SET', 'refused', '3')).toMatch(MISCONF);
    expect(await ask(server, 'PING')).toMatch(MISCONF);
    expect(await ask(server, 'GET', 'more')).toBe('2');
    expect(readFileSync(path.join(folder, 'dump.rdb')).equals(old)).toBe(true);
    await waitUntil(
      'the temporary file goes',
      SOON_MS,
      async () => readdirSync(folder).every((name) => !name.startsWith('temp-')) || undefined,
      20,
    );
    expect(await ask(server, 'CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'no')).toBe('OK');
    expect(await ask(server, 'SET', 'allowed', '4')).toBe('OK');
    await server.call('CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'yes');
    expect(await ask(server, 'SAVE')).not.toBe('OK');
    disk();
    await ask(server, 'BGSAVE');
    await says(server, 'rdb_last_bgsave_status:ok');
    expect(await ask(server, 'SET', 'after', '5')).toBe('OK');
    await restartHas(server, { before: '1', more: '2', allowed: '4' }, ...SAVING);
  });

  it('short writes are no fault', async () => {
    const server = await start(...SAVING);
    disk({ call: 'write', path: 'temp-', bytesMax: 3 });
    await server.call('SET', 'key', 'x'.repeat(100));
    await server.call('BGSAVE');
    await logs(server, 'Background saving terminated with success');
    disk({ call: 'write', path: 'temp-', bytesMax: 3 });
    await server.call('SET', 'other', 'y');
    expect(await ask(server, 'SAVE')).toBe('OK');
    await restartHas(server, { key: 'x'.repeat(100), other: 'y' }, ...SAVING);
  });

  it('SHUTDOWN whose save fails: the server stays', async () => {
    const server = await start(...SAVING);
    await server.call('SET', 'key', '1');
    disk({ call: 'write', path: 'temp-', error: 'ENOSPC' });
    expect(await ask(server, 'SHUTDOWN', 'SAVE')).toBe('ERR Errors trying to SHUTDOWN. Check logs.');
    expect(await ask(server, 'GET', 'key')).toBe('1');
    disk();
    await ask(server, 'SHUTDOWN', 'SAVE');
    await exited(server);
    await restartHas(server, { key: '1' }, ...SAVING);
  });

  it('cut or flipped: a refusal with the offset, or with the checksum', async () => {
    const server = await start(...SAVING, '--rdbcompression', 'no');
    await server.call('SET', 'key', 'a value that a bit is flipped in');
    await server.call('SAVE');
    await server.stop('SIGKILL');
    const file = path.join(folder, 'dump.rdb');
    const whole = readFileSync(file);
    writeFileSync(file, whole.subarray(0, -9));
    expect(await refusal(...SAVING)).toMatch(/RDB.*offset \d+/);
    const flipped = Buffer.from(whole);
    flipped[whole.indexOf('a value')]! ^= 1;
    writeFileSync(file, flipped);
    expect(await refusal(...SAVING)).toMatch(/Wrong RDB checksum/);
    writeFileSync(file, 'nonsense, and long enough to be a header');
    expect(await refusal(...SAVING)).toMatch(/Wrong signature|offset 0/);
    rmSync(file);
    expect(existsSync(file)).toBe(false);
    await start(...SAVING);
  });

  it('a read that fails: a refusal that names the file', async () => {
    const server = await start(...SAVING);
    await server.call('SET', 'key', '1');
    await server.call('SAVE');
    await server.stop('SIGKILL');
    disk({ call: 'openToRead', path: 'dump.rdb', error: 'EACCES' });
    expect(await refusal(...SAVING)).toMatch(/dump\.rdb/);
  });

  it('a second process that saves as well: refuses to start, names the folder and the first', async () => {
    const server = await start(...SAVING);
    expect(await refusal(...SAVING)).toContain(
      `Another server, process ${server.child.pid}, uses dump.rdb in ${folder}`,
    );
    await start('--appendonly', 'no');
    await start(...SAVING, '--dbfilename', 'other.rdb');
  });
});

describe.skipIf(!hasRedwarden)('files of settings', () => {
  /** Writes take only a few bytes. */
  const short = (file: string): FaultRule => ({ call: 'write', path: file, bytesMax: 7 });
  const stepsOf = (file: string): [string, string, FaultRule[]][] => [
    ['the disk is read-only', 'Read-only file system', [{ call: 'open', path: file, error: 'EROFS' }]],
    ['the disk is full', 'No space left on device', [{ call: 'write', path: file, error: 'ENOSPC' }]],
    [
      'a write fails behind a short one',
      'Input/output error',
      [
        { ...short(file), times: 1 },
        { call: 'write', path: file, error: 'EIO' },
      ],
    ],
    ['the fsync fails', 'Input/output error', [{ call: 'fsync', path: file, error: 'EIO' }]],
    ['the rename fails', 'Permission denied', [{ call: 'rename', path: file, error: 'EACCES' }]],
  ];

  /** Nothing but these files, and the first with this content. */
  function untouched(files: readonly string[], content: string): void {
    expect(readdirSync(folder).sort()).toEqual([...files].sort());
    expect(readFileSync(path.join(folder, files[0] as string), 'utf8')).toBe(content);
  }

  it.each(stepsOf('own.conf'))(
    'CONFIG REWRITE when %s: an error, the old file stays',
    async (_, words, rules) => {
      const file = path.join(folder, 'own.conf');
      writeFileSync(file, '# mine\nmaxmemory 100mb\n');
      const server = await start(file);
      await server.call('CONFIG', 'SET', 'maxmemory', '200mb');
      disk(...rules);
      expect(await ask(server, 'CONFIG', 'REWRITE')).toBe(`ERR Rewriting config file: ${words}`);
      await logs(server, `CONFIG REWRITE failed: Rewriting config file: ${words}`);
      untouched(['own.conf'], '# mine\nmaxmemory 100mb\n');
      disk(short('own.conf'));
      expect(await ask(server, 'CONFIG', 'REWRITE')).toBe('OK');
      expect(readFileSync(file, 'utf8')).toMatch(/^# mine\nmaxmemory 200mb\n\n.*\n(?:.+\n)*port \d+\n/);
      await restartHas(server, {}, file);
    },
  );

  it.each(stepsOf('users.acl'))('ACL SAVE when %s: an error, the old file stays', async (_, words, rules) => {
    const file = path.join(folder, 'users.acl');
    const users = 'user default on nopass sanitize-payload ~* &* +@all\n';
    writeFileSync(file, users);
    const server = await start('--aclfile', file);
    await server.call('ACL', 'SETUSER', 'lotte', 'on', '>secret', '~*', '+get');
    disk(...rules);
    expect(await ask(server, 'ACL', 'SAVE')).toMatch(/^ERR There was an error trying to save the ACLs/);
    await logs(server, `Writing ACL file for ACL SAVE: ${words}`);
    untouched(['users.acl'], users);
    disk(short('users.acl'));
    expect(await ask(server, 'ACL', 'SAVE')).toBe('OK');
    const again = await restartHas(server, {}, '--aclfile', file);
    expect(String(await again.call('ACL', 'LIST'))).toContain('user lotte on ');
  });

  it.each(stepsOf('nodes.conf'))(
    'nodes.conf when %s: the node ends and says why, the old file stays',
    async (_, words, rules) => {
      const options = ['--cluster-enabled', 'yes', '--cluster-port', String(await freePort())];
      const server = await start(...options);
      await server.call('CLUSTER', 'ADDSLOTS', '1');
      const old = readFileSync(path.join(folder, 'nodes.conf'), 'utf8');
      disk(...rules);
      // What it promised is not kept: no reply leaves.
      expect(await ask(server, 'CLUSTER', 'ADDSLOTS', '2')).not.toBe('OK');
      await exited(server);
      expect(server.output).toMatch(/Fatal: can't update cluster config file .*nodes\.conf: /);
      await logs(server, words);
      untouched(['nodes.conf'], old);
      const again = await restartHas(server, {}, ...options);
      disk(short('nodes.conf'));
      expect(await ask(again, 'CLUSTER', 'ADDSLOTS', '2')).toBe('OK');
      await restartHas(again, {}, ...options);
      expect(readFileSync(path.join(folder, 'nodes.conf'), 'utf8')).toMatch(/ connected 1-2\n/);
    },
  );
});
