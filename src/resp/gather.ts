/** Where ranges go. */
export interface Sink {
  /** Copies a range, whose buffer may be overwritten afterwards. */
  copy(buf: Buffer, start: number, end: number): void
}

/**
 * Joins neighbouring ranges of one read buffer that go to the same output, so that a hundred pipelined commands are
 * copied once and not a hundred times.
 *
 *     read buffer   [ frame | frame | frame | frame ]
 *                     └──── one run to A ──┘ └ B ─┘
 *
 * Invariant: at most one run is open, and it is closed before the read buffer is used again.
 */
export class Gather {
  /** Where the open run goes. */
  target: Sink | null = null
  #buf: Buffer = Buffer.alloc(0)
  #start = 0
  #end = 0

  add(target: Sink, buf: Buffer, start: number, end: number): void {
    if (this.target === target && start === this.#end && this.#buf === buf) {
      this.#end = end
      return
    }
    if (this.target !== null) this.close()
    this.target = target
    this.#buf = buf
    this.#start = start
    this.#end = end
  }

  close(): void {
    const target = this.target
    if (target === null) return
    this.target = null
    target.copy(this.#buf, this.#start, this.#end)
  }
}
