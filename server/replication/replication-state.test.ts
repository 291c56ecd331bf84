import { describe, expect, it } from 'vitest';
import {
  branchIds,
  decidePsync,
  freshIds,
  NO_REPLICATION_ID,
  newReplicationId,
} from './replication-state.ts';

const ONE = '1'.repeat(40);
const TWO = 'a2'.repeat(20);
const LOG = { start: 100, end: 200 };

function decided(ids: ReturnType<typeof freshIds>, id: string, offset: number, log: typeof LOG | null = LOG) {
  const decision = decidePsync(ids, log, { id, offset }, '10.0.0.7:6379');
  return decision.kind === 'continue' ? decision.bytes : decision.cause;
}

describe('newReplicationId', () => {
  it('is 40 hex digits of the given randomness', () => {
    expect(newReplicationId((bytes) => bytes.fill(0x0f))).toBe('0f'.repeat(20));
  });
});

describe('decidePsync', () => {
  it('continues from the first byte kept up to the next one to come', () => {
    expect(decided(freshIds(ONE), ONE, 101)).toBe(100);
    expect(decided(freshIds(ONE), ONE, 150)).toBe(51);
    expect(decided(freshIds(ONE), ONE, 201)).toBe(0);
  });

  it('resyncs fully outside of the backlog, or without one', () => {
    expect(decided(freshIds(ONE), ONE, 100)).toBe('no-backlog');
    expect(decided(freshIds(ONE), ONE, 202)).toBe('ahead');
    expect(decided(freshIds(ONE), ONE, 150, null)).toBe('no-backlog');
  });

  it('resyncs fully on request and for a foreign history', () => {
    expect(decided(freshIds(ONE), '?', -1)).toBe('requested');
    expect(decided(freshIds(ONE), TWO, 150)).toBe('id-mismatch');
    expect(decided(freshIds(ONE), NO_REPLICATION_ID, 150)).toBe('id-mismatch');
    expect(decided(freshIds(ONE), NO_REPLICATION_ID, -1)).toBe('id-mismatch');
  });

  it('accepts the id before a promotion up to the offset of the switch', () => {
    const ids = branchIds(freshIds(ONE), 150, TWO);
    expect(ids).toEqual({ id: TWO, id2: ONE, secondOffset: 151 });
    expect(decided(ids, ONE, 140)).toBe(61);
    expect(decided(ids, ONE, 151)).toBe(50);
    expect(decided(ids, ONE, 152)).toBe('second-id-exceeded');
    expect(decided(ids, TWO, 180)).toBe(21);
  });

  it('compares ids without regard to case', () => {
    expect(decided(freshIds(TWO), TWO.toUpperCase(), 150)).toBe(51);
  });
});
