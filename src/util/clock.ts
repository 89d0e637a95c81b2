/** Milliseconds on a clock that never goes backwards. Injected wherever time decides something, so that tests can turn it. */
export type Clock = () => number

export const monotonic: Clock = () => performance.now()

/** A clock that is read once per socket read and kept in `now`: asking the system costs as much as forwarding a command. */
export class TurnClock {
  now: number

  constructor(readonly source: Clock = monotonic) {
    this.now = source()
  }

  /** Reads the clock. */
  tick(): number {
    this.now = this.source()
    return this.now
  }
}
