import { describe, expect, it } from 'vitest';
import { COLLECT_MS, EmptyStart, type PeerWord, STRANGER_MS, WAITS_REFUSAL } from './empty-start.ts';
import type { TakeOverDone } from './take-over-call.ts';

const ID = 'a'.repeat(40);

class Owner {
  waitSeconds = 60;
  isReplica = false;
  linkUp = false;
  isEmpty = true;
  servesNothing = false;
  nowMs = 1_000_000;
  changes = 0;
  readonly asked: string[] = [];
  readonly lines: string[] = [];
  answer: TakeOverDone = () => {};
  readonly start: EmptyStart;

  constructor() {
    const runtime = {
      nowMs: () => this.nowMs,
      random: () => {},
      afterTurn: (task: () => void) => task(),
      after: () => () => {},
    };
    this.start = new EmptyStart(this, { write: (_level, text) => void this.lines.push(text) }, runtime);
  }
  changed(): void {
    this.changes++;
  }
  handOver(word: PeerWord, again: boolean, done: TakeOverDone): void {
    this.asked.push(`${word.host}:${word.port}${again ? ' again' : ''}`);
    this.answer = done;
  }
  pass(ms: number): void {
    for (let left = ms; left > 0; left -= 100) {
      this.nowMs += Math.min(100, left);
      this.start.tick();
    }
  }
}

function word(changes: Partial<PeerWord> = {}): PeerWord {
  return { host: 'r', port: 1, id: ID, offset: 100, lostUs: true, ...changes };
}

describe('EmptyStart', () => {
  it('serves everybody when it was not begun, or when the parameter is 0', () => {
    const owner = new Owner();
    expect(owner.start.refusalOf(word())).toBeNull();
    owner.waitSeconds = 0;
    owner.start.begin();
    expect(owner.start.refusalOf(word())).toBeNull();
    expect(owner.start.holds).toBe(false);
  });

  it('serves replicas that have nothing of it, and those that were sent here', () => {
    const owner = new Owner();
    owner.start.begin();
    expect(owner.start.refusalOf(null)).toBeNull();
    expect(owner.start.refusalOf(word({ lostUs: false }))).toBeNull();
    owner.pass(STRANGER_MS + 100);
    expect(owner.start.refusalOf(word({ lostUs: null }))).toBeNull();
    owner.pass(60_000);
    expect(owner.start.refusalOf(word())).toBeNull();
    expect(owner.lines).toEqual([]);
  });

  it('holds at the word of a replica that lost it, asks the one with most data, and follows it', () => {
    const owner = new Owner();
    owner.start.begin();
    expect(owner.start.refusalOf(word({ offset: 50 }))).toMatch(/^NOMASTERLINK /);
    expect([owner.start.holds, owner.changes]).toEqual([true, 1]);
    expect(owner.start.refusalOf(word({ port: 2 }))).toMatch(/^NOMASTERLINK /);
    expect(owner.start.refusalOf(null)).toMatch(/^NOMASTERLINK /);
    owner.pass(COLLECT_MS + 100);
    expect(owner.asked).toEqual(['r:2']);
    owner.isReplica = true;
    owner.answer('taken', '');
    owner.pass(120_000);
    expect(owner.start.holds).toBe(true);
    owner.linkUp = true;
    owner.pass(100);
    expect([owner.start.holds, owner.changes]).toEqual([false, 2]);
  });

  it('asks the next one after a refusal, then all again, until the wait is over', () => {
    const owner = new Owner();
    owner.start.begin();
    owner.start.refusalOf(word({ offset: 50 }));
    owner.start.refusalOf(word({ port: 2 }));
    owner.pass(COLLECT_MS);
    for (let round = 0; round < 3; round++) {
      owner.answer('refused', 'no');
      owner.pass(2000);
    }
    expect(owner.asked).toEqual(['r:2', 'r:1', 'r:2', 'r:1']);
    owner.answer('refused', 'no');
    owner.pass(60_000);
    expect(owner.start.holds).toBe(false);
    expect(owner.lines.at(-1)).toMatch(/nobody took over within repl-empty-primary-wait/);
    expect(owner.start.refusalOf(word())).toBeNull();
  });

  it('never gives in while it serves no slot of its cluster', () => {
    const owner = new Owner();
    owner.servesNothing = true;
    owner.start.begin();
    owner.start.refusalOf(word());
    owner.pass(120_000);
    expect(owner.start.holds).toBe(true);
    owner.servesNothing = false;
    owner.pass(100);
    expect(owner.start.holds).toBe(false);
  });

  it('believes an unknown kind of replica only right after the start', () => {
    const owner = new Owner();
    owner.start.begin();
    owner.pass(STRANGER_MS - 100);
    expect(owner.start.refusalOf(word({ lostUs: null }))).toMatch(/^NOMASTERLINK/);
  });

  it('goes on serving clients once they have written, and keeps the replica waiting until the end', () => {
    const owner = new Owner();
    owner.start.begin();
    owner.isEmpty = false;
    expect(owner.start.refusalOf(word())).toMatch(/^NOMASTERLINK .* written to/);
    expect(owner.start.refusalOf(word())).toMatch(/^NOMASTERLINK .* written to/);
    expect([owner.start.holds, owner.lines.length]).toEqual([false, 1]);
    owner.pass(60_000);
    expect(owner.start.refusalOf(word())).toBeNull();
    expect(owner.lines.at(-1)).toMatch(/over/);
  });

  it('ends at once when a person says so, and says so once', () => {
    const owner = new Owner();
    owner.start.begin();
    owner.start.refusalOf(word());
    owner.start.end('REPLICAOF NO ONE');
    owner.start.end('REPLICAOF NO ONE');
    expect(owner.start.refusalOf(word())).toBeNull();
    expect(owner.lines.filter((line) => line.includes('over: REPLICAOF NO ONE')).length).toBe(1);
    expect(WAITS_REFUSAL).toMatch(/^LOADING /);
  });

  it('asks one that may have taken over again before any other, though it cannot be reached', () => {
    const owner = new Owner();
    owner.start.begin();
    owner.start.refusalOf(word({ host: 'most', offset: 200 }));
    owner.start.refusalOf(word({ host: 'less' }));
    owner.pass(4000);
    expect(owner.asked).toEqual(['most:1']);
    owner.answer('lost', 'no answer');
    owner.pass(4000);
    owner.answer('unasked', 'connection refused');
    owner.pass(4000);
    expect(owner.asked).toEqual(['most:1', 'most:1 again', 'most:1 again']);
    for (let k = 0; k < 12 && owner.asked.at(-1) !== 'less:1'; k++) {
      owner.answer('unasked', 'connection refused');
      owner.pass(4000);
    }
    expect(owner.asked.at(-1)).toBe('less:1');
    owner.answer('unasked', 'connection refused');
    owner.pass(4000);
    expect(owner.asked.at(-1)).toBe('most:1');
  });
});
