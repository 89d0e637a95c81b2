import type { ErrorCode } from '../errors.js'
import type { Config } from '../config/config.js'
import type { TurnClock } from '../util/clock.js'
import type { UpstreamConnection } from './connection.js'
import { type Lane, longestWaitFirst, type Waiter } from './lane.js'

/** How much longer somebody must have waited for a lease than those of the lane that it comes back to, to get its place, ms. */
const LANE_PATIENCE = 50

/** What leases need of their endpoint. */
export interface LeaseOwner {
  readonly settings: Pick<Config, 'pool'>
  readonly context: { readonly clock: TurnClock }
  readonly counts: { hits: number; misses: number }
  readonly lanes: ReadonlyMap<string, Lane>
  /** The name that connections have while no session holds them. */
  readonly clientName: string
  /** Why waiting for a connection of the lane is no use, or null if it is. */
  refusal(lane: Lane): ErrorCode | null
  /** True unless an attempt to connect would be one too many. */
  mayDial(): boolean
  /** Makes a connection for the lane; its place has been counted. */
  dial(lane: Lane, pinned: boolean): void
  rename(connection: UpstreamConnection, name: string): void
}

/**
 * The pinned connections of an endpoint, `pool.leases.max` at the most over all lanes.
 *
 *     dial ──► idle in its lane ◄──► held by one session
 *                  │  ▲ clean          │ anything left on it: closed
 *      room for ◄──┘  └────────────────┘
 *      another lane
 *
 * Invariant: `count` is the number of pinned connections in any state, those on their way included.
 */
export class Leases {
  count = 0

  constructor(readonly endpoint: LeaseOwner) {}

  /** Takes an idle connection, or queues for one (null), or answers the error if that is no use. */
  take(lane: Lane, waiter: Waiter): UpstreamConnection | ErrorCode | null {
    const { counts, settings } = this.endpoint
    let idle = lane.idleLeases.pop()
    // One that is on its way out is still in the list.
    while (idle !== undefined && idle.state.current !== 'ready') idle = lane.idleLeases.pop()
    if (idle !== undefined) {
      counts.hits++
      return idle
    }
    counts.misses++
    const refusal = this.endpoint.refusal(lane)
    if (refusal !== null) return refusal
    if (lane.leaseWaiting.length >= settings.pool.leases.maxWaiters) return 'leaseWaitersExceeded'
    lane.leaseWaiting.push(waiter)
    this.#open(lane)
    return null
  }

  /** Takes a connection back from its session; one with anything left on it is closed. */
  giveBack(lane: Lane, connection: UpstreamConnection, clean: boolean): void {
    const { endpoint } = this
    const spent = connection.state.current !== 'ready' || connection.inflight.length > 0
    const old = connection.retireAt <= endpoint.context.clock.tick()
    if (!clean || spent || old) return connection.close('discarded', '')
    endpoint.rename(connection, endpoint.clientName)
    this.grant(lane, connection)
  }

  /** Hands a connection of the lane to whoever waits, or lets it idle. */
  grant(lane: Lane, connection: UpstreamConnection): void {
    const [first] = longestWaitFirst(this.endpoint.lanes.values(), 'leaseWaiting')
    const late = first !== undefined && lane.leaseWaiting.oldest - first.leaseWaiting.oldest > LANE_PATIENCE
    if (late && this.count >= this.endpoint.settings.pool.leases.max) return connection.drain('room')
    const waiter = lane.leaseWaiting.shift()
    if (waiter === undefined) lane.idleLeases.push(connection)
    else waiter.granted(connection)
    this.openWanted()
  }

  /** Opens connections for those who wait. */
  openWanted(): void {
    for (const lane of longestWaitFirst(this.endpoint.lanes.values(), 'leaseWaiting')) this.#open(lane)
  }

  #open(lane: Lane): void {
    const { max } = this.endpoint.settings.pool.leases
    if (!this.endpoint.mayDial()) return
    if (this.count >= max) this.#endIdle()
    if (this.count >= max || lane.openingLeases >= lane.leaseWaiting.length) return
    this.count++
    lane.openingLeases++
    this.endpoint.dial(lane, true)
  }

  /** Sends an idle lease away; when it has gone, those who wait get its place. */
  #endIdle(): void {
    for (const lane of this.endpoint.lanes.values()) {
      const idle = lane.idleLeases.shift()
      if (idle === undefined) continue
      idle.drain('room')
      return
    }
  }
}
