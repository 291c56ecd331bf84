import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Prng } from '../../server/structures/prng.ts';
import { type DiskEvent, type DiskRecord, encodeRecord, readJournal } from './disk-journal.ts';
import { DiskModel, type Loss } from './disk-model.ts';

const folders: string[] = [];

function newFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'redwarden-model-'));
  folders.push(folder);
  return folder;
}

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function record(event: DiskEvent, payload = ''): DiskRecord {
  return { event, atMs: 0, payload: Buffer.from(payload), end: 0 };
}

const created = record({ op: 'open', path: '/data/file', inode: 1, created: true });
const folderSynced = [
  record({ op: 'syncBegin', id: 'f', inode: 0, folder: '/data' }),
  record({ op: 'syncEnd', id: 'f' }),
];

function write(text: string, offset: number): DiskRecord {
  return record({ op: 'write', inode: 1, offset, size: text.length }, text);
}

/** What is left after these events: names and contents. */
function left(loss: Loss, seed: number, ...records: DiskRecord[]): Record<string, string> {
  const model = new DiskModel('/data', null);
  for (const each of records) model.apply(each);
  const folder = newFolder();
  model.writeTo(folder, loss, new Prng(seed));
  return Object.fromEntries(
    readdirSync(folder).map((name) => [name, readFileSync(path.join(folder, name), 'latin1')]),
  );
}

describe('DiskModel', () => {
  it('keeps what was synced, and only what came before the fsync began', () => {
    const records = [
      created,
      ...folderSynced,
      write('one', 0),
      record({ op: 'syncBegin', id: 'a', inode: 1, folder: null }),
      write('two', 3),
      record({ op: 'syncEnd', id: 'a' }),
    ];
    expect(left('all', 1, ...records)).toEqual({ file: 'one' });
    expect(left('nothing', 1, ...records)).toEqual({ file: 'onetwo' });
    for (let seed = 0; seed < 50; seed += 1) {
      expect(left('some', seed, ...records)['file']).toMatch(/^one(t(wo?)?)?$/);
    }
  });

  it('loses a file whose name was not synced, and brings back what a rename replaced', () => {
    const synced = [
      record({ op: 'syncBegin', id: 'a', inode: 1, folder: null }),
      record({ op: 'syncEnd', id: 'a' }),
    ];
    expect(left('all', 1, created, write('x', 0), ...synced)).toEqual({});
    const replaced = [
      created,
      write('old', 0),
      ...synced,
      ...folderSynced,
      record({ op: 'open', path: '/data/next', inode: 2, created: true }),
      record({ op: 'rename', from: '/data/next', to: '/data/file' }),
    ];
    expect(left('all', 1, ...replaced)).toEqual({ file: 'old' });
    expect(left('nothing', 1, ...replaced)).toEqual({ file: '' });
  });

  it('an fsync that never ended makes nothing safe', () => {
    const begun = record({ op: 'syncBegin', id: 'a', inode: 1, folder: null });
    expect(left('all', 1, created, ...folderSynced, write('x', 0), begun)).toEqual({ file: '' });
  });
});

describe('readJournal', () => {
  it('reads whole records and leaves a torn one out, wherever it is torn', () => {
    const events: DiskEvent[] = [created.event, { op: 'write', inode: 1, offset: 0, size: 4 }];
    const bytes = Buffer.concat([
      encodeRecord(events[0]!, 1),
      encodeRecord(events[1]!, 2, Buffer.from('data')),
    ]);
    const file = path.join(newFolder(), 'journal');
    const first = encodeRecord(events[0]!, 1).length;
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      writeFileSync(file, bytes.subarray(0, cut));
      const count = cut === bytes.length ? 2 : cut >= first ? 1 : 0;
      expect(readJournal(file).map(({ event }) => event)).toEqual(events.slice(0, count));
    }
  });
});
