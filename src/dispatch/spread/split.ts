import { blockTime } from '../../commands/blocking.js'
import { keyPositions } from '../../commands/keys.js'
import { slotOf } from '../../commands/slot.js'
import type { CommandSpec } from '../../commands/spec.js'
import type { Arguments } from '../../resp/arguments.js'
import { array, bulk } from '../../resp/encode.js'

/** What of a command concerns one slot: a command by itself. */
export interface Part {
  readonly slot: number
  readonly request: string
  readonly argc: number
  /** Which of the command's keys are its own, counted from 0, in the order in which it names them. */
  readonly places: readonly number[]
}

/**
 * A command with keys in several slots as a part for each, in the order in which they come first; null if there is nothing to take
 * apart, or the command is not well formed: then it goes out as it is, and Redis says what is wrong.
 *
 *     MSET a 1 b 2 c 3   ──►   MSET a 1 c 3   slot of a and c, places 0 2
 *                              MSET b 2       slot of b, place 1
 */
export function split(spec: CommandSpec, args: Arguments): Part[] | null {
  if (spec.spread?.to === 'slots') return bySlot(spec, args)
  return spec.spread?.to === 'streams' ? byStream(spec, args) : null
}

function bySlot({ keySpecs: [{ find }] }: CommandSpec, args: Arguments): Part[] | null {
  // The key of MSET and its value are not taken apart.
  const step = find.kind === 'range' ? find.keyStep : 1
  const count = Math.ceil((args.count - 1) / step)
  if (inOneSlot(args, 1, count, step)) return null
  if ((args.count - 1) % step !== 0) return [malformed(args)]
  const placesOf = new Map<number, number[]>()
  for (let place = 0; place < count; place++) {
    const slot = slotOf(args.bytes(1 + place * step))
    const places = placesOf.get(slot)
    if (places === undefined) placesOf.set(slot, [place])
    else places.push(place)
  }
  const name = args.text(0)
  return Array.from(placesOf, ([slot, places]) => {
    const words = [name]
    for (const place of places) {
      for (let nth = 0; nth < step; nth++) words.push(args.text(1 + place * step + nth))
    }
    return part(slot, words, places)
  })
}

/** MSET with a key that has no value. Redis would look at the slots first: with one key all the time it says what else is wrong. */
function malformed(args: Arguments): Part {
  const [name, key, value] = [args.text(0), args.text(1), args.text(2)]
  return part(slotOf(args.bytes(1)), [name, key, value, key], [0])
}

/** XREAD: a part for each stream, not for each slot, so that the answer's order is the parts'. */
function byStream(spec: CommandSpec, args: Arguments): Part[] | null {
  const positions = keyPositions(spec, args)
  const [first] = positions
  const count = positions.length
  if (count === 0 || args.count - first !== 2 * count || inOneSlot(args, first, count, 1)) return null
  // No node can wait for what comes to another one.
  if (blockTime(spec, args) !== -1) return null
  const head = Array.from({ length: first }, (_, i) => args.text(i))
  return positions.map((position, place) =>
    part(slotOf(args.bytes(position)), [...head, args.text(position), args.text(position + count)], [place]),
  )
}

function inOneSlot(args: Arguments, first: number, count: number, step: number): boolean {
  if (count < 2) return true
  const slot = slotOf(args.bytes(first))
  for (let nth = 1; nth < count; nth++) {
    if (slotOf(args.bytes(first + nth * step)) !== slot) return false
  }
  return true
}

function part(slot: number, words: readonly string[], places: readonly number[]): Part {
  return { slot, request: array(words.map(bulk)), argc: words.length, places }
}
