/** The grammar of one line of `redis.conf`: words, quotes and escapes. */

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', a: '\x07' };
const NAMES: Readonly<Record<string, string>> = {
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\b': '\\b',
  '\x07': '\\a',
  '"': '\\"',
  '\\': '\\\\',
};
const HEX = /^[0-9a-fA-F]{2}$/;

function isSpace(character: string | undefined): boolean {
  return character === ' ' || character === '\t' || character === '\n' || character === '\r';
}

/** The text of a quoted word that opens at `start`, and where reading goes on; undefined: never closed. */
function readQuoted(line: string, start: number): { text: string; next: number } | undefined {
  const mark = line[start];
  let text = '';
  let at = start + 1;
  while (at < line.length) {
    const character = line[at] ?? '';
    if (character === mark) {
      const next = at + 1;
      return next < line.length && !isSpace(line[next]) ? undefined : { text, next };
    }
    if (character !== '\\') {
      text += character;
      at += 1;
    } else if (mark === "'") {
      const escaped = line[at + 1] === "'";
      text += escaped ? "'" : '\\';
      at += escaped ? 2 : 1;
    } else if (line[at + 1] === 'x' && HEX.test(line.slice(at + 2, at + 4))) {
      text += String.fromCharCode(Number.parseInt(line.slice(at + 2, at + 4), 16));
      at += 4;
    } else {
      const following = line[at + 1] ?? '';
      text += ESCAPES[following] ?? following;
      at += 2;
    }
  }
  return undefined;
}

/** The words of a line; undefined when quotes do not balance. */
export function splitWords(line: string): string[] | undefined {
  const words: string[] = [];
  let at = 0;
  for (;;) {
    while (isSpace(line[at])) at += 1;
    if (at >= line.length) return words;
    let word = '';
    while (at < line.length && !isSpace(line[at])) {
      if (line[at] === '"' || line[at] === "'") {
        const quoted = readQuoted(line, at);
        if (quoted === undefined) return undefined;
        word += quoted.text;
        at = quoted.next;
        break;
      }
      word += line[at];
      at += 1;
    }
    words.push(word);
  }
}

/** The text as one quoted word that `splitWords` reads back. */
export function quote(text: string): string {
  let quoted = '"';
  for (const character of text) {
    const code = character.charCodeAt(0);
    const unprintable = code < 32 || code === 127;
    quoted += NAMES[character] ?? (unprintable ? `\\x${code.toString(16).padStart(2, '0')}` : character);
  }
  return `${quoted}"`;
}
