import type { Clock } from '../util/clock.js'
import { Backoff } from '../util/backoff.js'

/** How a round ended: all is well, something is still to change soon, or nobody could be asked. */
export type Outcome = 'settled' | 'unsettled' | 'failed'

/** Least time between the end of a round and the next, up to twice that by chance, ms: redirections come in storms. */
const GAP = 100
/** Delays while something is to change soon, ms. */
const SOON = { min: 200, max: 500 }
/** Fraction by which the interval differs. */
const JITTER = 0.1

export interface RoundDelays {
  /** Between rounds that find all well, ms. */
  readonly interval: number
  /** After rounds in which nobody could be asked, growing, ms. */
  readonly minDelay: number
  readonly maxDelay: number
}

/**
 * When to look how things are: rounds, never two at a time.
 *
 *     ask ──► due ──(GAP after the one before)──► round ──► due again: soon, later, or at once if somebody asked meanwhile
 *              ▲ an earlier time replaces a later one
 */
export class Rounds {
  #running = false
  #again = false
  #stopped = false
  #timer: NodeJS.Timeout | null = null
  #due = Infinity
  #endedAt = -Infinity
  readonly #failures: Backoff
  readonly #soon: Backoff

  constructor(
    readonly round: () => Promise<Outcome>,
    readonly delays: RoundDelays,
    readonly clock: Clock,
    readonly random: () => number = Math.random,
  ) {
    this.#failures = new Backoff(delays.minDelay, delays.maxDelay, random)
    this.#soon = new Backoff(SOON.min, SOON.max, random)
  }

  /** Asks for a round. During one, it means another one after it: what that one learns may be old already. */
  ask(): void {
    if (this.#running) this.#again = true
    else this.#schedule(Math.max(0, this.#gap() - (this.clock() - this.#endedAt)))
  }

  stop(): void {
    this.#stopped = true
    this.#cancel()
  }

  async #run(): Promise<void> {
    this.#cancel()
    this.#running = true
    this.#again = false
    const outcome = await this.round()
    this.#running = false
    this.#endedAt = this.clock()
    const delay = this.#delayAfter(outcome)
    this.#schedule(this.#again ? Math.min(delay, this.#gap()) : delay)
  }

  #delayAfter(outcome: Outcome): number {
    if (outcome !== 'failed') this.#failures.reset()
    if (outcome !== 'unsettled') this.#soon.reset()
    if (outcome === 'failed') return this.#failures.next()
    if (outcome === 'unsettled') return this.#soon.next()
    return this.delays.interval * (1 + JITTER * (2 * this.random() - 1))
  }

  #gap(): number {
    return GAP * (1 + this.random())
  }

  #schedule(delay: number): void {
    const due = this.clock() + delay
    if (this.#stopped || this.#due <= due) return
    this.#cancel()
    this.#due = due
    this.#timer = setTimeout(() => void this.#run(), delay)
  }

  #cancel(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#due = Infinity
  }
}
