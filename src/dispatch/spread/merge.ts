import type { Merge } from '../../commands/spread.js'
import type { ErrorCode } from '../../errors.js'
import { BANG, COLON, DOLLAR, MINUS, PERCENT, PLUS, STAR, UNDERSCORE } from '../../resp/bytes.js'
import { headerValue, readHeader } from '../../resp/header.js'
import { ReplyScanner } from '../../resp/reply-scanner.js'
import type { Part } from './split.js'

// Replies are put together as bytes: whole elements are copied as they are, so that no value is read and both protocols are alike.

/**
 * One frame for the replies of several, each a whole frame, in the order of the parts, or of the nodes if all got the same command.
 * `repliesDiffer` if they are not what belongs together.
 */
export function merge(how: Merge, replies: readonly Buffer[], parts: readonly Part[] = []): Buffer | ErrorCode {
  if (how === 'any') return firstGood(replies)
  if (how === 'pick') return pick(replies)
  return replies.find(isError) ?? mergeGood(how, replies, parts) ?? 'repliesDiffer'
}

function mergeGood(
  how: Exclude<Merge, 'any' | 'pick'>,
  replies: readonly Buffer[],
  parts: readonly Part[],
): Buffer | null {
  switch (how) {
    case 'first':
      return replies[0]
    case 'places':
      return byPlace(replies, parts)
    case 'concat':
      return concatenated(replies)
    case 'sum':
      return folded(replies, (one, other) => one + other)
    case 'least':
      return folded(replies, (one, other) => (other < one ? other : one))
  }
}

/** The elements of the parts' arrays, each where its key was in the command. */
function byPlace(replies: readonly Buffer[], parts: readonly Part[]): Buffer | null {
  const elements: Buffer[] = []
  for (const [nth, { places }] of parts.entries()) {
    const own = elementsOf(replies[nth])
    if (own?.length !== places.length) return null
    for (const [i, place] of places.entries()) elements[place] = own[i]
  }
  return aggregate(STAR, elements.length, elements)
}

function concatenated(replies: readonly Buffer[]): Buffer | null {
  if (replies[0][0] === PLUS) return replies[0]
  const full = replies.filter((reply) => !isNull(reply))
  if (full.length === 0) return replies[0]
  const type = full[0][0]
  if (type !== STAR && type !== PERCENT) return null
  let count = 0
  const bodies: Buffer[] = []
  for (const reply of full) {
    if (reply[0] !== type) return null
    const at = readHeader(reply, 1, reply.length)
    count += headerValue
    bodies.push(reply.subarray(at))
  }
  return aggregate(type, count, bodies)
}

type Fold = (one: bigint, other: bigint) => bigint

function folded(replies: readonly Buffer[], fold: Fold): Buffer | null {
  if (replies[0][0] === COLON) return foldedIntegers(replies, fold)
  const rows: Buffer[][] = []
  for (const reply of replies) {
    const row = elementsOf(reply)
    if (row === null || (rows.length > 0 && row.length !== rows[0].length)) return null
    rows.push(row)
  }
  const columns = rows[0].map((element, place) =>
    element[0] === COLON
      ? foldedIntegers(
          rows.map((row) => row[place]),
          fold,
        )
      : element,
  )
  const whole = columns.filter((column) => column !== null)
  return whole.length === columns.length ? aggregate(STAR, whole.length, whole) : null
}

/** As exact as Redis's own 64 bits. */
function foldedIntegers(frames: readonly Buffer[], fold: Fold): Buffer | null {
  if (!frames.every((frame) => frame[0] === COLON)) return null
  const numbers = frames.map((frame) => BigInt(frame.toString('latin1', 1, frame.length - 2)))
  return Buffer.from(`:${numbers.reduce(fold)}\r\n`, 'latin1')
}

/** What ended something somewhere is the answer; else the error that says more than that nothing runs there. */
function firstGood(replies: readonly Buffer[]): Buffer {
  const saysMore = (reply: Buffer) => !reply.subarray(0, NOT_BUSY.length).equals(NOT_BUSY)
  return replies.find((reply) => !isError(reply)) ?? replies.find(saysMore) ?? replies[0]
}

const NOT_BUSY = Buffer.from('-NOTBUSY ')

/** Each reply that says something is as likely as any other. */
function pick(replies: readonly Buffer[]): Buffer {
  const good = replies.filter((reply) => !isError(reply) && !isNull(reply))
  if (good.length > 0) return good[Math.floor(Math.random() * good.length)]
  return replies.find(isError) ?? replies[0]
}

function isError(reply: Buffer): boolean {
  return reply[0] === MINUS || reply[0] === BANG
}

function isNull(reply: Buffer): boolean {
  return reply[0] === UNDERSCORE || ((reply[0] === DOLLAR || reply[0] === STAR) && reply[1] === MINUS)
}

/** The elements of an array; null for anything else. */
function elementsOf(reply: Buffer): Buffer[] | null {
  if (reply[0] !== STAR || isNull(reply)) return null
  const elements: Buffer[] = []
  let at = readHeader(reply, 1, reply.length)
  for (let left = headerValue; left > 0; left--) {
    const start = at
    scanner.scan(reply, start, reply.length)
    at = scanner.pos
    elements.push(reply.subarray(start, at))
  }
  return elements
}

/** Between two frames it remembers nothing, so all can use the same. */
const scanner = new ReplyScanner()

function aggregate(type: number, count: number, bodies: readonly Buffer[]): Buffer {
  return Buffer.concat([Buffer.from(`${String.fromCharCode(type)}${count}\r\n`, 'latin1'), ...bodies])
}
