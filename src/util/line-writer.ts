import { write, writeSync } from 'node:fs'

/** Characters that may wait for a slow reader. */
const LIMIT = 1 << 20
/** What Linux writes to a pipe in one piece. */
const ATOMIC = 4096
/** How long to wait (ms) until a full non-blocking pipe is tried again. */
const RETRY = 50

/**
 * Writes lines to a file descriptor in the background, in order and as many at once as there are, so that neither a reader that has
 * stopped nor a full disk stops anything but the lines. What does not fit the queue, or cannot be written, is counted in `lost`.
 *
 * pino's own destination does nearly this, but at exit it tries again for ever when a write fails, and the process never ends.
 */
export class LineWriter {
  lost = 0
  #queue: string[] = []
  #size = 0
  #writing = false
  /** Bytes that a full pipe did not take yet. */
  #rest: Buffer | undefined

  constructor(
    readonly fd: number,
    readonly limit = LIMIT,
  ) {
    process.once('exit', () => this.#finish())
  }

  write(line: string): void {
    if (this.#size + line.length > this.limit) {
      this.lost++
      return
    }
    this.#queue.push(line)
    this.#size += line.length
    if (this.#writing) return
    this.#writing = true
    // All lines of a turn go out together, and those of a turn that ends the process are left to #finish.
    setImmediate(() => this.#next())
  }

  #next(): void {
    const lines = this.#queue.splice(0, this.#fitting())
    const text = lines.join('')
    this.#send(Buffer.from(text), (error) => {
      if (error) this.lost += lines.length
      this.#size -= text.length
      this.#writing = this.#queue.length > 0
      if (this.#writing) this.#next()
    })
  }

  /** How many lines go into a pipe at once without those of another process between them; one at least. */
  #fitting(): number {
    let size = 0
    const over = this.#queue.findIndex((line) => (size += line.length) > ATOMIC)
    return over === -1 ? this.#queue.length : Math.max(over, 1)
  }

  #send(bytes: Buffer, done: (error: Error | null) => void): void {
    this.#rest = undefined
    write(this.fd, bytes, (error, written) => {
      if (error?.code === 'EAGAIN') {
        this.#rest = bytes
        setTimeout(() => this.#send(bytes, done), RETRY)
      } else if (!error && written < bytes.length) this.#send(bytes.subarray(written), done)
      else done(error)
    })
  }

  /** What is being written now the thread pool still ends; the rest gets one attempt. */
  #finish(): void {
    const bytes = Buffer.concat([this.#rest ?? Buffer.alloc(0), Buffer.from(this.#queue.join(''))])
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(this.fd, bytes, at)
    } catch {
      // There is no later line to tell it, and nowhere else to say it.
    }
  }
}
