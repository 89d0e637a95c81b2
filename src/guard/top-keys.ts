/**
 * The most frequent of many words, with room for few: a word that is new takes the place of the rarest one and inherits its
 * count, so that no count is too low, and none is too high by more than what it has inherited ("space-saving").
 *
 * Invariant: there are at most `room` words, and each word that makes up more than 1 / room of the total is among them.
 */
export class TopKeys {
  readonly #counts = new Map<string, Count>()
  total = 0

  constructor(readonly room: number) {}

  add(word: string, weight = 1): void {
    this.total += weight
    const known = this.#counts.get(word)
    if (known !== undefined) {
      known.count += weight
      return
    }
    let inherited = 0
    if (this.#counts.size >= this.room) inherited = this.#dropRarest()
    this.#counts.set(word, { count: inherited + weight, error: inherited })
  }

  /** Makes the past count half, so that what was frequent once goes down in time. */
  age(): void {
    this.total /= 2
    for (const [word, count] of this.#counts) {
      count.count /= 2
      count.error /= 2
      if (count.count < 0.5) this.#counts.delete(word)
    }
  }

  /** The most frequent first. */
  list(): { word: string; count: number; error: number }[] {
    return [...this.#counts].map(([word, count]) => ({ word, ...count })).sort((a, b) => b.count - a.count)
  }

  #dropRarest(): number {
    let rarest = ''
    let least = Infinity
    for (const [word, { count }] of this.#counts) {
      if (count >= least) continue
      rarest = word
      least = count
    }
    this.#counts.delete(rarest)
    return least
  }
}

interface Count {
  count: number
  error: number
}
