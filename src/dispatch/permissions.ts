import { BoundedMap } from '../util/bounded-map.js'
import type { Clock } from '../util/clock.js'

/** Asks a server on a connection of its own that is logged in as the user. */
export interface Asker {
  /** Rejects with the server's error, or another one if it cannot be asked. */
  call(...args: string[]): Promise<unknown>
}

/** Answers that are remembered. */
const MOST_REMEMBERED = 1024
/** How long it counts that Redis could not be asked, ms. */
const UNASKED_FOR = 100
const UNASKED = 'TRYAGAIN respool could not ask Redis whether the user may do this'
/** These are asked about within a transaction that is given up: they would do something to others, or to the connection. */
const RISKY = ['client|kill', 'client|unblock', 'client|reply', 'client|pause', 'client|tracking', 'client|caching']
/** What anybody may say. */
const FREE = ['auth', 'hello', 'quit', 'reset']

/**
 * What one user may do of what respool answers itself. Redis is asked about each such command once in a while, by having it carried out
 * where that does no harm.
 */
export class Permissions {
  /** By command: the server's refusal, or null, and until when it counts, ms. */
  readonly #known = new BoundedMap<string, { refusal: string | null; until: number }>(MOST_REMEMBERED)
  #queue: Promise<unknown> = Promise.resolve()

  /** @param interval how long an answer counts, ms */
  constructor(
    readonly asker: Asker,
    readonly clock: Clock,
    readonly interval: number,
  ) {}

  /**
   * The server's refusal, or null if there is none; undefined while it is being asked: then `done` is called.
   *
   * @param name of the command, or of its subcommand
   */
  refusalOf(name: string, args: readonly string[], done: () => void): string | null | undefined {
    if (FREE.includes(name)) return null
    const key = name === 'select' ? `select ${args[1]}` : name
    const known = this.#known.get(key)
    if (known !== undefined && this.clock() < known.until) return known.refusal
    // One after the other: what is asked in a transaction must not get into that of another question.
    this.#queue = this.#queue.then(() => this.#learn(key, name, args)).then(done)
    return undefined
  }

  async #learn(key: string, name: string, args: readonly string[]): Promise<void> {
    try {
      this.#known.set(key, { refusal: await this.#ask(name, args), until: this.clock() + this.interval })
    } catch {
      // Who cannot be asked about may do nothing.
      this.#known.set(key, { refusal: UNASKED, until: this.clock() + UNASKED_FOR })
    }
  }

  async #ask(name: string, args: readonly string[]): Promise<string | null> {
    if (!RISKY.includes(name)) return this.#refusal(args)
    const unsure = await this.#refusal(['MULTI'])
    if (unsure !== null) return unsure.replace("'multi'", `'${name}'`)
    const refusal = await this.#refusal(args)
    await this.#refusal(['DISCARD'])
    return refusal
  }

  /** The answer if it is that the user may not. Whatever else Redis says shows that it would have been done. */
  async #refusal(args: readonly string[]): Promise<string | null> {
    try {
      await this.asker.call(...args)
      return null
    } catch (error) {
      const { name, message } = error as Error
      if (name !== 'ReplyError' || /^(NOAUTH|WRONGPASS)/.test(message)) throw error
      return /^NOPERM/.test(message) ? message : null
    }
  }
}
