import { AggregatorRegistry, Registry, type RegistryContentType } from 'prom-client'

interface Metric {
  readonly type: 'counter' | 'gauge' | 'histogram' | 'summary'
}

/**
 * One exposition of several processes. Counters and histograms are added up; of gauges each says in the registry how they are put together.
 * What a process has counted until it was asked last still counts when it has gone, so that no counter runs backwards.
 */
export class CrewMetrics {
  readonly contentType = Registry.PROMETHEUS_CONTENT_TYPE
  #gone: unknown[] = []

  /** @param own of the primary process */
  constructor(
    readonly own: Registry,
    readonly ask: () => Promise<readonly unknown[]>,
  ) {}

  async metrics(): Promise<string> {
    return aggregate([...(await this.ask()), await this.own.getMetricsAsJSON(), this.#gone]).metrics()
  }

  /** @param last what a process that has gone has said last */
  async keep(last: unknown): Promise<void> {
    const counted = (last as Metric[]).filter(({ type }) => type !== 'gauge')
    this.#gone = await aggregate([this.#gone, counted]).getMetricsAsJSON()
  }
}

function aggregate(all: readonly unknown[]): Registry<RegistryContentType> {
  return AggregatorRegistry.aggregate<RegistryContentType>([...(all as object[])])
}
