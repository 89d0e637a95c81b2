import type { CommandSpec } from '../commands/spec.js'
import type { Pooling } from '../config/config.js'
import { ERROR_FRAMES, type ErrorCode } from '../errors.js'
import type { Guard } from '../guard/guard.js'
import type { Protocol } from '../resp/encode.js'
import type { UpstreamConnection } from '../upstream/connection.js'
import type { Endpoint } from '../upstream/endpoint.js'
import type { Lane } from '../upstream/lane.js'
import type { Loss } from '../upstream/pending.js'
import { Ring } from '../util/ring.js'
import { Anchor } from './anchor.js'
import type { DispatchContext, SessionOptions } from './context.js'
import type { Downstream } from './downstream.js'
import { HeldPushes } from './held-pushes.js'
import { createMode, type Hold, LEFT } from './mode.js'
import type { Repeatable } from './again.js'
import { Account } from './guarded/account.js'
import { Request, type RequestOwner } from './request.js'
import { Reads } from './reads/reads.js'
import { type Repeater, Retries } from './retries.js'
import type { Route } from './route.js'
import { ScriptState } from './scripts/state.js'
import { answeredAtOnce, tellSpan } from './spans.js'
import type { Subscriber, SubscriberOwner } from './subscriber.js'
import type { Watched } from './watched.js'
import { type Traveller, Ways } from './ways.js'
import { Window } from './window.js'

export type SessionContext = DispatchContext<Session>

const NOTHING: readonly string[] = []

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
export class Session implements RequestOwner, SubscriberOwner, Repeater, Traveller {
  readonly mode = createMode()
  readonly ring = new Ring<Request>(4)
  readonly window: Window
  since: number
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
  /** True while a large command is on its way, so that the lease is in the middle of it. */
  partial = false
  readonly anchor = new Anchor()
  /** From its first subscription on. */
  subscriber: Subscriber | null = null
  readonly scripts = new ScriptState()
  held: Hold | null = null
  /** What has to wait until the reply that is passing is complete. */
  readonly #pushes = new HeldPushes()
  readonly ways = new Ways(this)
  /** Null if it only reads from primaries. */
  reads: Reads | null = null
  readonly pooling: Pooling
  readonly guard: Guard
  readonly account: Account
  /** From the first command on that is sent again. */
  retries: Retries | null = null
  /** The slot of the command at hand, and that of its transaction or of what it watches; -1 for none. */
  slot = -1
  transactionSlot = -1
  /** The transaction that goes on under WATCH at a node of a cluster. */
  watched: Watched | null = null
  /** True if keys of a cluster were watched for the transaction that fails, so that they count as changed. */
  conflict = false
  /** Commands of a transaction whose server is not known yet. */
  starting: readonly string[] = NOTHING
  /** Of the topology that its routes follow. */
  version = 0
  /** The server of a cluster that the last write went to. */
  written: Endpoint | null = null
  /** Pipelines whose last reply has not left. */
  pipelines = 0
  /** Bytes of the commands in flight that are kept. */
  keptBytes = 0
  /** Where it is as long as it has not logged in. */
  readonly lobby: SessionContext
  #modeBefore: 'open' | 'spoilt' = 'open'
  #inflight = 0

  constructor(
    readonly id: number,
    public context: SessionContext,
    readonly downstream: Downstream,
    readonly options: SessionOptions,
  ) {
    this.lobby = context
    if (!context.door.open) this.mode.to('locked')
    this.pooling = options.pooling
    this.guard = options.guard
    this.account = new Account(options.guard, this)
    if (options.reading !== null) this.reads = new Reads(options.reading, context, id)
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

  /** True if it has more than one server, of which some owe answers to commands that came together. */
  get awaitsRest(): boolean {
    return this.pipelines > 0 && this.#inflight > 0 && this.ways.several
  }

  /** True if nothing is going on and nothing would be lost with it. */
  get isIdle(): boolean {
    const { current } = this.mode
    return (current === 'open' || current === 'locked') && !this.subscribed && this.isQuiet
  }

  /** True if no command is going on. */
  get isQuiet(): boolean {
    return this.ring.length === 0 && this.held === null
  }

  /** True if it hears messages. */
  get subscribed(): boolean {
    return this.subscriber !== null && this.subscriber.total > 0
  }

  get route(): Route {
    return this.ways.route
  }

  get lane(): Lane {
    return this.ways.route.lane
  }

  /** The connection that has its commands in flight where the one at hand goes, or its lease. */
  get connection(): UpstreamConnection | null {
    return this.ways.route.connection
  }

  get lease(): UpstreamConnection | null {
    return this.ways.lease
  }

  /** Moves to another protocol or database. Nothing may be in flight. */
  changeLane(protocol: Protocol, database: number): void {
    if (!this.anchor.moved) this.ways.giveBack()
    this.protocol = protocol
    this.database = database
    this.ways.forget()
  }

  /** Registers a command that goes upstream. */
  open(spec: CommandSpec, deadline: number): Request {
    return this.register(new Request(this, spec, this.context.clock.now, deadline))
  }

  register(request: Request): Request {
    if (this.replyMode !== 'on') request.silent = this.takeSilence()
    if (this.account.heldAt !== 0) request.waited = this.account.endWait(this.context.clock.now)
    this.ring.push(request)
    this.#inflight++
    request.route.inflight++
    this.reads?.began(request.spec)
    return request
  }

  /** Answers a command at once, behind those that are in flight. */
  answer(spec: CommandSpec, text: string, failed = false): void {
    const silent = this.replyMode !== 'on' && this.takeSilence()
    if (!silent && this.ring.length > 0) return this.open(spec, Infinity).finish(text, failed)
    if (!silent) this.downstream.writeText(text)
    const { account, context } = this
    answeredAtOnce(context, spec, failed)
    if (failed) account.errors++
    if (account.heldAt !== 0) account.answeredLate(this, spec, failed, text.length)
  }

  /** Whether CLIENT REPLY keeps the reply to the command at hand from the application. */
  takeSilence(): boolean {
    const { replyMode } = this
    if (replyMode === 'skip') this.replyMode = 'on'
    return replyMode !== 'on'
  }

  answerError(spec: CommandSpec, code: ErrorCode): void {
    this.noteRefusal(spec, code)
    this.answer(spec, ERROR_FRAMES[code], true)
  }

  /** Counts an error that respool answers to a command. */
  noteRefusal(spec: CommandSpec, code: ErrorCode): void {
    this.context.recorder.error(code)
    this.account.refused(spec, code)
  }

  /** The answer of a request has come whole. */
  answered(request: Request): void {
    const { recorder, clock } = this.context
    recorder.upstream(request.spec.id, clock.now - request.since)
    this.window.replied(request.size)
    if (request.failed && this.lease !== null && request.spec.handling === 'transaction') this.ways.unsure = true
    if (!request.failed) this.executed(request)
    this.complete(request)
    if (this.#inflight === 0) this.settle()
  }

  refused(request: Repeatable, buf: Buffer, start: number, end: number): boolean {
    return (this.retries ??= new Retries(this)).refused(request, buf, start, end)
  }

  lost(request: Repeatable, loss: Loss): boolean {
    return (this.retries ??= new Retries(this)).lost(request, loss)
  }

  /** Sends a command as soon as there is a connection. */
  postpone(request: Repeatable): void {
    ;(this.retries ??= new Retries(this)).postpone(request)
  }

  /** A command is about to be answered: true if it is sent again, behind what should have been done before it. */
  outran(request: Repeatable, whole: boolean): boolean {
    const { retries } = this
    return retries?.active === true && request.kept !== null && retries.outran(request, request.kept, whole)
  }

  /** A command has been carried out. */
  executed(request: Repeatable): void {
    if (this.retries !== null && request.kept !== null) this.retries.executed(request, request.kept)
  }

  repeated(): void {
    if (this.held === 'again') this.unhold()
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
    const { recorder, clock, spans } = this.context
    request.done = true
    this.#inflight--
    this.reads?.ended(request.spec, request.kept?.slot ?? -1)
    if (spans !== null) tellSpan(spans, request, this.lease, clock.now)
    request.route.answered(this.lease)
    if (request.kept !== null) this.keptBytes -= request.kept.text.length
    this.retries?.next()
    const time = clock.now - request.since
    recorder.command(request.spec.id, time + request.waited, request.failed)
    const { guard } = this
    if (request.failed || time + request.waited >= guard.slowFrom || request.size > guard.bigReply)
      this.account.answered(request, time)
    const ring = this.ring
    if (ring.peek() !== request) return
    ring.shift()
    if (request.endsPipeline) this.#endPipeline(request)
    for (let head = ring.peek(); head !== undefined; head = ring.peek()) {
      if (this.#pushes.bytes > 0) this.#pushes.release(this.downstream)
      head.release()
      if (!head.done) break
      ring.shift()
      if (head.endsPipeline) this.#endPipeline(head)
    }
    if (this.#pushes.bytes > 0 && ring.length === 0) this.#pushes.release(this.downstream)
    if (this.held === 'outstanding' && ring.length <= this.window.size / 2) this.unhold()
  }

  /** With nothing in flight the connection is free to change, and a lease that serves no purpose any more goes back. */
  settle(): void {
    if (this.#inflight > 0) return
    const { lease } = this
    if (lease !== null) {
      const serves = LEFT[this.mode.current] !== undefined || this.pooling === 'session' || this.anchor.bonds !== 0
      if (!serves) this.ways.giveBack()
      else if (lease.state.current !== 'ready') this.dropLease()
    }
    if (this.held === 'drained' || this.held === 'congested') this.unhold()
  }

  /** The lease is lost, or given up, with a transaction on it: that transaction can only fail now. */
  dropLease(): void {
    this.conflict = this.ways.leaseReason === 'watch' && this.context.topology.sharded
    this.watched = null
    this.ways.giveBack()
    if (this.mode.current === 'watching') this.mode.to('spoilt')
    else if (this.mode.current === 'queueing') this.mode.to('discarding')
  }

  /** The transaction that has begun must fail, by EXECABORT: not for what others have done to watched keys. */
  failTransaction(): void {
    if (this.mode.current === 'queueing') this.dropLease()
    else this.mode.to('discarding')
    this.conflict = false
  }

  /** Takes no commands until `unhold`; the one at hand will come again. Answers false, which is what dispatch answers then. */
  hold(reason: Hold): false {
    this.held = reason
    if (this.account.heldAt === 0 && !this.partial) this.account.heldAt = this.context.clock.now
    return false
  }

  unhold(): void {
    this.held = null
    this.downstream.resume()
  }

  /** The application's connection has ended, or must. */
  close(): void {
    if (this.closed) return
    this.ways.stopWaiting()
    this.retries?.close()
    const { reserved } = this.anchor
    const left = this.lease !== null && this.lease === reserved ? 'unknown' : this.ways.leftover
    this.mode.to('closed')
    this.subscriber?.leave()
    for (let i = 0; i < this.ring.length; i++) this.ring.at(i)!.lost = true
    if (reserved !== null && reserved !== this.lease) this.lane.endpoint.giveBack(reserved, 'unknown')
    this.ways.giveBack(left)
    this.context.registry.remove(this)
  }

  /** Back to how it was when it was new, as RESET says. Nothing may be in flight. */
  reset(): void {
    const left = this.ways.leftover
    this.anchor.reset()
    this.ways.giveBack(left)
    if (this.mode.current !== 'open') this.mode.to('open')
    this.watched = null
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

  #endPipeline({ since }: Request): void {
    const { recorder, clock } = this.context
    this.pipelines--
    recorder.pipelineDuration(clock.now - since)
  }

  #keepPush(part: string | Buffer): void {
    this.#pushes.add(part)
    if (this.#pushes.bytes > this.context.limits.subscriberBytes) this.downstream.destroy('slow')
  }
}
