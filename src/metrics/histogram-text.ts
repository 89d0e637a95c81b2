import type { Tally } from './histogram.js'
import type { HistogramMetric, Source } from './names.js'

/**
 * Writes one of respool's histograms as Prometheus reads it, the texts of series that have counted nothing since being those of the
 * time before. They are nearly all of an exposition, and applications wait while it is written.
 */
export class HistogramText {
  readonly #head: string
  readonly #bounds: readonly string[]
  /** By labels, of which there are few. */
  readonly #written = new Map<string, { total: number; text: string }>()

  constructor(readonly row: HistogramMetric) {
    const { name, help, bounds } = row
    this.#head = `# HELP ${name} ${help}\n# TYPE ${name} histogram\n`
    this.#bounds = [...bounds, '+Inf'].map((bound) => `${name}_bucket{le="${bound}"`)
  }

  /** Ends with a line's end. */
  write(source: Source): string {
    let text = this.#head
    for (const [values, tally] of this.row.collect(source)) text += this.#series(values, tally)
    return text
  }

  #series(values: readonly string[], tally: Tally): string {
    const labels = this.row.labels.map((label, nth) => `${label}="${escaped(values[nth])}"`).join(',')
    const known = this.#written.get(labels)
    if (known?.total === tally.total) return known.text
    const text = this.#lines(labels, tally)
    this.#written.set(labels, { total: tally.total, text })
    return text
  }

  #lines(labels: string, { counts, total, sum }: Tally): string {
    const { name, divisor } = this.row
    const behind = labels === '' ? '} ' : `,${labels}} `
    const alone = labels === '' ? ' ' : `{${labels}} `
    let text = ''
    let below = 0
    for (let bucket = 0; bucket < counts.length; bucket++) {
      below += counts[bucket]
      text += `${this.#bounds[bucket]}${behind}${below}\n`
    }
    return `${text}${name}_sum${alone}${sum / divisor}\n${name}_count${alone}${total}\n`
  }
}

const escaped = (value: string): string => value.replace(/\\/g, '\\\\').replace(/\n/g, '\\n').replace(/"/g, '\\"')
