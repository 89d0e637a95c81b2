/** What is the same for all processes, though it is a number. */
const SAME = new Set(['bounds', 'thresholdMs', 'sample'])
/** What tells things of a list apart; for others it is all of their texts together. */
const KEYS = ['endpoint', 'listener', 'name'] as const

type Fields = Record<string, unknown>

/**
 * One report made of those of several processes: numbers are added up, in lists of numbers one by one; things of the same name become one; what is
 * true has to be true for all; of anything else the first one counts.
 */
export function combine(values: readonly unknown[]): unknown {
  const [first] = values
  if (typeof first === 'number') return (values as number[]).reduce((sum, value) => sum + value, 0)
  if (typeof first === 'boolean') return values.every((value) => value === true)
  if (Array.isArray(first)) return combineLists(values as unknown[][])
  if (typeof first === 'object' && first !== null) return combineFields(values as Fields[])
  return first
}

function combineFields(values: readonly Fields[]): Fields {
  const keys = new Set(values.flatMap((value) => Object.keys(value)))
  return Object.fromEntries(
    [...keys].map((key) => {
      const all = values.flatMap((value) => (value[key] === undefined ? [] : [value[key]]))
      return [key, SAME.has(key) ? all[0] : combine(all)]
    }),
  )
}

function combineLists(lists: readonly unknown[][]): unknown[] {
  const [longest] = lists.toSorted((a, b) => b.length - a.length)
  if (longest.every((item) => typeof item !== 'object' || item === null))
    return longest.map((_, nth) => combine(lists.flatMap((list) => (nth < list.length ? [list[nth]] : []))))
  const byName = new Map<string, Fields[]>()
  for (const item of lists.flat() as Fields[]) {
    const name = nameOf(item)
    const same = byName.get(name)
    if (same === undefined) byName.set(name, [item])
    else same.push(item)
  }
  return [...byName.values()].map(combineFields)
}

function nameOf(item: Fields): string {
  const key = KEYS.find((name) => typeof item[name] === 'string')
  return JSON.stringify(
    key === undefined ? Object.values(item).filter((value) => typeof value === 'string') : item[key],
  )
}
