import type { Random } from '../conformance/garble.ts'

/** What changes are made of. */
export interface Material {
  /** Words that mean something to what is being tested. */
  readonly words: readonly Buffer[]
  /** Inputs that were worth keeping. */
  readonly others: readonly Buffer[]
  /** Most bytes of an input. */
  readonly longest: number
}

type Change = (bytes: Buffer, random: Random, material: Material) => Buffer

const NUMBERS = [
  '0',
  '1',
  '2',
  '-1',
  '10',
  '16',
  '127',
  '255',
  '1024',
  '65535',
  '65536',
  '2147483648',
  '-2',
  '1e3',
  '0.01',
]

const CHANGES: readonly Change[] = [
  // another byte
  (bytes, random) => put(bytes, random.below(bytes.length), 1, Buffer.from([random.below(256)])),
  // one bit
  (bytes, random) => {
    const at = random.below(bytes.length)
    return put(bytes, at, 1, Buffer.from([bytes[at] ^ (1 << random.below(8))]))
  },
  // a byte in another place
  (bytes, random) => put(bytes, random.below(bytes.length + 1), 0, Buffer.from([bytes[random.below(bytes.length)]])),
  // some bytes gone
  (bytes, random) => put(bytes, random.below(bytes.length), 1 + random.below(8), NOTHING),
  // a part gone, twice, or in another place
  (bytes, random) => put(bytes, random.below(bytes.length), random.below(bytes.length), NOTHING),
  (bytes, random) => put(bytes, random.below(bytes.length + 1), 0, part(bytes, random)),
  (bytes, random) => put(bytes, random.below(bytes.length), random.below(8), part(bytes, random)),
  // a word more, or in place of something
  (bytes, random, { words }) => put(bytes, random.below(bytes.length + 1), 0, random.pick(words)),
  (bytes, random, { words }) => put(bytes, random.below(bytes.length), 1 + random.below(8), random.pick(words)),
  // another number
  (bytes, random) => {
    const numbers = [...bytes.toString('latin1').matchAll(/\d+/g)]
    if (numbers.length === 0) return bytes
    const { index, 0: text } = random.pick(numbers)
    const near = String(Number(text) + random.below(5) - 2)
    return put(bytes, index, text.length, Buffer.from(random.below(2) === 0 ? near : random.pick(NUMBERS)))
  },
  // a line gone, twice, or in another place
  (bytes, random) => {
    const lines = linesOf(bytes)
    return Buffer.concat(lines.toSpliced(random.below(lines.length), 1))
  },
  (bytes, random) => {
    const lines = linesOf(bytes)
    return Buffer.concat(lines.toSpliced(random.below(lines.length + 1), 0, random.pick(lines)))
  },
  (bytes, random) => {
    const lines = linesOf(bytes)
    const [line] = lines.splice(random.below(lines.length), 1)
    return Buffer.concat(lines.toSpliced(random.below(lines.length + 1), 0, line))
  },
  // lines or a part of another input
  (bytes, random, { others }) => {
    const lines = linesOf(bytes)
    const theirs = linesOf(random.pick(others))
    const from = random.below(theirs.length)
    const taken = theirs.slice(from, from + 1 + random.below(3))
    return Buffer.concat(lines.toSpliced(random.below(lines.length + 1), 0, ...taken))
  },
  (bytes, random, { others }) =>
    put(bytes, random.below(bytes.length + 1), bytes.length, part(random.pick(others), random)),
]

const NOTHING = Buffer.alloc(0)

/** An input that is like another one, but for a few changes. */
export function mutated(input: Buffer, random: Random, material: Material): Buffer {
  let bytes = input
  for (let left = 1 + random.below(random.below(4) === 0 ? 12 : 3); left > 0; left--) {
    bytes = bytes.length === 0 ? random.pick(material.words) : random.pick(CHANGES)(bytes, random, material)
  }
  return bytes.subarray(0, material.longest)
}

/** The bytes with others in place of `length` of them from `at` on. */
function put(bytes: Buffer, at: number, length: number, others: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, at), others, bytes.subarray(at + length)])
}

function part(bytes: Buffer, random: Random): Buffer {
  const at = random.below(bytes.length + 1)
  return bytes.subarray(at, at + 1 + random.below(64))
}

/** Lines with their ends; one at least. */
export function linesOf(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = []
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf('\n', at)
    const next = end === -1 ? bytes.length : end + 1
    lines.push(bytes.subarray(at, next))
    at = next
  }
  return lines.length === 0 ? [bytes] : lines
}
