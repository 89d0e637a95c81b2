import type { Address } from '../config/config.js'
import type { Endpoint } from '../upstream/endpoint.js'
import { ClusterNodes } from './cluster-nodes.js'
import { EMPTY_MAP, type SlotMap } from './slot-map.js'

/**
 * The replicas of a cluster. There are endpoints of those of a shard from the first time on that somebody reads from them; one that is
 * promoted gets another endpoint, as a primary.
 */
export class ClusterReaders {
  readonly nodes: ClusterNodes
  #map: SlotMap = EMPTY_MAP
  /** By the index of the shard in the map, and of all. */
  #byShard: (readonly Endpoint[] | undefined)[] = []
  #all: readonly Endpoint[] | null = null

  constructor(create: (address: Address) => Endpoint) {
    this.nodes = new ClusterNodes(create)
  }

  take(map: SlotMap, now: number): void {
    this.#map = map
    this.#byShard = []
    this.#all = null
    const replicas = new Set(map.shards.flatMap((shard) => shard.replicas))
    const kept = this.nodes.inUse.filter(({ name }) => replicas.has(name))
    this.nodes.keep(kept, now)
  }

  /** Those that serve a slot; all, if it is negative. */
  of(slot: number): readonly Endpoint[] {
    if (slot < 0) return (this.#all ??= this.#map.shards.flatMap((_, shard) => this.#in(shard)))
    const owner = this.#map.owners[slot]
    return owner === -1 ? NONE : this.#in(owner)
  }

  #in(shard: number): readonly Endpoint[] {
    const { shards, addresses } = this.#map
    return (this.#byShard[shard] ??= shards[shard].replicas.map((name) => this.nodes.at(addresses.get(name)!)))
  }
}

const NONE: readonly Endpoint[] = []
