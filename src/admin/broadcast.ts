import { PassThrough, type Readable } from 'node:stream'

//   take() → latest → streams     once a second, the same message for all
//
// Invariant: the timer runs exactly while there are streams.

const PERIOD = 1000
/** Whoever has so many bytes unread does not keep up, and is left. */
const MAX_UNREAD = 1 << 20

/** Server-sent events for a number of listeners; no work is done while there is none. */
export class Broadcast {
  readonly #streams = new Set<PassThrough>()
  #timer: NodeJS.Timeout | undefined
  #latest: string | null = null
  #taking = false

  /**
   * @param take gives a message, as text without line breaks
   * @param most how many may listen at a time
   * @param onFault hears what `take` throws; all listeners are then left
   */
  constructor(
    readonly take: () => string | Promise<string>,
    readonly most: number,
    readonly onFault: (error: unknown) => void,
  ) {}

  get listeners(): number {
    return this.#streams.size
  }

  /** What a new listener reads; null if there are too many. */
  join(): Readable | null {
    if (this.#streams.size >= this.most) return null
    const stream = new PassThrough()
    this.#streams.add(stream)
    stream.once('close', () => this.#leave(stream))
    if (this.#latest !== null) stream.write(this.#latest)
    if (this.#timer === undefined) {
      this.#timer = setInterval(() => void this.#tell(), PERIOD)
      void this.#tell()
    }
    return stream
  }

  close(): void {
    for (const stream of this.#streams) stream.end()
  }

  #leave(stream: PassThrough): void {
    this.#streams.delete(stream)
    if (this.#streams.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#latest = null
  }

  async #tell(): Promise<void> {
    // A message that takes long is not overtaken by the next one.
    if (this.#taking) return
    this.#taking = true
    try {
      const message = `data: ${await this.take()}\n\n`
      if (this.#timer !== undefined) this.#latest = message
      for (const stream of this.#streams) this.#send(stream, message)
    } catch (error) {
      this.onFault(error)
      for (const stream of this.#streams) stream.destroy()
    } finally {
      this.#taking = false
    }
  }

  #send(stream: PassThrough, message: string): void {
    if (stream.writableEnded) return
    if (stream.writableLength + stream.readableLength > MAX_UNREAD) stream.destroy()
    else stream.write(message)
  }
}
