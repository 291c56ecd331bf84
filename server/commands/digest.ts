/** The two ways in which DEBUG DIGEST takes up data: in order (`mix`) and in any order (`xor`). */
import { hash } from 'node:crypto';

export const DIGEST_BYTES = 20;

function sha1(data: Uint8Array): Buffer {
  return hash('sha1', data, 'buffer');
}

/** digest ^= SHA1(data): the order of calls does not matter. */
export function xor(digest: Buffer, data: Uint8Array): void {
  const sum = sha1(data);
  for (let index = 0; index < DIGEST_BYTES; index += 1) digest[index] ^= sum[index];
}

/** digest = SHA1(digest ^ SHA1(data)): the order of calls matters. */
export function mix(digest: Buffer, data: Uint8Array): void {
  xor(digest, data);
  sha1(digest).copy(digest);
}
