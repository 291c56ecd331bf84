import { describe, expect, it } from 'vitest';
import {
  type Reply,
  ReplyParser,
  type ReplyParserOptions,
  ReplyProtocolError,
  RespError,
  RespPush,
} from './reply-parser.ts';

function parse(text: string | Buffer, options: ReplyParserOptions = { bulk: 'string' }): Reply[] {
  const replies: Reply[] = [];
  new ReplyParser(options).feed(Buffer.from(text as string), (reply) => replies.push(reply));
  return replies;
}

function failureOf(text: string | Buffer, options: ReplyParserOptions = {}): string {
  try {
    parse(text, options);
  } catch (error) {
    if (error instanceof ReplyProtocolError) return error.message;
    throw error;
  }
  return 'no failure';
}

/** One of everything, in one stream. */
const everything =
  '+OK\r\n' +
  '-MOVED 3999 127.0.0.1:6381\r\n' +
  ':42\r\n:-9223372036854775808\r\n' +
  '$5\r\nhe\r\no\r\n$0\r\n\r\n$-1\r\n' +
  '*3\r\n:1\r\n*2\r\n$1\r\na\r\n*0\r\n*-1\r\n' +
  '_\r\n#t\r\n#f\r\n,1.5e3\r\n,-inf\r\n' +
  '(3492890328409238509324850943850943825024385\r\n' +
  '!9\r\nERR bad\r\n\r\n' +
  '=6\r\ntxt:ab\r\n' +
  '%2\r\n+first\r\n:1\r\n+second\r\n*1\r\n#t\r\n' +
  '~2\r\n+x\r\n+y\r\n' +
  '|1\r\n+ttl\r\n:3600\r\n*2\r\n|1\r\n+k\r\n+v\r\n:7\r\n:8\r\n' +
  '>2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n';

const everythingParsed: Reply[] = [
  'OK',
  new RespError('MOVED 3999 127.0.0.1:6381'),
  42,
  -9223372036854775808n,
  'he\r\no',
  '',
  null,
  [1, ['a', []], null],
  null,
  true,
  false,
  1500,
  Number.NEGATIVE_INFINITY,
  3492890328409238509324850943850943825024385n,
  new RespError('ERR bad\r\n'),
  'ab',
  new Map<Reply, Reply>([
    ['first', 1],
    ['second', [true]],
  ]),
  ['x', 'y'],
  [7, 8],
  new RespPush(['invalidate', ['k']]),
];

describe('ReplyParser', () => {
  it('reads every type of RESP2 and RESP3', () => {
    expect(parse(everything)).toEqual(everythingParsed);
  });

  it('splits an error into code and message', () => {
    expect(new RespError('WRONGTYPE Operation against a key').code).toBe('WRONGTYPE');
    expect(new RespError('LOADING').code).toBe('LOADING');
  });

  it('gives the same replies wherever the stream is torn in two', () => {
    const bytes = Buffer.from(everything);
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const replies: Reply[] = [];
      const parser = new ReplyParser({ bulk: 'string' });
      parser.feed(bytes.subarray(0, cut), (reply) => replies.push(reply));
      parser.feed(bytes.subarray(cut), (reply) => replies.push(reply));
      expect(replies, `cut at ${cut}`).toEqual(everythingParsed);
      expect(parser.idle).toBe(true);
    }
  });

  it('gives the same replies when every byte comes alone in a buffer that is reused', () => {
    const bytes = Buffer.from(everything);
    const replies: Reply[] = [];
    const parser = new ReplyParser({ bulk: 'string' });
    const reused = Buffer.alloc(1);
    for (const byte of bytes) {
      reused[0] = byte;
      parser.feed(reused, (reply) => replies.push(reply));
    }
    expect(replies).toEqual(everythingParsed);
  });

  it('keeps binary bulk strings byte for byte in buffer mode', () => {
    const blob = Buffer.from([0, 255, 13, 10, 128]);
    const [reply] = parse(Buffer.concat([Buffer.from('$5\r\n'), blob, Buffer.from('\r\n')]), {});
    expect(reply).toEqual(blob);
  });

  it('is not idle inside of a reply', () => {
    const parser = new ReplyParser();
    for (const piece of ['*1\r\n', '$3', '\r\n', 'ab']) {
      parser.feed(Buffer.from(piece), () => expect.unreachable());
      expect(parser.idle).toBe(false);
    }
  });

  it.each([
    ['HTTP/1.1 400 Bad Request\r\n', "unknown reply type 'H'"],
    ['\r\n', 'unknown reply type 0x0d'],
    [':1x\r\n', 'integer "1x"'],
    [':\r\n', 'integer ""'],
    ['$-2\r\n', 'length "-2" of type $'],
    ['$1\r\nabc', 'bulk string of 1 bytes is not followed by CR LF'],
    ['$?\r\n', 'length "?" of type $'],
    ['*99999999999\r\n', 'length "99999999999" of type *'],
    ['%-1\r\n', 'length -1 of type %'],
    ['#x\r\n', 'boolean "x" is neither t nor f'],
    ['_x\r\n', 'null with content "x"'],
    [',1e\r\n', 'double "1e"'],
    ['(1.5\r\n', 'big number "1.5"'],
    ['=2\r\nab\r\n', 'verbatim string without its format'],
    ['+a\rb', 'line ends with CR without LF'],
    ['*1\r\n>0\r\n', 'push inside of another reply'],
  ])('refuses %j', (text, message) => {
    expect(failureOf(text)).toBe(`Protocol error: ${message}`);
  });

  it('refuses what exceeds its limits of depth, line, bulk and whole reply', () => {
    expect(failureOf('*1\r\n'.repeat(5), { depthMax: 4 })).toContain('nested deeper than 4');
    expect(failureOf(`+${'x'.repeat(20)}`, { lineBytesMax: 10 })).toContain('line exceeds 10 bytes');
    expect(failureOf('$11\r\n', { bulkBytesMax: 10 })).toContain('exceeds 10');
    expect(failureOf(`*9\r\n${':1\r\n'.repeat(9)}`, { replyBytesMax: 20 })).toContain(
      'reply exceeds 20 bytes',
    );
    expect(parse(':1\r\n'.repeat(20), { replyBytesMax: 20 })).toHaveLength(20);
  });

  it('stays broken after a protocol error', () => {
    const parser = new ReplyParser();
    expect(() => parser.feed(Buffer.from('?'), () => undefined)).toThrow(ReplyProtocolError);
    expect(() => parser.feed(Buffer.from('+OK\r\n'), () => undefined)).toThrow(ReplyProtocolError);
  });

  it('throws nothing but ReplyProtocolError on random garbage and on damaged replies', () => {
    const seed = Date.now() % 2 ** 31;
    console.log(`seed ${seed}`);
    const random = generator(seed);
    const whole = Buffer.from(everything);
    const alphabet = Buffer.from('+-:$*_#,(!=%~>|0123456789\r\n\r\n\r\ntxt:-a\0');
    for (let round = 0; round < 3000; round += 1) {
      const bytes = Buffer.from(whole);
      if (round % 2 === 0) {
        for (let index = 0; index < bytes.length; index += 1)
          bytes[index] = alphabet[random(alphabet.length)] as number;
      } else {
        for (let damage = 0; damage < 3; damage += 1) bytes[random(bytes.length)] = random(256);
      }
      const parser = new ReplyParser({ depthMax: 8, bulkBytesMax: 1000 });
      try {
        for (let at = 0; at < bytes.length; ) {
          const next = at + 1 + random(20);
          parser.feed(bytes.subarray(at, next), () => undefined);
          at = next;
        }
      } catch (error) {
        expect(error).toBeInstanceOf(ReplyProtocolError);
      }
    }
  });
});

/** Small linear congruential generator: whole numbers below the bound. */
function generator(seed: number): (bound: number) => number {
  let state = seed >>> 0;
  return (bound) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
}
