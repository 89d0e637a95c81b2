/**
 * A growing queue on a power-of-two array.
 *
 *     slots   [ . . A B C D . . ]
 *                   ^head   ^head + length
 *
 * Invariant: exactly the slots from head to head + length (wrapping) are occupied; the others hold undefined, so
 * that nothing is kept alive by accident.
 */
export class Ring<T> {
  length = 0
  #slots: (T | undefined)[]
  #head = 0
  #mask: number

  constructor(capacity = 8) {
    this.#slots = new Array<T | undefined>(capacity).fill(undefined)
    this.#mask = capacity - 1
  }

  push(item: T): void {
    if (this.length > this.#mask) this.#grow()
    this.#slots[(this.#head + this.length) & this.#mask] = item
    this.length++
  }

  /** Puts an item ahead of all others. */
  unshift(item: T): void {
    if (this.length > this.#mask) this.#grow()
    this.#head = (this.#head - 1) & this.#mask
    this.#slots[this.#head] = item
    this.length++
  }

  peek(): T | undefined {
    return this.#slots[this.#head]
  }

  shift(): T | undefined {
    if (this.length === 0) return undefined
    const item = this.#slots[this.#head]
    this.#slots[this.#head] = undefined
    this.#head = (this.#head + 1) & this.#mask
    this.length--
    return item
  }

  /** The item `index` places behind the head. */
  at(index: number): T | undefined {
    return index < this.length ? this.#slots[(this.#head + index) & this.#mask] : undefined
  }

  #grow(): void {
    const bigger = new Array<T | undefined>(this.#slots.length * 2).fill(undefined)
    for (let i = 0; i < this.length; i++) bigger[i] = this.at(i)
    this.#slots = bigger
    this.#head = 0
    this.#mask = bigger.length - 1
  }
}
