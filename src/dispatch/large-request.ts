import { type CommandSpec, isBlocking } from '../commands/spec.js'
import { unfinishedLength } from '../resp/arguments.js'
import { readHeader, headerValue } from '../resp/header.js'
import type { PinReason } from '../metrics/recorder.js'
import type { ErrorCode } from '../errors.js'
import { error, QUEUED } from '../resp/encode.js'
import type { UpstreamConnection } from '../upstream/connection.js'
import { findServer } from './cluster/cluster.js'
import { isHarmless } from './local/local.js'
import { refuse } from './open.js'
import { noteLargeWrite } from './near/writes.js'
import { recount } from './publish.js'
import { findForLarge, prepare } from './reads/place.js'
import { reasonOf, startRelay } from './relay.js'
import type { Request } from './request.js'
import { type Frame, ownFrame } from './send.js'
import type { Session } from './session.js'
import { INVALIDATE } from './subscribe.js'
import { notWhileSubscribed } from './subscribed.js'

/** Longest command that is put together, bytes: a subscription to some hundred thousand channels. */
const LARGEST_GATHERED = 8 * 1024 * 1024

/**
 * A request too large to be kept, passed on while it comes.
 *
 *     | part | part | … | last part |
 *       └ begins on a lease           └ from here on Redis owes the answer
 *
 * It goes on a lease, because on a shared connection everybody would wait for its sender. Without a sink the rest is taken in
 * and dropped: the command was refused, or its connection was lost. Put together, within a limit, are only subscriptions, and what goes to
 * a cluster, since where that goes may take all of its keys to know; of one argument too large for that the key must come before.
 */
export class LargeRequest {
  #request: Request | null = null
  #begun = false
  #gathered: string[] = []
  #gatheredBytes = 0
  /** Of these what is kept. */
  #keptBytes = 0
  /** Why it is not put together after all. */
  #refusal: ErrorCode | null = null
  #argc = 0
  /** How much of it has come. */
  bytes = 0
  /** True if its size has been counted as too big. */
  reported = false

  private constructor(
    readonly session: Session,
    readonly spec: CommandSpec,
    readonly sink: UpstreamConnection | null,
    readonly gathers = false,
  ) {}

  /** One that is put together, to be dispatched as one. */
  static gather(session: Session, spec: CommandSpec): LargeRequest {
    return new LargeRequest(session, spec, null, true)
  }

  /** One that has been answered. */
  static drop(session: Session): LargeRequest {
    const rest = new LargeRequest(session, session.context.table.other, null)
    rest.reported = true
    return rest
  }

  /** Null while the session waits for its lease: ask again when it is resumed. */
  static begin(session: Session, spec: CommandSpec, buf: Buffer, start: number, end: number): LargeRequest | null {
    const mode = session.mode.current
    if (mode === 'locked') {
      session.answerError(spec, session.context.door.knock(session))
      return new LargeRequest(session, spec, null)
    }
    if (mode === 'relaying') return new LargeRequest(session, spec, session.lease)
    if (mode === 'discarding') {
      session.answer(spec, QUEUED)
      return new LargeRequest(session, spec, null)
    }
    if (spec.handling === 'subscribe' && mode !== 'queueing' && (mode !== 'watching' || session.protocol === 3)) {
      return session.ring.length > 0 ? session.hold('drained') || null : new LargeRequest(session, spec, null, true)
    }
    if (mode === 'subscribed') {
      session.answer(spec, error(notWhileSubscribed(spec.name)), true)
      return new LargeRequest(session, spec, null)
    }
    if (spec.handling === 'refuse') {
      refuse(session, spec)
      return new LargeRequest(session, spec, null)
    }
    if (spec.handling === 'local' && !isHarmless(spec)) {
      session.answerError(spec, 'largeLocal')
      return new LargeRequest(session, spec, null)
    }
    if (session.context.topology.sharded) {
      const tooLarge = unfinishedLength(buf, start, end) > LARGEST_GATHERED
      if (!tooLarge || spec.soleKey === 0) return new LargeRequest(session, spec, null, true)
      const frame = { buf, start, end, argc: Infinity, inHand: end, commands: 1 }
      const found = prepare(session, spec, Math.abs(spec.arity)) ?? findServer(session, spec, frame)
      if (found !== null) return found ? new LargeRequest(session, spec, null) : null
    } else if (session.reads !== null) {
      const found = findForLarge(session, spec)
      if (found !== null) return found ? new LargeRequest(session, spec, null) : null
    }
    const relays = spec.handling === 'relay' || spec.handling === 'subscribe'
    if (!session.ways.takeLease(spec, leaseReason(spec))) return null
    if (relays && session.lease !== null) {
      if (session.ring.length > 0) return session.hold('drained') || null
      startRelay(session, session.lease)
    }
    return new LargeRequest(session, spec, session.lease)
  }

  part(buf: Buffer, start: number, end: number): void {
    const { sink, session } = this
    this.bytes += end - start
    if (this.gathers) this.#gather(buf, start, end)
    if (sink === null || this.#request?.lost === true || start === end) return
    if (this.#begun || session.mode.current === 'relaying') {
      sink.sendPart(buf, start, end)
    } else {
      // Redis owes no answer before it has the whole command: no limit until then.
      this.#request = session.open(this.spec, Infinity)
      if (this.spec.handling === 'publish') recount(session, this.#request, buf, start, end)
      if (session.context.near !== null) noteLargeWrite(session, this.spec, buf, start, end)
      sink.send(this.#request, buf, start, end)
    }
    this.#begun = session.partial = true
    if (sink.congested) session.hold('congested')
  }

  /** The last part. Gives the whole command if it is to be dispatched as one. */
  end(buf: Buffer, start: number, end: number): Frame | null {
    this.part(buf, start, end)
    const { session, spec } = this
    session.partial = false
    if (this.gathers) return this.#whole()
    const { clock, limits } = session.context
    if (this.#request !== null) this.#request.sent = this.bytes
    if (this.#request !== null && !isBlocking(spec)) this.#request.deadline = clock.now + limits.commandTimeout
    if (spec.name === 'watch' && session.mode.current === 'open' && session.lease !== null) session.mode.to('watching')
    return null
  }

  #gather(buf: Buffer, start: number, end: number): void {
    if (this.#gatheredBytes === 0) {
      readHeader(buf, start + 1, end)
      this.#argc = headerValue
    }
    this.#gatheredBytes += end - start
    if (this.#refusal !== null) return
    if (this.#gatheredBytes > LARGEST_GATHERED) return this.#drop('largeLocal')
    this.#keptBytes += end - start
    if (!this.session.downstream.keeping.keeps(end - start)) return this.#drop('heldExceeded')
    this.#gathered.push(buf.toString('latin1', start, end))
  }

  /** Keeps nothing of it, and takes in the rest. */
  #drop(refusal: ErrorCode | null): void {
    this.#refusal = refusal
    this.#gathered = []
    this.session.downstream.keeping.keeps(-this.#keptBytes)
    this.#keptBytes = 0
  }

  #whole(): Frame | null {
    const { session, spec } = this
    const text = this.#gathered.join('')
    this.#drop(this.#refusal)
    const fits = this.#refusal === null && !(spec.handling === 'subscribe' && text.includes(INVALIDATE))
    if (fits) return ownFrame(text, this.#argc)
    session.answerError(spec, this.#refusal ?? 'largeLocal')
    return null
  }
}

function leaseReason(spec: CommandSpec): PinReason {
  if (spec.handling === 'relay' || spec.handling === 'subscribe') return reasonOf(spec)
  return spec.name === 'watch' ? 'watch' : 'large'
}
