/** The candidate that was probably meant, ending as it should in a message; empty if none is near. */
export function didYouMean(name: string, candidates: readonly string[]): string {
  const nearest = closest(name, candidates)
  return nearest === null ? '' : ` (did you mean ${nearest}?)`
}

/** The candidate with the fewest edits from the name, if those are at most a third of it; case, `-` and `_` do not count. */
function closest(name: string, candidates: readonly string[]): string | null {
  const wanted = letters(name)
  let best: string | null = null
  let fewest = Math.max(1, Math.floor(wanted.length / 3)) + 1
  for (const candidate of candidates) {
    const edits = distance(wanted, letters(candidate), fewest)
    if (edits >= fewest) continue
    best = candidate
    fewest = edits
  }
  return best
}

function letters(name: string): string {
  return name.toLowerCase().replace(/[-_]/g, '')
}

/** Levenshtein's distance, or `limit` if the lengths alone show that it is no less. */
function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = previous[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)
      row.push(Math.min(replaced, previous[j] + 1, row[j - 1] + 1))
    }
    previous = row
  }
  return previous[b.length]
}
