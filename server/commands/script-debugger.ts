/**
 * SCRIPT DEBUG SYNC: the next EVAL of the client runs line by line under its control, as `redis-cli --ldb`
 * shows it. While the script stands still the client's words are commands of the debugger, and each is
 * answered with an array of lines.
 *
 *   a line is reached -> stopsAt -> lines are sent -> the script is suspended -> take(words)
 *        step, continue, abort: it goes on · print, eval, trace: the interpreter looks, and stops again
 *        list, break, redis, …: answered here
 */
import { EVALUATE, GO_ON, KILLED, PRINT, TRACE } from '../scripting/script-engine.ts';
import { Reply } from '../wire/reply.ts';
import type { Client } from './client.ts';
import { helpLines, humanReply } from './script-debugger-text.ts';

const BREAKPOINTS_MAX = 64;
const LINE_CHARACTERS = 256;
const LINE_CHARACTERS_LEAST = 60;
const CONTEXT_LINES = 5;

/** What the debugger needs of who runs scripts. */
export interface DebuggedScript {
  /** Runs a command for the script; its reply is valid until the next. */
  command(words: readonly Buffer[]): Reply;
  /** The script goes on. */
  wake(): void;
  /** How long it may run without a stop, in ms; 0: for ever. */
  readonly msMax: number;
}

export class ScriptDebugger {
  readonly client: Client;
  /** What the script is to do when it goes on, and the word that belongs to it. */
  request = GO_ON;
  word = '';
  /** Nobody debugs any more. */
  alone = false;
  readonly #script: DebuggedScript;
  readonly #source: readonly string[];
  readonly #breakpoints = new Set<number>();
  #lines: string[] = [];
  #step = true;
  #stopNext = false;
  #current = 0;
  #resumedMs = performance.now();
  #lineMax = LINE_CHARACTERS;
  #hinted = false;
  /** Commands that came while the script ran. */
  #waiting: Buffer[][] = [];
  #standsStill = false;

  constructor(client: Client, source: string, script: DebuggedScript) {
    this.client = client;
    this.#script = script;
    this.#source = source.replace(/[\r\n]+$/, '').split('\n');
  }

  /** Whether the script stops at this line. `isCount`: it has run for some time without a stop. */
  stopsAt(line: number, isCount: boolean): boolean {
    this.#current = line;
    const atBreakpoint = this.#stopNext || this.#breakpoints.has(line);
    const late =
      isCount && this.#script.msMax > 0 && performance.now() - this.#resumedMs >= this.#script.msMax;
    if (isCount ? !late : !this.#step && !atBreakpoint) return false;
    let reason = 'step over';
    if (atBreakpoint) reason = this.#stopNext ? 'redis.breakpoint() called' : 'break point';
    else if (late) reason = 'timeout reached, infinite loop?';
    this.#step = false;
    this.#stopNext = false;
    this.say(`* Stopped at ${line}, stop reason = ${reason}`);
    this.sayLine(line);
    return true;
  }

  /** The script calls redis.breakpoint(). */
  stopAtNext(): void {
    this.#stopNext = true;
  }

  say(line: string): void {
    this.#lines.push(line.replace(/[\r\n]/g, ' '));
  }

  /** A line that may be long. */
  sayMuch(line: string): void {
    const long = this.#lineMax > 0 && line.length > this.#lineMax;
    this.say(long ? `${line.slice(0, this.#lineMax)} ...` : line);
    if (!long || this.#hinted) return;
    this.#hinted = true;
    this.say("<hint> The above reply was trimmed. Use 'maxlen 0' to disable trimming.");
  }

  sayLine(line: number): void {
    const current = line === this.#current;
    const marked = this.#breakpoints.has(line);
    const mark = current ? (marked ? '->#' : '-> ') : marked ? '  #' : '   ';
    const text = this.#source[line - 1] ?? '<out of range source code line>';
    this.say(`${mark}${String(line).padEnd(3)} ${text}`);
  }

  /** A command and its reply, when the script is followed step by step. */
  noteCommand(words: readonly Buffer[], reply: Reply): void {
    if (!this.#step) return;
    this.say(`<redis> ${words.map(String).join(' ')}`);
    this.sayMuch(`<reply> ${humanReply(reply)}`);
  }

  get followsCommands(): boolean {
    return this.#step;
  }

  /** The script stands still from here on; what was said so far goes out. */
  pause(write: (lines: Buffer) => void): void {
    this.#standsStill = true;
    write(this.takeLines());
    const next = this.#waiting.shift();
    if (next !== undefined) this.take(next, write);
  }

  /** All lines as one array. */
  takeLines(): Buffer {
    const lines = this.#lines;
    this.#lines = [];
    const reply = new Reply();
    reply.array(lines.length);
    for (const line of lines) reply.simple(line);
    return Buffer.from(reply.buffer.subarray(0, reply.at));
  }

  /** The client has gone, or the server ends: the script runs on by itself. */
  leave(): void {
    this.alone = true;
    this.#step = false;
    if (this.#standsStill) this.#goOn(GO_ON);
  }

  /** What the client sent. */
  take(words: Buffer[], write: (lines: Buffer) => void): void {
    if (!this.#standsStill) {
      this.#waiting.push(words);
      return;
    }
    const [first = '', ...rest] = words.map((word) => word.toString('latin1'));
    if (this.#resumes(first.toLowerCase(), rest)) return;
    this.#answer(first.toLowerCase(), rest, words);
    write(this.takeLines());
  }

  /** Commands for which the script goes on, if only to look at something. */
  #resumes(name: string, rest: readonly string[]): boolean {
    switch (name) {
      case 's':
      case 'step':
      case 'n':
      case 'next':
        this.#step = true;
        this.#goOn(GO_ON);
        return true;
      case 'c':
      case 'continue':
        this.#goOn(GO_ON);
        return true;
      case 'a':
      case 'abort':
        this.#goOn(KILLED);
        return true;
      case 't':
      case 'trace':
        this.#goOn(TRACE);
        return true;
      case 'p':
      case 'print':
        this.#goOn(PRINT, rest.length === 1 ? rest[0] : '');
        return true;
      case 'e':
      case 'eval':
        this.#goOn(EVALUATE, rest.join(' '));
        return true;
      default:
        return false;
    }
  }

  #goOn(request: number, word = ''): void {
    this.#standsStill = false;
    this.request = request;
    this.word = word;
    this.#resumedMs = performance.now();
    this.#script.wake();
  }

  #answer(name: string, rest: readonly string[], words: readonly Buffer[]): void {
    switch (name) {
      case 'h':
      case 'help':
        for (const line of helpLines) this.say(line);
        return;
      case 'l':
      case 'list':
        this.#list(Number(rest[0] ?? 0) || this.#current, Number(rest[1] ?? CONTEXT_LINES));
        return;
      case 'w':
      case 'whole':
        this.#list(1, Number.POSITIVE_INFINITY);
        return;
      case 'b':
      case 'break':
        this.#break(rest);
        return;
      case 'm':
      case 'maxlen':
        this.#maxlen(rest);
        return;
      case 'r':
      case 'redis':
      case 'v':
      case 'valkey':
      case 'server':
        if (rest.length > 0) {
          this.say(`<redis> ${rest.join(' ')}`);
          this.sayMuch(`<reply> ${humanReply(this.#script.command(words.slice(1)))}`);
          return;
        }
    }
    this.say('<error> Unknown Lua debugger command or wrong number of arguments.');
  }

  #list(around: number, context: number): void {
    for (let line = 1; line <= this.#source.length; line++) {
      if (Math.abs(around - line) <= context) this.sayLine(line);
    }
  }

  #break(lines: readonly string[]): void {
    const marks = this.#breakpoints;
    if (lines.length === 0) {
      if (marks.size === 0) this.say("No breakpoints set. Use 'b <line>' to add one.");
      else this.say(`${marks.size} breakpoints set:`);
      for (const line of marks) this.sayLine(line);
    }
    for (const word of lines) {
      const line = Number(word);
      if (!Number.isInteger(line) || word === '') this.say(`Invalid argument:'${word}'`);
      else if (line === 0) {
        marks.clear();
        this.say('All breakpoints removed.');
      } else if (line < 0) {
        this.say(marks.delete(-line) ? 'Breakpoint removed.' : 'No breakpoint in the specified line.');
      } else if (marks.size === BREAKPOINTS_MAX) this.say('Too many breakpoints set.');
      else if (line > this.#source.length) this.say('Wrong line number.');
      else {
        marks.add(line);
        this.#list(line, 1);
      }
    }
  }

  #maxlen(rest: readonly string[]): void {
    if (rest.length === 1) {
      const wanted = Number.parseInt(rest[0], 10) || 0;
      this.#hinted = true;
      this.#lineMax = wanted === 0 ? 0 : Math.max(wanted, LINE_CHARACTERS_LEAST);
    }
    if (this.#lineMax > 0) this.say(`<value> replies are truncated at ${this.#lineMax} bytes.`);
    else this.say('<value> replies are unlimited.');
  }
}
