import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AofWriter, type AofWriterEnvironment, type FsyncPolicy } from './aof-writer.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'redwarden-aof-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

class Environment implements AofWriterEnvironment {
  now = 1_700_000_000_000;
  fsync: FsyncPolicy = 'everysec';
  stamps = false;
  readonly lines: string[] = [];
  readonly deaths: string[] = [];
  released: number[] = [];
  writer: AofWriter | null = null;
  policy = (): FsyncPolicy => this.fsync;
  doubts = 0;
  onDoubtful(): void {
    this.doubts += 1;
  }
  timestamps = (): boolean => this.stamps;
  isQuiet = false;
  readonly events: string[] = [];
  listens = false;
  quiet = (): boolean => this.isQuiet;
  busy = (): boolean => false;
  latency = (): ((event: string) => void) | null =>
    this.listens ? (event) => void this.events.push(event) : null;
  nowMs = (): number => this.now;
  turnMs = (): number => this.now;
  stream = 0;
  streamOffset = (): number => this.stream;
  log = (_: string, message: string): void => void this.lines.push(message);
  fatal = (message: string): void => void this.deaths.push(message);
  onReleased = (): void => void this.released.push(this.writer?.releasedOffset ?? -1);
}

function make(fsync: FsyncPolicy): {
  writer: AofWriter;
  environment: Environment;
  put: (text: string) => void;
} {
  const environment = new Environment();
  environment.fsync = fsync;
  const writer = new AofWriter(environment);
  environment.writer = writer;
  const put = (text: string): void => {
    const bytes = Buffer.from(text);
    writer.append(bytes, 0, bytes.length);
  };
  return { writer, environment, put };
}

const read = (name: string): string => readFileSync(join(folder, name), 'latin1');

async function settled(writer: AofWriter): Promise<void> {
  for (let k = 0; writer.pendingFsyncs !== 0; k += 1) {
    if (k > 2000) throw new Error('the fsync does not end');
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

describe('AofWriter', () => {
  it('writes nothing before the turn ends, then everything', () => {
    const { writer, put } = make('no');
    writer.open(join(folder, 'a'), 0);
    put('one');
    put('x'.repeat(100_000));
    expect(read('a')).toBe('');
    expect([writer.offset, writer.writtenOffset, writer.bufferedBytes]).toEqual([100_003, 0, 100_003]);
    writer.flushTurn();
    expect(read('a')).toBe(`one${'x'.repeat(100_000)}`);
    expect([writer.releasedOffset, writer.writtenOffset, writer.fileBytes]).toEqual([
      100_003, 100_003, 100_003,
    ]);
    writer.close();
  });

  it('ignores changes while it is closed', () => {
    const { writer, put } = make('always');
    put('lost');
    writer.flushTurn();
    expect([writer.offset, writer.releasedOffset]).toEqual([0, 0]);
  });

  it('holds replies under always until one fdatasync covers them, and syncs what came meanwhile with the next', async () => {
    const { writer, environment, put } = make('always');
    writer.open(join(folder, 'a'), 0);
    put('12345');
    writer.flushTurn();
    expect(writer.releasedOffset).toBe(0);
    put('67');
    writer.flushTurn();
    put('89');
    writer.flushTurn();
    expect(writer.pendingFsyncs).toBe(1);
    await settled(writer);
    expect(environment.released).toEqual([5, 9]);
    expect(writer.releasedOffset).toBe(9);
    writer.close();
  });

  it('syncs once a second under everysec and releases at once', async () => {
    const { writer, environment, put } = make('everysec');
    writer.open(join(folder, 'a'), 0);
    put('1');
    writer.flushTurn();
    expect([writer.releasedOffset, writer.pendingFsyncs]).toEqual([1, 1]);
    await settled(writer);
    put('2');
    writer.flushTurn();
    expect(writer.pendingFsyncs).toBe(0);
    environment.now += 1000;
    writer.tick();
    expect(writer.pendingFsyncs).toBe(1);
    await settled(writer);
    expect(writer.syncedOffset).toBe(2);
    writer.close();
  });

  it('keeps writes while everysec syncs, shows it after two seconds and makes them when the sync is over', async () => {
    const { writer, environment, put } = make('everysec');
    writer.open(join(folder, 'a'), 0);
    put('1');
    writer.flushTurn();
    put('2');
    writer.flushTurn();
    expect([read('a'), writer.releasedOffset, writer.delayedFsyncs]).toEqual(['1', 2, 0]);
    environment.now += 2000;
    writer.flushTurn();
    writer.flushTurn();
    expect([read('a'), writer.delayedFsyncs]).toEqual(['1', 1]);
    expect(environment.lines.filter((line) => /taking too long/.test(line))).toHaveLength(1);
    await settled(writer);
    expect(read('a')).toBe('12');
    writer.close();
  });

  it('writes while everysec syncs when the buffer is full', async () => {
    const { writer, put } = make('everysec');
    writer.open(join(folder, 'a'), 0);
    put('1');
    writer.flushTurn();
    put('x'.repeat(32 * 1024 * 1024));
    writer.flushTurn();
    expect([writer.bufferedBytes, writer.delayedFsyncs, writer.pendingFsyncs]).toEqual([0, 1, 1]);
    await settled(writer);
    writer.close();
  });

  it('does not wait for the fsync of a file that is left', async () => {
    const { writer, put } = make('everysec');
    writer.open(join(folder, 'a'), 0);
    put('1');
    writer.open(join(folder, 'b'), 0);
    put('2');
    writer.flushTurn();
    expect([read('b'), writer.pendingFsyncs]).toEqual(['2', 1]);
    await settled(writer);
    writer.close();
  });

  it('lets replies leave unsynced under always while a snapshot asks for quiet, and syncs after it', async () => {
    const { writer, environment, put } = make('always');
    environment.isQuiet = true;
    writer.open(join(folder, 'a'), 0);
    put('1');
    writer.flushTurn();
    expect([writer.pendingFsyncs, writer.releasedOffset, writer.syncedOffset]).toEqual([0, 1, 0]);
    environment.isQuiet = false;
    writer.tick();
    await settled(writer);
    expect(writer.syncedOffset).toBe(1);
    writer.close();
  });

  it('tells when what was written so far is safe, also under no', async () => {
    const { writer, put } = make('no');
    writer.open(join(folder, 'a'), 0);
    put('12345');
    writer.flushTurn();
    expect(writer.unsyncedBytes).toBe(5);
    expect(await new Promise((resolve) => writer.syncThen(resolve))).toBeNull();
    expect(writer.unsyncedBytes).toBe(0);
    writer.close();
  });

  it('tells how long writes and syncs took when somebody listens', async () => {
    const { writer, environment, put } = make('always');
    writer.open(join(folder, 'a'), 0);
    put('1');
    writer.flushTurn();
    await settled(writer);
    expect(environment.events).toEqual([]);
    environment.listens = true;
    put('2');
    writer.flushTurn();
    await settled(writer);
    expect(environment.events).toEqual(['aof-write-alone', 'aof-write', 'aof-fsync-always']);
    writer.close();
  });

  it('goes on in another file: what was appended before belongs to the old one', async () => {
    const { writer, put } = make('always');
    writer.open(join(folder, 'a'), 0);
    put('old');
    writer.open(join(folder, 'b'), 0);
    expect(writer.selectedDatabase).toBe(-1);
    put('new');
    writer.flushTurn();
    expect(writer.releasedOffset).toBe(0);
    await settled(writer);
    expect([read('a'), read('b'), writer.releasedOffset]).toEqual(['old', 'new', 6]);
    put('last');
    writer.close();
    expect([read('b'), writer.releasedOffset]).toEqual(['newlast', 10]);
  });

  it('keeps the bytes of a failed write, says so, and writes them when the disk takes them again', () => {
    const { writer, environment, put } = make('no');
    writer.open('/dev/full', 0);
    put('kept');
    writer.flushTurn();
    expect(writer.lastWriteError).toBe('No space left on device');
    expect(environment.lines.join()).toMatch(/Error writing to the AOF file/);
    writer.flushTurn();
    expect(environment.lines).toHaveLength(1);
    expect(writer.bufferedBytes).toBe(4);
    expect(environment.deaths).toEqual([]);
  });

  it('ends the process when a write fails under always', () => {
    const { writer, environment, put } = make('always');
    writer.open('/dev/full', 0);
    put('promised');
    writer.flushTurn();
    expect(environment.deaths.join()).toMatch(/Can't recover from AOF write error/);
    expect(writer.releasedOffset).toBe(0);
  });

  it('notes the time once a second when asked to', () => {
    const { writer, environment, put } = make('no');
    environment.stamps = true;
    writer.open(join(folder, 'a'), 0);
    put('1');
    put('2');
    environment.now += 1000;
    put('3');
    writer.flushTurn();
    expect(read('a')).toBe('#TS:1700000000\r\n12#TS:1700000001\r\n3');
    writer.close();
  });

  it('knows the place in the replication stream up to which all is synced', async () => {
    const { writer, environment, put } = make('always');
    writer.open(join(folder, 'a'), 0);
    expect(writer.syncedStreamOffset).toBe(0);
    put('one');
    environment.stream = 10;
    expect(writer.syncedStreamOffset).toBe(-1);
    writer.flushTurn();
    environment.stream = 20;
    put('two');
    await settled(writer);
    expect(writer.syncedStreamOffset).toBe(10);
    writer.flushTurn();
    await settled(writer);
    environment.stream = 30;
    // Nothing of what came since went into the file.
    expect(writer.syncedStreamOffset).toBe(30);
  });

  it('forgets that place when the file is closed, and takes it from a base that covers it', async () => {
    const { writer, environment, put } = make('no');
    environment.stream = 1000;
    writer.open(join(folder, 'a'), 0);
    put('of another stream');
    writer.flushTurn();
    writer.close();
    environment.stream = 50;
    writer.open(join(folder, 'b'), 0);
    put('new');
    writer.flushTurn();
    await settled(writer);
    expect(writer.syncedStreamOffset).toBe(-1);
    writer.coverUpTo(writer.offset - 3, 40);
    expect([writer.syncedStreamOffset, writer.releasedOffset]).toEqual([40, writer.offset]);
  });
});
