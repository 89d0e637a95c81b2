/** Delays that double from `minDelay` to `maxDelay` (both ms), each shortened at random by up to half so that peers spread out. */
export class Backoff {
  #attempt = 0

  constructor(
    readonly minDelay: number,
    readonly maxDelay: number,
    readonly random: () => number = Math.random,
  ) {}

  next(): number {
    // The exponent is capped so that a week of failures cannot overflow.
    const full = Math.min(this.maxDelay, this.minDelay * 2 ** Math.min(this.#attempt++, 30))
    return full * (1 - this.random() / 2)
  }

  reset(): void {
    this.#attempt = 0
  }
}
