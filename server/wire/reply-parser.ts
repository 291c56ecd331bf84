/**
 * Incremental parser of RESP2 and RESP3 replies: bytes in any pieces go in, whole replies come out.
 *
 *   feed(chunk) -> [ line | bulk ] -> value -> innermost open aggregate -> ... -> top level -> onReply
 *
 * State between two chunks is the unfinished line or bulk string and a stack of open aggregates; no byte is
 * looked at twice, except the last one of an unfinished line.
 *
 *   wire              value
 *   +  simple string  string
 *   -  error          RespError          !  bulk error      RespError
 *   :  integer        number, or bigint beyond 2^53 - 1
 *   $  bulk string    Buffer or string   =  verbatim string the same, without its three-letter format
 *   *  array          Reply[]            ~  set             Reply[]
 *   %  map            Map<Reply, Reply>  |  attribute       read and dropped
 *   _  null, $-1, *-1 null               #  boolean         boolean
 *   ,  double         number             (  big number      bigint
 *   >  push           RespPush, only at the top level
 *
 * Streamed strings and aggregates (`$?`, `*?`) are refused: no server sends them.
 */

/** An error reply of the server. A value, not an exception: it is an answer. */
export class RespError {
  /** First word: `ERR`, `MOVED`, `NOAUTH` ... */
  readonly code: string;
  /** The whole line, code included, as Redis' clients print it. */
  readonly message: string;

  constructor(message: string) {
    const space = message.indexOf(' ');
    this.code = space === -1 ? message : message.slice(0, space);
    this.message = message;
  }
}

/** An out-of-band message of RESP3: invalidation, pub/sub ... */
export class RespPush {
  readonly items: readonly Reply[];

  constructor(items: readonly Reply[]) {
    this.items = items;
  }
}

export type Reply =
  | string
  | number
  | bigint
  | boolean
  | null
  | Buffer
  | RespError
  | RespPush
  | Reply[]
  | Map<Reply, Reply>;

/** The peer did not speak RESP, or exceeded a limit. The parser is of no use after it. */
export class ReplyProtocolError extends Error {
  override readonly name = 'ReplyProtocolError';
}

export interface ReplyParserOptions {
  /** What bulk strings become; strings are decoded as UTF-8. Default `buffer`. */
  readonly bulk?: 'buffer' | 'string';
  /** Aggregates inside aggregates. Default 64. */
  readonly depthMax?: number;
  /** Bytes of one line: simple strings, errors, numbers, headers. Default 64 KiB. */
  readonly lineBytesMax?: number;
  /** Bytes of one bulk string. Default 512 MiB, the protocol's own limit. */
  readonly bulkBytesMax?: number;
  /** Bytes of one whole top-level reply. Default 1 GiB. */
  readonly replyBytesMax?: number;
}

const CR = 0x0d;
const LF = 0x0a;
const TYPES = new Set([...'+-:$*_#,(!=%~>|'].map((type) => type.charCodeAt(0)));
const INTEGER = /^[+-]?\d{1,19}$/;
const LENGTH = /^(?:\d{1,10}|-1)$/;
const DOUBLE = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;
const BIG_NUMBER = /^[+-]?\d+$/;

interface Aggregate {
  readonly type: '*' | '~' | '%' | '|' | '>';
  missing: number;
  readonly items: Reply[];
}

interface Bulk {
  readonly type: '$' | '!' | '=';
  /** Bytes still to come, the closing CR LF included. */
  missing: number;
  readonly length: number;
  readonly pieces: Buffer[];
}

export class ReplyParser {
  readonly #bulkAsString: boolean;
  readonly #depthMax: number;
  readonly #lineBytesMax: number;
  readonly #bulkBytesMax: number;
  readonly #replyBytesMax: number;
  /** The beginning of a line whose end has not come yet, in pieces. */
  #line: Buffer[] = [];
  #lineBytes = 0;
  #lineEndsWithCr = false;
  #bulk: Bulk | undefined;
  #open: Aggregate[] = [];
  #replyBytes = 0;
  #broken: ReplyProtocolError | undefined;

  constructor(options: ReplyParserOptions = {}) {
    this.#bulkAsString = options.bulk === 'string';
    this.#depthMax = options.depthMax ?? 64;
    this.#lineBytesMax = options.lineBytesMax ?? 64 * 1024;
    this.#bulkBytesMax = options.bulkBytesMax ?? 512 * 1024 * 1024;
    this.#replyBytesMax = options.replyBytesMax ?? 1024 * 1024 * 1024;
  }

  /** True between two replies: closing the connection here loses nothing. */
  get idle(): boolean {
    return this.#lineBytes === 0 && this.#bulk === undefined && this.#open.length === 0;
  }

  /**
   * Takes the next bytes; calls onReply once for every reply that is complete now.
   * Throws ReplyProtocolError, from then on at every call. Keeps no reference to the chunk after the reply.
   */
  feed(chunk: Buffer, onReply: (reply: Reply) => void): void {
    if (this.#broken !== undefined) throw this.#broken;
    let at = 0;
    while (at < chunk.length) {
      at = this.#bulk === undefined ? this.#takeLine(chunk, at, onReply) : this.#takeBulk(chunk, at, onReply);
    }
  }

  #fail(message: string): never {
    this.#broken = new ReplyProtocolError(`Protocol error: ${message}`);
    this.#line = [];
    this.#bulk = undefined;
    this.#open = [];
    throw this.#broken;
  }

  #countBytes(bytes: number): void {
    this.#replyBytes += bytes;
    if (this.#replyBytes > this.#replyBytesMax) this.#fail(`reply exceeds ${this.#replyBytesMax} bytes`);
  }

  #takeLine(chunk: Buffer, start: number, onReply: (reply: Reply) => void): number {
    const first = chunk[start] as number;
    if (this.#lineBytes === 0 && !TYPES.has(first)) this.#fail(`unknown reply type ${printable(first)}`);
    let end: number;
    if (this.#lineEndsWithCr) {
      end = start;
    } else {
      const cr = chunk.indexOf(CR, start);
      end = cr === -1 ? chunk.length : cr + 1;
      this.#lineBytes += end - start;
      if (this.#lineBytes > this.#lineBytesMax) this.#fail(`line exceeds ${this.#lineBytesMax} bytes`);
      this.#countBytes(end - start);
      this.#lineEndsWithCr = cr !== -1;
      if (end === chunk.length) {
        // Copied, because a socket may reuse its buffer.
        this.#line.push(Buffer.from(chunk.subarray(start, end)));
        return end;
      }
    }
    if (chunk[end] !== LF) this.#fail('line ends with CR without LF');
    this.#line.push(chunk.subarray(start, end));
    const bytes = this.#line.length === 1 ? (this.#line[0] as Buffer) : Buffer.concat(this.#line);
    const line = bytes.toString('utf8', 0, bytes.length - 1);
    this.#line = [];
    this.#lineBytes = 0;
    this.#lineEndsWithCr = false;
    this.#readLine(line, onReply);
    return end + 1;
  }

  #readLine(line: string, onReply: (reply: Reply) => void): void {
    const type = line[0] as string;
    const rest = line.slice(1);
    switch (type) {
      case '$':
      case '!':
      case '=':
        this.#openBulk(type, rest, onReply);
        return;
      case '*':
      case '~':
      case '%':
      case '|':
      case '>':
        this.#openAggregate(type, rest, onReply);
        return;
      default:
        this.#complete(this.#scalar(type, rest), onReply);
    }
  }

  #scalar(type: string, text: string): Reply {
    switch (type) {
      case '+':
        return text;
      case '-':
        return new RespError(text);
      case ':':
        return this.#integer(text);
      case '_':
        if (text !== '') this.#fail(`null with content ${quote(text)}`);
        return null;
      case '#':
        if (text !== 't' && text !== 'f') this.#fail(`boolean ${quote(text)} is neither t nor f`);
        return text === 't';
      case ',':
        return this.#double(text);
      case '(':
        if (!BIG_NUMBER.test(text)) this.#fail(`big number ${quote(text)}`);
        return BigInt(text);
      default:
        return this.#fail(`unknown reply type ${quote(type)}`);
    }
  }

  #integer(text: string): number | bigint {
    if (!INTEGER.test(text)) this.#fail(`integer ${quote(text)}`);
    const value = Number(text);
    return Number.isSafeInteger(value) ? value : BigInt(text);
  }

  #double(text: string): number {
    if (text === 'inf' || text === '+inf') return Number.POSITIVE_INFINITY;
    if (text === '-inf') return Number.NEGATIVE_INFINITY;
    if (text === 'nan' || text === '-nan') return Number.NaN;
    if (!DOUBLE.test(text)) this.#fail(`double ${quote(text)}`);
    return Number(text);
  }

  #length(type: string, text: string): number {
    if (!LENGTH.test(text)) this.#fail(`length ${quote(text)} of type ${type}`);
    return Number(text);
  }

  #openBulk(type: Bulk['type'], text: string, onReply: (reply: Reply) => void): void {
    const length = this.#length(type, text);
    if (length === -1) {
      if (type !== '$') this.#fail(`length -1 of type ${type}`);
      this.#complete(null, onReply);
      return;
    }
    if (length > this.#bulkBytesMax)
      this.#fail(`bulk string of ${length} bytes exceeds ${this.#bulkBytesMax}`);
    this.#countBytes(length + 2);
    this.#bulk = { type, length, missing: length + 2, pieces: [] };
  }

  #takeBulk(chunk: Buffer, start: number, onReply: (reply: Reply) => void): number {
    const bulk = this.#bulk as Bulk;
    const end = Math.min(chunk.length, start + bulk.missing);
    bulk.pieces.push(Buffer.from(chunk.subarray(start, end)));
    bulk.missing -= end - start;
    if (bulk.missing > 0) return end;
    const bytes = bulk.pieces.length === 1 ? (bulk.pieces[0] as Buffer) : Buffer.concat(bulk.pieces);
    if (bytes[bulk.length] !== CR || bytes[bulk.length + 1] !== LF) {
      this.#fail(`bulk string of ${bulk.length} bytes is not followed by CR LF`);
    }
    this.#bulk = undefined;
    const content = bytes.subarray(0, bulk.length);
    if (bulk.type === '!') {
      this.#complete(new RespError(content.toString('utf8')), onReply);
      return end;
    }
    if (bulk.type === '=' && (content.length < 4 || content[3] !== 0x3a)) {
      this.#fail('verbatim string without its format');
    }
    const body = bulk.type === '=' ? content.subarray(4) : content;
    this.#complete(this.#bulkAsString ? body.toString('utf8') : body, onReply);
    return end;
  }

  #openAggregate(type: Aggregate['type'], text: string, onReply: (reply: Reply) => void): void {
    const length = this.#length(type, text);
    if (length === -1) {
      if (type !== '*') this.#fail(`length -1 of type ${type}`);
      this.#complete(null, onReply);
      return;
    }
    if (type === '>' && this.#open.length > 0) this.#fail('push inside of another reply');
    if (this.#open.length >= this.#depthMax) this.#fail(`replies nested deeper than ${this.#depthMax}`);
    this.#open.push({ type, missing: type === '%' || type === '|' ? length * 2 : length, items: [] });
    if (length === 0) this.#closeFinished(onReply);
  }

  #complete(reply: Reply, onReply: (reply: Reply) => void): void {
    const parent = this.#open.at(-1);
    if (parent === undefined) {
      this.#replyBytes = 0;
      onReply(reply);
      return;
    }
    parent.items.push(reply);
    parent.missing -= 1;
    if (parent.missing === 0) this.#closeFinished(onReply);
  }

  #closeFinished(onReply: (reply: Reply) => void): void {
    const finished = this.#open.pop() as Aggregate;
    // An attribute is a remark about the value that follows; it is not an element itself.
    if (finished.type !== '|') this.#complete(aggregateValue(finished), onReply);
  }
}

function aggregateValue(aggregate: Aggregate): Reply {
  const items = aggregate.items;
  if (aggregate.type === '>') return new RespPush(items);
  if (aggregate.type !== '%') return items;
  const map = new Map<Reply, Reply>();
  for (let index = 0; index < items.length; index += 2) {
    map.set(items[index] as Reply, items[index + 1] as Reply);
  }
  return map;
}

function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}...` : text);
}

function printable(byte: number): string {
  return byte > 0x20 && byte < 0x7f
    ? `'${String.fromCharCode(byte)}'`
    : `0x${byte.toString(16).padStart(2, '0')}`;
}
