import type { Config } from '../config/config.js'
import type { ErrorCode } from '../errors.js'
import { Backoff } from '../util/backoff.js'
import type { TurnClock } from '../util/clock.js'

/**
 * Whether an endpoint can be reached.
 *
 *     up ──(a dial fails)──► down, commands wait ──(holdTime)──► down, commands fail at once
 *      ▲                          │ dialled again and again, with growing, jittered delays │
 *      └──────────────────────────┴──────────────(a handshake succeeds)────────────────────┘
 */
export class Reachability {
  /** Since when it cannot be reached, ms on the monotonic clock; null while it can. */
  downSince: number | null
  #failure: ErrorCode = 'upstreamDown'
  #retry: NodeJS.Timeout | null = null
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
    const long = this.clock.tick() - this.downSince > this.settings.holdTime
    return long || this.#failure === 'upstreamAuth' ? this.#failure : null
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
    return news
  }

  /** What the errors of the coming outage say. */
  blame(failure: ErrorCode): void {
    this.#failure = failure
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

  /** There is reason to try again at once. */
  reset(): void {
    this.stop()
    this.#backoff.reset()
  }

  stop(): void {
    if (this.#retry !== null) clearTimeout(this.#retry)
    this.#retry = null
  }
}
