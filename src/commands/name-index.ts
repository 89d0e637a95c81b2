export const maxNameBytes = 64

/**
 * Finds the number of a name given as bytes, in any case, without making a string: a hash table with open addressing over
 * names laid out one after the other. Names are ASCII, at most 64 bytes; numbers are from 0 to 32767.
 */
export class NameIndex {
  readonly #mask: number
  /** Number of the name in that slot, or -1. */
  readonly #slots: Int16Array
  /** By slot: length and first place in `#bytes` of the name. */
  readonly #lengths: Uint8Array
  readonly #places: Int32Array
  readonly #bytes: Uint8Array
  #used = 0

  /** Room for `capacity` names. */
  constructor(capacity: number) {
    // Half empty at least, so that a search soon ends.
    const slots = 2 ** Math.ceil(Math.log2(capacity * 2))
    this.#mask = slots - 1
    this.#slots = new Int16Array(slots).fill(-1)
    this.#lengths = new Uint8Array(slots)
    this.#places = new Int32Array(slots)
    this.#bytes = new Uint8Array(capacity * maxNameBytes)
  }

  /** `name` in lower case, not there yet. */
  add(name: string, number: number): void {
    const bytes = Buffer.from(name, 'latin1')
    if (bytes.length === 0 || bytes.length > maxNameBytes) throw new RangeError(`name of ${bytes.length} bytes`)
    let slot = hash(bytes, 0, bytes.length) & this.#mask
    while (this.#slots[slot] !== -1) slot = (slot + 1) & this.#mask
    this.#slots[slot] = number
    this.#lengths[slot] = bytes.length
    this.#places[slot] = this.#used
    this.#bytes.set(bytes, this.#used)
    this.#used += bytes.length
  }

  /** The number of the name from `start` to `end`, or -1. */
  find(buf: Buffer, start: number, end: number): number {
    const length = end - start
    if (length > maxNameBytes || length < 1) return -1
    const mask = this.#mask
    let slot = hash(buf, start, end) & mask
    while (this.#slots[slot] !== -1) {
      if (this.#lengths[slot] === length && this.#isAt(this.#places[slot], buf, start, end)) return this.#slots[slot]
      slot = (slot + 1) & mask
    }
    return -1
  }

  #isAt(place: number, buf: Buffer, start: number, end: number): boolean {
    const bytes = this.#bytes
    for (let i = start; i < end; i++, place++) {
      const byte = buf[i]
      const wanted = bytes[place]
      // Only the letters A to Z have a second form: `_` or `@` with that bit set are other characters, not other cases.
      if (byte !== wanted && (byte < 65 || byte > 90 || (byte | 32) !== wanted)) return false
    }
    return true
  }
}

/** Equal for names that differ in case only. */
function hash(buf: Buffer, start: number, end: number): number {
  let h = end - start
  for (let i = start; i < end; i++) h = Math.imul(h ^ (buf[i] | 32), 0x5bd1e995)
  return h ^ (h >>> 15)
}
