import { blockTime } from '../commands/blocking.js'
import type { CommandSpec } from '../commands/spec.js'
import type { PinReason } from '../metrics/recorder.js'
import { Arguments } from '../resp/arguments.js'
import { command, error, OK, QUEUED } from '../resp/encode.js'
import type { UpstreamConnection } from '../upstream/connection.js'
import { StepReply } from '../upstream/handshake.js'
import { answer, hasArity, isHarmless, movesSession } from './local/local.js'
import { startRelay } from './relay.js'
import type { Request } from './request.js'
import type { Session } from './session.js'

/** A whole request frame, in canonical form. */
export interface Frame {
  buf: Buffer
  start: number
  end: number
  argc: number
}

/**
 * Decides what happens to one command, and does it. False means: not now. The caller keeps the command and all that
 * follows, and calls again after `Downstream.resume`.
 */
export function dispatch(session: Session, spec: CommandSpec, frame: Frame): boolean {
  if (session.mode.current === 'open' && spec.handling === 'forward') return forward(session, spec, frame)
  return BY_MODE[session.mode.current](session, spec, frame)
}

type Dispatch = (session: Session, spec: CommandSpec, frame: Frame) => boolean

const BY_MODE: Record<Session['mode']['current'], Dispatch> = {
  open: dispatchOpen,
  watching: dispatchWatching,
  queueing: dispatchQueueing,
  spoilt: dispatchSpoilt,
  discarding: dispatchDiscarding,
  relaying: dispatchRelaying,
  closed: () => true,
}

/** Sends a command to where the session's commands go. */
function forward(session: Session, spec: CommandSpec, frame: Frame): boolean {
  let connection = session.connection
  if (connection === null) {
    connection = session.lane.pick()
    if (connection === null) return session.awaitConnection(spec)
    session.connection = connection
  } else if (!connection.usable) {
    return holdFor(session, connection)
  }
  const { clock, limits } = session.context
  if (connection === session.lease) submitInTurn(session, connection, spec, frame, limits.commandTimeout)
  else submit(session, connection, spec, frame, clock.now + limits.commandTimeout)
  return true
}

function submit(
  session: Session,
  connection: UpstreamConnection,
  spec: CommandSpec,
  frame: Frame,
  deadline: number,
): Request {
  const request = session.open(spec, deadline)
  connection.send(request, frame.buf, frame.start, frame.end)
  return request
}

/** Its connection takes nothing now: because it is full, or on its way out and first has to answer what it was sent. */
function holdFor(session: Session, connection: UpstreamConnection): false {
  return session.hold(connection === session.lease && connection.congested ? 'congested' : 'drained')
}

function dispatchOpen(session: Session, spec: CommandSpec, frame: Frame): boolean {
  switch (spec.handling) {
    case 'forward':
      return forward(session, spec, frame)
    case 'local':
      return answerLocally(session, spec, frame)
    case 'refuse':
      return refuse(session, spec)
    case 'transaction':
    case 'block':
    case 'blockIf':
    case 'relay':
      // Redis answers a wrong number of arguments at once, and nothing is blocked or begun by it.
      if (!hasArity(spec, frame.argc)) return forward(session, spec, frame)
  }
  if (spec.handling === 'transaction') return dispatchTransaction(session, spec, frame)
  if (spec.handling === 'relay') return relay(session, spec, frame, spec.name === 'monitor' ? 'monitor' : 'subscribe')
  return dispatchBlocking(session, spec, frame)
}

/** Answers a command here, or does what its handler says instead. */
function answerLocally(session: Session, spec: CommandSpec, frame: Frame): boolean {
  const outcome = answer(session, spec, new Arguments(frame.buf, frame.start, frame.end))
  switch (outcome.kind) {
    case 'reply':
      session.answer(spec, outcome.text)
      return true
    case 'error':
      session.answer(spec, error(outcome.text), true)
      return true
    case 'code':
      session.answerError(spec, outcome.code)
      return true
    case 'drain':
      return session.hold('drained')
    case 'forward':
      return forward(session, spec, outcome.request === null ? frame : ownFrame(outcome.request))
    case 'relay':
      return relay(session, spec, frame, outcome.reason)
    case 'quit':
      session.answer(spec, outcome.text)
      session.downstream.finish()
      return true
  }
}

function ownFrame(request: string): Frame {
  const buf = Buffer.from(request, 'latin1')
  return { buf, start: 0, end: buf.length, argc: 0 }
}

/** Names that a browser sends to a port that is not for it. Redis ends such a connection, and so do we. */
const HTTP_NAMES = ['post', 'host:']

function refuse(session: Session, spec: CommandSpec): true {
  if (HTTP_NAMES.includes(spec.name)) session.downstream.destroy('http')
  else session.answerError(spec, 'refused')
  return true
}

function dispatchTransaction(session: Session, spec: CommandSpec, frame: Frame): boolean {
  switch (spec.name) {
    case 'multi':
      return onLease(session, spec, frame, 'multi', 'queueing')
    case 'watch':
      return onLease(session, spec, frame, 'watch', 'watching')
    case 'exec':
      session.answerError(spec, 'execWithoutMulti')
      return true
    case 'discard':
      session.answerError(spec, 'discardWithoutMulti')
      return true
    default: // UNWATCH
      session.answer(spec, OK)
      return true
  }
}

/** Sends a command on the lease, after getting one if need be, and moves on to the mode. */
function onLease(
  session: Session,
  spec: CommandSpec,
  frame: Frame,
  reason: PinReason,
  next: 'queueing' | 'watching',
): boolean {
  if (!session.takeLease(spec, reason)) return false
  if (session.lease === null) return true
  if (!session.lease.usable) return holdFor(session, session.lease)
  submitInTurn(session, session.lease, spec, frame, session.context.limits.commandTimeout)
  if (session.mode.current !== next) session.mode.to(next)
  return true
}

function dispatchBlocking(session: Session, spec: CommandSpec, frame: Frame): boolean {
  const time = blockTime(spec, new Arguments(frame.buf, frame.start, frame.end))
  if (time === -1) return forward(session, spec, frame)
  if (!session.takeLease(spec, 'blocking')) return false
  if (session.lease === null) return true
  if (COUNTS_OWN_WRITES.includes(spec.name)) touch(session, session.lease)
  return submitBlocking(session, session.lease, spec, frame, time)
}

/** These wait for what their own connection has written, and the session wrote on another one. */
const COUNTS_OWN_WRITES = ['wait', 'waitaof']

/** Any command brings its connection up to date with all writes so far: Redis notes the replication offset after each. */
function touch(session: Session, lease: UpstreamConnection): void {
  const { clock, limits } = session.context
  lease.sendText(new StepReply(clock.now, clock.now + limits.commandTimeout, () => {}), PING)
}

const PING = command('PING')

/** The limit of a blocking call is its own time and the usual limit on top; none for 0, nor for a time that Redis has to judge. */
function submitBlocking(
  session: Session,
  lease: UpstreamConnection,
  spec: CommandSpec,
  frame: Frame,
  time: number,
): boolean {
  if (!lease.usable) return holdFor(session, lease)
  const limit = time > 0 ? time + session.context.limits.commandTimeout : Infinity
  submitInTurn(session, lease, spec, frame, limit)
  return true
}

/** On a lease a command may stand behind one that blocks: its own time begins when that one's is over. */
function submitInTurn(
  session: Session,
  lease: UpstreamConnection,
  spec: CommandSpec,
  frame: Frame,
  limit: number,
): void {
  const before = lease.inflight.at(lease.inflight.length - 1)?.deadline ?? 0
  submit(session, lease, spec, frame, Math.max(session.context.clock.now, before) + limit)
}

/** Gives the session its lease for good: from this command on every byte goes through. */
function relay(session: Session, spec: CommandSpec, frame: Frame, reason: PinReason): boolean {
  if (!session.takeLease(spec, reason)) return false
  const lease = session.lease
  if (lease === null) return true
  if (session.ring.length > 0) return session.hold('drained')
  startRelay(session, lease)
  return dispatchRelaying(session, spec, frame)
}

function dispatchRelaying(session: Session, _spec: CommandSpec, { buf, start, end }: Frame): boolean {
  return relayBytes(session, buf, start, end)
}

/** Passes on whatever a relayed session says, commands or not: Redis itself is the judge of it. False means: not now. */
export function relayBytes(session: Session, buf: Buffer, start: number, end: number): boolean {
  const lease = session.lease!
  if (lease.congested) return session.hold('congested')
  lease.sendPart(buf, start, end)
  return true
}

function dispatchWatching(session: Session, spec: CommandSpec, frame: Frame): boolean {
  if (leaseIsLost(session)) return dispatch(session, spec, frame)
  if (spec.handling === 'refuse') return refuse(session, spec)
  if (spec.handling === 'relay') return relay(session, spec, frame, 'subscribe')
  if (spec.handling === 'local') {
    return movesSession(spec) ? relay(session, spec, frame, 'session') : answerLocally(session, spec, frame)
  }
  const done = submitOnLease(session, spec, frame)
  if (!done || !hasArity(spec, frame.argc)) return done
  if (spec.name === 'unwatch') session.mode.to('open')
  else if (spec.name === 'multi') session.mode.to('queueing')
  return true
}

function dispatchQueueing(session: Session, spec: CommandSpec, frame: Frame): boolean {
  if (leaseIsLost(session)) return dispatch(session, spec, frame)
  if (spec.name === 'quit' || spec.name === 'reset') return answerLocally(session, spec, frame)
  if (spec.handling === 'refuse') {
    // As after any error while queueing, EXEC must fail: that takes the transaction off Redis.
    if (session.inflight > 0) return session.hold('drained')
    session.dropLease()
    return refuse(session, spec)
  }
  if (spec.handling === 'relay' || (spec.handling === 'local' && !isHarmless(spec))) {
    return relay(session, spec, frame, 'session')
  }
  const done = submitOnLease(session, spec, frame)
  // Whatever Redis answers to them, both end the transaction, and EXEC the watching too.
  if (done && (spec.name === 'exec' || spec.name === 'discard') && hasArity(spec, frame.argc)) session.mode.to('open')
  return done
}

function submitOnLease(session: Session, spec: CommandSpec, frame: Frame): boolean {
  const lease = session.lease!
  if (!lease.usable) return holdFor(session, lease)
  const blocks = session.mode.current !== 'queueing' && (spec.handling === 'block' || spec.handling === 'blockIf')
  const time = blocks ? blockTime(spec, new Arguments(frame.buf, frame.start, frame.end)) : -1
  if (time !== -1) return submitBlocking(session, lease, spec, frame, time)
  submitInTurn(session, lease, spec, frame, session.context.limits.commandTimeout)
  return true
}

/** Notices that the lease has gone while nothing was in flight. */
function leaseIsLost(session: Session): boolean {
  if (session.inflight > 0 || session.lease?.state.current === 'ready') return false
  session.dropLease()
  return true
}

/** The keys are watched by nobody any more, so they count as changed: the next transaction must fail. */
function dispatchSpoilt(session: Session, spec: CommandSpec, frame: Frame): boolean {
  if (spec.handling !== 'transaction' || !hasArity(spec, frame.argc)) return dispatchOpen(session, spec, frame)
  switch (spec.name) {
    case 'multi':
      session.mode.to('discarding')
      break
    case 'unwatch':
      session.mode.to('open')
      break
    case 'watch':
      break
    default:
      return dispatchTransaction(session, spec, frame)
  }
  session.answer(spec, OK)
  return true
}

/** A transaction that cannot be carried out any more is taken in and ended with the answer that tells the client to start again. */
function dispatchDiscarding(session: Session, spec: CommandSpec, frame: Frame): boolean {
  switch (spec.name) {
    case 'quit':
    case 'reset':
      return answerLocally(session, spec, frame)
    case 'exec':
      session.mode.to('open')
      session.answerError(spec, 'execAborted')
      return true
    case 'discard':
      session.mode.to('open')
      session.answer(spec, OK)
      return true
    default:
      session.answer(spec, QUEUED)
      return true
  }
}
