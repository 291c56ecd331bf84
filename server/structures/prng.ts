/**
 * A seeded generator of pseudo-random numbers (xoshiro128**, seeded by splitmix32): fast, repeatable, not for
 * secrets. Period 2^128 - 1.
 */

/** Where randomness comes from: a parameter of everything that decides by chance. */
export interface Random {
  /** An integer in [0, bound), bound ≤ 2^32. */
  below(bound: number): number;
  /** A number in [0, 1) with 32 random bits. */
  fraction(): number;
  /** 32 random bits, unsigned. */
  bits(): number;
}

function rotate(value: number, by: number): number {
  return (value << by) | (value >>> (32 - by));
}

export class Prng implements Random {
  /** The seed this generator started from, for messages of failed tests. */
  readonly seed: number;
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(seed: number) {
    this.seed = seed >>> 0;
    let state = this.seed;
    const next = (): number => {
      state = (state + 0x9e3779b9) | 0;
      let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
      mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
      return mixed ^ (mixed >>> 15);
    };
    this.#a = next();
    this.#b = next();
    this.#c = next();
    this.#d = next() | 1;
  }

  bits(): number {
    const result = Math.imul(rotate(Math.imul(this.#b, 5), 7), 9);
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = rotate(this.#d, 11);
    return result >>> 0;
  }

  below(bound: number): number {
    return Math.floor((this.bits() / 4_294_967_296) * bound);
  }

  fraction(): number {
    return this.bits() / 4_294_967_296;
  }
}
