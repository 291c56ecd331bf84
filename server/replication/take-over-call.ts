/** Asks a replica over a connection of its own to become a primary: PSYNC … FAILOVER, and nothing more. */
import type { Dialled, dial } from './dial.ts';
import type { PeerWord } from './empty-start.ts';
import { encodeCommand } from './propagation.ts';
import type { ReplicationRuntime, ReplicationSettings } from './replication-seams.ts';

const DEADLINE_MS = 5000;
const ANSWER_BYTES_MAX = 4096;

export interface TakeOverCall {
  readonly dial: typeof dial;
  readonly runtime: ReplicationRuntime;
  readonly settings: ReplicationSettings;
}

/** `done` is called once, with null when the replica is a primary now, else with why not. */
export function askToTakeOver(
  word: PeerWord,
  { dial, runtime, settings }: TakeOverCall,
  done: (refusal: string | null) => void,
): void {
  const { primaryUser, primaryPassword, sourceAddress } = settings;
  let text = '';
  /** Answers that come before the one to PSYNC. */
  let before = primaryPassword === '' ? 0 : 1;
  let over = false;
  const end = (refusal: string | null): void => {
    if (over) return;
    over = true;
    cancelTimer();
    connection.destroy();
    done(refusal);
  };
  const answered = (line: string): void => {
    if (line === '') return;
    if (before > 0) {
      before--;
      if (line.startsWith('-')) end(`it refuses AUTH: ${line.slice(1)}`);
      return;
    }
    end(/^\+(CONTINUE|FULLRESYNC)/.test(line) ? null : `it answers ${line}`);
  };
  const cancelTimer = runtime.after(DEADLINE_MS, () => end(`no answer within ${DEADLINE_MS} ms`));
  const connection: Dialled = dial(
    word.host,
    word.port,
    DEADLINE_MS,
    {
      opened: () => {
        const user = primaryUser === '' ? [] : [primaryUser];
        if (primaryPassword !== '') connection.write(encodeCommand(['AUTH', ...user, primaryPassword]));
        connection.write(encodeCommand(['PSYNC', word.id, String(word.offset), 'FAILOVER']));
      },
      received: (bytes) => {
        text += Buffer.from(bytes).toString('latin1');
        if (text.length > ANSWER_BYTES_MAX) end('it answers too much');
        for (let stop = text.indexOf('\n'); stop >= 0 && !over; stop = text.indexOf('\n')) {
          const line = text.slice(0, stop).trim();
          text = text.slice(stop + 1);
          answered(line);
        }
      },
      closed: (reason) => end(reason),
    },
    sourceAddress,
  );
}
