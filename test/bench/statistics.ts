/** The middle value, or the mean of the two in the middle; undefined when there is none. */
export function median(values: readonly number[]): number | undefined {
  if (values.length === 0) return undefined
  const sorted = values.toSorted((a, b) => a - b)
  const half = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2
}

/** Distance of the largest from the smallest value, as a share of the median. */
export function spread(values: readonly number[]): number | undefined {
  const middle = median(values)
  return middle ? (Math.max(...values) - Math.min(...values)) / middle : undefined
}

/** Undefined when one side is, or when there is nothing to divide by. */
export function ratio(value: number | undefined, base: number | undefined): number | undefined {
  return value === undefined || !base ? undefined : value / base
}
