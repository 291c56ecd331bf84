import { describe, expect, it } from 'vitest';
import { type ChangeSink, Propagation, TO_ALL, TO_FILE, TO_REPLICAS } from './propagation.ts';

class Text implements ChangeSink {
  selectedDatabase = -1;
  text = '';

  append(bytes: Uint8Array, start: number, end: number): void {
    this.text += Buffer.from(bytes.subarray(start, end)).toString('latin1');
  }

  /** The commands by their names and words. */
  get commands(): string[] {
    return this.text
      .split('*')
      .slice(1)
      .map((part) =>
        part
          .split('\r\n')
          .filter((line) => line !== '' && !/^(\$?\d+)$/.test(line))
          .join(' '),
      );
  }
}

function both(): { propagation: Propagation; file: Text; replicas: Text } {
  const propagation = new Propagation();
  const file = new Text();
  const replicas = new Text();
  propagation.addSink(file, TO_FILE);
  propagation.addSink(replicas, TO_REPLICAS);
  return { propagation, file, replicas };
}

describe('Propagation', () => {
  it('wraps a unit of several commands into MULTI and EXEC', () => {
    const { propagation, file } = both();
    propagation.beginUnit();
    for (const key of ['a', 'b', 'c']) propagation.words(0, ['DEL', key]);
    propagation.endUnit();
    propagation.words(0, ['DEL', 'd']);
    expect(file.commands).toEqual(['MULTI', 'SELECT', 'DEL a', 'DEL b', 'DEL c', 'EXEC', 'DEL d']);
  });

  it('sends the only command of a unit as it is, and nothing for an empty one', () => {
    const { propagation, file } = both();
    propagation.beginUnit();
    propagation.words(0, ['DEL', 'a']);
    expect(file.commands).toEqual([]);
    propagation.endUnit();
    propagation.beginUnit();
    propagation.endUnit();
    expect(file.commands).toEqual(['SELECT', 'DEL a']);
  });

  it('sends effects where they are to go, with MULTI for who gets some of them', () => {
    const { propagation, file, replicas } = both();
    propagation.beginUnit();
    propagation.targets = TO_FILE;
    propagation.words(0, ['DEL', 'a']);
    propagation.targets = 0;
    propagation.words(0, ['DEL', 'b']);
    propagation.targets = TO_REPLICAS;
    propagation.words(0, ['DEL', 'c']);
    propagation.targets = TO_ALL;
    propagation.endUnit();
    expect(file.commands).toEqual(['MULTI', 'SELECT', 'DEL a', 'EXEC']);
    expect(replicas.commands).toEqual(['MULTI', 'SELECT', 'DEL c', 'EXEC']);
  });
});
