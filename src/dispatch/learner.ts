import type { CommandTable } from '../commands/table.js'

/** Asks Redis about commands by name; answers a row, or null, for each, as COMMAND INFO gives them. */
export type CommandInfo = (names: string[]) => Promise<unknown[]>

/** Names that turned out to be no commands are remembered up to this number, and then forgotten all at once. */
const MOST_UNKNOWN = 1024
const LONGEST_NAME = 64

/**
 * Finds out about command names that the table does not have, such as those of modules. All names of one loop turn are asked
 * in one question; a name that Redis does not know either is not asked again soon.
 */
export class Learner {
  readonly #unknown = new Set<string>()
  readonly #asking = new Map<string, (() => void)[]>()
  #scheduled = false

  constructor(
    readonly table: CommandTable,
    readonly ask: CommandInfo,
  ) {}

  /** False if the command should be sent as it is; true if `done` will be called once the table may know it. */
  learn(name: string, done: () => void): boolean {
    const key = name.toLowerCase()
    if (key.length > LONGEST_NAME || this.#unknown.has(key)) return false
    const waiting = this.#asking.get(key)
    if (waiting !== undefined) {
      waiting.push(done)
      return true
    }
    this.#asking.set(key, [done])
    if (!this.#scheduled) {
      this.#scheduled = true
      setImmediate(() => void this.#askAll())
    }
    return true
  }

  async #askAll(): Promise<void> {
    this.#scheduled = false
    const asked = new Map(this.#asking)
    const names = [...asked.keys()]
    try {
      this.table.learnNames(names, await this.ask(names))
    } catch {
      // Redis cannot be asked right now: the commands are sent as they are, and fail or not by themselves.
    }
    if (this.#unknown.size + asked.size > MOST_UNKNOWN) this.#unknown.clear()
    for (const [name, waiting] of asked) {
      this.#asking.delete(name)
      if (this.table.get(name) === undefined) this.#unknown.add(name)
      for (const done of waiting) done()
    }
  }
}
