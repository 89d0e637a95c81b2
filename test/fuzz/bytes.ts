import fc from 'fast-check'
import { Random } from '../conformance/garble.ts'

export const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1')

/** Texts one behind another, as bytes. */
export function joined(texts: fc.Arbitrary<string>, maxLength: number, between = ''): fc.Arbitrary<Buffer> {
  return fc.array(texts, { minLength: 1, maxLength }).map((parts) => latin1(parts.join(between)))
}

/** Random numbers that are the same whenever the bytes are. */
export function randomOf(bytes: Buffer): Random {
  let hash = bytes.length + 1
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193)
  return new Random(hash)
}

/** Lengths to cut bytes in. */
export function someLengths(random: Random, most: number): number[] {
  return Array.from({ length: 1 + random.below(6) }, () => 1 + random.below(most))
}
