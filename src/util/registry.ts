/** Things by their id. Ids grow and are never used again, as Redis's client ids do. */
export class Registry<T extends { readonly id: number }> {
  readonly #byId = new Map<number, T>()
  #nextId: number

  constructor(firstId = 1) {
    this.#nextId = firstId
  }

  get size(): number {
    return this.#byId.size
  }

  /** The id that the next one gets. */
  get nextId(): number {
    return this.#nextId
  }

  takeId(): number {
    return this.#nextId++
  }

  add(item: T): void {
    this.#byId.set(item.id, item)
  }

  get(id: number): T | undefined {
    return this.#byId.get(id)
  }

  remove(item: T): void {
    this.#byId.delete(item.id)
  }

  /** All of them, the oldest first. */
  all(): T[] {
    return [...this.#byId.values()]
  }
}
