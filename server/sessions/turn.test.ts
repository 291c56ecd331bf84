import { describe, expect, test } from 'vitest';
import type { Persistence } from '../persistence/persistence.ts';
import { Turn, type TurnMember } from './turn.ts';

class Member implements TurnMember {
  firstSegment = -1;
  lastSegment = -1;
  readonly got: string[] = [];
  readonly views: Uint8Array[] = [];
  takes = true;

  send(bytes: Uint8Array): boolean {
    this.got.push(Buffer.from(bytes).toString());
    this.views.push(bytes);
    return this.takes;
  }

  resume(): void {}
}

function makeTurn(held = false): { turn: Turn; safe: { releasedOffset: number } } {
  const safe = { releasedOffset: held ? 0 : 1, offset: 1, flushTurn() {} };
  const turn = new Turn(
    safe as unknown as Persistence,
    () => {},
    () => {},
    () => {},
  );
  return { turn, safe };
}

function reply(turn: Turn, member: Member, text: string): void {
  const start = turn.reply.at;
  turn.reply.raw(Buffer.from(text));
  turn.note(member, start);
}

/** As a connection does it. */
function placed(turn: Turn, member: Member, text: string): void {
  const start = turn.place(member);
  turn.reply.raw(Buffer.from(text));
  turn.note(member, start);
}

function message(turn: Turn, members: readonly Member[], text: string): void {
  const start = turn.messages.at;
  turn.messages.raw(Buffer.from(text));
  for (const member of members) turn.deliver(member, start, turn.messages.at);
}

describe('Turn', () => {
  test('a member gets replies and messages in the order they were made, in one write', () => {
    const { turn } = makeTurn();
    const [one, other] = [new Member(), new Member()];
    reply(turn, one, 'r1 ');
    message(turn, [one, other], 'm1 ');
    reply(turn, other, 'r2 ');
    message(turn, [one], 'm2 ');
    reply(turn, one, 'r3 ');
    turn.flush();
    expect(one.got).toEqual(['r1 m1 m2 r3 ']);
    expect(other.got).toEqual(['m1 r2 ']);
    turn.flush();
    expect(one.got.length).toBe(1);
  });

  test('members that are given the same message share its bytes', () => {
    const { turn } = makeTurn();
    const members = [new Member(), new Member(), new Member()];
    message(turn, members, 'news');
    turn.flush();
    expect(members.map(({ got }) => got)).toEqual([['news'], ['news'], ['news']]);
    expect(members[1]?.views[0]).toBe(members[0]?.views[0]);
  });

  test('short replies at the same place are sent through the same view, turn after turn', () => {
    const { turn } = makeTurn();
    const [one, other] = [new Member(), new Member()];
    for (const texts of [
      ['short', 'longer'],
      ['other', 'length'],
      ['longest', 'short'],
    ]) {
      placed(turn, one, texts[0] ?? '');
      placed(turn, other, '');
      placed(turn, other, texts[1] ?? '');
      turn.flush();
    }
    expect(one.got).toEqual(['short', 'other', 'longest']);
    expect(other.got).toEqual(['longer', 'length', 'short']);
    expect(one.views[1]).toBe(one.views[0]);
    expect(other.views[1]).toBe(other.views[0]);
    expect(one.views[2]).not.toBe(one.views[0]);
  });

  test('who replies nothing takes no place', () => {
    const { turn } = makeTurn();
    placed(turn, new Member(), 'x');
    for (let count = 0; count < 3; count++) placed(turn, new Member(), '');
    expect(turn.reply.at).toBe(1);
  });

  test('bytes that the kernel still reads are not written over', () => {
    const { turn } = makeTurn();
    const [slow, quick] = [new Member(), new Member()];
    slow.takes = false;
    message(turn, [slow], 'kept');
    reply(turn, quick, 'gone');
    turn.flush();
    message(turn, [quick], 'next');
    turn.flush();
    expect(Buffer.from(slow.views[0] ?? []).toString()).toBe('kept');
  });

  test('what the disk does not have yet waits, messages too', () => {
    const { turn, safe } = makeTurn(true);
    const member = new Member();
    reply(turn, member, 'r');
    message(turn, [member], 'm');
    turn.flush();
    expect(member.got).toEqual([]);
    safe.releasedOffset = 1;
    turn.release();
    expect(member.got.join('')).toBe('rm');
  });
});
