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

/** True if one server's answer would be wrong: it has not all the keys, or all settings. */
export function concernsAll({ spread }: CommandSpec): boolean {
  return spread !== null && (spread.to === 'primaries' || spread.to === 'scan')
}

/** What Redis keeps for one connection, and would have to keep for those to all nodes: CLIENT's subcommands that switch such a thing on. */
const KEPT_BY_CONNECTION: readonly string[] = ['tracking', 'no-touch', 'import-source']

/** True if a command switches on what one connection to one node cannot do. */
export function tiesToNode({ name }: CommandSpec, args: Arguments): boolean {
  if (name !== 'client' && !name.startsWith('client|')) return false
  return args.count > 2 && KEPT_BY_CONNECTION.includes(args.lower(1)) && args.lower(2) !== 'off'
}
