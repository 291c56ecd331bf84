/** Connections whose command waits for the end of a pause. They are released together, when a pause ends. */

interface Held {
  /** Goes on with the command that was held. */
  release(): void;
}

const LOOK_EVERY_MS = 10;

export class HeldConnections {
  readonly #held = new Set<Held>();
  /** Which pauses there are, one bit each. */
  readonly #pauses: () => number;
  #before = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(pauses: () => number) {
    this.#pauses = pauses;
  }

  add(connection: Held): void {
    this.#held.add(connection);
    this.#before |= this.#pauses();
    this.#timer ??= setInterval(this.#look, LOOK_EVERY_MS);
  }

  delete(connection: Held): void {
    this.#held.delete(connection);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** One pause may hold some while another has ended: all of them try, and who must wait comes back. */
  readonly #look = (): void => {
    const now = this.#pauses();
    if (this.#held.size > 0 && now !== 0 && (this.#before & ~now) === 0) return;
    this.#before = now;
    const held = [...this.#held];
    this.#held.clear();
    for (const connection of held) connection.release();
    if (this.#held.size === 0) this.stop();
  };
}
