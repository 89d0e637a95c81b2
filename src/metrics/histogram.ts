/** Bucket bounds that double: 1/scale, 2/scale, 4/scale, … (`finite` of them), then +Inf; in the unit of the observed values. */
export interface Doubling {
  scale: number
  finite: number
}

export function boundsOf({ scale, finite }: Doubling): number[] {
  return Array.from({ length: finite }, (_, n) => 2 ** n / scale)
}

/** One histogram as read: observations per bucket (each observation in one bucket, +Inf last), their number, and the sum of their values. */
export interface Tally {
  counts: Float64Array
  total: number
  sum: number
}

/**
 * Rows of histograms with the same doubling bounds. A value on a bound belongs to that bound's bucket, as Prometheus' `le` says.
 *
 * All rows lie in one Float64Array, a row being `finite + 1` counts and the sum of the values: nothing is allocated per
 * observation, and counts stay exact to 2⁵³ (32 bits would be full within hours of heavy traffic).
 */
export class Histograms {
  readonly #scale: number
  readonly #finite: number
  readonly #largest: number
  readonly #stride: number
  #cells: Float64Array

  constructor({ scale, finite }: Doubling, rows = 1) {
    this.#scale = scale
    this.#finite = finite
    this.#largest = 2 ** (finite - 1)
    this.#stride = finite + 2
    this.#cells = new Float64Array(rows * this.#stride)
  }

  get rows(): number {
    return this.#cells.length / this.#stride
  }

  /** Counts `value` in a row, which comes into being if it is new. Values below zero, and NaN, count as 0. */
  observe(row: number, value: number): void {
    const start = row * this.#stride
    if (start >= this.#cells.length) this.#grow(row)
    const scaled = value * this.#scale
    // Bounds differ by powers of two only, so if scaling brings the first one to exactly 1 the comparison is exact at all.
    let bucket = 0
    if (scaled > 1) bucket = scaled > this.#largest ? this.#finite : 32 - Math.clz32(Math.ceil(scaled) - 1)
    this.#cells[start + bucket] += 1
    if (value > 0) this.#cells[start + this.#finite + 1] += value
  }

  /** What a row holds now. */
  read(row: number): Tally {
    const start = row * this.#stride
    const counts = this.#cells.slice(start, start + this.#finite + 1)
    let total = 0
    for (const count of counts) total += count
    return { counts, total, sum: this.#cells[start + this.#finite + 1] }
  }

  #grow(row: number): void {
    const cells = new Float64Array(Math.max(this.rows * 2, row + 1) * this.#stride)
    cells.set(this.#cells)
    this.#cells = cells
  }
}
