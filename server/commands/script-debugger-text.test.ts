import { describe, expect, it } from 'vitest';
import { Prng } from '../structures/prng.ts';
import { Reply } from '../wire/reply.ts';
import { humanReply } from './script-debugger-text.ts';

function human(text: string): string {
  const reply = new Reply();
  reply.raw(Buffer.from(text, 'latin1'));
  return humanReply(reply);
}

describe('humanReply', () => {
  it.each([
    [':12\r\n', '12'],
    ['+OK\r\n', '"+OK"'],
    ['-ERR no "x"\r\n', '"-ERR no \\"x\\""'],
    ['$-1\r\n', 'NULL'],
    ['*-1\r\n', 'NULL'],
    ['$5\r\na"\n\0z\r\n', '"a\\"\\n\\x00z"'],
    ['*2\r\n:1\r\n*1\r\n$1\r\na\r\n', '[1,["a"]]'],
    ['%1\r\n+a\r\n_\r\n', '{"+a" => (null)}'],
    ['~2\r\n#t\r\n#f\r\n', '~(#true,#false)'],
    [',1.5\r\n', '(double) 1.5'],
  ])('shows %j as %s', (reply, shown) => {
    expect(human(reply)).toBe(shown);
  });

  it('reads all of any reply and nothing behind it (seeded)', () => {
    const seed = 30;
    const random = new Prng(seed);
    let leaves = 0;
    const value = (depth: number): string => {
      const kind = random.below(depth > 3 ? 4 : 7);
      if (kind < 4) leaves++;
      if (kind === 0) return `:${random.below(1000)}\r\n`;
      if (kind === 1) return '_\r\n';
      if (kind === 2) return `+s${random.below(99)}\r\n`;
      if (kind === 3) {
        const bytes = Array.from({ length: random.below(20) }, () => String.fromCharCode(random.below(256)));
        return `$${bytes.length}\r\n${bytes.join('')}\r\n`;
      }
      const count = random.below(5);
      const each = kind === 6 ? 2 : 1;
      const head = kind === 4 ? '*' : kind === 5 ? '~' : '%';
      return `${head}${count}\r\n${Array.from({ length: count * each }, () => value(depth + 1)).join('')}`;
    };
    for (let round = 0; round < 500; round++) {
      leaves = 0;
      const text = value(0);
      // What is within quotes is no structure.
      const shown = human(`${text}+behind\r\n`).replace(/"(?:[^"\\]|\\.)*"/g, 'q');
      expect(shown.match(/q|\(null\)|\d+/g) ?? [], `seed ${seed}, round ${round}`).toHaveLength(leaves);
    }
  });
});
