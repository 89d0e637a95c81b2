import { describeAddress } from '../config/address.js'
import type { Address } from '../config/config.js'
import type { Clock } from '../util/clock.js'
import { sweep } from '../upstream/maintenance.js'
import type { Endpoint } from '../upstream/endpoint.js'
import { ClusterNodes } from './cluster-nodes.js'
import { StaticTopology } from './static.js'

/** A primary that sentinels know, and its replicas. There are endpoints of these from the first time on that somebody reads from them. */
export class ServiceTopology extends StaticTopology {
  override version = 0
  readonly readers: ClusterNodes
  #addresses: readonly Address[] = []
  #replicas: readonly Endpoint[] | null = null

  constructor(
    home: Endpoint,
    refresh: () => void,
    createReplica: (address: Address) => Endpoint,
    readonly clock: Clock,
  ) {
    super(home, refresh)
    this.readers = new ClusterNodes(createReplica)
  }

  override get endpoints(): readonly Endpoint[] {
    return [this.home, ...this.readers.inUse]
  }

  override replicasOf(): readonly Endpoint[] {
    return (this.#replicas ??= this.#addresses.map((address) => this.readers.at(address)))
  }

  /** The replicas that the sentinels find well. */
  takeReplicas(addresses: readonly Address[]): void {
    const names = addresses.map(describeAddress).sort()
    if (this.version > 0 && names.join() === this.#addresses.map(describeAddress).join()) return
    const byName = new Map(addresses.map((address) => [describeAddress(address), address]))
    this.#addresses = names.map((name) => byName.get(name)!)
    this.#replicas = null
    // Who waits for replicas to be known waits there.
    if (this.version++ === 0) this.home.wakeAll()
    this.readers.keep(
      this.readers.inUse.filter(({ name }) => byName.has(name)),
      this.clock(),
    )
  }

  override sweep(now: number): void {
    sweep(this.home, now)
    this.readers.sweep(now)
  }

  override stop(): void {
    this.home.stop()
    this.readers.stop()
  }
}
