/** What the instrumented modules count, by file: statements by number, and for each branch its arms. */
interface FileCounts {
  readonly s: Record<number, number>
  readonly b: Record<number, number[]>
}

declare global {
  var __fuzz_counters__: Record<string, FileCounts> | undefined
}

/** One row of counters, and which magnitudes each has ever reached: a bit each for 1, 2, 3, 4+, 8+, 16+, 32+ and 128+. */
interface Row {
  readonly counts: Record<number, number>
  readonly met: Uint8Array
}

/**
 * Tells whether an input made the program do something new: a statement or branch that was never run, or never so many times.
 * That is what guides the search; without counters (in `npm test`) nothing is ever new.
 */
export class Counters {
  /** Statements and branches that were run at least once. */
  covered = 0
  /** All there are in the modules that have been loaded. */
  total = 0
  readonly #rows: Row[] = []
  readonly #known = new Set<string>()

  /** Before each input. */
  reset(): void {
    this.#findModules()
    for (const { counts, met } of this.#rows) for (let i = 0; i < met.length; i++) counts[i] = 0
  }

  /** After it: how many magnitudes were reached for the first time. */
  news(): number {
    let news = 0
    for (const { counts, met } of this.#rows) {
      for (let i = 0; i < met.length; i++) {
        const count = counts[i]
        if (count === 0) continue
        const bit = magnitude(count)
        if ((met[i] & bit) !== 0) continue
        if (met[i] === 0) this.covered++
        met[i] |= bit
        news++
      }
    }
    return news
  }

  /** Modules may be loaded late. */
  #findModules(): void {
    const files = Object.entries(globalThis.__fuzz_counters__ ?? {})
    if (files.length === this.#known.size) return
    for (const [path, { s, b }] of files) {
      if (this.#known.has(path)) continue
      this.#known.add(path)
      for (const counts of [s, ...Object.values(b)]) {
        const { length } = Object.keys(counts)
        this.#rows.push({ counts, met: new Uint8Array(length) })
        this.total += length
      }
    }
  }
}

function magnitude(count: number): number {
  if (count < 4) return 1 << (count - 1)
  if (count < 32) return 1 << (Math.floor(Math.log2(count)) + 1)
  return count < 128 ? 64 : 128
}
