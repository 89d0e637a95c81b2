import type { ErrorCode } from '../../errors.js'
import type { Arguments } from '../../resp/arguments.js'
import { DOLLAR, MINUS, STAR } from '../../resp/bytes.js'
import { array, bulk } from '../../resp/encode.js'
import { headerValue, readHeader } from '../../resp/header.js'
import { SLOTS } from '../../routing/slot-map.js'

/**
 * SCAN goes through the primaries one after another, in the order of their first slots, and its cursor says where it is:
 *
 *     62           48                                              0
 *      │ first slot │          the node's own cursor               │      0 = begin, or the end
 *
 * Redis's own cursor in a cluster is a bucket of the table of one slot and, in 14 bits, that slot; or a bucket of the one table of all
 * keys. Either fits until a table has 2^34 buckets. Nothing is remembered between two calls, so any connection can go on. While slots move
 * to other nodes a key may come twice or not at all, and after a failover the new primary can make little of its predecessor's cursor.
 */
const NODE_BITS = 48n
const NODE_MASK = (1n << NODE_BITS) - 1n

/** Where a SCAN goes on. */
export interface ScanPlace {
  /** The node that serves it is asked. */
  readonly slot: number
  /** The node's own cursor. */
  readonly cursor: string
}

/** The place that an application's cursor stands for. `firstSlots`: of each primary the first slot, in rising order. */
export function scanPlace(cursor: string, firstSlots: readonly number[]): ScanPlace | ErrorCode {
  if (!/^\d{1,20}$/.test(cursor)) return 'invalidCursor'
  const whole = BigInt(cursor)
  // Where no one serves a slot, the one asked for says so.
  if (whole === 0n) return { slot: firstSlots[0] ?? 0, cursor: '0' }
  const slot = Number(whole >> NODE_BITS)
  return slot < SLOTS ? { slot, cursor: String(whole & NODE_MASK) } : 'invalidCursor'
}

/** The command for the node. */
export function scanRequest(args: Arguments, { cursor }: ScanPlace): string {
  return array([args.text(0), cursor, ...args.texts(2)].map(bulk))
}

/** The node's reply as the application gets it. */
export function scanReply(reply: Buffer, slot: number, firstSlots: readonly number[]): Buffer | ErrorCode {
  if (reply[0] === MINUS) return reply
  const at = readHeader(reply, 1, reply.length)
  if (reply[0] !== STAR || headerValue !== 2 || reply[at] !== DOLLAR) return 'repliesDiffer'
  const start = readHeader(reply, at + 1, reply.length)
  const end = start + headerValue
  const cursor = cursorBehind(BigInt(reply.toString('latin1', start, end)), slot, firstSlots)
  if (cursor === null) return 'scanCursorTooLarge'
  return Buffer.concat([Buffer.from(`*2\r\n${bulk(cursor)}`, 'latin1'), reply.subarray(end + 2)])
}

/** A node that is done has given 0: the next one's turn, if there is one. Null for a cursor that there is no room for. */
function cursorBehind(own: bigint, slot: number, firstSlots: readonly number[]): string | null {
  if (own > NODE_MASK) return null
  if (own !== 0n) return String((BigInt(slot) << NODE_BITS) | own)
  const next = firstSlots.find((first) => first > slot)
  return next === undefined ? '0' : String(BigInt(next) << NODE_BITS)
}
