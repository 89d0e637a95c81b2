import { slotPositions } from '../commands/keys.js'
import { type CommandSpec, Flag } from '../commands/spec.js'
import { Arguments } from '../resp/arguments.js'
import type { Kept } from './again.js'

/** A command that was kept, and what it is about. */
interface Concern {
  readonly spec: CommandSpec
  readonly kept: Kept
  /** Null if they cannot be told, or there are none. */
  readonly keys: ReadonlySet<string> | null
}

export const onlyReads = ({ flags }: CommandSpec): boolean => (flags & Flag.readonly) !== 0

export function concernOf(spec: CommandSpec, kept: Kept): Concern {
  return { spec, kept, keys: keysOf(spec, kept.text) }
}

function keysOf(spec: CommandSpec, text: string): ReadonlySet<string> | null {
  if (spec.keySpecs.length === 0) return null
  const bytes = Buffer.from(text, 'latin1')
  const args = new Arguments(bytes, 0, bytes.length)
  const positions = slotPositions(spec, args)
  return positions.length === 0 ? null : new Set(positions.map((position) => args.text(position)))
}

/** True if it might change something that is stored. */
function mayWrite(spec: CommandSpec): boolean {
  if ((spec.flags & Flag.write) !== 0) return true
  return !onlyReads(spec) && (spec.keySpecs.length > 0 || spec.name === 'multi')
}

/** True if it matters which of two commands of a session comes first. */
export function orderMatters(one: Concern, other: Concern): boolean {
  if (!mayWrite(one.spec) && !mayWrite(other.spec)) return false
  if (concernsAll(one) || concernsAll(other)) return !isAloof(one.spec) && !isAloof(other.spec)
  if (one.kept.slot !== other.kept.slot) return false
  if (one.keys === null || other.keys === null) return true
  for (const key of one.keys) if (other.keys.has(key)) return true
  return false
}

/** True for FLUSHALL and the like. A transaction is known by its slot. */
function concernsAll({ spec, kept, keys }: Concern): boolean {
  return keys === null && spec.name !== 'multi' && (spec.keySpecs.length === 0 || kept.slot === -1)
}

/** True for PING and the like, which neither read nor write what is stored. */
function isAloof(spec: CommandSpec): boolean {
  return spec.keySpecs.length === 0 && !mayWrite(spec) && !onlyReads(spec)
}
