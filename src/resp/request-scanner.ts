import type { ErrorCode } from '../errors.js'
import { CR, DOLLAR, LF, MAX_LINE, STAR } from './bytes.js'
import { findCR, headerValue, INCOMPLETE, INVALID, readHeader } from './header.js'

export interface RequestLimits {
  /** Longest argument, bytes. */
  bulkBytes: number
  /** Most arguments of one command. */
  arrayLength: number
  /** Longest inline request, bytes. */
  inlineBytes: number
  /** What is said of more arguments, or longer ones, than that. */
  tooMany?: ErrorCode
  tooLong?: ErrorCode
}

/** What somebody may send who has not logged in, as with Redis. */
export const OF_STRANGERS = {
  arrayLength: 10,
  bulkBytes: 16 * 1024,
  tooMany: 'mbulkUnauthenticated',
  tooLong: 'bulkUnauthenticated',
} as const

/** What a scan ended with. */
export const Scan = {
  /** A whole command: `argc`, `name…` and `canonical` tell about it. */
  command: 0,
  /** A whole inline line; the caller splits it. */
  inline: 1,
  /** An array of no arguments: Redis answers nothing to it. */
  empty: 2,
  /** More bytes are needed: everything before `pos` has been taken in. */
  more: 3,
  /** The bytes are no command: `error` tells why. */
  bad: 4,
} as const
export type Scan = (typeof Scan)[keyof typeof Scan]

/**
 * Finds whole requests in a stream without keeping any of it.
 *
 *     *3 CRLF  $3 CRLF SET CRLF  $1 CRLF k CRLF  $9 CRLF some va|
 *     └ frame                                    └ header taken  └ pos: `payload` bytes of it are still to come
 *
 * The state is three numbers, so it costs no memory however large a frame is or announces to be, and scanning goes on
 * at any byte. Invariant: `pos` lies between elements or inside a payload, never inside a header line; an unfinished
 * header is read again from its first byte.
 */
export class RequestScanner {
  /** Where the scan stopped: the end of the frame, or the first byte not taken in. */
  pos = 0
  /** Number of arguments of the frame, its name included. */
  argc = 0
  /** Where the name's bytes are, counted from the first byte of the frame; length -1 while it has not come whole. */
  nameOffset = 0
  nameLength = -1
  /** False if the frame has other bytes than CR LF at the end of a line: Redis lets them pass, others need not. */
  canonical = true
  error: ErrorCode = 'bulkExpected'
  /** The offending byte of `bulkExpected`. */
  errorByte = 0

  #argsLeft = 0
  /** Bytes of the current argument still to come, its two line end bytes included. */
  #payload = 0

  constructor(public limits: RequestLimits) {}

  /** True between two frames. */
  get idle(): boolean {
    return this.#argsLeft === 0
  }

  /** Forgets an unfinished frame. */
  reset(): void {
    this.#argsLeft = this.#payload = 0
  }

  /**
   * Reads on in buf from `pos` (a frame's first byte, or where the last scan stopped) to `end`. `frame` is where the
   * frame's first byte is, or would be had it been kept.
   */
  scan(buf: Buffer, frame: number, pos: number, end: number): Scan {
    this.pos = pos
    if (this.#argsLeft === 0) {
      if (buf[pos] !== STAR) return this.#scanInline(buf, pos, end)
      const next = readHeader(buf, pos + 1, end)
      if (next < 0) return this.#badHeader(next, end - pos, 'mbulkCountTooBig', 'mbulkLengthInvalid')
      if (headerValue > this.limits.arrayLength) return this.#bad(this.limits.tooMany ?? 'mbulkLengthInvalid')
      this.canonical = buf[next - 1] === LF
      this.pos = next
      if (headerValue <= 0) return Scan.empty
      this.argc = headerValue
      this.#argsLeft = headerValue
      this.nameLength = -1
    }
    return this.#scanArguments(buf, frame, end)
  }

  #scanArguments(buf: Buffer, frame: number, end: number): Scan {
    let pos = this.pos
    while (this.#argsLeft > 0) {
      if (this.#payload > 0) {
        const left = end - pos
        if (left < this.#payload) {
          this.#payload -= left
          this.pos = end
          return Scan.more
        }
        pos += this.#payload
        this.#payload = 0
        if (buf[pos - 1] !== LF || buf[pos - 2] !== CR) this.canonical = false
        this.#argsLeft--
        continue
      }
      this.pos = pos
      if (pos >= end) return Scan.more
      if (buf[pos] !== DOLLAR) return this.#notBulk(buf, end)
      const next = readHeader(buf, pos + 1, end)
      if (next < 0) return this.#badHeader(next, end - pos, 'bulkCountTooBig', 'bulkLengthInvalid')
      const length = headerValue
      if (length < 0) return this.#bad('bulkLengthInvalid')
      if (length > this.limits.bulkBytes) return this.#bad(this.limits.tooLong ?? 'bulkLengthInvalid')
      if (buf[next - 1] !== LF) this.canonical = false
      if (this.nameLength < 0) {
        this.nameOffset = next - frame
        this.nameLength = length
      }
      this.#payload = length + 2
      pos = next
    }
    this.pos = pos
    return Scan.command
  }

  #scanInline(buf: Buffer, pos: number, end: number): Scan {
    const lf = buf.subarray(pos, end).indexOf(LF)
    if ((lf === -1 ? end - pos : lf) > this.limits.inlineBytes) return this.#bad('inlineTooBig')
    if (lf === -1) return Scan.more
    this.pos = pos + lf + 1
    return Scan.inline
  }

  /** Redis looks at the type byte only when the whole line is there. */
  #notBulk(buf: Buffer, end: number): Scan {
    const cr = findCR(buf, this.pos, end)
    if (cr === -1 || cr + 1 >= end) return end - this.pos > MAX_LINE ? this.#bad('bulkCountTooBig') : Scan.more
    this.errorByte = buf[this.pos]!
    return this.#bad('bulkExpected')
  }

  #badHeader(outcome: number, length: number, tooBig: ErrorCode, invalid: ErrorCode): Scan {
    if (outcome === INVALID) return this.#bad(invalid)
    if (outcome === INCOMPLETE && length > MAX_LINE) return this.#bad(tooBig)
    return Scan.more
  }

  #bad(error: ErrorCode): Scan {
    this.error = error
    return Scan.bad
  }
}
