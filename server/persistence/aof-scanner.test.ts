import { describe, expect, it } from 'vitest';
import { Prng } from '../structures/prng.ts';
import { AofLoadError, AofScanner, type CommandApplier, CommandFormatError } from './aof-scanner.ts';

/** Takes whole commands; between MULTI and EXEC it waits. */
class Recorder implements CommandApplier {
  database = 0;
  text = '';
  calls = 0;
  inTransaction = false;
  multiAt = -1;
  readonly held = false;
  replay(bytes: Uint8Array, start: number, end: number): number {
    const text = Buffer.from(bytes.subarray(0, end)).toString('latin1');
    this.multiAt = -1;
    this.calls += 1;
    let at = start;
    while (at < end && text[at] !== '#') {
      const next = this.#end(text, at);
      if (next < 0) break;
      const name = text.slice(at, next);
      if (name === command('MULTI')) {
        this.inTransaction = true;
        this.multiAt = at;
      } else if (name === command('EXEC')) this.inTransaction = false;
      this.text += name;
      at = next;
    }
    return at;
  }
  #end(text: string, at: number): number {
    const head = /\*(\d*)(\r?)(\n?)/y;
    head.lastIndex = at;
    const match = head.exec(text);
    if (match === null) throw new CommandFormatError(at);
    if (match[3] === '') return -1;
    let next = head.lastIndex;
    for (let word = Number(match[1]); word > 0; word -= 1) {
      const line = text.indexOf('\r\n', next);
      if (line < 0) return -1;
      next = line + 4 + Number(text.slice(next + 1, line));
      if (next > text.length) return -1;
    }
    return next;
  }
}

const command = (...words: string[]): string =>
  `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`;

/** Feeds chunks as the loader does: what is left comes again, with more behind it. */
function scan(
  text: string,
  chunkBytes = text.length,
): { recorder: Recorder; scanner: AofScanner; rest: number } {
  const recorder = new Recorder();
  const scanner = new AofScanner(recorder, 0);
  let at = 0;
  for (let read = chunkBytes; ; read += chunkBytes) {
    const bytes = Buffer.from(text.slice(at, read), 'latin1');
    at += scanner.feed(bytes, 0, bytes.length, at);
    if (read >= text.length) return { recorder, scanner, rest: text.length - at };
  }
}

const SET = command('SET', 'key', 'value\r\n*1\r\n');
const TRANSACTION = command('MULTI') + command('SET', 'a', '1') + command('SET', 'b', '2') + command('EXEC');

describe('AofScanner', () => {
  it('hands over all commands and skips annotations, whatever the chunks are', () => {
    const text = `#TS:1700000000\r\n${SET}${TRANSACTION}#HDR:v1;x\r\n#\r\n${command('PING')}`;
    for (const chunkBytes of [text.length, 1, 3, 17]) {
      const { recorder, scanner, rest } = scan(text, chunkBytes);
      expect(recorder.text).toBe(SET + TRANSACTION + command('PING'));
      expect(scanner.validBytes).toBe(text.length);
      expect(rest).toBe(0);
    }
  });

  it('stays before a cut command and before a cut transaction', () => {
    const whole = SET + TRANSACTION + TRANSACTION;
    const begins = SET.length + TRANSACTION.length;
    for (let cut = 1; cut < TRANSACTION.length; cut += 1) {
      for (const chunkBytes of [whole.length, 7]) {
        const { scanner, rest } = scan(whole.slice(0, begins + cut), chunkBytes);
        expect(scanner.validBytes).toBe(begins);
        expect(scanner.insideTransaction).toBe(cut >= command('MULTI').length);
        expect(rest !== 0 || scanner.insideTransaction).toBe(true);
      }
    }
  });

  it('skips annotations within a transaction and does not end in one', () => {
    const text = `${SET}${command('MULTI')}#TS:1700000000\r\n${SET}`;
    expect(scan(text).scanner.validBytes).toBe(SET.length);
    expect(scan(text + command('EXEC')).scanner.validBytes).toBe(text.length + command('EXEC').length);
    expect(scan(`${SET}#TS:17`).scanner.validBytes).toBe(SET.length);
  });

  it('names the offset of what is no command', () => {
    expect(() => scan(`${SET}hello\r\n`)).toThrow(new AofLoadError(`no command at offset ${SET.length}`));
    expect(() => scan(`${SET}#TS:1\r\n!!!\r\n`, 5)).toThrow(`no command at offset ${SET.length + 7}`);
  });

  it('applies what stands between annotations in one go', () => {
    expect(scan(SET + SET + SET).recorder.calls).toBe(1);
  });

  it('comes to the same place for every cut and every size of chunks', () => {
    const seed = Date.now() % 1_000_000;
    const prng = new Prng(seed);
    for (let round = 0; round < 200; round += 1) {
      const units = Array.from(
        { length: prng.below(8) + 1 },
        () => [SET, TRANSACTION, '#TS:1700000000\r\n', command('DEL', 'x')][prng.below(4)] as string,
      );
      const text = units.join('');
      const cut = prng.below(text.length + 1);
      let valid = 0;
      for (const unit of units)
        if (valid + unit.length <= cut) valid += unit.length;
        else break;
      const chunkBytes = prng.below(40) + 1;
      const { scanner } = scan(text.slice(0, cut), chunkBytes);
      expect(scanner.validBytes, `seed ${seed}, round ${round}`).toBe(valid);
    }
  });
});
