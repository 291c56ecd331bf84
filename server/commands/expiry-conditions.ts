/** NX, XX, GT and LT of EXPIRE, HEXPIRE and their relatives. */
import type { Call } from './call.ts';

/** Conditions on the expiry that a key or a field has. */
export interface ExpiryConditions {
  nx: boolean;
  xx: boolean;
  gt: boolean;
  lt: boolean;
}

/** Reads NX, XX, GT, LT in the words `from` to `to` - 1; null after an error. */
export function readExpiryConditions(call: Call, from: number, to: number): ExpiryConditions | null {
  const found: ExpiryConditions = { nx: false, xx: false, gt: false, lt: false };
  for (let index = from; index < to; index++) {
    if (call.is(index, 'NX')) found.nx = true;
    else if (call.is(index, 'XX')) found.xx = true;
    else if (call.is(index, 'GT')) found.gt = true;
    else if (call.is(index, 'LT')) found.lt = true;
    else {
      call.reply.error(`ERR Unsupported option ${call.text(index)}`);
      return null;
    }
  }
  if (found.nx && (found.xx || found.gt || found.lt)) {
    call.reply.error('ERR NX and XX, GT or LT options at the same time are not compatible');
    return null;
  }
  if (found.gt && found.lt) {
    call.reply.error('ERR GT and LT options at the same time are not compatible');
    return null;
  }
  return found;
}

/** Without an expiry a key or field counts as one that ends never: GT refuses, LT sets. */
export function meetsConditions(conditions: ExpiryConditions, current: number, wanted: number): boolean {
  if (conditions.nx) return current < 0;
  if (conditions.xx && current < 0) return false;
  if (conditions.gt) return current >= 0 && wanted > current;
  if (conditions.lt) return current < 0 || wanted < current;
  return true;
}
