import type { Address, Config } from '../config/config.js'
import { describeAddress } from '../config/address.js'
import type { ErrorCode } from '../errors.js'
import type { EndpointStats, ServerRole } from '../metrics/gauges.js'
import { command, type Protocol } from '../resp/encode.js'
import { remove } from '../util/list.js'
import type { EventLog } from '../util/log.js'
import { type CloseReason, UNASKED, UNREACHABLE, WORN_OUT } from './close-reason.js'
import { type ConnectionOwner, UpstreamConnection, type UpstreamContext } from './connection.js'
import {
  type HandshakeFailure,
  type HandshakeOutcome,
  identityOf,
  type ServerInfo,
  shakeHands,
  StepReply,
} from './handshake.js'
import { statsOf } from './endpoint-stats.js'
import { Fitness } from './fitness.js'
import { Reachability } from './reachability.js'
import { Lane, type LaneOwner, longestWaitFirst } from './lane.js'
import type { Leftover, Use } from './lease-use.js'
import { LoadedScripts } from './loaded-scripts.js'
import { type LeaseOwner, Leases } from './leases.js'
import { Members } from './members.js'
import { makeRoom } from './room.js'
import { Subscriptions, type SubscriptionsOwner } from './subscriptions.js'
import type { Waiter } from './wait-queue.js'

/** The part of the configuration that concerns upstream connections. */
export type UpstreamSettings = Pick<Config, 'upstream' | 'pool'>

/**
 * All connections to one Redis process, in lanes, under two hard limits: `pool.max` shared connections and
 * `pool.leases.max` pinned ones. One more carries subscriptions.
 */
export class Endpoint implements ConnectionOwner, LaneOwner, LeaseOwner, SubscriptionsOwner {
  name: string
  /** As go-redis counts: hits and misses of picking, waits that timed out, worn out connections. */
  readonly counts = { hits: 0, misses: 0, timeouts: 0, stale: 0, opened: 0 }
  /** What Redis said of itself when it was last reached. */
  info: ServerInfo | null = null
  readonly members = new Members()
  readonly lanes = new Map<string, Lane>()
  readonly closings: Record<string, number> = {}
  readonly subscriptions = new Subscriptions(this)
  readonly scripts = new LoadedScripts()
  /** Called each time it comes up, each time an attempt to reach it fails, and when it has ended a connection that was of use. */
  onUp: () => void = () => {}
  onUnreachable: () => void = () => {}
  onSevered: () => void = () => {}
  readonly fitness = new Fitness()
  /** True once commands go elsewhere for good. */
  retired = false
  #sharedCount = 0
  #stopped = false
  readonly #leases = new Leases(this)
  readonly #reachability: Reachability

  /** @param address null until it is known */
  constructor(
    public address: Address | null,
    readonly settings: UpstreamSettings,
    readonly context: UpstreamContext,
    readonly log: EventLog,
    readonly clientName: string,
    readonly role: ServerRole = 'primary',
  ) {
    this.name = address === null ? 'unknown' : describeAddress(address)
    this.#reachability = new Reachability(settings.upstream, context.clock)
  }

  /**
   * Another server stands in its place from now on: a failover. What waits goes on there; what is on its way is answered by the old one,
   * as far as that answers; leases are lost, since the old one will not let them write.
   */
  moveTo(address: Address): void {
    const name = describeAddress(address)
    if (name === this.name) return
    this.log.event('info', 'upstream_moved', { endpoint: name, from: this.name })
    this.address = address
    this.name = name
    this.members.abandon()
    this.subscriptions.link.connection?.close('moved', '')
    this.scripts.forget()
    this.#reachability.reset()
    this.#openWanted()
  }

  lane(protocol: Protocol, database: number): Lane {
    const key = `${protocol}/${database}`
    let lane = this.lanes.get(key)
    if (lane === undefined) {
      lane = new Lane(this, protocol, database)
      this.lanes.set(key, lane)
    }
    return lane
  }

  /** The lane that is kept open ahead of need, and that finds out when Redis is back. */
  get home(): Lane {
    return this.lane(3, this.settings.upstream.target.database)
  }

  /** Since when it cannot be reached, ms on the monotonic clock; null while it is up. */
  get downSince(): number | null {
    return this.#reachability.downSince
  }

  /** Why nothing can be sent now, or null if waiting makes sense. */
  get outage(): ErrorCode | null {
    if (this.#stopped) return 'stopping'
    return this.retired ? 'upstreamDown' : this.#reachability.outage
  }

  get suspected(): boolean {
    return this.#reachability.suspected
  }

  get breaker(): EndpointStats['breaker'] {
    if (this.outage === null) return 'closed'
    return this.#isDialling ? 'half-open' : 'open'
  }

  /** The sweep has looked when anything came last, and how many commands have run out of time since it looked before. */
  observe(readAt: number, expired: number, now: number): void {
    if (!this.#reachability.observe(readAt, expired, now)) return
    this.log.event('warn', 'upstream_silent', { endpoint: this.name })
    this.members.distrust()
    this.onUnreachable()
  }

  /** Why waiting for a connection of the lane is no use, or null if it is. */
  refusal(lane: Lane): ErrorCode | null {
    // The database may exist by now: another attempt tells the next one who asks.
    if (lane.failure !== null && this.downSince === null) this.openShared(lane)
    return lane.failure ?? this.outage
  }

  waitShared(lane: Lane, waiter: Waiter): ErrorCode | null {
    const refusal = this.refusal(lane)
    if (refusal !== null) return refusal
    if (lane.waiting.length >= this.settings.upstream.maxHeld) return 'heldExceeded'
    lane.waiting.push(waiter)
    this.openShared(lane)
    return null
  }

  lease(lane: Lane, waiter: Waiter, use: Use): UpstreamConnection | ErrorCode | null {
    return this.#leases.take(lane, waiter, use)
  }

  giveBack(connection: UpstreamConnection, left: Leftover): void {
    const member = this.members.get(connection)
    if (member !== undefined) this.#leases.giveBack(member.lane, connection, left)
  }

  renew(connection: UpstreamConnection, done: () => void): void {
    this.#shakeHands(connection, done)
  }

  rename(connection: UpstreamConnection, name: string): void {
    if (connection.clientName === name) return
    connection.clientName = name
    const now = this.context.clock.now
    const deadline = now + this.settings.upstream.commandTimeout
    connection.sendText(new StepReply(now, deadline, () => {}), command('CLIENT', 'SETNAME', name))
  }

  /** True if no session holds it: shared, or a lease that nobody has. */
  isFree(connection: UpstreamConnection): boolean {
    return this.members.isFree(connection)
  }

  clientIdOf(connection: UpstreamConnection): number {
    return this.members.get(connection)?.clientId ?? 0
  }

  /** Opens a shared connection for the lane if one may be opened; true if so. */
  openShared(lane: Lane): boolean {
    if (lane.opening > 0 || !this.mayDial()) return false
    if (this.#sharedCount >= this.settings.pool.max) {
      makeRoom(lane, this.lanes.values(), this.members.keys())
      return false
    }
    this.#sharedCount++
    lane.opening++
    this.dial(lane, false)
    return true
  }

  /** Keeps what should always be there, but takes no place from those who work. */
  ensureMinimum(): void {
    const home = this.home
    const { min, max } = this.settings.pool
    const wanted = Math.max(min, this.downSince === null ? 0 : 1)
    const lasting = home.shared.filter(({ state }) => state.current === 'ready')
    if (lasting.length + home.opening < wanted && this.#sharedCount < max) this.openShared(home)
  }

  stats(): EndpointStats {
    return statsOf(this)
  }

  /**
   * Commands go elsewhere from now on. Takes no new ones, has those who wait look again for where to go, and leaves when it has answered
   * what it was sent; a lease on which nothing is on its way is lost at once. Subscriptions stay for as long as they have listeners.
   */
  retire(): void {
    if (this.retired) return
    this.retired = true
    this.#reachability.stop()
    this.members.retire()
    if (this.subscriptions.topics.refs === 0) this.subscriptions.link.connection?.close('moved', '')
    this.wakeAll()
  }

  /** Has everybody who waits here look again for where to go. */
  wakeAll(): void {
    for (const lane of this.lanes.values()) {
      this.#wake(lane)
      for (const waiter of lane.leaseWaiting.takeAll()) waiter.granted(null)
    }
  }

  /** True if nothing is left of it that could do anything. */
  get isEmpty(): boolean {
    return (
      this.members.size === 0 && this.subscriptions.link.connection === null && this.subscriptions.topics.refs === 0
    )
  }

  stop(): void {
    this.#stopped = true
    this.#reachability.stop()
    for (const connection of [...this.members.keys()]) connection.close('shutdown', '')
    this.subscriptions.link.connection?.close('shutdown', '')
    for (const lane of this.lanes.values()) lane.refuseAll('stopping')
  }

  // ConnectionOwner

  opened(connection: UpstreamConnection): void {
    this.#shakeHands(connection, (outcome) => this.#accepted(connection, outcome))
  }

  #shakeHands(connection: UpstreamConnection, done: (outcome: HandshakeOutcome) => void): void {
    const { protocol, database } = this.members.get(connection)!.lane
    const { target, connectTimeout } = this.settings.upstream
    const now = this.context.clock.tick()
    shakeHands(
      connection,
      identityOf(target, this.context.login, protocol, database, this.clientName, this.role),
      now,
      now + connectTimeout,
      (outcome) => {
        connection.clientName = this.clientName
        this.fitness.measured(this.context.clock.now - now)
        done(outcome)
      },
      (failure) => this.#rejected(connection, failure),
    )
  }

  ready(connection: UpstreamConnection): void {
    const member = this.members.get(connection)!
    const { lane, pinned } = member
    member.ready = true
    if (pinned) {
      lane.openingLeases--
      this.#leases.grant(lane, connection)
    } else {
      lane.opening--
      lane.shared.push(connection)
      this.#wake(lane)
    }
  }

  idle(connection: UpstreamConnection): void {
    const { lane, pinned } = this.members.get(connection)!
    if (!pinned && lane.waiting.length > 0) this.#wake(lane)
  }

  uncongested(connection: UpstreamConnection): void {
    this.#wake(this.members.get(connection)!.lane)
  }

  closed(connection: UpstreamConnection, reason: CloseReason, detail: string): void {
    const { lane, pinned, ready } = this.members.get(connection)!
    this.members.delete(connection)
    if (pinned) {
      this.#leases.closed(connection)
      if (ready) remove(lane.idleLeases, connection)
      else lane.openingLeases--
    } else {
      this.#sharedCount--
      if (ready) remove(lane.shared, connection)
      else lane.opening--
    }
    this.ended(reason, detail, ready)
  }

  ended(reason: CloseReason, detail: string, ready: boolean): void {
    this.closings[reason] = (this.closings[reason] ?? 0) + 1
    if (WORN_OUT.includes(reason)) this.counts.stale++
    if (this.#stopped) return
    if (UNASKED.includes(reason)) {
      this.scripts.forget()
      if (ready) this.onSevered()
    }
    this.log.event(reason === 'fault' ? 'error' : 'info', 'upstream_closed', { endpoint: this.name, reason, detail })
    if (!ready && UNREACHABLE.includes(reason)) this.#dialFailed(detail)
    this.#openWanted()
  }

  #accepted(connection: UpstreamConnection, outcome: HandshakeOutcome): void {
    const member = this.members.get(connection)!
    const { maxLifetime, jitter } = this.settings.pool
    // Nobody would have noticed another Redis in its place.
    if (!this.members.anyReady) this.scripts.forget()
    member.clientId = outcome.clientId
    member.lane.failure = null
    if (maxLifetime > 0)
      connection.retireAt = connection.openedAt + maxLifetime * (1 + jitter * (2 * Math.random() - 1))
    this.shaken(outcome)
    connection.markReady()
    // Later, when those it was opened for have sent their commands: until then it looks idle, and would have to make room.
    setImmediate(() => this.#openWanted())
  }

  shaken({ info }: HandshakeOutcome): void {
    this.counts.opened++
    this.info = info
    if (this.#reachability.reached()) {
      this.log.event('info', 'upstream_up', { endpoint: this.name, version: info.version })
      this.onUp()
    }
  }

  #rejected(connection: UpstreamConnection, failure: HandshakeFailure): void {
    const { lane } = this.members.get(connection)!
    if (failure.code === 'dbOutOfRange') {
      // Redis is well; only this lane's database does not exist.
      lane.failure = failure.code
      lane.refuseAll(failure.code)
      connection.close('discarded', failure.text)
      return
    }
    this.unshaken(failure)
    connection.close('handshake', failure.text)
  }

  unshaken(failure: HandshakeFailure): void {
    if (failure.code !== 'upstreamAuth' || !this.context.login.refuse()) this.#reachability.blame(failure.code)
  }

  /** True unless an attempt to connect would be one too many. */
  mayDial(): boolean {
    const known = this.address !== null && this.context.login.current !== null
    if (this.#stopped || this.retired || !known || this.#reachability.waits) return false
    // While it is down one attempt at a time tells enough.
    return this.downSince === null || !this.#isDialling
  }

  get #isDialling(): boolean {
    const { connection, established } = this.subscriptions.link
    const linking = connection !== null && !established
    return linking || [...this.lanes.values()].some((lane) => lane.opening + lane.openingLeases > 0)
  }

  /** Makes a connection for the lane; its place has been counted. */
  dial(lane: Lane, pinned: boolean): void {
    const connection = new UpstreamConnection(
      { address: this.address!, keepAlive: this.settings.upstream.keepAlive },
      this.context,
      this,
    )
    this.members.set(connection, { lane, pinned, ready: false, clientId: 0 })
  }

  #dialFailed(detail: string): void {
    const inUse = this.subscriptions.link.established || this.members.anyReady
    const delay = this.#reachability.failed(inUse, () => this.#openWanted())
    if (delay !== null)
      this.log.event('warn', 'upstream_down', { endpoint: this.name, error: detail, retryInMs: Math.round(delay) })
    this.onUnreachable()
  }

  /** Opens connections for those who wait. */
  #openWanted(): void {
    for (const lane of longestWaitFirst(this.lanes.values(), (one) => one.waiting.oldest)) this.openShared(lane)
    this.#leases.openWanted()
    this.subscriptions.openWanted()
    this.ensureMinimum()
  }

  #wake(lane: Lane): void {
    for (const waiter of lane.waiting.takeAll()) waiter.granted(null)
  }
}
