import type { ErrorCode } from '../errors.js'
import type { Protocol } from '../resp/encode.js'
import type { UpstreamConnection } from './connection.js'
import type { LoadedScripts } from './loaded-scripts.js'
import { LeaseQueue, type Leftover, type Use } from './lease-use.js'
import type { Subscriptions } from './subscriptions.js'
import { type Waiter, WaitQueue } from './wait-queue.js'

/** What a lane, and whoever has one, needs of the pool that it belongs to. */
export interface LaneOwner {
  /** The lane that is kept open ahead of need. */
  readonly home: Lane
  /** What is known of the scripts in the Redis behind. */
  readonly scripts: LoadedScripts
  readonly counts: { hits: number; misses: number }
  readonly subscriptions: Subscriptions
  /** Opens a shared connection for the lane if one may be opened; true if so. */
  openShared(lane: Lane): boolean
  /** Queues for a shared connection of the lane; answers the error if that is no use. */
  waitShared(lane: Lane, waiter: Waiter): ErrorCode | null
  /** Takes an idle pinned connection, or queues for one (null), or answers the error if that is no use. */
  lease(lane: Lane, waiter: Waiter, use: Use): UpstreamConnection | ErrorCode | null
  /** Takes a lease back; for the next one what was left on it is undone, or it is closed. */
  giveBack(connection: UpstreamConnection, left: Leftover): void
  /** Gives a connection a name in Redis's CLIENT LIST, if it does not have it. */
  rename(connection: UpstreamConnection, name: string): void
  /** The connection's id in Redis's CLIENT LIST. */
  clientIdOf(connection: UpstreamConnection): number
}

/**
 * The connections to one endpoint that mean the same to everybody: same protocol, same database, same login.
 *
 *   shared   [ c0 c1 … ]   many sessions each; the first prompt one is taken, so that batches are large, and the last one for large replies
 *   leases   [ idle … ]    one session each, for as long as it holds it
 *
 * Replies take their shape from the connection's protocol, keys their meaning from its database: that is why lanes never mix.
 */
export class Lane {
  readonly shared: UpstreamConnection[] = []
  readonly idleLeases: UpstreamConnection[] = []
  /** Sessions waiting for a shared connection, and those waiting for a lease. */
  readonly waiting = new WaitQueue()
  readonly leaseWaiting = new LeaseQueue()
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

  /** The same for a session whose replies are large: others should not have to wait behind them. */
  pickApart(): UpstreamConnection | null {
    for (let i = this.shared.length - 1; i > 0; i--) {
      if (!this.shared[i].prompt) continue
      this.endpoint.counts.hits++
      return this.shared[i]
    }
    if (this.shared.length === 0 || !this.endpoint.openShared(this)) return this.pick()
    this.endpoint.counts.misses++
    return null
  }

  /** Waiting for a connection is no use to anybody. */
  refuseAll(code: ErrorCode): void {
    this.waiting.refuseAll(code)
    this.leaseWaiting.refuseAll(code)
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

/** The lanes in which somebody waits, the longest wait first; `oldest` tells the deadline of a lane's oldest waiter. */
export function longestWaitFirst(lanes: Iterable<Lane>, oldest: (lane: Lane) => number): Lane[] {
  const waits = [...lanes].map((lane) => ({ lane, oldest: oldest(lane) })).filter((wait) => wait.oldest < Infinity)
  return waits.sort((a, b) => a.oldest - b.oldest).map((wait) => wait.lane)
}
