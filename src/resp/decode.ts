import { findCR, headerValue, readHeader } from './header.js'
import { ReplyFault } from './reply-scanner.js'

/** A decoded reply: aggregates of every kind as flat arrays, errors as Error. For the few small replies that respool reads itself. */
export type Value = string | number | null | Error | Value[]

/** Replies nested deeper than this are none that respool asked for: decoding them would only use up the stack. */
const DEEPEST = 32

/** Decodes the one whole frame that starts at `start`; what its attributes say is left out. */
export function decode(buf: Buffer, start: number): Value {
  return decodeAt(buf, start, 0).value
}

interface Decoded {
  value: Value
  next: number
}

const AGGREGATES = '*~>%'
const BULKS = '$=!'

function decodeAt(buf: Buffer, start: number, depth: number): Decoded {
  if (depth > DEEPEST) throw new ReplyFault('nested too deeply')
  const type = String.fromCharCode(buf[start])
  if (type === '|') return decodeAt(buf, decodeAggregate(buf, start, 2, depth).next, depth + 1)
  if (AGGREGATES.includes(type)) return decodeAggregate(buf, start, type === '%' ? 2 : 1, depth)
  if (BULKS.includes(type)) {
    const at = readHeader(buf, start + 1, buf.length)
    if (headerValue < 0) return { value: null, next: at }
    const end = at + headerValue
    const text = buf.toString('latin1', type === '=' ? at + 4 : at, end)
    return { value: type === '!' ? new Error(text) : text, next: end + 2 }
  }
  const end = findCR(buf, start, buf.length)
  const line = buf.toString('latin1', start + 1, end)
  const next = end + 2
  if (type === ':') return { value: Number(line), next }
  if (type === '_') return { value: null, next }
  return { value: type === '-' ? new Error(line) : line, next }
}

function decodeAggregate(buf: Buffer, start: number, perItem: number, depth: number): Decoded {
  let next = readHeader(buf, start + 1, buf.length)
  if (headerValue < 0) return { value: null, next }
  const value: Value[] = []
  for (let left = headerValue * perItem; left > 0; left--) {
    const item = decodeAt(buf, next, depth + 1)
    value.push(item.value)
    next = item.next
  }
  return { value, next }
}
