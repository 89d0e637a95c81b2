import { findCR, headerValue, readHeader } from './header.js'

/** A decoded reply: aggregates of every kind as flat arrays, errors as Error. For the few small replies that respool reads itself. */
export type Value = string | number | null | Error | Value[]

/** Decodes the one whole frame that starts at `start`. */
export function decode(buf: Buffer, start: number): Value {
  return decodeAt(buf, start).value
}

interface Decoded {
  value: Value
  next: number
}

const PAIRED = '%|'
const AGGREGATES = '*~>%|'
const BULKS = '$=!'

function decodeAt(buf: Buffer, start: number): Decoded {
  const type = String.fromCharCode(buf[start])
  if (AGGREGATES.includes(type)) return decodeAggregate(buf, start, PAIRED.includes(type) ? 2 : 1)
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

function decodeAggregate(buf: Buffer, start: number, perItem: number): Decoded {
  let next = readHeader(buf, start + 1, buf.length)
  if (headerValue < 0) return { value: null, next }
  const value: Value[] = []
  for (let left = headerValue * perItem; left > 0; left--) {
    const item = decodeAt(buf, next)
    value.push(item.value)
    next = item.next
  }
  return { value, next }
}
