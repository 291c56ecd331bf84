/** Which clients debug scripts, and the one session that there may be: between client and debugger. */
import type { Script } from '../scripting/script.ts';
import type { ScriptWords } from '../scripting/script-engine.ts';
import { WordBuffer } from '../scripting/script-words.ts';
import type { Reply } from '../wire/reply.ts';
import type { Call } from './call.ts';
import type { Client } from './client.ts';
import type { ServerContext } from './context.ts';
import { ScriptDebugger } from './script-debugger.ts';

export class DebugSessions {
  /** The script that runs is debugged. */
  current: ScriptDebugger | null = null;
  /** What was said until the script first stood still. */
  firstLines: Buffer | null = null;
  readonly #context: ServerContext;
  /** Runs a command for the script. */
  readonly #command: (words: ScriptWords) => Reply;
  /** Clients whose next EVAL is debugged; most servers never see one. */
  #clients: WeakSet<Client> | null = null;
  #wake: (() => void) | null = null;

  constructor(context: ServerContext, command: (words: ScriptWords) => Reply) {
    this.#context = context;
    this.#command = command;
  }

  /** The client's next script is debugged, or is not. */
  setNext(client: Client, debugged: boolean): void {
    if (debugged) this.#clients ??= new WeakSet();
    if (debugged) this.#clients?.add(client);
    else this.#clients?.delete(client);
  }

  isNext(client: Client): boolean {
    return this.#clients?.has(client) === true;
  }

  /** A session begins when the client of the call has asked for one: true. */
  begin(call: Call, script: Script): boolean {
    const { client } = call;
    if (!this.isNext(client) || call.inTransaction) return false;
    const { log, config } = this.#context;
    log.notice('Redis synchronous debugging eval session started');
    this.current = new ScriptDebugger(client, script.source.toString('latin1'), {
      command: (words) => {
        const buffer = new WordBuffer();
        buffer.begin(words.length);
        for (const word of words) buffer.add(word, 0, word.length);
        return this.#command(buffer);
      },
      wake: () => {
        const wake = this.#wake;
        this.#wake = null;
        wake?.();
      },
      msMax: config.values['busy-reply-threshold'],
    });
    return true;
  }

  /** The script stands still until its client says something; null when nobody debugs it. */
  pause(isFirst: boolean): Promise<number> | null {
    const session = this.current;
    if (session === null || session.alone) return null;
    return new Promise((resolve) => {
      this.#wake = () => resolve(0);
      session.pause((lines) => {
        if (isFirst) this.firstLines = lines;
        else session.client.link.write(lines);
      });
    });
  }

  /** Takes a call that was refused, when its client debugs a script: its words are the debugger's. */
  take(call: Call): boolean {
    const session = this.current;
    if (session === null || session.client !== call.client) return false;
    session.take(wordsOf(call), (lines) => call.reply.raw(lines));
    return true;
  }

  noteCommand(words: ScriptWords, reply: Reply): void {
    if (this.current?.followsCommands === true) this.current.noteCommand(wordsOf(words), reply);
  }

  /** The client has gone, or, without one, the server ends: a script that it debugs runs on by itself. */
  forget(client: Client | null): void {
    const session = this.current;
    if (session !== null && (client === null || session.client === client)) session.leave();
  }

  /** What is left to be said, and that the session ends. */
  lastLines(): Buffer {
    this.current?.say('<endsession>');
    return this.current?.takeLines() ?? Buffer.alloc(0);
  }

  /** The connection of a debugging client ends with its session. */
  end(client: Client): void {
    this.current = null;
    this.firstLines = null;
    this.setNext(client, false);
    client.link.closeAfterReplies('the end of debugging');
    this.#context.log.notice('Redis synchronous debugging eval session ended');
  }
}

type Words = Pick<ScriptWords, 'bytes' | 'argc' | 'argStart' | 'argLength'>;

function wordsOf({ bytes, argc, argStart, argLength }: Words): Buffer[] {
  return Array.from({ length: argc }, (_, index) =>
    Buffer.from(bytes.subarray(argStart[index], argStart[index] + argLength[index])),
  );
}
