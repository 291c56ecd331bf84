/** The fields of INFO and the parameters of CONFIG GET, next to those of redis-server. */
import { describe, expect, it } from 'vitest';
import { RawConnection, type Word } from '../support/raw-connection.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { serverPair } from './server-pair.ts';

const pair = serverPair(['--save', ''], 'redis-server');

async function ask(server: ServerProcess, ...commands: readonly (readonly Word[])[]): Promise<string> {
  const connection = await RawConnection.open(server.port);
  let last = '';
  for (const command of commands) last = (await connection.call(command)).toString('latin1');
  connection.close();
  return last;
}

/** One for each command that was called: which are, the two tell of themselves. */
const byCommand = /^latency_percentiles_usec_/;
/** Sections that only this server has. */
const ownSections = ['# Eviction', '# Slices', '# Dataset'];

describe('INFO', () => {
  it('has every field that redis-server has, in the same sections', async () => {
    const fields = async (server: ServerProcess): Promise<Map<string, string>> => {
      const text = await ask(server, ['SET', 'a', 'b'], ['GET', 'a'], ['INFO', 'everything']);
      const found = new Map<string, string>();
      let section = '';
      for (const line of text.split('\r\n')) {
        if (line.startsWith('# ')) section = line;
        else if (/^[a-z_0-9|]+:/.test(line)) found.set(line.slice(0, line.indexOf(':')), section);
      }
      return found;
    };
    const our = await fields(pair.ours);
    const their = await fields(pair.theirs);
    const missing = [...their].filter(
      ([field, section]) => our.get(field) !== section && !byCommand.test(field),
    );
    expect(missing).toEqual([]);
  });

  it.each([['server'], ['default'], ['all'], ['keyspace', 'cpu'], ['nosuch'], ['SERVER', 'Stats']])(
    'prints the same sections for %j %j',
    async (...sections) => {
      const heads = async (server: ServerProcess): Promise<string[]> =>
        (await ask(server, ['INFO', ...sections])).split('\r\n').filter((line) => line.startsWith('# '));
      const our = (await heads(pair.ours)).filter((head) => !ownSections.includes(head));
      expect(our).toEqual(await heads(pair.theirs));
    },
  );
});

describe('CONFIG GET', () => {
  it('knows every parameter that redis-server knows, with the same default', async () => {
    const values = async (server: ServerProcess): Promise<Map<string, string>> => {
      const words = (await ask(server, ['CONFIG', 'GET', '*'])).split('\r\n').slice(1);
      const found = new Map<string, string>();
      for (let index = 0; index + 3 < words.length; index += 4) {
        found.set(words[index + 1] ?? '', words[index + 3] ?? '');
      }
      return found;
    };
    const our = await values(pair.ours);
    const their = await values(pair.theirs);
    const own = ['port', 'dir', 'save', 'pidfile', 'bind'];
    // Values are freed in slices by default, as Valkey 8 frees them in the background.
    const differs = (name: string): boolean => own.includes(name) || name.startsWith('lazyfree-lazy-');
    const different = [...their].filter(([name, value]) => our.get(name) !== value && !differs(name));
    expect(different).toEqual([]);
  });
});
