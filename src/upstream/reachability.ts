import type { Config } from '../config/config.js'
import type { ErrorCode } from '../errors.js'
import { Backoff } from '../util/backoff.js'
import type { TurnClock } from '../util/clock.js'

/** Commands and handshakes that must have run out of time since the last answer of any kind, for silence to count. */
const UNANSWERED = 3
/** So many times the time of a command must have passed since then: one that Redis works on for long is no silence yet. */
const SILENCE = 1.5

/**
 * Whether an endpoint can be reached: its circuit breaker.
 *
 *     up ──(a dial fails)──► missed, commands wait ──(holdTime)──► open, commands fail at once
 *     │ ▲                      │                                        │  ▲          ▲
 *     │ └──────────────────────┴───(a handshake succeeds)───────────────┘  │          │
 *     └──(silence)─────────────────────────────────────────────────────────┘  dialled again and again, with growing, jittered delays:
 *                                                                              half-open while such an attempt is under way
 *
 * A server that is stopped, or cut off, accepts connections (its kernel does) or leaves them open, and says nothing: it is taken for
 * silent when several commands have run out of time and nothing at all has come for longer than that. From the first one on idle
 * connections are tested, so that one slow command is no reason, and in the end a handshake proves the contrary.
 */
export class Reachability {
  /** Since when it cannot be reached, ms on the monotonic clock; null while it can. */
  downSince: number | null
  #failure: ErrorCode = 'upstreamDown'
  #retry: NodeJS.Timeout | null = null
  #silent = false
  #answeredAt = -Infinity
  /** Commands that have run out of time since then. */
  #unanswered = 0
  readonly #backoff: Backoff

  constructor(
    readonly settings: Config['upstream'],
    readonly clock: TurnClock,
  ) {
    this.downSince = clock.tick()
    this.#backoff = new Backoff(settings.reconnect.minDelay, settings.reconnect.maxDelay)
  }

  /** Why nothing can be sent now, or null if waiting makes sense. */
  get outage(): ErrorCode | null {
    if (this.downSince === null) return null
    const long = this.#silent || this.clock.tick() - this.downSince > this.settings.holdTime
    return long || this.#failure === 'upstreamAuth' ? this.#failure : null
  }

  /** True if a command has run out of time, and nothing has come since. */
  get suspected(): boolean {
    return this.#unanswered > 0
  }

  /** True while the next attempt has to wait its time. */
  get waits(): boolean {
    return this.#retry !== null
  }

  /** A handshake succeeded; true if that is news. */
  reached(): boolean {
    this.#backoff.reset()
    this.#failure = 'upstreamDown'
    const news = this.downSince !== null
    this.downSince = null
    this.#silent = false
    this.#unanswered = 0
    return news
  }

  /** What the errors of the coming outage say. */
  blame(failure: ErrorCode): void {
    this.#failure = failure
  }

  /**
   * What a look at the connections has shown.
   *
   * @param answeredAt when anything has come last, ms
   * @param expired how many commands have run out of time since the look before
   * @returns true if the server is silent, and that is news
   */
  observe(answeredAt: number, expired: number, now: number): boolean {
    if (answeredAt > this.#answeredAt) {
      this.#answeredAt = answeredAt
      this.#unanswered = 0
    }
    this.#unanswered += expired
    const long = now - this.#answeredAt > SILENCE * this.settings.commandTimeout
    if (this.#silent || this.#unanswered < UNANSWERED || !long) return false
    this.#silent = true
    this.downSince ??= now
    return true
  }

  /**
   * A dial or a handshake failed. Calls `retry` once when it is time to try again, and answers the delay in ms; null if an
   * attempt is due already. With another connection in use the endpoint still counts as up.
   */
  failed(inUse: boolean, retry: () => void): number | null {
    if (!inUse) this.downSince ??= this.clock.tick()
    if (this.#retry !== null) return null
    const delay = this.#backoff.next()
    this.#retry = setTimeout(() => {
      this.#retry = null
      retry()
    }, delay)
    return delay
  }

  /** There is reason to try again at once: another server, perhaps. */
  reset(): void {
    this.stop()
    this.#backoff.reset()
    this.#silent = false
    this.#unanswered = 0
  }

  stop(): void {
    if (this.#retry !== null) clearTimeout(this.#retry)
    this.#retry = null
  }
}
