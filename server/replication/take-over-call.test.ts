import { describe, expect, it } from 'vitest';
import { Prng } from '../structures/prng.ts';
import type { DialHandlers } from './dial.ts';
import type { ReplicationSettings } from './replication-seams.ts';
import { askToTakeOver } from './take-over-call.ts';

const WORD = { host: 'r', port: 1, id: 'a'.repeat(40), offset: 15, lostUs: true };

class Peer {
  sent = '';
  destroyed = 0;
  readonly answers: string[] = [];
  handlers: DialHandlers | null = null;
  expire: () => void = () => {};

  constructor(password = '', again = false) {
    const runtime = {
      nowMs: () => 0,
      random: () => {},
      afterTurn: () => {},
      after: (_ms: number, task: () => void) => {
        this.expire = task;
        return () => {};
      },
    };
    const settings = { primaryUser: '', primaryPassword: password, sourceAddress: '' } as ReplicationSettings;
    const dial = (_host: string, _port: number, _deadlineMs: number, handlers: DialHandlers) => {
      this.handlers = handlers;
      return {
        localAddress: '',
        write: (bytes: Uint8Array) => void (this.sent += Buffer.from(bytes).toString('latin1')),
        pause: () => {},
        resume: () => {},
        destroy: () => void this.destroyed++,
      };
    };
    askToTakeOver(WORD, { dial, runtime, settings, again }, (outcome, reason) => {
      this.answers.push(reason === '' ? outcome : `${outcome}: ${reason}`);
    });
    this.handlers?.opened();
  }

  receive(text: string): void {
    this.handlers?.received(Buffer.from(text, 'latin1'));
  }
}

describe('askToTakeOver', () => {
  it('asks with the history and the offset of the replica, and is content with CONTINUE', () => {
    const peer = new Peer();
    expect(peer.sent).toBe(`*4\r\n$5\r\nPSYNC\r\n$40\r\n${WORD.id}\r\n$2\r\n15\r\n$8\r\nFAILOVER\r\n`);
    peer.receive('\n+CONT');
    expect(peer.answers).toEqual([]);
    peer.receive('INUE\r\nbytes of the stream');
    expect([peer.answers, peer.destroyed]).toEqual([['taken'], 1]);
    peer.expire();
    peer.handlers?.closed('late');
    expect(peer.answers).toEqual(['taken']);
  });

  it('signs in first, and says what was refused', () => {
    const peer = new Peer('secret');
    expect(peer.sent).toContain('AUTH');
    peer.receive('+OK\r\n-NOPERM no\r\n');
    expect(peer.answers).toEqual(['refused: it answers -NOPERM no']);
    const other = new Peer('wrong');
    other.receive('-WRONGPASS no\r\n');
    expect(other.answers).toEqual(['refused: it refuses AUTH: WRONGPASS no']);
  });

  it('ends at its deadline and with the connection', () => {
    const late = new Peer();
    late.expire();
    expect(late.answers).toEqual(['lost: no answer within 5000 ms']);
    const gone = new Peer();
    gone.handlers?.closed('reset');
    expect(gone.answers).toEqual(['lost: reset']);
  });

  it('takes a primary for one that took over only when it was asked before', () => {
    const line = "-ERR PSYNC FAILOVER can't be sent to a master.\r\n";
    const first = new Peer();
    first.receive(line);
    expect(first.answers).toEqual([`refused: it answers ${line.trim()}`]);
    const second = new Peer('', true);
    second.receive(line);
    expect(second.answers).toEqual(['taken']);
  });

  it('answers once, and never with success, whatever bytes come instead of an answer', () => {
    const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
    const random = new Prng(seed);
    for (let round = 0; round < 500; round++) {
      const peer = new Peer();
      for (let piece = 0; piece < 40; piece++) {
        const bytes = Array.from({ length: random.below(200) }, () => random.below(256));
        peer.receive(String.fromCharCode(...bytes).replaceAll('+', ' '));
      }
      peer.expire();
      expect([seed, peer.answers.length, peer.answers[0] === 'taken']).toEqual([seed, 1, false]);
    }
    console.log(`take-over-call seed ${seed}`);
  });
});
