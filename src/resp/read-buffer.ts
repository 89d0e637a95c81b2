import { Gather } from './gather.js'

/** Most bytes that one read brings. */
export const READ_SIZE = 64 * 1024
/** Frames larger than this are passed on while they come, smaller ones whole. */
export const STREAM_FROM = 64 * 1024
/** Most bytes a connection can have carried over: an unfinished frame and one read on top of it, and the same once more for what is held. */
export const HEADROOM = 4 * 64 * 1024

/**
 * One buffer that all connections of one side read into: Node is single-threaded and a read is worked off before the
 * next one comes, so ten thousand silent connections need no buffer of their own.
 *
 *     | headroom            | carry | bytes just read |
 *                                   ^ READ_AT
 *
 * What a connection could not work off it carries over, and puts in front of what it reads next: frames are always
 * contiguous and only the carried bytes are copied.
 */
export class ReadBuffer {
  readonly bytes = Buffer.allocUnsafeSlow(HEADROOM + READ_SIZE)
  /** The part that sockets read into. */
  readonly target = this.bytes.subarray(HEADROOM)
  readonly gather = new Gather()
  /** Where the bytes end that are being worked off. */
  #end = 0
  /** Those from `#from` on as text, once somebody has asked for some. */
  #text: string | null = null
  #from = 0

  /** Bytes up to `end` are about to be worked off. */
  begin(end: number): void {
    this.#end = end
    this.#text = null
  }

  /**
   * A range as latin1 text, to be kept. Ranges are asked for in order, and all come from one conversion: the text of one command keeps
   * that of those which came with it.
   */
  text(start: number, end: number): string {
    if (this.#text === null) {
      this.#text = this.bytes.toString('latin1', start, this.#end)
      this.#from = start
    }
    return this.#text.slice(start - this.#from, end - this.#from)
  }
}

/** The bytes that one connection carries over from read to read. */
export class Carry {
  length = 0
  #bytes: Buffer | null = null

  /** Keeps a range of the read buffer instead of what was kept before. */
  keep(from: Buffer, start: number, end: number): void {
    this.length = end - start
    if (this.length === 0) {
      this.#bytes = null
      return
    }
    if (this.#bytes === null || this.#bytes.length < this.length) {
      this.#bytes = Buffer.allocUnsafeSlow(2 ** Math.ceil(Math.log2(Math.max(this.length, 64))))
    }
    from.copy(this.#bytes, 0, start, end)
  }

  /** The kept bytes, one character each. */
  text(): string {
    return this.#bytes === null ? '' : this.#bytes.toString('latin1', 0, this.length)
  }

  /** Puts the kept bytes in front of what was just read, up to `end`; answers where they start. */
  restore(buffer: ReadBuffer, end: number): number {
    const start = HEADROOM - this.length
    buffer.begin(end)
    if (this.#bytes !== null && this.length > 0) this.#bytes.copy(buffer.bytes, start, 0, this.length)
    return start
  }
}
