import type { Socket } from 'node:net'

/** How bytes go on: so many of them at a time, each time after a while. */
export interface Shape {
  /** 0: none at all. */
  readonly slice: number
  /** ms; 0: a turn of the event loop. */
  wait(): number
}

/** Unsent bytes at which the source is not read any more. */
const FULL = 64 * 1024

/**
 * One direction of a link. Without a shape bytes go on at once; with one they queue up here:
 *
 *     source ── take ──► queue ── pump, a slice at a time ──► sink
 *
 * What came ahead of the end of the source still goes on, and then the sink is ended too.
 */
export class Pipe {
  #queue: Buffer[] = []
  #bytes = 0
  #shape: Shape | null = null
  #timer: NodeJS.Timeout | NodeJS.Immediate | null = null
  #isEnding = false
  /** Sees each piece first; answers what goes on in its place. */
  filter: ((chunk: Buffer) => Buffer | null) | null = null

  constructor(
    readonly source: Socket,
    readonly sink: Socket,
  ) {
    sink.on('drain', () => this.#resume())
  }

  set shape(shape: Shape | null) {
    this.#shape = shape
    this.#pump()
  }

  take(chunk: Buffer): void {
    const piece = this.filter ? this.filter(chunk) : chunk
    if (piece === null || piece.length === 0) return
    if (this.#shape === null && this.#bytes === 0) return this.#write(piece)
    this.#queue.push(piece)
    this.#bytes += piece.length
    if (this.#bytes > FULL) this.source.pause()
    if (this.#timer === null) this.#pump()
  }

  /** The source has ended. */
  finish(): void {
    this.#isEnding = true
    if (this.#bytes === 0 && this.#shape?.slice !== 0) this.sink.end()
  }

  clear(): void {
    this.#queue = []
    this.#bytes = 0
  }

  #pump(): void {
    const shape = this.#shape
    if (this.#timer !== null || (shape !== null && shape.slice === 0)) return
    if (shape === null) {
      while (this.#bytes > 0) this.#write(this.#next(Infinity))
      if (this.#isEnding) this.sink.end()
      else this.#resume()
      return
    }
    if (this.#bytes === 0) return
    const step = () => {
      this.#timer = null
      // It may have been held in the meantime.
      if (this.#shape?.slice !== 0 && this.#bytes > 0) this.#write(this.#next(this.#shape?.slice ?? Infinity))
      if (this.#bytes < FULL) this.#resume()
      if (this.#bytes === 0 && this.#isEnding) this.sink.end()
      this.#pump()
    }
    const wait = shape.wait()
    this.#timer = wait === 0 ? setImmediate(step) : setTimeout(step, wait)
  }

  #next(count: number): Buffer {
    const all = this.#queue.length === 1 ? this.#queue[0] : Buffer.concat(this.#queue)
    const rest = all.subarray(count)
    this.#queue = rest.length > 0 ? [rest] : []
    this.#bytes = rest.length
    return all.subarray(0, count)
  }

  #write(bytes: Buffer): void {
    if (!this.sink.writable) return
    if (!this.sink.write(bytes)) this.source.pause()
  }

  #resume(): void {
    if (this.#bytes < FULL && !this.sink.writableNeedDrain) this.source.resume()
  }
}
