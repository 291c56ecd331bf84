/** Whether two replies agree, in the way that their command allows. */
import { replyEnd } from '../support/raw-connection.ts';
import type { Agreement } from './commands.ts';

const NEAR_SECONDS = 2;

/** The elements of an array or set reply as text, sorted. */
function elements(reply: Buffer): string[] {
  const parts: string[] = [];
  let at = reply.indexOf('\n') + 1;
  while (at > 0 && at < reply.length) {
    const end = replyEnd(reply, at);
    if (end < 0) break;
    parts.push(reply.toString('latin1', at, end));
    at = end;
  }
  return parts.sort();
}

function head(reply: Buffer): string {
  return reply.toString('latin1', 0, reply.indexOf('\n') + 1);
}

function near(left: Buffer, right: Buffer): boolean {
  if (left[0] !== 58 || right[0] !== 58) return left.equals(right);
  const a = Number(left.toString('latin1', 1));
  const b = Number(right.toString('latin1', 1));
  if (a < 0 || b < 0) return a === b;
  return Math.abs(a - b) <= (a > 1e6 ? NEAR_SECONDS * 1000 : NEAR_SECONDS);
}

/** Differences between the versions that are known and wanted: Redis 7.2 on this side, an older one there. */
function modern(reply: Buffer): Buffer {
  const text = reply.toString('latin1');
  return text.startsWith('-') ? Buffer.from(text.trimEnd().replace(/\s+$/, ''), 'latin1') : reply;
}

/** True when the replies agree. */
export function agree(agreement: Agreement, ours: Buffer, theirs: Buffer): boolean {
  if (ours.equals(theirs)) return true;
  if (modern(ours).equals(modern(theirs))) return true;
  switch (agreement) {
    case 'exact':
      return false;
    case 'any order':
      return head(ours) === head(theirs) && elements(ours).join() === elements(theirs).join();
    case 'near':
      return near(ours, theirs);
    case 'type':
      return ours[0] === theirs[0];
    default:
      return agreement satisfies never;
  }
}
