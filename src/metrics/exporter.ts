import { collectDefaultMetrics, Registry, type Metric } from 'prom-client'
import type { Snapshot } from './gauges.js'
import { METRICS, type HistogramMetric, type MetricRow, type Source } from './names.js'
import type { Recorder } from './recorder.js'

type Aggregator = 'sum' | 'first' | 'min' | 'max'

/** What several processes do not have of it each: the worst of them counts. */
const AGGREGATORS: Readonly<Record<string, Aggregator>> = {
  respool_build_info: 'first',
  respool_upstream_up: 'min',
  respool_breaker_state: 'max',
  respool_cache_ready: 'min',
  respool_draining: 'max',
}

/** Default metrics that `promtool check metrics` objects to: gauges called `_total`, each the sum of a labelled gauge beside it. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total']

/**
 * A prom-client registry that reads the recorder and the running proxy when it is scraped, with Node.js' own process metrics.
 * An exception of `snapshot` makes the scrape fail.
 */
export function createRegistry(
  recorder: Recorder,
  commandName: (id: number) => string,
  snapshot: () => Snapshot,
): Registry {
  const registry = new Registry()
  const source = { recorder, commandName, snapshot: oncePerScrape(snapshot) }
  for (const row of METRICS) registry.registerMetric(new ScrapedMetric(row, source) as unknown as Metric)
  collectDefaultMetrics({ register: registry })
  for (const name of MISNAMED) registry.removeSingleMetric(name)
  return registry
}

/** The registry asks all its metrics in one go, so what lasts until the next microtask lasts for one scrape. */
function oncePerScrape(snapshot: () => Snapshot): () => Snapshot {
  let current: Snapshot | undefined
  return () => {
    if (current) return current
    queueMicrotask(() => (current = undefined))
    return (current = snapshot())
  }
}

type Labels = Record<string, string>
interface Series {
  metricName?: string
  labels: Labels
  /** The registry formats these once for all series that share the object. */
  sharedLabels?: Labels
  value: number
}

/** What a registry needs of a metric. Its values are made when asked for, and nothing is kept between scrapes. */
class ScrapedMetric {
  name: string
  readonly help: string
  readonly type: MetricRow['type']
  /** How the values of several processes become one. */
  readonly aggregator: Aggregator
  readonly #row: MetricRow
  readonly #source: Source
  readonly #bounds: Labels[]

  constructor(row: MetricRow, source: Source) {
    this.name = row.name
    this.help = row.help
    this.type = row.type
    this.aggregator = AGGREGATORS[row.name] ?? 'sum'
    this.#row = row
    this.#source = source
    this.#bounds = row.type === 'histogram' ? [...row.bounds, '+Inf'].map((le) => ({ le: String(le) })) : []
  }

  /** For JSON: every series with all its labels. */
  get(): object {
    const values = this.#series().map(({ sharedLabels, labels, ...rest }) => ({
      ...rest,
      labels: { ...labels, ...sharedLabels },
    }))
    return { ...this.#described(), values }
  }

  /** For the text format. */
  getForPromString(): object {
    return { ...this.#described(), values: this.#series() }
  }

  #described(): object {
    return { name: this.name, help: this.help, type: this.type, aggregator: this.aggregator }
  }

  #series(): Series[] {
    const row = this.#row
    if (row.type === 'histogram') return this.#histogram(row)
    return row.collect(this.#source).map(([values, value]) => ({ labels: withNames(row.labels, values), value }))
  }

  #histogram(row: HistogramMetric): Series[] {
    const series: Series[] = []
    for (const [values, { counts, total, sum }] of row.collect(this.#source)) {
      const sharedLabels = withNames(row.labels, values)
      let below = 0
      counts.forEach((count, bucket) => {
        below += count
        series.push({ metricName: `${row.name}_bucket`, labels: this.#bounds[bucket], sharedLabels, value: below })
      })
      series.push({ metricName: `${row.name}_sum`, labels: {}, sharedLabels, value: sum / row.divisor })
      series.push({ metricName: `${row.name}_count`, labels: {}, sharedLabels, value: total })
    }
    return series
  }
}

function withNames(names: string[], values: string[]): Labels {
  return Object.fromEntries(names.map((name, index) => [name, values[index]]))
}
