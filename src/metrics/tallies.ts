import type { Histograms, Tally } from './histogram.js'

/** The rows that counted something; those of one name become one, since a series may appear only once. */
export function byName(histograms: Histograms, nameOf: (row: number) => string): Map<string, Tally> {
  const tallies = new Map<string, Tally>()
  for (let row = 0; row < histograms.rows; row++) {
    const tally = histograms.read(row)
    if (tally.total === 0) continue
    const name = nameOf(row)
    const same = tallies.get(name)
    if (same) add(same, tally)
    else tallies.set(name, tally)
  }
  return tallies
}

function add(to: Tally, from: Tally): void {
  from.counts.forEach((n, bucket) => (to.counts[bucket] += n))
  to.total += from.total
  to.sum += from.sum
}
