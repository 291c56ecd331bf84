import { expect, it } from 'vitest';
import { Arena } from '../../structures/arena.ts';
import * as listpack from '../../structures/listpack.ts';
import { ListpackBlocks } from '../../structures/listpack-block.ts';
import { Prng } from '../../structures/prng.ts';
import { countEntries } from './packed-check.ts';

const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000);

/** Entries of every encoding. */
const texts = [
  '',
  '5',
  '-3',
  '4000',
  '70000',
  '9000000',
  '12345678901',
  'abc',
  'x'.repeat(63),
  'y'.repeat(64),
];

const blocks = new ListpackBlocks(new Arena());

function sample(random: Prng): Buffer {
  let ref = blocks.create();
  for (let left = random.below(12); left > 0; left--) {
    const text = random.below(20) === 0 ? 'z'.repeat(5000) : (texts[random.below(texts.length)] ?? '');
    ref = blocks.append(ref, Buffer.from(text), 0, text.length);
  }
  const start = blocks.start(ref);
  const bytes = Buffer.from(blocks.segment(ref).subarray(start, start + blocks.bytes(ref)));
  blocks.free(ref);
  return bytes;
}

it(`countEntries takes every whole listpack and none that listpack.validate refuses, seed ${SEED}`, () => {
  const random = new Prng(SEED);
  for (let round = 0; round < 5000; round++) {
    const whole = sample(random);
    // It stands anywhere in a larger buffer whose other bytes say nothing.
    const start = random.below(9);
    const bytes = Buffer.alloc(start + whole.length + 9, random.below(256));
    whole.copy(bytes, start);
    const damages = random.below(3);
    for (let damage = damages; damage > 0; damage--) {
      bytes[start + random.below(whole.length)] = random.below(256);
    }
    const end = start + whole.length;
    const alone = Buffer.from(bytes.subarray(start, end));
    const problem = listpack.validate(alone, 0, alone.length, true);
    const entries = countEntries(bytes, start, end);
    if (damages === 0) expect(entries, `seed ${SEED}, round ${round}`).toBeGreaterThanOrEqual(0);
    if (entries < 0) continue;
    expect(problem, `seed ${SEED}, round ${round}`).toBe('');
    let walked = 0;
    for (let at = listpack.first(alone, 0); at !== 0; at = listpack.next(alone, 0, at)) walked++;
    expect(entries, `seed ${SEED}, round ${round}`).toBe(walked);
  }
});
