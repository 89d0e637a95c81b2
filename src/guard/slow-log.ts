/** A command that took long. Times in ms, sizes in bytes; null for what is not known. */
export interface SlowCommand {
  /** When it was answered. */
  readonly at: string
  readonly command: string
  readonly failed: boolean
  /** From when it could have been sent to its reply: the sum of the next two. */
  readonly totalMs: number
  /** Until it was sent, for want of a connection, or of room behind what was sent before. */
  readonly waitMs: number
  /** From then on, on the way and in Redis. */
  readonly upstreamMs: number
  readonly requestBytes: number | null
  readonly replyBytes: number
  readonly keys: number | null
  readonly endpoint: string
  readonly client: { readonly id: number; readonly address: string; readonly name: string }
}

/** The last commands that took long. */
export class SlowLog {
  /** All that were noted, also those that have left. */
  total = 0
  readonly #commands: SlowCommand[] = []

  constructor(public room: number) {}

  add(command: SlowCommand): void {
    this.total++
    this.#commands.push(command)
    this.#trim()
  }

  resize(room: number): void {
    this.room = room
    this.#trim()
  }

  /** The newest first. */
  list(): SlowCommand[] {
    return this.#commands.toReversed()
  }

  #trim(): void {
    if (this.#commands.length > this.room) this.#commands.splice(0, this.#commands.length - this.room)
  }
}
