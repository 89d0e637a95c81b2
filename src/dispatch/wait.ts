import type { ErrorCode } from '../errors.js'
import type { Recorder } from '../metrics/recorder.js'
import type { UpstreamConnection } from '../upstream/connection.js'
import { cancelWait, type Waiter, type WaitQueue } from '../upstream/wait-queue.js'
import type { TurnClock } from '../util/clock.js'

/** What a wait needs of its session. */
export interface WaitOwner {
  readonly context: { readonly clock: TurnClock; readonly recorder: Recorder }
  /** It is over: with a lease, with an error, or with neither, when there is a shared connection to pick. */
  waited(lease: UpstreamConnection | null, refusal: ErrorCode | null): void
}

/** A session's place in the queue for a connection. */
export class Wait implements Waiter {
  queue: WaitQueue | null = null
  readonly #since: number

  constructor(
    readonly session: WaitOwner,
    readonly deadline: number,
  ) {
    this.#since = session.context.clock.now
  }

  granted(lease: UpstreamConnection | null): void {
    this.#note()
    this.session.waited(lease, null)
  }

  refused(code: ErrorCode): void {
    this.#note()
    this.session.waited(null, code)
  }

  /** The session waits no more. */
  cancel(): void {
    cancelWait(this)
  }

  #note(): void {
    const { clock, recorder } = this.session.context
    recorder.poolWait(clock.tick() - this.#since)
  }
}
