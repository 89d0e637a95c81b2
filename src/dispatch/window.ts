/** Replies measured before the first judgement, and commands that may be in flight until then: a client's usual pipeline. */
const START = 128
/** Replies of so many bytes on average are large: others should not have to wait behind them. */
const LARGE = 64 * 1024
/** However large its replies are, a session may have so many commands in flight. */
const LEAST = 8

/**
 * How many commands a session may have in flight: as many as its replies, by their size so far, fit into `target` bytes, and `most`
 * if they are small. Without that a reader of large replies would have ordered so many before the first one comes that everybody
 * on the shared connection would have to wait until it has read them.
 */
export class Window {
  size: number
  /** True if its replies were large lately. */
  large = false
  #replies = 0
  #bytes = 0

  constructor(
    readonly most: number,
    readonly target: number,
  ) {
    this.size = Math.min(START, most)
  }

  /** Takes note of a reply's size; now and then that changes the window. It at most doubles each time, but may shrink at once. */
  replied(bytes: number): void {
    this.#bytes += bytes
    this.#replies++
    // A large reply is judged at once.
    if (this.#replies < this.size / 2 && this.#bytes < this.target / 2) return
    this.large = this.#bytes >= this.#replies * LARGE
    const fitting = Math.floor((this.target * this.#replies) / this.#bytes)
    this.size = Math.max(LEAST, Math.min(fitting, this.size * 2, this.most))
    this.#replies = this.#bytes = 0
  }
}
