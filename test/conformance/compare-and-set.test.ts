/** SET, DELEX and DELIFEQ that compare first, and MSETEX: commands that none of the peers has yet. */
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { RawConnection } from '../support/raw-connection.ts';
import { ServerProcess } from '../support/server-process.ts';

/** Of the value `abc`. */
const DIGEST = '78af5f94892f3950';
const OTHER = '2d06800538d394c2';

let server: ServerProcess;
let client: RawConnection;

async function call(command: string): Promise<string> {
  return (await client.call(command.split(' '))).toString('latin1').trimEnd();
}

beforeAll(async () => {
  server = await ServerProcess.start('redwarden-server', ['--save', '']);
  client = await RawConnection.open(server.port);
}, 60_000);

afterAll(async () => {
  client?.close();
  await server?.stop();
});

beforeEach(async () => {
  await call('FLUSHALL');
  await call('SET key abc EX 1000');
  await call('RPUSH list a');
});

const WRONG_TYPE = '-WRONGTYPE Operation against a key holding the wrong kind of value';

it.each([
  ['SET key new IFEQ abc', '+OK'],
  ['SET key new IFEQ abd', '$-1'],
  ['SET key new IFEQ abc GET', '$3\r\nabc'],
  ['SET key new IFEQ abd GET', '$3\r\nabc'],
  ['SET key new IFNE abc', '$-1'],
  ['SET key new IFNE x KEEPTTL', '+OK'],
  [`SET key new IFDEQ ${DIGEST}`, '+OK'],
  [`SET key new IFDEQ ${DIGEST.toUpperCase()}`, '+OK'],
  [`SET key new IFDEQ ${OTHER}`, '$-1'],
  [`SET key new IFDNE ${OTHER} PX 5000`, '+OK'],
  [`SET key new IFDNE ${DIGEST}`, '$-1'],
  ['SET none new IFEQ abc', '$-1'],
  ['SET none new IFNE abc', '+OK'],
  [`SET none new IFDEQ ${DIGEST}`, '$-1'],
  [`SET none new IFDNE ${DIGEST}`, '+OK'],
  ['SET list new IFEQ abc', WRONG_TYPE],
  ['SET key new IFDEQ 12', '-ERR must be exactly 16 hexadecimal characters'],
  ['SET key new IFEQ', '-ERR syntax error'],
  ['SET key new IFEQ abc NX', '-ERR syntax error'],
  ['SET key new XX IFEQ abc', '-ERR syntax error'],
  ['SET key new IFEQ abc IFEQ abc', '-ERR syntax error'],
  ['DIGEST key', `$16\r\n${DIGEST}`],
  ['DIGEST none', '$-1'],
  ['DIGEST list', WRONG_TYPE],
  ['DELIFEQ key abc', ':1'],
  ['DELIFEQ key abd', ':0'],
  ['DELIFEQ none abc', ':0'],
  ['DELIFEQ list abc', WRONG_TYPE],
  ['DELEX key', ':1'],
  ['DELEX list', ':1'],
  ['DELEX none', ':0'],
  ['DELEX key IFEQ abc', ':1'],
  ['DELEX key IFNE abc', ':0'],
  [`DELEX key IFDEQ ${DIGEST}`, ':1'],
  [`DELEX key IFDNE ${DIGEST}`, ':0'],
  ['DELEX none IFNE abc', ':0'],
  ['DELEX list IFEQ abc', '-ERR Key should be of string type if conditions are specified'],
  ['DELEX key IFEQ', "-ERR wrong number of arguments for 'delex' command"],
  ['MSETEX 2 a 1 b 2 EX 100', ':1'],
  ['MSETEX 2 a 1 key 2 NX', ':0'],
  ['MSETEX 2 a 1 key 2 XX', ':0'],
  ['MSETEX 1 key 2 XX KEEPTTL', ':1'],
  ['MSETEX 0 key 2', '-ERR numkeys should be greater than 0'],
  ['MSETEX x key 2', '-ERR value is not an integer or out of range'],
  ['MSETEX 2 key 2', "-ERR wrong number of arguments for 'msetex' command"],
  ['MSETEX 1 key 2 EX 0', "-ERR invalid expire time in 'msetex' command"],
  ['MSETEX 1 key 2 EX 10 KEEPTTL', '-ERR syntax error'],
])('%s answers %j', async (command, answer) => {
  expect(await call(command)).toBe(answer);
});

it('KEEPTTL, a time and neither do to the expiry what they say', async () => {
  await call('SET key new IFEQ abc KEEPTTL');
  expect(await call('TTL key')).toMatch(/^:(1000|999)$/);
  await call('SET key newer IFEQ new EX 50');
  expect(await call('TTL key')).toMatch(/^:(50|49)$/);
  await call('SET key newest IFEQ newer');
  expect(await call('TTL key')).toBe(':-1');
  await call('MSETEX 2 key 1 other 2 PX 100000');
  expect(await call('TTL other')).toMatch(/^:(100|99)$/);
});
