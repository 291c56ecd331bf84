/**
 * One server as steps talk to it: verified by node id, every answer either a value or the end of the step.
 */
import { RespFailure, type Word } from '../../server/wire/client.ts';
import { type Reply, RespError } from '../../server/wire/reply-parser.ts';
import type { Target } from '../plan/step.ts';
import { type Actor, type ServerConnection, StepEnd } from './actor.ts';

const CALL_DEADLINE_MS = 3_000;

/** One line of CLUSTER NODES, as far as steps check it. */
export interface NodeLine {
  readonly nodeId: string;
  readonly address: string;
  readonly flags: ReadonlySet<string>;
  readonly connected: boolean;
  /** Ranges and open slots as printed. */
  readonly slots: readonly string[];
}

export class Server {
  readonly target: Target;
  readonly #connection: ServerConnection;

  private constructor(target: Target, connection: ServerConnection) {
    this.target = target;
    this.#connection = connection;
  }

  /** Connects and makes sure that it is the node the plan meant: addresses are reused. */
  static async open(actor: Actor, target: Target): Promise<Server> {
    const connection = await actor.connect(target.address, actor.password);
    if (connection instanceof RespFailure)
      throw new StepEnd('failed', `${target.pod}: ${connection.message}`);
    const server = new Server(target, connection);
    const nodeId = textOf(await server.ask(['CLUSTER', 'MYID']));
    if (nodeId !== target.nodeId) {
      throw new StepEnd('refused', `${target.pod} is node ${nodeId} by now, not ${target.nodeId}`);
    }
    return server;
  }

  /** The answer, error replies included; a lost connection or a missed deadline ends the step. */
  async attempt(words: readonly Word[], deadlineMs = CALL_DEADLINE_MS): Promise<Reply> {
    const reply = await this.#connection.call(words, { deadlineMs });
    if (reply instanceof RespFailure) {
      throw new StepEnd('failed', `${this.target.pod}, ${nameOf(words)}: ${reply.message}`);
    }
    return reply;
  }

  /** The answer; an error reply ends the step. */
  async ask(words: readonly Word[], deadlineMs = CALL_DEADLINE_MS): Promise<Reply> {
    const reply = await this.attempt(words, deadlineMs);
    if (reply instanceof RespError) {
      throw new StepEnd('failed', `${this.target.pod}, ${nameOf(words)}: ${reply.message}`);
    }
    return reply;
  }

  async table(): Promise<NodeLine[]> {
    return parseTable(textOf(await this.ask(['CLUSTER', 'NODES'])));
  }

  async myself(): Promise<NodeLine> {
    const own = (await this.table()).find((line) => line.flags.has('myself'));
    if (own === undefined) throw new StepEnd('failed', `${this.target.pod}: CLUSTER NODES names no myself`);
    return own;
  }

  async keys(): Promise<number> {
    return Number(await this.ask(['DBSIZE']));
  }
}

function parseTable(text: string): NodeLine[] {
  return text
    .split('\n')
    .map((line) => line.trim().split(' '))
    .filter((words) => words.length >= 8)
    .map((words) => ({
      nodeId: words[0] ?? '',
      address: (words[1] ?? '').split('@')[0] ?? '',
      flags: new Set((words[2] ?? '').split(',')),
      connected: words[7] === 'connected',
      slots: words.slice(8),
    }));
}

export function textOf(reply: Reply): string {
  return Buffer.isBuffer(reply) ? reply.toString('utf8') : String(reply ?? '');
}

/** Command and subcommand only: arguments may be secrets. */
function nameOf(words: readonly Word[]): string {
  const container = words[0] === 'CLUSTER' || words[0] === 'CONFIG';
  return words.slice(0, container ? 2 : 1).join(' ');
}
