/** What was evicted: how many keys by policy and type, and how long nobody had touched them. */

/** Upper ends of the age classes, in seconds; the last class has none. */
export const AGE_SECONDS: readonly number[] = [1, 10, 60, 600, 3600, 21_600, 86_400];

export class EvictionCounters {
  /** Keys by age class, `AGE_SECONDS` and one more. */
  readonly ages = new Float64Array(AGE_SECONDS.length + 1);
  /** Sum of all ages in seconds. */
  ageSeconds = 0;
  readonly #byPolicy = new Map<string, Map<string, number>>();

  count(policy: string, type: string, ageSeconds: number): void {
    let place = 0;
    while (place < AGE_SECONDS.length && ageSeconds > AGE_SECONDS[place]) place++;
    this.ages[place]++;
    this.ageSeconds += ageSeconds;
    let types = this.#byPolicy.get(policy);
    if (types === undefined) {
      types = new Map();
      this.#byPolicy.set(policy, types);
    }
    types.set(type, (types.get(type) ?? 0) + 1);
  }

  /** Keys evicted by each policy that has evicted some, by the name of their type. */
  get byPolicy(): ReadonlyMap<string, ReadonlyMap<string, number>> {
    return this.#byPolicy;
  }

  reset(): void {
    this.ages.fill(0);
    this.ageSeconds = 0;
    this.#byPolicy.clear();
  }
}
