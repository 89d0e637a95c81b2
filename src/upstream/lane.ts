import type { ErrorCode } from '../errors.js'
import type { Protocol } from '../resp/encode.js'
import { Ring } from '../util/ring.js'
import type { UpstreamConnection } from './connection.js'

/** Somebody who waits for a connection. Exactly one of the two calls comes, unless waiting was cancelled. */
export interface Waiter {
  /** When waiting ends, ms on the monotonic clock. */
  readonly deadline: number
  /** True while it is in a queue: kept by that queue, false to begin with. */
  waiting: boolean
  /** A connection is there: for a shared one `null`, pick it; for a lease the connection itself. */
  granted(lease: UpstreamConnection | null): void
  refused(code: ErrorCode): void
}

/** The first-come queue of waiters. Cancelled ones leave when they come to the head. */
export class WaitQueue {
  readonly #ring = new Ring<Waiter>()
  #live = 0

  /** Waiters that still wait. */
  get length(): number {
    return this.#live
  }

  /** The deadline of the one who has waited longest; Infinity if nobody waits. */
  get oldest(): number {
    while (this.#ring.peek()?.waiting === false) this.#ring.shift()
    return this.#ring.peek()?.deadline ?? Infinity
  }

  push(waiter: Waiter): void {
    waiter.waiting = true
    this.#ring.push(waiter)
    this.#live++
  }

  /** Of no effect on one that is not in the queue, or no longer. */
  cancel(waiter: Waiter): void {
    if (waiter.waiting) this.#left(waiter)
  }

  shift(): Waiter | undefined {
    for (;;) {
      const waiter = this.#ring.shift()
      if (waiter === undefined) return undefined
      if (!waiter.waiting) continue
      this.#left(waiter)
      return waiter
    }
  }

  refuseAll(code: ErrorCode): void {
    for (let waiter = this.shift(); waiter !== undefined; waiter = this.shift()) waiter.refused(code)
  }

  /** Refuses those whose time is over. Deadlines grow along the queue, so the head tells. */
  refuseExpired(now: number, code: ErrorCode): number {
    let refused = 0
    for (let head = this.#ring.peek(); head !== undefined; head = this.#ring.peek()) {
      if (head.waiting && head.deadline > now) break
      this.#ring.shift()
      if (!head.waiting) continue
      this.#left(head)
      refused++
      head.refused(code)
    }
    return refused
  }

  #left(waiter: Waiter): void {
    waiter.waiting = false
    this.#live--
  }
}

/** What a lane, and whoever has one, needs of the pool that it belongs to. */
export interface LaneOwner {
  readonly counts: { hits: number; misses: number }
  /** Opens a shared connection for the lane if one may be opened; true if so. */
  openShared(lane: Lane): boolean
  /** Queues for a shared connection of the lane; answers the error if that is no use. */
  waitShared(lane: Lane, waiter: Waiter): ErrorCode | null
  /** Takes an idle pinned connection, or queues for one (null), or answers the error if that is no use. */
  lease(lane: Lane, waiter: Waiter): UpstreamConnection | ErrorCode | null
  /** Takes a lease back; one with anything left on it is closed. */
  giveBack(connection: UpstreamConnection, clean: boolean): void
  /** Gives a connection a name in Redis's CLIENT LIST, if it does not have it. */
  rename(connection: UpstreamConnection, name: string): void
  /** The connection's id in Redis's CLIENT LIST. */
  clientIdOf(connection: UpstreamConnection): number
}

/**
 * The connections to one endpoint that mean the same to everybody: same protocol, same database, same login.
 *
 *   shared   [ c0 c1 … ]   many sessions each; the first prompt one is taken, so that batches are large
 *   leases   [ idle … ]    one session each, for as long as it holds it
 *
 * Replies take their shape from the connection's protocol, keys their meaning from its database: that is why lanes never mix.
 */
export class Lane {
  readonly shared: UpstreamConnection[] = []
  readonly idleLeases: UpstreamConnection[] = []
  /** Sessions waiting for a shared connection, and those waiting for a lease. */
  readonly waiting = new WaitQueue()
  readonly leaseWaiting = new WaitQueue()
  /** Shared and pinned connections on their way. */
  opening = 0
  openingLeases = 0
  /** Why the last connection of this lane could not be opened, if that concerns this lane alone. */
  failure: ErrorCode | null = null

  constructor(
    readonly endpoint: LaneOwner,
    readonly protocol: Protocol,
    readonly database: number,
  ) {}

  /** A shared connection for the next command of a session that has none in flight, or null: then wait. */
  pick(): UpstreamConnection | null {
    const first = this.shared[0]
    if (first !== undefined && first.prompt) {
      this.endpoint.counts.hits++
      return first
    }
    return this.#pickOther()
  }

  #pickOther(): UpstreamConnection | null {
    let fallback: UpstreamConnection | null = null
    for (const connection of this.shared) {
      if (connection.prompt) {
        this.endpoint.counts.hits++
        return connection
      }
      if (!connection.usable || connection.paused) continue
      if (fallback === null || connection.inflight.length < fallback.inflight.length) fallback = connection
    }
    this.endpoint.counts.misses++
    // Everything here is busy with something big or slow: a new connection is better, if there may be one.
    return this.endpoint.openShared(this) ? null : fallback
  }
}

/** The lanes in which somebody waits in that queue, the longest wait first. */
export function longestWaitFirst(lanes: Iterable<Lane>, queue: 'waiting' | 'leaseWaiting'): Lane[] {
  return [...lanes].filter((lane) => lane[queue].length > 0).sort((a, b) => a[queue].oldest - b[queue].oldest)
}
