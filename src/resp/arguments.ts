import { headerValue, readHeader } from './header.js'

/** The arguments of one request frame, found when they are asked for: only commands that respool answers itself need them. */
export class Arguments {
  readonly count: number
  readonly #starts: number[] = []
  readonly #ends: number[] = []

  constructor(
    readonly buf: Buffer,
    start: number,
    end: number,
  ) {
    let at = readHeader(buf, start + 1, end)
    this.count = headerValue
    for (let i = 0; i < this.count; i++) {
      at = readHeader(buf, at + 1, end)
      this.#starts.push(at)
      this.#ends.push(at + headerValue)
      at += headerValue + 2
    }
  }

  /** Argument i as latin1 text, one character a byte; 0 is the name. */
  text(i: number): string {
    return this.buf.toString('latin1', this.#starts[i], this.#ends[i])
  }

  /** Argument i as it is, in the buffer that it came in. */
  bytes(i: number): Buffer {
    return this.buf.subarray(this.#starts[i], this.#ends[i])
  }

  lower(i: number): string {
    return this.text(i).toLowerCase()
  }

  /** From argument `from` on, as latin1 texts. */
  texts(from = 0): string[] {
    return Array.from({ length: Math.max(0, this.count - from) }, (_, i) => this.text(from + i))
  }
}

/** The length of the argument that a request frame breaks off in at `end`, as far as that can be told; 0 if it cannot. */
export function unfinishedLength(buf: Buffer, start: number, end: number): number {
  let at = readHeader(buf, start + 1, end)
  while (at >= 0 && at < end) {
    at = readHeader(buf, at + 1, end)
    if (at + headerValue > end) return headerValue
    at += headerValue + 2
  }
  return 0
}

/** Argument i of a request that may break off; null if it is not there as a whole. */
export function wholeArgument(buf: Buffer, start: number, end: number, i: number): Buffer | null {
  let at = readHeader(buf, readHeader(buf, start + 1, end) + 1, end)
  for (let left = i; left > 0; left--) {
    if (at < 0 || at + headerValue + 2 >= end) return null
    at = readHeader(buf, at + headerValue + 3, end)
  }
  return at < 0 || at + headerValue > end ? null : buf.subarray(at, at + headerValue)
}

/** Where argument i of a request frame begins; its length is in `headerValue` then. For when one argument is all that is needed. */
export function argumentStart(buf: Buffer, start: number, end: number, i: number): number {
  let at = readHeader(buf, readHeader(buf, start + 1, end) + 1, end)
  for (let left = i; left > 0; left--) at = readHeader(buf, at + headerValue + 3, end)
  return at
}
