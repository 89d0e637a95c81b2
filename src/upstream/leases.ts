import type { ErrorCode } from '../errors.js'
import type { Config } from '../config/config.js'
import type { UpstreamConnection } from './connection.js'
import { StepReply } from './handshake.js'
import { type Lane, longestWaitFirst } from './lane.js'
import { type Leftover, UNDO, type Use, USES } from './lease-use.js'
import { relogIn, type ReloginOwner } from './relogin.js'
import type { Waiter } from './wait-queue.js'

/** How much longer somebody must have waited for a lease than those of the lane that it comes back to, to get its place, ms. */
const LANE_PATIENCE = 50

/** What leases need of their endpoint. */
export interface LeaseOwner extends ReloginOwner {
  readonly settings: Pick<Config, 'pool' | 'upstream'>
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
  /** Logs in again, after RESET; then `done`. */
  renew(connection: UpstreamConnection, done: () => void): void
}

/**
 * The pinned connections of an endpoint, `pool.leases.max` at the most over all lanes.
 *
 *     dial ──► idle in its lane ──► held by one session
 *                  │  ▲                 │ given back
 *                  │  └── clean ◄───── undo ──► closed, if what is left on it is unknown
 *      room for ◄──┘
 *      another lane
 *
 * Invariants: `count` is the number of pinned connections in any state, those on their way included. `pool.leases.reserve` of the places
 * are left to uses that are brief, so that no number of blocked or listening applications keeps transactions from going on.
 */
export class Leases {
  count = 0
  /** Held connections whose use is not brief, and those of them that block. */
  readonly #lasting = new Set<UpstreamConnection>()
  readonly #blocking = new Set<UpstreamConnection>()

  constructor(readonly endpoint: LeaseOwner) {}

  /** Takes an idle connection, or queues for one (null), or answers the error if that is no use. */
  take(lane: Lane, waiter: Waiter, use: Use): UpstreamConnection | ErrorCode | null {
    const { counts, settings } = this.endpoint
    const idle = this.#allowed().includes(use) ? idleOf(lane) : undefined
    if (idle !== undefined) {
      counts.hits++
      this.#hold(idle, use)
      return idle
    }
    counts.misses++
    const refusal = this.endpoint.refusal(lane)
    if (refusal !== null) return refusal
    if (lane.leaseWaiting.length >= settings.pool.leases.maxWaiters) return 'leaseWaitersExceeded'
    lane.leaseWaiting.push(waiter, use)
    this.#open(lane)
    return null
  }

  /** Takes a connection back from its session. */
  giveBack(lane: Lane, connection: UpstreamConnection, left: Leftover): void {
    const { endpoint } = this
    const now = endpoint.context.clock.tick()
    this.#release(connection)
    // Redis remembers which keys were read on it while it tracked, and would tell the next one who tracks on it of them.
    const undo = connection.pushes === null ? UNDO[left] : null
    connection.pushes = null
    const old = connection.retireAt <= now
    const owes = left === 'nothing' && connection.inflight.length > 0
    if (undo === null || owes || connection.state.current !== 'ready' || old) return connection.close('discarded', left)
    if (undo === '') {
      endpoint.rename(connection, endpoint.clientName)
      return this.grant(lane, connection)
    }
    const undone = new StepReply(now, now + endpoint.settings.upstream.commandTimeout, (answer) => {
      if (answer instanceof Error) return connection.close('discarded', answer.message)
      if (left === 'anything') return endpoint.renew(connection, () => this.grant(lane, connection))
      endpoint.rename(connection, endpoint.clientName)
      this.grant(lane, connection)
    })
    connection.sendText(undone, undo)
  }

  /** Hands a connection of the lane to whoever waits, or lets it idle. */
  grant(lane: Lane, connection: UpstreamConnection): void {
    relogIn(this.endpoint, connection)
    const uses = this.#allowed()
    const [first] = this.#lanes(uses)
    const late = first !== undefined && lane.leaseWaiting.oldest(uses) - first.leaseWaiting.oldest(uses) > LANE_PATIENCE
    if (late && this.count >= this.endpoint.settings.pool.leases.max) return connection.drain('room')
    const next = lane.leaseWaiting.shift(uses)
    if (next === null) lane.idleLeases.push(connection)
    else this.#give(connection, next.waiter, next.use)
    this.openWanted()
  }

  /** Opens connections for those who wait. */
  openWanted(): void {
    for (const lane of this.#lanes(this.#allowed())) this.#open(lane)
  }

  /** A pinned connection is no more. */
  closed(connection: UpstreamConnection): void {
    this.count--
    this.#release(connection)
  }

  #open(lane: Lane): void {
    const { max } = this.endpoint.settings.pool.leases
    this.#serveFromIdle(lane)
    if (!this.endpoint.mayDial()) return
    if (this.count >= max) this.#endIdle()
    if (this.count >= max || lane.openingLeases >= this.#wanted(lane)) return
    this.count++
    lane.openingLeases++
    this.endpoint.dial(lane, true)
  }

  /** Those who had to leave a place in reserve may take an idle connection when another of their kind has given one back. */
  #serveFromIdle(lane: Lane): void {
    while (lane.idleLeases.length > 0) {
      const uses = this.#allowed()
      if (lane.leaseWaiting.count(uses) === 0) return
      const idle = idleOf(lane)
      if (idle === undefined) return
      const { waiter, use } = lane.leaseWaiting.shift(uses)!
      this.#give(idle, waiter, use)
    }
  }

  #give(connection: UpstreamConnection, waiter: Waiter, use: Use): void {
    this.#hold(connection, use)
    waiter.granted(connection)
  }

  #hold(connection: UpstreamConnection, use: Use): void {
    if (use !== 'brief') this.#lasting.add(connection)
    if (use === 'blocking') this.#blocking.add(connection)
  }

  #release(connection: UpstreamConnection): void {
    this.#lasting.delete(connection)
    this.#blocking.delete(connection)
  }

  /** How many more may be held for a use that is not brief. In a small pool half of the places may. */
  #places(): { lasting: number; blocking: number } {
    const { max, reserve, maxBlocking } = this.endpoint.settings.pool.leases
    const lasting = Math.max(max - reserve, Math.ceil(max / 2)) - this.#lasting.size
    const blocking = maxBlocking === 0 ? lasting : maxBlocking - this.#blocking.size
    return { lasting, blocking: Math.min(lasting, blocking) }
  }

  /** The uses that may have another connection now. */
  #allowed(): readonly Use[] {
    const { lasting, blocking } = this.#places()
    if (blocking > 0) return USES
    return USES.slice(0, lasting > 0 ? 2 : 1)
  }

  /** How many connections those who wait in the lane could have. */
  #wanted(lane: Lane): number {
    const places = this.#places()
    const count = (use: Use): number => lane.leaseWaiting.count([use])
    return count('brief') + Math.min(count('lasting') + Math.min(count('blocking'), places.blocking), places.lasting)
  }

  /** The lanes in which somebody waits who may have a connection now. */
  #lanes(uses: readonly Use[]): Lane[] {
    return longestWaitFirst(this.endpoint.lanes.values(), (lane) => lane.leaseWaiting.oldest(uses))
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

/** Takes an idle connection out of the lane; one that is on its way out may still be in the list. */
function idleOf(lane: Lane): UpstreamConnection | undefined {
  let idle = lane.idleLeases.pop()
  while (idle !== undefined && idle.state.current !== 'ready') idle = lane.idleLeases.pop()
  return idle
}
