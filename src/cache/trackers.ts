import type { Address } from '../config/config.js'
import { Tracker, type TrackerOwner, type TrackerWorld } from './tracker.js'

/** A server, as a topology has it. */
interface Server {
  readonly name: string
  /** Null until it is known. */
  readonly address: Address | null
}

/** What is to be followed. */
export interface Servers {
  readonly version: number
  readonly home: Server
  readonly primaries: readonly Server[]
}

/**
 * One tracker for each primary. Replicas have none, so that nothing is kept that they have answered: what they say lags behind, and so would
 * their invalidations.
 */
export class Trackers {
  readonly #trackers = new Map<string, Tracker>()
  /** What they follow: servers of this version, and this home. */
  #version = -1
  #home = ''

  constructor(
    readonly servers: Servers,
    readonly world: TrackerWorld,
    readonly owner: TrackerOwner,
  ) {}

  /** Follows the servers that commands go to now; true if they may be others than when this was asked last. */
  follow(): boolean {
    const { version, home } = this.servers
    if (version === this.#version && home.name === this.#home) return false
    this.#version = version
    this.#home = home.name
    this.#renew()
    return true
  }

  /** True if the server tells what changes. */
  hears(server: string): boolean {
    return this.#trackers.get(server)?.ready === true
  }

  /** Each server, and whether it tells. */
  states(): { endpoint: string; ready: boolean }[] {
    return [...this.#trackers.values()].map(({ name, ready }) => ({ endpoint: name, ready }))
  }

  sweep(now: number): void {
    for (const tracker of this.#trackers.values()) tracker.sweep(now)
  }

  stop(): void {
    for (const tracker of this.#trackers.values()) tracker.stop()
    this.#trackers.clear()
  }

  #renew(): void {
    const names = new Set(this.servers.primaries.map(({ name }) => name))
    for (const [name, tracker] of this.#trackers) {
      if (names.has(name)) continue
      this.#trackers.delete(name)
      tracker.stop()
    }
    for (const { name, address } of this.servers.primaries) {
      if (address === null || this.#trackers.has(name)) continue
      this.#trackers.set(name, new Tracker(name, address, this.world, this.owner))
    }
  }
}
