/** Answers that can be asked for again: when there are too many, all are forgotten. */
export class BoundedMap<K, V> {
  readonly #entries = new Map<K, V>()

  constructor(readonly most: number) {}

  get(key: K): V | undefined {
    return this.#entries.get(key)
  }

  set(key: K, value: V): void {
    if (this.#entries.size >= this.most && !this.#entries.has(key)) this.#entries.clear()
    this.#entries.set(key, value)
  }

  delete(key: K): void {
    this.#entries.delete(key)
  }

  clear(): void {
    this.#entries.clear()
  }
}
