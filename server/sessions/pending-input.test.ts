import { describe, expect, test } from 'vitest';
import { Prng } from '../structures/prng.ts';
import { PendingInput } from './pending-input.ts';

describe('PendingInput', () => {
  test('holds what came, in order, whatever is taken, cut and added', () => {
    const seed = Number(process.env['SEED'] ?? Date.now() % 100000);
    console.log(`seed ${seed}`);
    const prng = new Prng(seed);
    const input = new PendingInput();
    let model = Buffer.alloc(0);
    for (let round = 0; round < 3000; round++) {
      const action = prng.below(5);
      if (action < 2) {
        const more = Buffer.from(Array.from({ length: prng.below(9000) }, () => prng.below(256)));
        input.keep(more, 0, more.length, prng.below(3) === 0 ? prng.below(200_000) : 0);
        model = Buffer.concat([model, more]);
      } else if (action < 4) {
        const taken = prng.below(model.length + 1);
        input.start += taken;
        model = model.subarray(taken);
        if (input.bytes === 0) input.clear();
      } else input.shrink(prng.below(4000));
      expect(input.bytes).toBe(model.length);
      expect(input.buffer.subarray(input.start, input.end).equals(model)).toBe(true);
    }
  });

  test('room for a large command is made at once, and given back to a silent client', () => {
    const input = new PendingInput();
    input.keep(Buffer.from('a'), 0, 1, 1_000_000);
    expect(input.capacity).toBe(1_000_000);
    expect(input.shrink(1000)).toBe(false);
    expect(input.capacity).toBe(1_000_000);
    input.keep(Buffer.from('b'), 0, 1, 1_000_000);
    expect(input.shrink(2001)).toBe(true);
    expect(input.capacity).toBeLessThan(20_000);
    expect(input.buffer.toString('latin1', input.start, input.end)).toBe('ab');
  });

  test('an empty buffer is kept while its client is active and dropped later', () => {
    const input = new PendingInput();
    input.keep(Buffer.from('ab'), 0, 2, 0);
    input.clear();
    expect(input.shrink(10)).toBe(false);
    expect(input.capacity).toBe(16 * 1024);
    expect(input.shrink(2001)).toBe(true);
    expect(input.capacity).toBe(0);
  });

  test('the argument under way is told apart from the words before it', () => {
    const input = new PendingInput();
    const text = '*3\r\n$3\r\nset\r\n$5\r\nab';
    input.keep(Buffer.from(text), 0, text.length, 0);
    expect(input.tornBytes).toBe(2);
    input.drop();
    input.keep(Buffer.from('PING'), 0, 4, 0);
    expect(input.tornBytes).toBe(4);
  });
});
