import { CR, MINUS, ZERO } from './bytes.js'

/** What `readHeader` answers instead of a position. */
export const INCOMPLETE = -1
export const INVALID = -2

/** The number in the header that `readHeader` read last: a second return value without an object for it. */
export let headerValue = 0

/**
 * Reads the number of a header line such as `*3\r\n`, from the byte after the type, and answers the position behind
 * the line. Strict as Redis's string2ll: no sign but minus, no leading zeros, nothing else before the CR. Positive
 * numbers of more digits than are exact are refused, as they are far over any limit; of negative ones only the sign matters.
 * Like Redis it takes any byte for the LF: the caller tells the difference where it matters.
 */
export function readHeader(buf: Buffer, pos: number, end: number): number {
  let at = pos
  let negative = false
  if (at < end && buf[at] === MINUS) {
    negative = true
    at++
  }
  const first = at
  let value = 0
  while (at < end) {
    const digit = buf[at] - ZERO
    if (digit < 0 || digit > 9) break
    value = value * 10 + digit
    at++
  }
  if (at >= end) return INCOMPLETE
  if (buf[at] !== CR) return badHeader(buf, at, end)
  if (at + 1 >= end) return INCOMPLETE
  const digits = at - first
  if (digits === 0 || (buf[first] === ZERO && (digits > 1 || negative))) return INVALID
  if (digits > 15 && (!negative || isBelow64Bits(buf, first, at))) return INVALID
  headerValue = negative ? -value : value
  return at + 2
}

/** Whether digits behind a minus make less than a signed 64-bit integer holds. */
function isBelow64Bits(buf: Buffer, first: number, end: number): boolean {
  return end - first > 19 || BigInt(buf.toString('latin1', first, end)) > 2n ** 63n
}

/** A bad byte in a header counts only once its line has come, because only then does Redis look at it. */
function badHeader(buf: Buffer, from: number, end: number): number {
  const cr = findCR(buf, from, end)
  return cr === -1 || cr + 1 >= end ? INCOMPLETE : INVALID
}

export function findCR(buf: Buffer, from: number, end: number): number {
  for (let at = from; at < end; at++) if (buf[at] === CR) return at
  return -1
}
