/** What a server that is killed has promised: the built server, `kill -9`, and what is there after it. */
import { afterAll, describe, expect, it } from 'vitest';
import { hasRedwarden, newFolder, removeFolders, ServerProcess } from './persistence-harness.ts';

afterAll(removeFolders);

/**
 * Sets key:0, key:1 … from several callers until the server dies; returns how many were acknowledged in
 * order.
 */
async function writeUntilKilled(server: ServerProcess, killAt: number): Promise<Set<number>> {
  const acknowledged = new Set<number>();
  let next = 0;
  const caller = async (): Promise<void> => {
    for (;;) {
      const key = next++;
      try {
        await server.call('SET', `key:${key}`, `value:${key}:${'x'.repeat(key % 500)}`);
      } catch {
        // The connection is gone: this one was not acknowledged.
        return;
      }
      acknowledged.add(key);
      if (acknowledged.size === killAt) server.child.kill('SIGKILL');
    }
  };
  await Promise.all(Array.from({ length: 50 }, caller));
  return acknowledged;
}

async function lost(server: ServerProcess, acknowledged: ReadonlySet<number>): Promise<number[]> {
  const missing: number[] = [];
  for (const key of acknowledged) {
    const value = await server.call('GET', `key:${key}`);
    if (value !== `value:${key}:${'x'.repeat(key % 500)}`) missing.push(key);
  }
  return missing;
}

describe.skipIf(!hasRedwarden)('a server that is killed', () => {
  it('has everything it acknowledged under appendfsync always, a rewrite under way or not', async () => {
    const folder = newFolder();
    const options = ['--appendonly', 'yes', '--appendfsync', 'always'];
    const all = new Set<number>();
    for (let round = 0; round < 3; round += 1) {
      const server = await ServerProcess.redwarden(folder, ...options);
      expect(await lost(server, all)).toEqual([]);
      if (round === 1) await server.call('BGREWRITEAOF');
      for (const key of await writeUntilKilled(server, 500 + round * 300)) all.add(key);
    }
    const last = await ServerProcess.redwarden(folder, ...options);
    expect(await lost(last, all)).toEqual([]);
    await last.stop();
  });

  it('lost nothing but the end of the stream under everysec', async () => {
    const folder = newFolder();
    const server = await ServerProcess.redwarden(folder, '--appendonly', 'yes');
    const acknowledged = await writeUntilKilled(server, 3000);
    const again = await ServerProcess.redwarden(folder, '--appendonly', 'yes');
    const missing = await lost(again, acknowledged);
    const present = (await again.call('DBSIZE')) as number;
    expect(missing.every((key) => key >= present - 50)).toBe(true);
    await again.stop();
  });

  it('keeps the whole old RDB when it dies in the middle of a save', async () => {
    const folder = newFolder();
    const server = await ServerProcess.redwarden(folder, '--enable-debug-command', 'yes');
    await server.call('SET', 'saved', 'yes');
    await server.call('SAVE');
    await server.call('DEBUG', 'POPULATE', '200000');
    await server.call('BGSAVE');
    await server.stop('SIGKILL');
    const again = await ServerProcess.redwarden(folder);
    expect(await again.call('GET', 'saved')).toBe('yes');
    await again.stop();
  });
});
