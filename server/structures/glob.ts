/**
 * Glob patterns over bytes, as `KEYS`, `SCAN MATCH` and `CONFIG GET` read them.
 *
 *   *      any run of bytes, also none          [abc]  one of these bytes
 *   ?      any one byte                         [a-z]  one byte of a range, in either order
 *   \x     the byte x itself                    [^a]   one byte that is not listed
 *
 * A class that is never closed ends with the pattern. A pattern of more than STARS_MAX stars matches nothing,
 * as in Redis. Matching keeps one place to go back to, the last star,
 * so it takes at most pattern × text steps and no stack, whatever a client sends.
 */

/** Runs of stars that a text is matched against. */
const STARS_MAX = 1000;
const STAR = 0x2a;
const QUESTION = 0x3f;
const OPEN = 0x5b;
const CLOSE = 0x5d;
const CARET = 0x5e;
const DASH = 0x2d;
const BACKSLASH = 0x5c;

function lower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 32 : byte;
}

/** Where the class that opens at `at` ends (the index after it), negative when the byte is not in it. */
function matchClass(pattern: Uint8Array, at: number, end: number, byte: number, fold: boolean): number {
  let index = at + 1;
  const negated = index < end && pattern[index] === CARET;
  if (negated) index += 1;
  let found = false;
  for (;;) {
    if (index >= end) break;
    if (pattern[index] === BACKSLASH && end - index >= 2) {
      index += 1;
      if (pattern[index] === byte) found = true;
    } else if (pattern[index] === CLOSE) {
      index += 1;
      break;
    } else if (end - index >= 3 && pattern[index + 1] === DASH) {
      if (inRange(pattern[index] ?? 0, pattern[index + 2] ?? 0, byte, fold)) found = true;
      index += 2;
    } else if (fold ? lower(pattern[index] ?? 0) === lower(byte) : pattern[index] === byte) {
      found = true;
    }
    index += 1;
  }
  return found === negated ? -index : index;
}

function inRange(first: number, last: number, byte: number, fold: boolean): boolean {
  const low = fold ? lower(Math.min(first, last)) : Math.min(first, last);
  const high = fold ? lower(Math.max(first, last)) : Math.max(first, last);
  const wanted = fold ? lower(byte) : byte;
  return wanted >= low && wanted <= high;
}

/** The index after the pattern element at `at` when it takes `byte`, negative when it does not. */
function matchOne(pattern: Uint8Array, at: number, byte: number, fold: boolean): number {
  let element = pattern[at] ?? 0;
  if (element === QUESTION) return at + 1;
  if (element === OPEN) return matchClass(pattern, at, pattern.length, byte, fold);
  let next = at + 1;
  if (element === BACKSLASH && next < pattern.length) {
    element = pattern[next] ?? 0;
    next += 1;
  }
  const same = fold ? lower(element) === lower(byte) : element === byte;
  return same ? next : -1;
}

/** Whether `text[start, end)` matches the pattern; `fold` ignores the case of ASCII letters. */
export function matchesGlob(
  pattern: Uint8Array,
  text: Uint8Array,
  start = 0,
  end = text.length,
  fold = false,
): boolean {
  let at = 0;
  let position = start;
  let afterStar = -1;
  let retryFrom = 0;
  let stars = 0;
  for (;;) {
    if (at < pattern.length && pattern[at] === STAR) {
      at += 1;
      if (at === pattern.length) return true;
      if (pattern[at] !== STAR && ++stars > STARS_MAX) return false;
      afterStar = at;
      retryFrom = position;
    } else if (position === end) {
      return at === pattern.length;
    } else {
      const next = at < pattern.length ? matchOne(pattern, at, text[position] ?? 0, fold) : -1;
      if (next > 0) {
        at = next;
        position += 1;
      } else if (afterStar < 0) {
        return false;
      } else {
        retryFrom += 1;
        position = retryFrom;
        at = afterStar;
      }
    }
  }
}

/** Whether the pattern has no special byte and so matches exactly one text. */
export function isLiteral(pattern: Uint8Array): boolean {
  return !pattern.some((byte) => byte === STAR || byte === QUESTION || byte === OPEN || byte === BACKSLASH);
}
