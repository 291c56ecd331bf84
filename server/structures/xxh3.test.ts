import { describe, expect, it } from 'vitest';
import { xxh3 } from './xxh3.ts';

/** The bytes of the published test vectors: a xorshift generator's. */
function testBytes(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let x = 1n;
  for (let at = 0; at < length; at++) {
    x ^= BigInt.asUintN(64, x << 13n);
    x ^= x >> 7n;
    x ^= BigInt.asUintN(64, x << 17n);
    bytes[at] = Number(x & 255n);
  }
  return bytes;
}

describe('xxh3', () => {
  it.each([
    ['', '2d06800538d394c2'],
    ['a', 'e6c632b61e964e1f'],
    ['ab', 'a873719c24d5735c'],
    ['abc', '78af5f94892f3950'],
  ])('of %j is %s', (text, wanted) => {
    expect(xxh3(Buffer.from(text)).toString(16).padStart(16, '0')).toBe(wanted);
  });

  it.each([
    [0, 0x2d06800538d394c2n],
    [1, 0xd0d496e05c553485n],
    [2, 0x84d625edb7055eacn],
    [3, 0x6ea2d59aca5c3778n],
    [4, 0xbf65290914e80242n],
    [5, 0xc01fd099ad4fc8e4n],
    [6, 0x9e3ea8187399caa5n],
    [7, 0x9da8b60540644f5an],
    [8, 0xabc1413da6cd0209n],
    [9, 0x8bc89400bfed51f6n],
    [16, 0x7e46916754d7c9b8n],
    [17, 0xed4be912ba5f836dn],
    [32, 0xf59b59b58c304fd1n],
    [33, 0x9013fb74ca603e0cn],
    [64, 0xfa5271fcce0db1c3n],
    [65, 0x79c42431727f1012n],
    [96, 0x591ee0ddf9c9ccd1n],
    [97, 0x8ffc6a3111fe19dan],
    [128, 0x06a146ee9a2da378n],
    [129, 0xbc7138129bf065dan],
    [403, 0xcefeb3ffa532ad8cn],
    [512, 0xcdfa6b6268e3650fn],
    [513, 0x4bb5d42742f9765fn],
    [2048, 0x330ce110cbb79eaen],
    [2049, 0x3ba6afa0249fef9an],
    [2240, 0xd61d4d2a94e926a8n],
    [2243, 0x0979f786a24edde7n],
  ])('agrees with the published hash of %d bytes', (length, wanted) => {
    expect(xxh3(testBytes(length)).toString(16)).toBe(wanted.toString(16));
  });
});
