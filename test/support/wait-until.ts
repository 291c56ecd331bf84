/** Waiting for the world, always with a deadline. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Thrown by a probe when waiting longer makes no sense. */
export class GaveUp extends Error {}

/**
 * Asks again and again until the probe returns something else than undefined.
 * A probe that throws counts as "not yet"; its last error is part of the error at the deadline.
 */
export async function waitUntil<Value>(
  what: string,
  deadlineMs: number,
  probe: () => Promise<Value | undefined>,
  pauseMs = 200,
): Promise<Value> {
  const limit = performance.now() + deadlineMs;
  let last = '';
  for (;;) {
    try {
      const value = await probe();
      if (value !== undefined) {
        return value;
      }
    } catch (error) {
      if (error instanceof GaveUp) {
        throw error;
      }
      last = `; last: ${(error as Error).message}`;
    }
    if (performance.now() >= limit) {
      throw new Error(`${what}: not after ${Math.round(deadlineMs / 1000)} s${last}`);
    }
    await sleep(pauseMs);
  }
}

/**
 * The promise's value, or an error when it has none in time. What it does goes on; the caller no longer
 * waits.
 */
export async function withDeadline<Value>(
  what: string,
  deadlineMs: number,
  promise: Promise<Value>,
): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not after ${deadlineMs / 1000} s`)), deadlineMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
