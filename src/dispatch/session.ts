import { type CommandSpec, isBlocking } from '../commands/spec.js'
import type { Pooling } from '../config/config.js'
import { ERROR_FRAMES, type ErrorCode } from '../errors.js'
import type { PinReason } from '../metrics/recorder.js'
import type { Protocol } from '../resp/encode.js'
import type { UpstreamConnection } from '../upstream/connection.js'
import type { Lane } from '../upstream/lane.js'
import { type Leftover, USE } from '../upstream/lease-use.js'
import { Ring } from '../util/ring.js'
import { Anchor } from './anchor.js'
import type { DispatchContext } from './context.js'
import type { Downstream } from './downstream.js'
import { HeldPushes } from './held-pushes.js'
import { createMode, type Hold, LEFT } from './mode.js'
import { Request, type RequestOwner } from './request.js'
import { ScriptState } from './scripts/state.js'
import { standIn } from './stand-in.js'
import type { Subscriber, SubscriberOwner } from './subscriber.js'
import { Wait, type WaitOwner } from './wait.js'
import { Window } from './window.js'

export type SessionContext = DispatchContext<Session>

/**
 * What outlives a command on one application connection, and the order of its replies.
 *
 *   commands ──► dispatch ──► connection (shared, or the lease) ──► Redis
 *                   │ ring: [ oldest … newest ]                       │
 *   replies ◄── only from the head, in order  ◄───────────────────────┘
 *
 * Invariants: the ring holds every command that was taken and whose reply has not left. While any command is in
 * flight, all others go to the same connection, so that a session reads its own writes; only with none in flight does it change
 * its connection, its lane or its lease. A command that cannot be taken now is held, with everything behind it.
 */
export class Session implements RequestOwner, SubscriberOwner, WaitOwner {
  readonly mode = createMode()
  readonly ring = new Ring<Request>(4)
  readonly window: Window
  readonly since: number
  protocol: Protocol = 2
  database: number
  user = 'default'
  /** CLIENT SETNAME and SETINFO. */
  name = ''
  libName = ''
  libVersion = ''
  /** CLIENT NO-EVICT, for CLIENT INFO. */
  noEvict = false
  /** What CLIENT REPLY said last: no reply to the next command (skip), or to any (off). */
  replyMode: 'on' | 'skip' | 'off' = 'on'
  lastCommand = ''
  lastActive: number
  /** The connection that has its commands in flight, or its lease. */
  connection: UpstreamConnection | null = null
  lease: UpstreamConnection | null = null
  leaseReason: PinReason | null = null
  leasedAt = 0
  /** True while a large command is on its way, so that the lease is in the middle of it. */
  partial = false
  readonly anchor = new Anchor()
  /** From its first subscription on. */
  subscriber: Subscriber | null = null
  readonly scripts = new ScriptState()
  held: Hold | null = null
  /** Why waiting for a connection failed: the answer to the command that was held. */
  refusal: ErrorCode | null = null
  #lane: Lane | null = null
  /** What has to wait until the reply that is passing is complete. */
  readonly #pushes = new HeldPushes()
  #modeBefore: 'open' | 'spoilt' = 'open'
  #leaseUnsure = false
  #inflight = 0
  #wait: Wait | null = null

  constructor(
    readonly id: number,
    readonly context: SessionContext,
    readonly downstream: Downstream,
    readonly pooling: Pooling,
  ) {
    const { outstanding, replyBytes } = context.limits
    this.window = new Window(outstanding, replyBytes)
    this.since = this.lastActive = context.clock.now
    this.database = context.limits.database
  }

  get closed(): boolean {
    return this.mode.current === 'closed'
  }

  /** Commands that an upstream connection owes an answer to. */
  get inflight(): number {
    return this.#inflight
  }

  /** True if nothing is going on and nothing would be lost with it. */
  get isIdle(): boolean {
    return this.mode.current === 'open' && !this.subscribed && this.isQuiet
  }

  /** True if no command is going on. */
  get isQuiet(): boolean {
    return this.ring.length === 0 && this.held === null
  }

  /** True if it hears messages. */
  get subscribed(): boolean {
    return this.subscriber !== null && this.subscriber.total > 0
  }

  get lane(): Lane {
    return (this.#lane ??= this.context.topology.home.lane(this.protocol, this.database))
  }

  /** Moves to another protocol or database. Nothing may be in flight. */
  changeLane(protocol: Protocol, database: number): void {
    if (!this.anchor.moved) this.giveLeaseBack()
    this.protocol = protocol
    this.database = database
    this.#lane = null
  }

  /** Registers a command that goes upstream. */
  open(spec: CommandSpec, deadline: number): Request {
    return this.register(new Request(this, spec, this.context.clock.now, deadline))
  }

  register(request: Request): Request {
    if (this.replyMode !== 'on') request.silent = this.takeSilence()
    this.ring.push(request)
    this.#inflight++
    return request
  }

  /** Answers a command at once, behind those that are in flight. */
  answer(spec: CommandSpec, text: string, failed = false): void {
    if (this.replyMode !== 'on' && this.takeSilence()) {
      this.context.recorder.command(spec.id, 0, failed)
      return
    }
    if (this.ring.length === 0) {
      this.downstream.writeText(text)
      this.context.recorder.command(spec.id, 0, failed)
      return
    }
    this.open(spec, Infinity).finish(text, failed)
  }

  /** Whether CLIENT REPLY keeps the reply to the command at hand from the application. */
  takeSilence(): boolean {
    const { replyMode } = this
    if (replyMode === 'skip') this.replyMode = 'on'
    return replyMode !== 'on'
  }

  answerError(spec: CommandSpec, code: ErrorCode): void {
    this.context.recorder.error(code)
    this.answer(spec, ERROR_FRAMES[code], true)
  }

  /** The answer of a request has come whole. */
  answered(request: Request): void {
    const { recorder, clock } = this.context
    recorder.upstream(request.spec.id, clock.now - request.since)
    this.window.replied(request.size)
    // Redis did not do as expected: what it still keeps on the lease is anybody's guess.
    if (request.failed && this.lease !== null && request.spec.handling === 'transaction') this.#leaseUnsure = true
    this.complete(request)
    if (this.#inflight === 0) this.settle()
  }

  /** Passes on a frame that answers no command: between replies, never in the middle of one. */
  push(buf: Buffer, start: number, end: number): void {
    if (this.ring.peek()?.begun === true) this.#keepPush(Buffer.copyBytesFrom(buf, start, end - start))
    else this.downstream.write(buf, start, end)
  }

  /** The same with bytes that may be kept as they are. */
  deliver(part: string | Buffer): void {
    if (this.ring.peek()?.begun === true) this.#keepPush(part)
    else this.downstream.writeShared(part)
  }

  /** What it was subscribed to may not be heard any more; Redis too ends such a connection. */
  evict(): void {
    this.downstream.destroy('subscription refused')
  }

  /** Moves to the mode that its protocol and its subscriptions ask for. */
  settleMode(): void {
    const restricted = this.protocol === 2 && this.subscribed
    const { current } = this.mode
    if (restricted && (current === 'open' || current === 'spoilt')) {
      this.#modeBefore = current
      this.mode.to('subscribed')
    } else if (!restricted && current === 'subscribed') {
      this.mode.to(this.#modeBefore)
    }
  }

  /** Takes a finished request, and those behind it that are finished too, out of the ring. */
  complete(request: Request): void {
    const { recorder, clock } = this.context
    request.done = true
    this.#inflight--
    recorder.command(request.spec.id, clock.now - request.since, request.failed)
    const ring = this.ring
    if (ring.peek() !== request) return
    ring.shift()
    if (request.endsPipeline) recorder.pipelineDuration(clock.now - request.since)
    for (let head = ring.peek(); head !== undefined; head = ring.peek()) {
      if (this.#pushes.bytes > 0) this.#pushes.release(this.downstream)
      head.release()
      if (!head.done) break
      ring.shift()
      if (head.endsPipeline) recorder.pipelineDuration(clock.now - head.since)
    }
    if (this.#pushes.bytes > 0 && ring.length === 0) this.#pushes.release(this.downstream)
    if (this.held === 'outstanding' && ring.length <= this.window.size / 2) this.unhold()
  }

  /** With nothing in flight the connection is free to change, and a lease that serves no purpose any more goes back. */
  settle(): void {
    if (this.#inflight > 0) return
    if (this.lease === null) this.connection = null
    else if (LEFT[this.mode.current] === undefined && this.pooling !== 'session' && this.anchor.bonds === 0)
      this.giveLeaseBack()
    else if (this.lease.state.current !== 'ready') this.dropLease()
    if (this.held === 'drained' || this.held === 'congested') this.unhold()
  }

  /** The lease is lost, or given up, with a transaction on it: that transaction can only fail now. */
  dropLease(): void {
    this.giveLeaseBack()
    if (this.mode.current === 'watching') this.mode.to('spoilt')
    else if (this.mode.current === 'queueing') this.mode.to('discarding')
  }

  /** Takes no commands until `unhold`; the one at hand will come again. Answers false, which is what dispatch answers then. */
  hold(reason: Hold): false {
    this.held = reason
    return false
  }

  unhold(): void {
    this.held = null
    this.downstream.resume()
  }

  /** Waits for a shared connection; false while it does, true if the command at hand was answered with an error. */
  awaitConnection(spec: CommandSpec): boolean {
    if (this.refusal !== null) return this.#refuse(spec)
    const { clock, limits } = this.context
    this.#wait = new Wait(this, clock.now + limits.commandTimeout)
    return this.#waiting(spec, 'connection', this.lane.endpoint.waitShared(this.lane, this.#wait))
  }

  /** Gets a lease; false while it waits for one, true with `lease` still null if the command at hand was answered with an error. */
  takeLease(spec: CommandSpec, reason: PinReason): boolean {
    // One that was lost before it was used is no lease.
    if (this.lease !== null && this.lease.state.current !== 'ready' && this.#inflight === 0) this.giveLeaseBack()
    if (this.lease !== null) return true
    if (this.#inflight > 0) return this.hold('drained')
    if (this.refusal !== null) return this.#refuse(spec)
    const { clock, limits, recorder } = this.context
    this.leaseReason = reason
    this.#wait = new Wait(this, clock.now + limits.leaseWait)
    const got = this.anchor.reserved ?? this.lane.endpoint.lease(this.lane, this.#wait, USE[reason])
    if (got === null || typeof got === 'string') return this.#waiting(spec, 'lease', got)
    this.#wait = null
    recorder.poolWait(0)
    this.#leased(got)
    return true
  }

  /** What was waited for is there, or will not come. */
  waited(lease: UpstreamConnection | null, refusal: ErrorCode | null): void {
    this.#wait = null
    if (lease !== null) this.#leased(lease)
    if (refusal !== null) this.refusal = refusal
    this.unhold()
  }

  /** Makes the lease bear the session's name, for what asks about it from inside a transaction or a relayed session. */
  nameLease(): void {
    if (this.lease !== null) this.lane.endpoint.rename(this.lease, this.name)
  }

  giveLeaseBack(left: Leftover = this.#leftover): void {
    const lease = this.lease
    if (lease === null) return
    this.lease = null
    this.connection = null
    this.leaseReason = null
    lease.holder = null
    if (this.anchor.hangsOn(lease) && !this.closed) {
      if (left === 'nothing' && lease === this.anchor.reserved && lease.state.current === 'ready') return
      // What it has to hear would be lost.
      this.downstream.finish()
    }
    this.anchor.moved = false
    this.#leaseUnsure = false
    this.lane.endpoint.giveBack(lease, left)
  }

  /** What Redis keeps on the lease. */
  get #leftover(): Leftover {
    const left = LEFT[this.mode.current] ?? 'nothing'
    if (left === 'unknown' || this.partial || this.lease?.streaming === true || this.#blocks()) return 'unknown'
    return this.#inflight > 0 || this.#leaseUnsure || this.anchor.bonds !== 0 || this.anchor.moved ? 'anything' : left
  }

  /** True if a command is in flight that Redis may answer late, or with data that must not be lost. */
  #blocks(): boolean {
    for (let i = 0; i < this.ring.length; i++) if (isBlocking(this.ring.at(i)!.spec)) return true
    return false
  }

  /** The application's connection has ended, or must. */
  close(): void {
    if (this.closed) return
    this.#wait?.cancel()
    this.#wait = null
    const { reserved } = this.anchor
    const left = this.lease !== null && this.lease === reserved ? 'unknown' : this.#leftover
    this.mode.to('closed')
    this.subscriber?.leave()
    for (let i = 0; i < this.ring.length; i++) this.ring.at(i)!.lost = true
    if (reserved !== null && reserved !== this.lease) this.lane.endpoint.giveBack(reserved, 'unknown')
    this.giveLeaseBack(left)
    this.context.registry.remove(this)
  }

  /** Back to how it was when it was new, as RESET says. Nothing may be in flight. */
  reset(): void {
    const left = this.#leftover
    this.anchor.reset()
    this.giveLeaseBack(left)
    if (this.mode.current !== 'open') this.mode.to('open')
    this.changeLane(2, this.context.limits.database)
    this.user = 'default'
    this.name = ''
    this.noEvict = false
    if (this.replyMode === 'off') this.replyMode = 'on'
  }

  /** Ends the application's connection, because the reply that it is receiving cannot be completed. */
  abort(): void {
    this.downstream.destroy('reply lost midway')
  }

  #keepPush(part: string | Buffer): void {
    this.#pushes.add(part)
    if (this.#pushes.bytes > this.context.limits.subscriberBytes) this.downstream.destroy('slow')
  }

  #refuse(spec: CommandSpec): true {
    const text = standIn(spec.name, this.protocol, this.context.topology.info)
    if (text !== null) this.answer(spec, text)
    else this.answerError(spec, this.refusal!)
    this.refusal = this.leaseReason = null
    return true
  }

  /** What follows from asking for a connection: null means wait. */
  #waiting(spec: CommandSpec, hold: Hold, refusal: ErrorCode | null): boolean {
    if (refusal === null) return this.hold(hold)
    this.#wait = null
    this.refusal = refusal
    return this.#refuse(spec)
  }

  #leased(lease: UpstreamConnection): void {
    this.lease = this.connection = lease
    this.leasedAt = this.context.clock.now
    if (this.pooling === 'session') this.nameLease()
    lease.holder = { uncongested: () => this.held === 'congested' && this.unhold() }
    this.context.recorder.pin(this.leaseReason!)
  }
}
