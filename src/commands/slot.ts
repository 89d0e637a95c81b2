import calculate from 'cluster-key-slot'

const OPEN = 0x7b
const CLOSE = 0x7d

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
