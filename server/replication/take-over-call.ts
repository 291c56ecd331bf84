/** Asks a replica over a connection of its own to become a primary: PSYNC … FAILOVER, and nothing more. */
import type { Dialled, dial } from './dial.ts';
import type { PeerWord } from './empty-start.ts';
import { encodeCommand } from './propagation.ts';
import type { ReplicationRuntime, ReplicationSettings } from './replication-seams.ts';

const DEADLINE_MS = 5000;
const ANSWER_BYTES_MAX = 4096;
const TAKEN_BEFORE = /^-ERR PSYNC FAILOVER (can't be sent to a master|replid must match)/;

/**
 * Whether a refusal says that an earlier request, whose answer was lost, was carried out: the node is a
 * primary, or has gone on from the history that it shared with who asks, under another primary by now.
 */
export function tellsTakenBefore(refusal: string): boolean {
  return TAKEN_BEFORE.test(refusal);
}

export interface TakeOverCall {
  readonly dial: typeof dial;
  readonly runtime: ReplicationRuntime;
  readonly settings: ReplicationSettings;
  /** It was asked before and the answer was lost: that it is a primary by now is that answer. */
  readonly again: boolean;
}

/** Whether the replica is a primary now; `lost`: it was asked and gave no answer, so it may be one. */
export type TakeOverOutcome = 'taken' | 'refused' | 'unasked' | 'lost';

/** Called once, with the reason unless it is taken. */
export type TakeOverDone = (outcome: TakeOverOutcome, reason: string) => void;

/** Asks the replica that has said `word`. */
export function askToTakeOver(
  word: PeerWord,
  { dial, runtime, settings, again }: TakeOverCall,
  done: TakeOverDone,
): void {
  const { primaryUser, primaryPassword, sourceAddress } = settings;
  let text = '';
  /** Answers that come before the one to PSYNC. */
  let before = primaryPassword === '' ? 0 : 1;
  let over = false;
  let asked = false;
  const end = (outcome: TakeOverOutcome, reason = ''): void => {
    if (over) return;
    over = true;
    cancelTimer();
    connection.destroy();
    done(outcome, reason);
  };
  const answered = (line: string): void => {
    if (line === '') return;
    if (before > 0) {
      before--;
      if (line.startsWith('-')) end('refused', `it refuses AUTH: ${line.slice(1)}`);
      return;
    }
    const taken = /^\+(CONTINUE|FULLRESYNC)/.test(line) || (again && tellsTakenBefore(line));
    if (taken) end('taken');
    else end('refused', `it answers ${line}`);
  };
  const unanswered = (reason: string): void => end(asked ? 'lost' : 'unasked', reason);
  const cancelTimer = runtime.after(DEADLINE_MS, () => unanswered(`no answer within ${DEADLINE_MS} ms`));
  const connection: Dialled = dial(
    word.host,
    word.port,
    DEADLINE_MS,
    {
      opened: () => {
        const user = primaryUser === '' ? [] : [primaryUser];
        if (primaryPassword !== '') connection.write(encodeCommand(['AUTH', ...user, primaryPassword]));
        connection.write(encodeCommand(['PSYNC', word.id, String(word.offset), 'FAILOVER']));
        asked = true;
      },
      received: (bytes) => {
        text += Buffer.from(bytes).toString('latin1');
        if (text.length > ANSWER_BYTES_MAX) end('refused', 'it answers too much');
        for (let stop = text.indexOf('\n'); stop >= 0 && !over; stop = text.indexOf('\n')) {
          const line = text.slice(0, stop).trim();
          text = text.slice(stop + 1);
          answered(line);
        }
      },
      closed: unanswered,
    },
    sourceAddress,
  );
}
