/** LFU in the 24 bits of the access clock: 16 bits of minutes, 8 bits of a logarithmic counter. */

export const LFU_INITIAL = 5;

/** The clock after one more access: decayed by the minutes since, then perhaps one up. */
export function lfuAfterAccess(
  clock: number,
  nowMinutes: number,
  decayMinutes: number,
  logFactor: number,
  random: () => number,
): number {
  const counter = lfuCounter(clock, nowMinutes, decayMinutes);
  const base = Math.max(0, counter - LFU_INITIAL);
  const up = counter < 255 && random() < 1 / (base * logFactor + 1) ? counter + 1 : counter;
  return ((nowMinutes & 0xffff) << 8) | up;
}

/** The counter as it stands now, decayed. */
export function lfuCounter(clock: number, nowMinutes: number, decayMinutes: number): number {
  if (decayMinutes === 0) return clock & 0xff;
  const idle = (nowMinutes - (clock >>> 8)) & 0xffff;
  return Math.max(0, (clock & 0xff) - Math.floor(idle / decayMinutes));
}
