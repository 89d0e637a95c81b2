import { Chart, SPAN } from './chart.js'
import { bytes, milliseconds, number } from './format.js'
import { between, quantile, sum } from './rates.js'
import { linear, logarithmic } from './scales.js'

/** What is drawn. `of` makes a chart's values of a sample, and of the difference to the one before. */
const CHARTS = [
  {
    title: 'Throughput',
    unit: 'commands per second',
    format: number,
    scale: linear,
    lines: [
      { name: 'answered', colour: 'blue' },
      { name: 'with an error', colour: 'red', dashed: true },
    ],
    of: ({ rates }) => [rates.commands, rates.errors],
  },
  {
    title: 'Latency',
    unit: 'arrival to reply',
    format: milliseconds,
    scale: logarithmic,
    lines: [
      { name: 'half within', colour: 'teal' },
      { name: '99 % within', colour: 'blue' },
      { name: '99 %, Redis’s part', colour: 'amber', dashed: true },
    ],
    of: ({ rates, bounds }) => [
      quantile(0.5, bounds, rates.times),
      quantile(0.99, bounds, rates.times),
      quantile(0.99, bounds, rates.upstream),
    ],
  },
  {
    title: 'Connections to Redis',
    unit: 'by what they do',
    format: number,
    scale: linear,
    lines: [
      { name: 'shared', colour: 'blue', stacked: true },
      { name: 'leased', colour: 'amber', stacked: true },
      { name: 'idle', colour: 'grey', stacked: true },
      { name: 'connecting', colour: 'red', stacked: true },
    ],
    of: ({ sample }) => ['shared', 'pinned', 'idle', 'connecting'].map((state) => connections(sample, state)),
  },
  {
    title: 'Traffic of applications',
    unit: 'bytes per second',
    format: bytes,
    scale: linear,
    lines: [
      { name: 'replies', colour: 'teal' },
      { name: 'requests', colour: 'amber', dashed: true },
    ],
    of: ({ rates }) => [rates.bytesOut, rates.bytesIn],
  },
]

export function connections({ stats }, state) {
  return sum(stats.endpoints.map(({ connections }) => connections[state]))
}

/** All charts, and the points that they are drawn from. */
export class Charts {
  #points = []
  #last = null

  constructor(parent) {
    this.charts = CHARTS.map((description) => new Chart(parent, description))
  }

  /** Gives the difference to the sample before; null if there is none. */
  add(sample) {
    const rates = this.#last && between(this.#last, sample)
    if (this.#last && sample.uptime < this.#last.uptime) this.#points = []
    this.#last = sample
    if (rates === null) return null
    const at = sample.uptime
    const world = { sample, rates, bounds: sample.vitals.bounds }
    this.#points.push({ at, rates, values: CHARTS.map(({ of }) => of(world)) })
    this.#points = this.#points.filter((point) => at - point.at <= SPAN)
    this.charts.forEach((chart, index) =>
      chart.show(this.#points.map(({ at, values }) => ({ at, values: values[index] }))),
    )
    return rates
  }

  /** The differences of the last seconds. */
  recent(seconds) {
    const now = this.#last.uptime
    return this.#points.filter(({ at }) => now - at < seconds).map(({ rates }) => rates)
  }
}
