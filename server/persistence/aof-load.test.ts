import { describe, expect, it } from 'vitest';
import { AofLoadError, AofScanner, type CommandApplier } from './aof-load.ts';

class Recorder implements CommandApplier {
  database = 0;
  text = '';
  calls = 0;
  apply(bytes: Uint8Array, start: number, end: number): number {
    this.text += Buffer.from(bytes.subarray(start, end)).toString('latin1');
    this.calls += 1;
    return end;
  }
}

const command = (...words: string[]): string =>
  `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`;

function scan(text: string, chunkBytes = text.length): { recorder: Recorder; scanner: AofScanner } {
  const recorder = new Recorder();
  const scanner = new AofScanner(recorder, 0);
  const bytes = Buffer.from(text, 'latin1');
  for (let at = 0; at < bytes.length; at += chunkBytes) scanner.feed(bytes.subarray(at, at + chunkBytes));
  return { recorder, scanner };
}

const SET = command('SET', 'key', 'value\r\n*1\r\n');
const TRANSACTION = command('MULTI') + command('SET', 'a', '1') + command('SET', 'b', '2') + command('EXEC');

describe('AofScanner', () => {
  it('hands over all commands and skips annotations, whatever the chunks are', () => {
    const text = `#TS:1700000000\r\n${SET}${TRANSACTION}#HDR:v1;x\r\n#\r\n${command('PING')}`;
    for (const chunkBytes of [text.length, 1, 3, 17]) {
      const { recorder, scanner } = scan(text, chunkBytes);
      expect(recorder.text).toBe(SET + TRANSACTION + command('PING'));
      expect(scanner.validBytes).toBe(text.length);
      expect(scanner.pendingBytes).toBe(0);
    }
  });

  it('keeps a cut command and a cut transaction back', () => {
    for (let cut = 1; cut < TRANSACTION.length; cut += 1) {
      const { recorder, scanner } = scan(SET + TRANSACTION.slice(0, cut));
      expect(recorder.text).toBe(SET);
      expect(scanner.validBytes).toBe(SET.length);
      expect(scanner.pendingBytes).toBe(cut);
      expect(scanner.insideTransaction).toBe(cut >= command('MULTI').length);
    }
  });

  it('names the offset of what is no command', () => {
    for (const bad of [
      'hello\r\n',
      '*0\r\n',
      '*1\r\n:1\r\n',
      '*1\r\n$1\r\nabc',
      '*x\r\n',
      '*9999999999\r\n',
      '*1\n$4\r\n',
    ]) {
      expect(() => scan(SET + bad), bad).toThrow(new AofLoadError(`no command at offset ${SET.length}`));
    }
  });

  it('applies what stands between annotations in one go', () => {
    expect(scan(SET + SET + SET).recorder.calls).toBe(1);
  });
});
