import { Carry, HEADROOM, READ_SIZE, ReadBuffer } from '../../src/resp/read-buffer.js'

/** Two ways of giving a scanner a stream in pieces, and ways of cutting one. */

/**
 * What stands for a scanner: takes in bytes of `buf` from `pos` to `end`, where `frame` is the first byte of the
 * current frame; calls `found` with the end of each whole frame, and answers the position up to which all was taken in.
 */
export type Step = (buf: Buffer, frame: number, pos: number, end: number, found: (end: number) => void) => number

/** As connections do it: the unfinished frame is carried over in front of the next read. Answers the ends of frames. */
export function feedCarried(pieces: readonly Buffer[], step: Step, reads = new ReadBuffer()): number[] {
  const carry = new Carry()
  const ends: number[] = []
  let scanned = 0
  let before = 0
  for (const piece of splitAt(pieces, READ_SIZE)) {
    // Whatever was there must not matter any more.
    reads.bytes.fill(0xaa, HEADROOM - carry.length - 100, HEADROOM)
    piece.copy(reads.target)
    const end = HEADROOM + piece.length
    let frame = carry.restore(reads, end)
    const offset = before - HEADROOM
    const pos = step(reads.bytes, frame, frame + scanned, end, (at) => {
      ends.push(offset + at)
      frame = at
    })
    scanned = pos - frame
    carry.keep(reads.bytes, frame, end)
    before += piece.length
  }
  return ends
}

/** As large frames pass: what was taken in is forgotten, only an unfinished header is kept. */
export function feedStreaming(pieces: readonly Buffer[], step: Step): number[] {
  const ends: number[] = []
  let kept: Buffer = Buffer.alloc(0)
  let before = 0
  let frameAt = 0
  for (const piece of pieces) {
    const buf = Buffer.concat([kept, piece])
    const offset = before - kept.length
    const pos = step(buf, frameAt - offset, 0, buf.length, (at) => {
      frameAt = offset + at
      ends.push(frameAt)
    })
    kept = buf.subarray(pos)
    before += piece.length
  }
  return ends
}

export const FEEDINGS = { carried: feedCarried, streaming: feedStreaming }

/** The bytes whole, one by one, and in two pieces for each place to cut. */
export function* everyCut(bytes: Buffer): Generator<Buffer[]> {
  yield [bytes]
  yield inPieces(bytes, 1)
  for (let at = 1; at < bytes.length; at++) yield [bytes.subarray(0, at), bytes.subarray(at)]
}

export function inPieces(bytes: Buffer, size: number): Buffer[] {
  return splitAt([bytes], size)
}

function splitAt(pieces: readonly Buffer[], size: number): Buffer[] {
  return pieces.flatMap((piece) =>
    Array.from({ length: Math.ceil(piece.length / size) }, (_, i) => piece.subarray(i * size, (i + 1) * size)),
  )
}

/** The bytes in pieces of the lengths given, again and again. */
export function inLengths(bytes: Buffer, lengths: readonly number[]): Buffer[] {
  const pieces: Buffer[] = []
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const next = at + lengths[i % lengths.length]
    pieces.push(bytes.subarray(at, next))
    at = next
  }
  return pieces
}
