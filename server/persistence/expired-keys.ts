/**
 * Keys that a load at start left out because they had expired. Replicas that continue the history of the file
 * still hold them: they are told, as they would have been had the server stayed up.
 */

export class ExpiredKeys {
  /** More than replicas could be told of from the backlog: nobody can continue then. */
  tooMany = false;
  readonly #bytesMax: number;
  #bytes = 0;
  #keys: (readonly [database: number, key: Uint8Array])[] = [];

  /** `bytesMax`: the size of the backlog. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get keys(): readonly (readonly [database: number, key: Uint8Array])[] {
    return this.#keys;
  }

  /** Takes `key` over. */
  add(database: number, key: Uint8Array): void {
    if (this.tooMany) return;
    this.#bytes += key.length + COMMAND_BYTES;
    this.tooMany = this.#bytes > this.#bytesMax;
    if (this.tooMany) this.#keys = [];
    else this.#keys.push([database, key]);
  }
}

/** DEL in the stream, without the key. */
const COMMAND_BYTES = 20;
