/** Weight of a new measurement. */
const WEIGHT = 0.2
/** How long a server is avoided that has refused or lost a read, ms. */
const AVOIDED_FOR = 1000

/** How a server does, for those who have several to read from. */
export class Fitness {
  /** Smoothed time of a round trip, ms; Infinity until one was measured. */
  latency = Infinity
  /** True while it is one of those of its shard that answer fastest. */
  near = false
  /** When a round trip was asked for last, ms. */
  probedAt = -Infinity
  #avoidedUntil = -Infinity

  measured(roundTrip: number): void {
    this.latency = this.latency === Infinity ? roundTrip : this.latency + WEIGHT * (roundTrip - this.latency)
  }

  avoid(now: number): void {
    this.#avoidedUntil = now + AVOIDED_FOR
  }

  isAvoided(now: number): boolean {
    return now < this.#avoidedUntil
  }
}
