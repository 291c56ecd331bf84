/**
 * Deadlines of what waits, behind one timer: a binary heap with the earliest first; add and remove O(log n).
 */

export interface Deadline {
  /** Unix ms. */
  readonly deadlineMs: number;
  /** Place in the heap, -1 while in none. */
  heapIndex: number;
}

/** The longest that a timer of the runtime can wait. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export class Deadlines<T extends Deadline> {
  readonly #heap: T[] = [];
  readonly #expire: (item: T) => void;
  #timer: NodeJS.Timeout | null = null;
  #timerMs = 0;

  /** `expire` is called for each item whose time has come; the item is out of the heap by then. */
  constructor(expire: (item: T) => void) {
    this.#expire = expire;
  }

  get size(): number {
    return this.#heap.length;
  }

  add(item: T): void {
    item.heapIndex = this.#heap.length;
    this.#heap.push(item);
    this.#up(item.heapIndex);
    this.#arm();
  }

  /** Nothing happens when the item is not here. */
  remove(item: T): void {
    const index = item.heapIndex;
    if (index < 0) return;
    item.heapIndex = -1;
    const last = this.#heap.pop() as T;
    if (last === item) return;
    last.heapIndex = index;
    this.#heap[index] = last;
    this.#up(index);
    this.#down(last.heapIndex);
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** An earlier timer than needed stays: it costs one look. */
  #arm(): void {
    const first = this.#heap[0];
    if (first === undefined || (this.#timer !== null && this.#timerMs <= first.deadlineMs)) return;
    this.stop();
    this.#timerMs = first.deadlineMs;
    const waitMs = Math.min(Math.max(first.deadlineMs - Date.now(), 1), TIMER_MS_MAX);
    this.#timer = setTimeout(this.#fire, waitMs);
  }

  readonly #fire = (): void => {
    this.#timer = null;
    const nowMs = Date.now();
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || first.deadlineMs > nowMs) break;
      this.remove(first);
      this.#expire(first);
    }
    this.#arm();
  };

  #up(index: number): void {
    const heap = this.#heap;
    const item = heap[index] as T;
    let at = index;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above] as T;
      if (parent.deadlineMs <= item.deadlineMs) break;
      heap[at] = parent;
      parent.heapIndex = at;
      at = above;
    }
    heap[at] = item;
    item.heapIndex = at;
  }

  #down(index: number): void {
    const heap = this.#heap;
    const item = heap[index] as T;
    let at = index;
    for (;;) {
      let below = at * 2 + 1;
      let child = heap[below];
      if (child === undefined) break;
      const right = heap[below + 1];
      if (right !== undefined && right.deadlineMs < child.deadlineMs) {
        child = right;
        below++;
      }
      if (child.deadlineMs >= item.deadlineMs) break;
      heap[at] = child;
      child.heapIndex = at;
      at = below;
    }
    heap[at] = item;
    item.heapIndex = at;
  }
}
