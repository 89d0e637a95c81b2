const OTHER = 'other'

/** Counts by label. The labels are few by design; past `limit` of them the rest count as `other`, so that series stay bounded. */
export class LabelCounter {
  readonly #rows = new Map<string, number>()
  readonly #counts: Float64Array

  /** @param known labels that show from the start, with 0, so that their first increase is seen as one */
  constructor(known: readonly string[] = [], limit = Math.max(64, 2 * known.length)) {
    this.#counts = new Float64Array(limit + 1)
    for (const label of known) this.#rows.set(label, this.#rows.size)
    this.#rows.set(OTHER, limit)
  }

  add(label: string): void {
    this.#counts[this.#rows.get(label) ?? this.#newRow(label)] += 1
  }

  /** Label and count; `other` only if it has been needed. */
  entries(): [label: string, count: number][] {
    return [...this.#rows]
      .map(([label, row]): [string, number] => [label, this.#counts[row]])
      .filter(([label, count]) => label !== OTHER || count > 0)
  }

  #newRow(label: string): number {
    const other = this.#counts.length - 1
    const row = this.#rows.size - 1
    if (row >= other) return other
    this.#rows.set(label, row)
    return row
  }
}
