import { describeAddress } from '../config/address.js'
import type { Address } from '../config/config.js'
import type { Endpoint } from '../upstream/endpoint.js'
import { sweep } from '../upstream/maintenance.js'

/** How long a node that only an ASK has named is kept after that, ms: its slots come one by one. */
const NAMED_FOR = 30_000
/** Such nodes at a time; a script can name any number. */
const MOST_NAMED = 64

/**
 * The nodes of a cluster that commands go to, one endpoint for each address.
 *
 *     first heard of ──► in use ──(no primary, and not named lately)──► retired ──(empty)──► gone
 *
 * An address that comes back while its endpoint is retired gets a new one.
 */
export class ClusterNodes {
  readonly #inUse = new Map<string, Endpoint>()
  readonly #retired = new Set<Endpoint>()
  /** Until when nodes count as named, ms. */
  readonly #namedUntil = new Map<Endpoint, number>()
  #primaries: ReadonlySet<Endpoint> = new Set()

  constructor(readonly create: (address: Address) => Endpoint) {}

  get inUse(): Endpoint[] {
    return [...this.#inUse.values()]
  }

  get all(): Endpoint[] {
    return [...this.#inUse.values(), ...this.#retired]
  }

  /** The endpoint of an address; made if there is none. */
  at(address: Address): Endpoint {
    const name = describeAddress(address)
    let endpoint = this.#inUse.get(name)
    if (endpoint === undefined) {
      endpoint = this.create(address)
      this.#inUse.set(name, endpoint)
      endpoint.ensureMinimum()
    }
    return endpoint
  }

  /** The same for one that is to be kept for a while even if it is no primary; null if there are too many of those. */
  named(address: Address, now: number): Endpoint | null {
    if (this.#namedUntil.size >= MOST_NAMED && !this.#inUse.has(describeAddress(address))) return null
    const endpoint = this.at(address)
    this.#namedUntil.set(endpoint, now + NAMED_FOR)
    return endpoint
  }

  /** Retires all but the primaries. */
  keep(primaries: readonly Endpoint[], now: number): void {
    this.#primaries = new Set(primaries)
    this.#retireUnused(now)
  }

  #retireUnused(now: number): void {
    for (const [name, endpoint] of this.#inUse) {
      if (this.#primaries.has(endpoint) || (this.#namedUntil.get(endpoint) ?? 0) > now) continue
      this.#inUse.delete(name)
      this.#namedUntil.delete(endpoint)
      this.retire(endpoint)
    }
  }

  retire(endpoint: Endpoint): void {
    this.#retired.add(endpoint)
    endpoint.retire()
  }

  sweep(now: number): void {
    for (const endpoint of this.all) sweep(endpoint, now)
    this.forget(now)
    for (const endpoint of this.#retired) if (endpoint.isEmpty) this.#retired.delete(endpoint)
  }

  /** Retires those that nobody has named lately. */
  forget(now: number): void {
    for (const [endpoint, until] of this.#namedUntil) {
      if (until > now) continue
      this.#namedUntil.delete(endpoint)
      if (!this.#primaries.has(endpoint)) this.#retireUnused(now)
    }
  }

  stop(): void {
    for (const endpoint of this.all) endpoint.stop()
  }
}
