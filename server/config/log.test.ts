import { describe, expect, it } from 'vitest';
import { ManualClock } from './clock.ts';
import { Log } from './log.ts';

function capture(format: 'redis' | 'json'): { log: Log; lines: string[] } {
  const lines: string[] = [];
  const clock = new ManualClock(new Date(2026, 10, 23, 14, 51, 8, 12).getTime());
  const sink = (line: string): void => {
    lines.push(line);
  };
  return { log: new Log({ level: 'notice', format, sink, clock, pid: 42 }), lines };
}

describe('Log', () => {
  it('writes lines in the form of Redis, with role and level', () => {
    const { log, lines } = capture('redis');
    log.role = 'M';
    log.notice('Ready to accept connections tcp');
    log.warning('careful');
    expect(lines).toEqual([
      '42:M 23 Nov 2026 14:51:08.012 * Ready to accept connections tcp\n',
      '42:M 23 Nov 2026 14:51:08.012 # careful\n',
    ]);
  });

  it('leaves out what is below the level, which may change', () => {
    const { log, lines } = capture('redis');
    log.verbose('no');
    log.level = 'debug';
    log.debug('yes');
    log.verbose('yes');
    expect(lines.map((line) => line.split(' ')[5])).toEqual(['.', '-']);
  });

  it('writes one object a line in the other form and no drawing', () => {
    const { log, lines } = capture('json');
    log.raw('logo');
    log.notice('a "quoted" word');
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 'notice', role: 'C', msg: 'a "quoted" word' });
  });
});
