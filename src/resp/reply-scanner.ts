import {
  BANG,
  COLON,
  COMMA,
  CR,
  DOLLAR,
  EQUALS,
  GREATER,
  HASH,
  LF,
  MAX_LINE,
  MINUS,
  PAREN,
  PERCENT,
  PIPE,
  PLUS,
  STAR,
  TILDE,
  UNDERSCORE,
} from './bytes.js'
import { headerValue, INCOMPLETE, readHeader } from './header.js'

/** Bytes from the upstream that are no RESP: the connection they came on cannot be trusted any further. */
export class ReplyFault extends Error {}

/**
 * Finds whole replies in a stream of RESP2 or RESP3 without keeping any of it.
 *
 *     *2 CRLF  *1 CRLF  :7 CRLF  $9 CRLF some va|
 *     values    1→2→1+…  each header adds what it announces and takes itself off: the frame ends at zero
 *
 * Nesting needs no stack: a frame is complete when as many values have come as were announced, wherever they hang. So
 * neither depth nor announced length costs memory, and scanning goes on at any byte.
 */
export class ReplyScanner {
  /** Where the scan stopped: the end of the frame, or the first byte not taken in. */
  pos = 0
  /** Values of the frame still to come. */
  #values = 0
  /** Bytes of the current bulk still to come, its CRLF included. */
  #payload = 0

  /** True between two frames. */
  get idle(): boolean {
    return this.#values === 0
  }

  /** Reads on from `pos` to `end`; true if that completed the frame. Throws ReplyFault on bytes that are no RESP. */
  scan(buf: Buffer, pos: number, end: number): boolean {
    if (this.#values === 0) this.#values = 1
    let at = pos
    while (this.#values > 0) {
      if (this.#payload > 0) {
        const left = end - at
        if (left < this.#payload) {
          this.#payload -= left
          this.pos = end
          return false
        }
        at += this.#payload
        this.#payload = 0
        if (buf[at - 1] !== LF) throw new ReplyFault('bulk string without its line end')
        this.#values--
        continue
      }
      this.pos = at
      const next = this.#scanHeader(buf, at, end)
      if (next === INCOMPLETE) {
        if (end - at > MAX_LINE) throw new ReplyFault('endless line')
        return false
      }
      at = next
    }
    this.pos = at
    return true
  }

  /** Takes in the value or the header that starts at `at`; answers the position behind it, or INCOMPLETE. */
  #scanHeader(buf: Buffer, at: number, end: number): number {
    if (at >= end) return INCOMPLETE
    const type = buf[at]
    switch (type) {
      case PLUS:
      case MINUS:
      case COLON:
      case UNDERSCORE:
      case COMMA:
      case HASH:
      case PAREN:
        return this.#scanLine(buf, at + 1, end)
      case DOLLAR:
      case BANG:
      case EQUALS:
      case STAR:
      case TILDE:
      case GREATER:
      case PERCENT:
      case PIPE:
        break
      default:
        throw new ReplyFault(`unknown type byte ${type}`)
    }
    const next = readHeader(buf, at + 1, end)
    if (next === INCOMPLETE) return INCOMPLETE
    if (next < 0 || buf[next - 1] !== LF) throw new ReplyFault('bad length')
    this.#announce(type, headerValue)
    return next
  }

  #announce(type: number, length: number): void {
    // Only RESP2's two nulls have a negative length; in a map it would make the count of values run backwards.
    if (length < 0 && (length < -1 || (type !== DOLLAR && type !== STAR))) throw new ReplyFault('negative length')
    switch (type) {
      case DOLLAR:
      case BANG:
      case EQUALS:
        if (length === -1) this.#values--
        else this.#payload = length + 2
        break
      case PERCENT:
        this.#values += 2 * length - 1
        break
      case PIPE: // attributes come before the value that they belong to, and do not count as it
        this.#values += 2 * length
        break
      default:
        this.#values += length === -1 ? -1 : length - 1
    }
    if (!Number.isSafeInteger(this.#values)) throw new ReplyFault('announced length out of range')
  }

  #scanLine(buf: Buffer, from: number, end: number): number {
    for (let at = from; at < end; at++) {
      if (buf[at] !== CR) continue
      if (at + 1 >= end) return INCOMPLETE
      if (buf[at + 1] !== LF) throw new ReplyFault('line without its line feed')
      this.#values--
      return at + 2
    }
    return INCOMPLETE
  }
}
