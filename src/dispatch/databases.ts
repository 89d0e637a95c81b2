import { BoundedMap } from '../util/bounded-map.js'

/** Asks Redis whether it has the database; rejects if it cannot be asked. */
export type DatabaseCheck = (index: number) => Promise<boolean>

/** Answers about single databases that are remembered. */
const MOST_REMEMBERED = 1024

/**
 * Which databases Redis has: their number, if it told, else what it answered about each. Managed servers refuse to tell the number.
 */
export class Databases {
  readonly #known = new BoundedMap<number, boolean>(MOST_REMEMBERED)

  /** @param count how many there are; null while that is not known */
  constructor(
    readonly check: DatabaseCheck,
    public count: number | null = null,
  ) {}

  /** Whether there is such a database; null if Redis has to be asked first. */
  has(index: number): boolean | null {
    if (index < 0) return false
    if (index === 0) return true
    return this.count === null ? (this.#known.get(index) ?? null) : index < this.count
  }

  /** Asks, and calls `done` when `has` can tell. */
  async ask(index: number, done: () => void): Promise<void> {
    try {
      this.#known.set(index, await this.check(index))
    } catch {
      // Redis cannot be asked now. Its word comes with the first command, when a connection to that database is opened.
      this.#known.set(index, true)
    }
    done()
  }

  /** Forgets what was learned: another Redis may stand at the address now. */
  forget(): void {
    this.count = null
    this.#known.clear()
  }
}
