import type { CommandSpec } from '../commands/spec.js'

/** How many keys a command with so many arguments has, its name counted; null if that takes a look at the arguments. */
export function keyCount({ keySpecs }: CommandSpec, argc: number): number | null {
  let count = 0
  for (const { begin, find, isKey } of keySpecs) {
    if (!isKey) continue
    if (begin.kind !== 'index' || find.kind !== 'range' || find.limit > 1) return null
    const last = find.lastKey < 0 ? argc + find.lastKey : begin.index + find.lastKey
    count += Math.max(0, Math.floor((last - begin.index) / Math.max(1, find.keyStep)) + 1)
  }
  return count
}
