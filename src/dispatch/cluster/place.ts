import { slotPositions } from '../../commands/keys.js'
import { slotOf, slotWithin } from '../../commands/slot.js'
import type { CommandSpec } from '../../commands/spec.js'
import { Arguments, argumentStart } from '../../resp/arguments.js'
import { headerValue } from '../../resp/header.js'

/** In place of a slot: the command has no keys. */
export const NO_KEY = -1
/** In place of a slot: its keys are in several. */
export const SEVERAL = -2
/** In place of the slot of a transaction: it fails, wherever its keys are. */
export const FAULTY = -3

/** The slot that a command's keys are in. Of one that Redis will find faulty any key will do, or none. */
export function slotOfCommand(spec: CommandSpec, buf: Buffer, start: number, end: number, argc: number): number {
  const { soleKey } = spec
  if (soleKey > 0) {
    if (soleKey >= argc) return NO_KEY
    const at = argumentStart(buf, start, end, soleKey)
    return slotWithin(buf, at, at + headerValue)
  }
  return spec.keySpecs.length === 0 ? NO_KEY : slotOfKeys(spec, new Arguments(buf, start, end))
}

function slotOfKeys(spec: CommandSpec, args: Arguments): number {
  let slot = NO_KEY
  for (const position of slotPositions(spec, args)) {
    const next = slotOf(args.bytes(position))
    if (slot !== NO_KEY && next !== slot) return SEVERAL
    slot = next
  }
  return slot
}
