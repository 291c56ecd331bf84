import { describe, expect, it } from 'vitest';
import { Arena } from '../structures/arena.ts';
import { ContainerGuard, containerLimit } from './container-guard.ts';

const MIB = 1024 * 1024;

function made(limitBytes: number, residentBytes: () => number) {
  const arena = new Arena();
  const changes: boolean[] = [];
  const guard = new ContainerGuard(arena, {
    limitBytes,
    residentBytes,
    onChange: (full) => changes.push(full),
  });
  return { arena, guard, changes };
}

describe('ContainerGuard', () => {
  it('refuses from 90 % of the limit on, and no longer when there is room again', () => {
    let resident = 100 * MIB;
    const { guard, changes } = made(1000 * MIB, () => resident);
    guard.tick();
    expect([guard.calm, guard.full]).toEqual([true, false]);
    resident = 800 * MIB;
    guard.tick();
    expect([guard.calm, guard.full]).toEqual([false, false]);
    resident = 901 * MIB;
    guard.tick();
    expect([guard.calm, guard.full]).toEqual([false, true]);
    resident = 890 * MIB;
    guard.tick();
    expect([guard.full, changes]).toEqual([true, [true]]);
    resident = 500 * MIB;
    guard.tick();
    expect([guard.calm, guard.full, changes]).toEqual([true, false, [true, false]]);
  });

  it('counts what the data grew since the last look', () => {
    const { arena, guard } = made(1000 * MIB, () => 880 * MIB);
    guard.tick();
    expect(guard.full).toBe(false);
    for (let count = 0; count < 30; count++) arena.allocate(MIB);
    expect(guard.full).toBe(true);
  });

  it('does nothing without a limit, and where it is switched off', () => {
    const { guard } = made(Number.POSITIVE_INFINITY, () => 1e15);
    guard.tick();
    expect([guard.calm, guard.full]).toEqual([true, false]);
    const off = made(MIB, () => 2 * MIB);
    off.guard.enabled = false;
    off.guard.tick();
    expect([off.guard.calm, off.guard.full, off.changes]).toEqual([true, false, []]);
  });
});

describe('containerLimit', () => {
  const files =
    (table: Record<string, string>) =>
    (path: string): string => {
      const text = table[path];
      if (text === undefined) throw new Error('no such file');
      return text;
    };

  it('reads both versions of control groups', () => {
    expect(containerLimit(files({ '/sys/fs/cgroup/memory.max': '536870912\n' }))).toBe(536870912);
    expect(containerLimit(files({ '/sys/fs/cgroup/memory/memory.limit_in_bytes': '1048576\n' }))).toBe(MIB);
  });

  it('finds no limit where there is none', () => {
    expect(containerLimit(files({}))).toBe(Number.POSITIVE_INFINITY);
    expect(containerLimit(files({ '/sys/fs/cgroup/memory.max': 'max\n' }))).toBe(Number.POSITIVE_INFINITY);
    const none = { '/sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n' };
    expect(containerLimit(files(none))).toBe(Number.POSITIVE_INFINITY);
  });
});
