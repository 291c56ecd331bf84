/** What all connections of one server share, and what they ask of it. */
import type { Socket } from 'node:net';
import type { Call } from '../commands/call.ts';
import type { Client, ClientKind } from '../commands/client.ts';
import type { ServerContext } from '../commands/context.ts';
import type { Executor } from '../commands/execute.ts';
import type { OutputLimit } from '../config/special-kinds.ts';
import type { Reply } from '../wire/reply.ts';
import type { RequestParser } from '../wire/request.ts';
import type { Connection } from './connection.ts';
import type { LookAhead } from './look-ahead.ts';
import type { Turn } from './turn.ts';

export interface SessionContext {
  readonly context: ServerContext;
  readonly executor: Executor;
  readonly parser: RequestParser;
  readonly turn: Turn;
  readonly lookAhead: LookAhead;
  readonly queryBytesMax: number;
  nextClientId(): number;
  callFor(client: Client, reply: Reply): Call;
  /** What may wait to be sent to clients of this kind; 0 bytes: as much as there is. */
  outputLimit(kind: ClientKind): OutputLimit;
  startReading(socket: Socket): void;
  remove(connection: Connection): void;
  /** Connections that have a buffer for input. */
  readonly buffered: Set<Connection>;
  /** The connection waits for the end of a pause. */
  hold(connection: Connection): void;
}
