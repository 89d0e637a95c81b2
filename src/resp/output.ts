import type { Socket } from 'node:net'
import type { Gather, Sink } from './gather.js'

/** Runs up to this size are gathered as text: Node writes a short latin1 string without allocating for it. */
export const TEXT_LIMIT = 8 * 1024

/** Bytes on their way to one socket, in order, until the end of the loop turn. */
export class Output implements Sink {
  /** Bytes not yet handed to the socket; the open run of the gather is not counted before it is closed. */
  bytes = 0
  #text = ''
  #parts: (string | Buffer)[] | null = null

  constructor(readonly gather: Gather) {}

  /** Copies a range, whose buffer may be overwritten afterwards. */
  copy(buf: Buffer, start: number, end: number): void {
    const size = end - start
    this.bytes += size
    if (size <= TEXT_LIMIT) this.#text += buf.toString('latin1', start, end)
    else this.#push(Buffer.copyBytesFrom(buf, start, size))
  }

  /** Adds text of which each character is one byte. */
  text(text: string): void {
    if (this.gather.target === this) this.gather.close()
    this.bytes += text.length
    this.#text += text
  }

  /** Adds bytes that nobody changes any more, without copying them. */
  shared(part: Buffer): void {
    if (this.gather.target === this) this.gather.close()
    this.bytes += part.length
    this.#push(part)
  }

  /** Hands everything to the socket; answers how many bytes that was. */
  writeTo(socket: Socket): number {
    // What was added outside of a read is still open.
    if (this.gather.target === this) this.gather.close()
    const { bytes } = this
    this.bytes = 0
    const parts = this.#parts
    const text = this.#text
    this.#text = ''
    if (parts === null) {
      if (text !== '') socket.write(text, 'latin1')
      return bytes
    }
    this.#parts = null
    socket.cork()
    for (const part of parts) {
      if (typeof part === 'string') socket.write(part, 'latin1')
      else socket.write(part)
    }
    if (text !== '') socket.write(text, 'latin1')
    socket.uncork()
    return bytes
  }

  clear(): void {
    if (this.gather.target === this) this.gather.close()
    this.bytes = 0
    this.#text = ''
    this.#parts = null
  }

  #push(part: Buffer): void {
    this.#parts ??= []
    if (this.#text !== '') {
      this.#parts.push(this.#text)
      this.#text = ''
    }
    this.#parts.push(part)
  }
}
