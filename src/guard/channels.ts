import type { CommandSpec } from '../commands/spec.js'
import type { Arguments } from '../resp/arguments.js'

/** Commands that name channels, from their first argument on: one of them, or as many as there are arguments. */
const CHANNELS: ReadonlyMap<string, 'one' | 'all'> = new Map([
  ['publish', 'one'],
  ['spublish', 'one'],
  ['subscribe', 'all'],
  ['psubscribe', 'all'],
  ['ssubscribe', 'all'],
])

export const namesChannels = ({ name }: CommandSpec): boolean => CHANNELS.has(name)

/** True if what it names are patterns of channels. */
export const namesPatterns = ({ name }: CommandSpec): boolean => name === 'psubscribe'

export function channelsIn({ name }: CommandSpec, args: Arguments): Buffer[] {
  const end = CHANNELS.get(name) === 'one' ? 2 : args.count
  return Array.from({ length: Math.min(end, args.count) - 1 }, (_, nth) => args.bytes(nth + 1))
}
