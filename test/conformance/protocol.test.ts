/** Frames as no client sends them: what this server and redis-server answer, and whether they close. */
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { serverPair } from './server-pair.ts';

const quietMs = 200;
const answerMsMax = 5000;

const pair = serverPair(['--save', ''], 'redis-server');

/** Sends bytes and returns all that comes back until the server closes or says nothing more. */
function talk(port: number, input: Uint8Array): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    let received = '';
    let quiet: NodeJS.Timeout | undefined;
    const finish = (end: string): void => {
      clearTimeout(quiet);
      clearTimeout(limit);
      socket.destroy();
      resolve(received + end);
    };
    const limit = setTimeout(() => finish('<no end>'), answerMsMax);
    const wait = (): void => {
      clearTimeout(quiet);
      quiet = setTimeout(() => finish('<open>'), quietMs);
    };
    socket.on('connect', () => {
      socket.write(input);
      wait();
    });
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1');
      wait();
    });
    socket.on('error', () => finish('<closed>'));
    socket.on('close', () => finish('<closed>'));
  });
}

const frames: readonly (readonly [what: string, input: string])[] = [
  ['an inline command', 'PING\r\n'],
  ['an inline command without CR', 'PING\n'],
  ['inline words in quotes', 'SET "a b" \'c d\'\r\nGET "a b"\r\n'],
  ['inline escapes', 'SET x "\\x41\\n\\t"\r\nGET x\r\n'],
  ['unbalanced quotes', 'SET x "abc\r\nPING\r\n'],
  ['empty lines before a command', '\r\n\r\nPING\r\n'],
  ['an empty array', '*0\r\n*1\r\n$4\r\nPING\r\n'],
  ['a null array', '*-1\r\n*1\r\n$4\r\nPING\r\n'],
  ['an array length that is no number', '*abc\r\nPING\r\n'],
  ['an array length that is too large', '*2147483648\r\n'],
  ['a word without its dollar', '*1\r\nPING\r\n'],
  ['a word of negative length', '*1\r\n$-1\r\n'],
  ['a word length that is no number', '*1\r\n$4x\r\nPING\r\n'],
  ['a word length that is too large', '*1\r\n$536870913\r\n'],
  ['a half command', '*2\r\n$3\r\nGET\r\n$3\r\nab'],
  ['several commands at once', '*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\nPING\r\n'],
  ['a word with zero bytes', '*2\r\n$4\r\nECHO\r\n$3\r\n\0\r\n\r\n'],
  ['an unknown command', '*1\r\n$3\r\nfoo\r\n'],
  ['an empty command name', '*1\r\n$0\r\n\r\n'],
  ['quit', '*1\r\n$4\r\nQUIT\r\n*1\r\n$4\r\nPING\r\n'],
  ['a wrong protocol version', 'HELLO 9\r\nHELLO x\r\n'],
  ['authentication without a password set', 'AUTH x\r\nAUTH a b\r\nAUTH default b\r\n'],
  ['an HTTP request', 'POST / HTTP/1.1\r\nHost: localhost\r\n\r\n'],
  ['transactions', 'EXEC\r\nMULTI\r\nMULTI\r\nWATCH a\r\nSET a\r\nPING\r\nEXEC\r\nDISCARD\r\n'],
  ['a name with a space', 'HELLO 3 SETNAME "a b"\r\nCLIENT SETNAME "a b"\r\nCONFIG GET hz\r\n'],
];

describe('redwarden-server and redis-server answer alike to', () => {
  it.each(frames)('%s', async (_, input) => {
    const bytes = Buffer.from(input, 'latin1');
    const [our, their] = await Promise.all([talk(pair.ours.port, bytes), talk(pair.theirs.port, bytes)]);
    expect(our, pair.ours.output.slice(-2000)).toBe(their);
  });

  it('an inline command that never ends', async () => {
    const bytes = Buffer.alloc(70_000, 'x');
    const [our, their] = await Promise.all([talk(pair.ours.port, bytes), talk(pair.theirs.port, bytes)]);
    expect(our).toBe(their);
  });
});

describe('redwarden-server', () => {
  it('lives on after random bytes', async () => {
    const seed = Date.now() % 1_000_000;
    let state = seed;
    for (let round = 0; round < 30; round += 1) {
      const bytes = Buffer.alloc(300);
      for (let index = 0; index < bytes.length; index += 1) {
        state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
        bytes[index] = index % 7 === 0 ? '*$\r\n0189'.charCodeAt(state % 8) : state >>> 24;
      }
      await talk(pair.ours.port, bytes);
    }
    expect(await talk(pair.ours.port, Buffer.from('PING\r\n')), `seed ${seed}`).toBe('+PONG\r\n<open>');
  }, 60_000);
});
