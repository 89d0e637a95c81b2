import { type CommandSpec, isBlocking } from '../commands/spec.js'
import type { Pooling } from '../config/config.js'
import type { ErrorCode } from '../errors.js'
import type { PinReason, Recorder } from '../metrics/recorder.js'
import type { Protocol } from '../resp/encode.js'
import type { UpstreamConnection } from '../upstream/connection.js'
import type { Endpoint } from '../upstream/endpoint.js'
import type { LeaseHolder } from '../upstream/pending.js'
import { type Leftover, USE } from '../upstream/lease-use.js'
import type { ServerInfo } from '../upstream/handshake.js'
import type { TurnClock } from '../util/clock.js'
import type { Ring } from '../util/ring.js'
import type { StateMachine } from '../util/state-machine.js'
import type { Anchor } from './anchor.js'
import type { Downstream } from './downstream.js'
import { type Hold, LEFT, type Mode } from './mode.js'
import { Route } from './route.js'
import { standIn } from './stand-in.js'
import { Wait, type WaitOwner } from './wait.js'

/** What ways need of their session. */
export interface Traveller {
  readonly context: {
    readonly clock: TurnClock
    readonly recorder: Recorder
    readonly limits: { readonly commandTimeout: number; readonly leaseWait: number }
    readonly topology: { readonly home: Endpoint; readonly info: ServerInfo }
  }
  readonly mode: StateMachine<Mode>
  readonly anchor: Anchor
  readonly account: { pinned(spec: CommandSpec, reason: PinReason): void }
  readonly downstream: Downstream
  readonly pooling: Pooling
  readonly ring: Ring<{ readonly spec: CommandSpec }>
  readonly protocol: Protocol
  readonly database: number
  readonly name: string
  readonly held: Hold | null
  /** True while a large command is on its way, so that the lease is in the middle of it. */
  readonly partial: boolean
  readonly inflight: number
  readonly lastCommand: string
  hold(reason: Hold): false
  unhold(): void
  answer(spec: CommandSpec, text: string, failed: boolean): void
  answerError(spec: CommandSpec, code: ErrorCode): void
}

/**
 * A session's ways to Redis.
 *
 *     session ──► route to one server ──► connection (shared, while anything is in flight)
 *            └──► route to another ─────► lease (its own, as long as it holds it)
 *
 * Invariants: there is one lease at the most, and it is the connection of its route. Whoever waits for a connection is held.
 */
export class Ways implements WaitOwner {
  lease: UpstreamConnection | null = null
  leaseReason: PinReason | null = null
  /** The command that has asked for the lease. */
  #leaseFor: CommandSpec | null = null
  leasedAt = 0
  /** True if the lease may watch more than what a single WATCH has named. */
  rewatched = false
  /** Where the lease leads. */
  leaseRoute: Route | null = null
  /** True if Redis did not do as expected: what it still keeps on the lease is anybody's guess. */
  unsure = false
  /** Why waiting for a connection failed: the answer to the command that was held. */
  refusal: ErrorCode | null = null
  /** When the command at hand must have its connection, ms on the monotonic clock: wherever it is sent to look meanwhile. 0 if it has not waited. */
  waitsUntil = 0
  #route: Route | null = null
  /** All routes, from the second one on: most sessions have one only. */
  #routes: Map<Endpoint, Route> | null = null
  #wait: Wait | null = null

  constructor(readonly session: Traveller) {}

  get context(): Traveller['context'] {
    return this.session.context
  }

  /** Where the command at hand goes. */
  get route(): Route {
    return this.#route ?? this.goTo(this.context.topology.home)
  }

  /** The command at hand goes to this server. */
  goTo(endpoint: Endpoint): Route {
    // What was said of another server is no answer.
    if (this.refusal !== null && endpoint !== this.#route?.endpoint) this.refusal = null
    return (this.#route = this.to(endpoint))
  }

  to(endpoint: Endpoint): Route {
    const current = this.#route
    if (current?.endpoint === endpoint) return current
    const known = this.#routes?.get(endpoint)
    if (known !== undefined) return known
    const route = new Route(endpoint, endpoint.lane(this.session.protocol, this.session.database))
    if (current === null) return (this.#route = route)
    this.#routes ??= new Map([[current.endpoint, current]])
    this.#routes.set(endpoint, route)
    return route
  }

  /** Forgets where it has been, but for its lease: the next command finds its way anew. */
  forget(): void {
    const held = this.leaseRoute
    this.#routes = null
    this.#route = null
    if (held === null) return
    this.leaseRoute = this.goTo(held.endpoint)
    this.leaseRoute.connection = this.lease
  }

  get all(): Iterable<Route> {
    return this.#routes?.values() ?? (this.#route === null ? [] : [this.#route])
  }

  /** True if there is more than one. */
  get several(): boolean {
    return this.#routes !== null
  }

  /** Commands that have been sent and that an answer is owed to. */
  get inflight(): number {
    if (this.#routes === null) return this.#route?.inflight ?? 0
    let sum = 0
    for (const route of this.#routes.values()) sum += route.inflight
    return sum
  }

  /** True if a replica owes an answer. */
  get awaitsReplica(): boolean {
    if (this.#routes === null) return this.#route?.inflight !== 0 && this.#route?.endpoint.role === 'replica'
    for (const { endpoint, inflight } of this.#routes.values())
      if (inflight > 0 && endpoint.role === 'replica') return true
    return false
  }

  /** Waits for a shared connection; false while it does, true if the command at hand was answered with an error. */
  awaitConnection(spec: CommandSpec): boolean {
    if (this.refusal !== null) return this.#refuse(spec)
    const { clock, limits } = this.context
    const { endpoint, lane } = this.route
    this.waitsUntil ||= clock.now + limits.commandTimeout
    this.#wait = new Wait(this, this.waitsUntil)
    return this.#waiting(spec, 'connection', endpoint.waitShared(lane, this.#wait))
  }

  /** Gets a lease; false while it waits for one, true with `lease` still null if the command at hand was answered with an error. */
  takeLease(spec: CommandSpec, reason: PinReason): boolean {
    const { session } = this
    // One that was lost before it was used is no lease.
    if (this.lease !== null && this.lease.state.current !== 'ready' && session.inflight === 0) this.giveBack()
    if (this.lease !== null) return true
    if (session.inflight > 0) return session.hold('drained')
    if (this.refusal !== null) return this.#refuse(spec)
    const { clock, limits, recorder } = this.context
    const { endpoint, lane } = this.route
    this.leaseReason = reason
    this.#leaseFor = spec
    this.waitsUntil ||= clock.now + limits.leaseWait
    this.#wait = new Wait(this, this.waitsUntil)
    const got = session.anchor.reserved ?? endpoint.lease(lane, this.#wait, USE[reason])
    if (got === null || typeof got === 'string') return this.#waiting(spec, 'lease', got)
    this.#wait = null
    recorder.poolWait(0)
    this.adopt(got)
    return true
  }

  /** What was waited for is there, or will not come. */
  waited(lease: UpstreamConnection | null, refusal: ErrorCode | null): void {
    this.#wait = null
    if (lease !== null) this.adopt(lease)
    if (refusal !== null) this.refusal = refusal
    this.session.unhold()
  }

  /** The connection, which leads where the command at hand goes, is the lease from now on. */
  adopt(lease: UpstreamConnection): void {
    const { session } = this
    this.waitsUntil = 0
    this.leaseRoute = this.route
    this.lease = this.leaseRoute.connection = lease
    this.leasedAt = this.context.clock.now
    this.rewatched = false
    if (session.pooling === 'session') this.nameLease()
    lease.holder = new Holder(session, lease)
    this.context.recorder.pin(this.leaseReason!)
    if (this.#leaseFor !== null) session.account.pinned(this.#leaseFor, this.leaseReason!)
  }

  /** Makes the lease bear the session's name, for what asks about it from inside a transaction or a relayed session. */
  nameLease(): void {
    if (this.lease !== null) this.leaseRoute!.endpoint.rename(this.lease, this.session.name)
  }

  giveBack(left: Leftover = this.leftover): void {
    const { lease } = this
    if (lease === null) return
    const { anchor, mode, downstream } = this.session
    const { endpoint } = this.leaseRoute!
    this.leaseRoute!.connection = null
    this.lease = this.leaseRoute = this.leaseReason = null
    if (anchor.hangsOn(lease) && mode.current !== 'closed') {
      if (left === 'nothing' && lease === anchor.reserved && lease.state.current === 'ready') return
      // What it has to hear would be lost.
      downstream.finish()
    }
    anchor.moved = this.unsure = false
    lease.holder = null
    endpoint.giveBack(lease, left)
  }

  /** What Redis keeps on the lease. */
  get leftover(): Leftover {
    const { mode, partial, inflight, anchor } = this.session
    const left = LEFT[mode.current] ?? 'nothing'
    if (left === 'unknown' || partial || this.lease?.streaming === true || this.#blocks()) return 'unknown'
    return inflight > 0 || this.unsure || anchor.bonds !== 0 || anchor.moved ? 'anything' : left
  }

  /** The session waits for nothing more. */
  stopWaiting(): void {
    this.#wait?.cancel()
    this.#wait = null
  }

  /** True if a command is in flight that Redis may answer late, or with data that must not be lost. */
  #blocks(): boolean {
    const { ring } = this.session
    for (let i = 0; i < ring.length; i++) if (isBlocking(ring.at(i)!.spec)) return true
    return false
  }

  #refuse(spec: CommandSpec): true {
    const { session, refusal } = this
    const text = standIn(spec.name, session.protocol, this.context.topology.info)
    if (text !== null) session.answer(spec, text, false)
    else session.answerError(spec, refusal!)
    this.refusal = this.leaseReason = null
    this.waitsUntil = 0
    return true
  }

  /** What follows from asking for a connection: null means wait. */
  #waiting(spec: CommandSpec, hold: Hold, refusal: ErrorCode | null): boolean {
    if (refusal === null) return this.session.hold(hold)
    this.#wait = null
    this.refusal = refusal
    return this.#refuse(spec)
  }
}

/** The session that has a connection for itself. */
export class Holder implements LeaseHolder {
  constructor(
    readonly session: Traveller,
    readonly lease: UpstreamConnection,
  ) {}

  get pauses(): boolean {
    const { mode, inflight, partial, lastCommand } = this.session
    if (inflight > 0 || partial || this.lease.inflight.length > 0) return false
    // That is for the command behind it.
    if (lastCommand === 'client|caching') return false
    return mode.current === 'open' || mode.current === 'watching'
  }

  uncongested(): void {
    if (this.session.held === 'congested') this.session.unhold()
  }
}
