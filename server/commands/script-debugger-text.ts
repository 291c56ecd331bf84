/** What the debugger of scripts prints: its help, and replies as people read them. */
import type { Reply } from '../wire/reply.ts';

export const helpLines: readonly string[] = [
  'Redis Lua debugger help:',
  '[h]elp               Show this help.',
  '[s]tep               Run current line and stop again.',
  '[n]ext               Alias for step.',
  '[c]ontinue           Run till next breakpoint.',
  '[l]ist               List source code around current line.',
  '[l]ist [line]        List source code around [line].',
  '                     line = 0 means: current position.',
  '[l]ist [line] [ctx]  In this form [ctx] specifies how many lines',
  '                     to show before/after [line].',
  "[w]hole              List all source code. Alias for 'list 1 1000000'.",
  '[p]rint              Show all the local variables.',
  '[p]rint <var>        Show the value of the specified variable.',
  '                     Can also show global vars KEYS and ARGV.',
  '[b]reak              Show all breakpoints.',
  '[b]reak <line>       Add a breakpoint to the specified line.',
  '[b]reak -<line>      Remove breakpoint from the specified line.',
  '[b]reak 0            Remove all breakpoints.',
  '[t]race              Show a backtrace.',
  '[e]val <code>        Execute some Lua code (in a different callframe).',
  '[r]edis <cmd>        Execute a Redis command.',
  '[m]axlen [len]       Trim logged Redis replies and Lua var dumps to len.',
  '                     Specifying zero as <len> means unlimited.',
  '[a]bort              Stop the execution of the script. In sync',
  '                     mode dataset changes will be retained.',
  '',
  'Debugger functions you can call from Lua scripts:',
  'redis.debug()        Produce logs in the debugger console.',
  'redis.breakpoint()   Stop execution like if there was a breakpoint in the',
  '                     next line of code.',
];

/** A reply in RESP on one line. */
export function humanReply(reply: Reply): string {
  return new Reader(reply.buffer.subarray(0, reply.at)).value();
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  value(): string {
    const type = String.fromCharCode(this.#bytes[this.#at]);
    const end = this.#bytes.indexOf(13, this.#at);
    const line = this.#bytes.latin1Slice(this.#at + 1, end);
    this.#at = end + 2;
    switch (type) {
      case '$':
      case '=':
        return this.#bulk(Number(line));
      case '*':
      case '>':
        return line === '-1' ? 'NULL' : `[${this.#many(Number(line), ',')}]`;
      case '~':
        return `~(${this.#many(Number(line), ',')})`;
      case '%':
        return `{${Array.from({ length: Number(line) }, () => `${this.value()} => ${this.value()}`).join(',')}}`;
      case '_':
        return '(null)';
      case '#':
        return line === 't' ? '#true' : '#false';
      case ',':
        return `(double) ${line}`;
      case ':':
        return line;
      default:
        return JSON.stringify(`${type}${line}`);
    }
  }

  #many(count: number, between: string): string {
    return Array.from({ length: count }, () => this.value()).join(between);
  }

  #bulk(length: number): string {
    if (length < 0) return 'NULL';
    const text = this.#bytes.latin1Slice(this.#at, this.#at + length);
    this.#at += length + 2;
    const escaped = text.replace(/["\\]/g, '\\$&').replace(/[^\x20-\x7e]/g, escapeByte);
    return `"${escaped}"`;
  }
}

const NAMED: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\b': '\\b' };

function escapeByte(byte: string): string {
  return NAMED[byte] ?? `\\x${byte.charCodeAt(0).toString(16).padStart(2, '0')}`;
}
