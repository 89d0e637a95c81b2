import { type CommandSpec, Flag } from './spec.js'

const cursor = 'a cursor means something only to the server that gave it'
const usage =
  'tells, or changes, how much a key is used; each server notes that for itself, and the primary evicts by it'

/** Commands that are flagged as reading and are for the primary all the same, each with the reason. */
export const primaryReads: ReadonlyMap<string, string> = new Map([
  ['scan', cursor],
  ['hscan', cursor],
  ['sscan', cursor],
  ['zscan', cursor],
  ['touch', usage],
  ['object|freq', usage],
  ['object|idletime', usage],
])

/** Commands that may write though they are not flagged so: by what they run. */
const MAY_WRITE = new Set(['eval', 'evalsha', 'fcall', 'multi', 'exec'])

/** True if a replica can answer it as well as the primary, but for what has not come to it yet. */
export function isRead({ name, flags, handling }: CommandSpec): boolean {
  if ((flags & Flag.readonly) === 0 || primaryReads.has(name)) return false
  return handling === 'forward' || handling === 'script' || handling === 'blockIf'
}

/** True if it is a read that goes on where another one has stopped, at the same server. */
export function hasCursor({ name }: CommandSpec): boolean {
  return primaryReads.get(name) === cursor
}

/** True unless it certainly changes no data. The row with id 0 stands for all unknown commands. */
export function mayWrite({ id, name, flags }: CommandSpec): boolean {
  return (flags & Flag.write) !== 0 || id === 0 || MAY_WRITE.has(name)
}
