/** What the log says of input that is no command. */
import type { Client } from '../commands/client.ts';
import { describeClient } from '../commands/client-info.ts';
import type { ServerContext } from '../commands/context.ts';

/** As much of the input as is shown, half of it from either end. */
const SAMPLE_BYTES_MAX = 128;
const REDACTED = '*redacted*';

/**
 * The line for input that stands in `bytes` from `start` to `end`. What users stored or called themselves is
 * left out unless `hide-user-data-from-log` is no.
 */
export function describeMalformed(
  context: ServerContext,
  client: Client,
  problem: string,
  bytes: Uint8Array,
  start: number,
  end: number,
): string {
  const hidden = context.config.values['hide-user-data-from-log'];
  const line = describeClient(context, client).trimEnd();
  const who = hidden ? line.replace(/ (name|user|lib-name)=\S+/g, ` $1=${REDACTED}`) : line;
  const sample = hidden ? REDACTED : sampleOf(bytes, start, end);
  return `${problem.replace(/^Protocol error: (.*)/, 'Protocol error ($1)')} from client: ${who}. Query buffer: ${sample}`;
}

function sampleOf(bytes: Uint8Array, start: number, end: number): string {
  const half = SAMPLE_BYTES_MAX / 2;
  if (end - start < SAMPLE_BYTES_MAX) return `'${printable(bytes, start, end)}'`;
  const hidden = end - start - SAMPLE_BYTES_MAX;
  return `'${printable(bytes, start, start + half)}' (... more ${hidden} bytes ...) '${printable(bytes, end - half, end)}'`;
}

/** Bytes as ASCII, a dot for what has no glyph. */
function printable(bytes: Uint8Array, start: number, end: number): string {
  let text = '';
  for (let at = start; at < end; at += 1) {
    const byte = bytes[at] ?? 0;
    text += byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '.';
  }
  return text;
}
