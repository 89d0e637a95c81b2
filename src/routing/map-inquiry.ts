import { describeAddress } from '../config/address.js'
import type { Address } from '../config/config.js'
import { partition, shuffled } from '../util/list.js'
import type { EventLog } from '../util/log.js'
import { readClusterSlots, type SlotMap } from './slot-map.js'

export interface InquiryWorld {
  /** A node's answer to CLUSTER SLOTS. */
  askSlots(address: Address): Promise<unknown>
  readonly log: EventLog
}

/**
 * Asks the nodes of a cluster for the slot map, one after the other until one tells it. Their answers differ for a while whenever
 * something changes, so that it is better to stay with one of them than to hear now this, now that.
 */
export class MapInquiry {
  /** The node that is asked first, by the name of its endpoint; null for any. */
  trusted: string | null = null
  /** What kept the last one from answering. */
  failure = ''

  constructor(
    readonly startNodes: readonly Address[],
    readonly translate: (address: Address) => Address,
    readonly world: InquiryWorld,
  ) {}

  /**
   * @param known the map so far
   * @param missed nodes to be asked last: they may think themselves still in charge when they are back
   */
  async ask(known: SlotMap, missed: ReadonlySet<string>): Promise<SlotMap | null> {
    for (const [name, address] of this.#inOrder(known, missed)) {
      const map = await this.#askOne(name, address)
      if (map === null) continue
      this.trusted = name
      return map
    }
    return null
  }

  /** The trusted one, primaries, replicas, start nodes; each once. */
  #inOrder({ shards, addresses }: SlotMap, missed: ReadonlySet<string>): [string, Address][] {
    const primaries = shuffled(shards.map(({ primary }) => primary))
    const replicas = shuffled(shards.flatMap((shard) => shard.replicas))
    const nodes = new Map([...primaries, ...replicas].map((name) => [name, addresses.get(name)!]))
    for (const address of this.startNodes) nodes.set(describeAddress(address), address)
    const [late, early] = partition([...nodes], ([name]) => missed.has(name))
    const [first, others] = partition(early, ([name]) => name === this.trusted)
    return [...first, ...others, ...late]
  }

  async #askOne(endpoint: string, address: Address): Promise<SlotMap | null> {
    try {
      const map = readClusterSlots(await this.world.askSlots(address), address, this.translate)
      // One without slots knows none of the others: new, or sent away.
      if (map !== null && map.covered > 0) return map
      this.failure = 'it knows no slots'
    } catch (error) {
      this.failure = (error as Error).message
    }
    this.world.log.event('warn', 'cluster_node_failed', { endpoint, error: this.failure })
    return null
  }
}
