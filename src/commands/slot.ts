import calculate from 'cluster-key-slot'

const OPEN = 0x7b
const CLOSE = 0x7d

/** One buffer for each length of a usual key: the package takes whole ones only, and a view of the bytes costs more than a copy. */
const COPIES = Array.from({ length: 65 }, (_, length) => Buffer.alloc(length))

/** The hash slot of a key that lies in a larger buffer. */
export function slotWithin(buf: Buffer, start: number, end: number): number {
  const length = end - start
  if (length >= COPIES.length) return slotOf(buf.subarray(start, end))
  const key = COPIES[length]
  let tagged = false
  for (let i = 0; i < length; i++) {
    const byte = buf[start + i]
    if (byte === OPEN) tagged = true
    key[i] = byte
  }
  return tagged ? slotOf(key) : calculate(key)
}

/** The hash slot of a key (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags). */
export function slotOf(key: Buffer): number {
  const open = key.indexOf(OPEN)
  if (open === -1 || key[open + 1] !== CLOSE) return calculate(key)
  // Behind an empty tag the package looks for another one, where Redis hashes the whole key. The checksum is linear, so that
  // a key is worth what two halves of it are that have no tag: one without closing braces, one with nothing else.
  const [rest, braces] = [Buffer.from(key), Buffer.alloc(key.length)]
  for (let at = key.indexOf(CLOSE); at !== -1; at = key.indexOf(CLOSE, at + 1)) {
    rest[at] = 0
    braces[at] = CLOSE
  }
  return calculate(rest) ^ calculate(braces)
}
