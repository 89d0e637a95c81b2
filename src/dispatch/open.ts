import type { CommandSpec } from '../commands/spec.js'
import type { PinReason } from '../metrics/recorder.js'
import { Arguments } from '../resp/arguments.js'
import { type ErrorCode, ERRORS } from '../errors.js'
import { error, OK } from '../resp/encode.js'
import { askOnLease } from './asked.js'
import { answer, isHarmless, movesSession } from './local/local.js'
import { hasArity, parseInteger } from './local/syntax.js'
import { publish } from './publish.js'
import { reasonOf, relay } from './relay.js'
import { dispatchScript } from './scripts/scripts.js'
import { readRun, sendRun } from './run.js'
import { answeredAtOnce } from './spans.js'
import { blockTimeOf, forward, type Frame, holdFor, ownFrame, submitBlocking, submitInTurn } from './send.js'
import type { Session } from './session.js'
import { subscribe } from './subscribe.js'

export function dispatchOpen(session: Session, spec: CommandSpec, frame: Frame): boolean {
  switch (spec.handling) {
    case 'forward':
      return forward(session, spec, frame)
    case 'script':
      return dispatchScript(session, spec, frame)
    case 'local':
      return session.anchor.exists ? dispatchAnchored(session, spec, frame) : answerLocally(session, spec, frame)
    case 'refuse':
      return refuse(session, spec)
    case 'publish':
      return publish(session, spec, frame)
    case 'subscribe':
    case 'transaction':
    case 'block':
    case 'blockIf':
    case 'relay':
      // Redis answers a wrong number of arguments at once, and nothing is blocked or begun by it.
      if (!hasArity(spec, frame.argc)) return forward(session, spec, frame)
  }
  if (spec.handling === 'transaction') return dispatchTransaction(session, spec, frame)
  if (spec.handling === 'subscribe') return subscribe(session, spec, frame)
  if (spec.handling === 'relay') return relay(session, spec, frame, reasonOf(spec))
  return dispatchBlocking(session, spec, frame)
}

/** Answers a command here, or does what its handler says instead. */
export function answerLocally(session: Session, spec: CommandSpec, frame: Frame): boolean {
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
    case 'refuse':
      return refuseAs(session, spec, outcome.code, outcome.name)
    case 'drain':
      return session.hold('drained')
    case 'hold':
      return session.hold('learning')
    case 'forward':
      return forward(session, spec, outcome.request === null ? frame : ownFrame(outcome.request, 0))
    case 'relay':
      return relay(session, spec, frame, outcome.reason)
    case 'ask':
      return askOnLease(session, spec, frame, outcome.reason, outcome.request, outcome.judge)
    case 'none':
      answeredAtOnce(session.context, spec, false)
      return true
    case 'quit':
      session.answer(spec, outcome.text)
      session.downstream.finish()
      return true
  }
}

/**
 * Redis knows the session by a connection. What would move that to another protocol or database goes there, and everything after it;
 * for Redis each command counts, so that what asks for an echo goes to the lease of a session that tracks.
 */
function dispatchAnchored(session: Session, spec: CommandSpec, frame: Frame): boolean {
  if (isHarmless(spec) && session.anchor.bonds !== 0 && hasArity(spec, frame.argc)) return forward(session, spec, frame)
  // An invalidation that a command before has caused goes out ahead of what is answered here.
  if (session.anchor.bonds !== 0 && session.inflight > 0) return session.hold('drained')
  const args = new Arguments(frame.buf, frame.start, frame.end)
  const moves = movesSession(session, spec, args)
  if (moves && spec.name === 'select' && session.anchor.bonds !== 0) return selectOnLease(session, spec, frame, args)
  const resets = spec.name === 'reset' && session.anchor.reserved !== null
  return moves || resets ? relay(session, spec, frame, 'session') : answerLocally(session, spec, frame)
}

/** Redis moves the connection, and the session goes along. */
function selectOnLease(session: Session, spec: CommandSpec, frame: Frame, args: Arguments): boolean {
  const index = parseInteger(args.text(1))
  return askOnLease(session, spec, frame, 'session', null, (answer) => {
    if (answer === OK && index !== null) {
      session.anchor.moved = true
      session.changeLane(session.protocol, index)
    }
    return answer
  })
}

/** Names that a browser sends to a port that is not for it. Redis ends such a connection, and so do we. */
export const HTTP_NAMES = ['post', 'host:']

export function refuse(session: Session, spec: CommandSpec): true {
  if (HTTP_NAMES.includes(spec.name)) {
    session.downstream.destroy('http')
    return true
  }
  return refuseAs(session, spec, 'refused', spec.name)
}

/** Answers an error of the table that names a command. */
export function refuseAs(session: Session, spec: CommandSpec, code: ErrorCode, name: string): true {
  session.noteRefusal(spec, code)
  session.answer(spec, error(ERRORS[code].text.replace('%', name)), true)
  return true
}

export function dispatchTransaction(session: Session, spec: CommandSpec, frame: Frame): boolean {
  switch (spec.name) {
    case 'multi':
      return dispatchMulti(session, spec, frame)
    case 'watch':
      return onLease(session, spec, frame, 'watch', 'watching')
    case 'exec':
      session.answerError(spec, 'execWithoutMulti')
      return true
    case 'discard':
      session.answerError(spec, 'discardWithoutMulti')
      return true
    default: // UNWATCH, which harms nobody: on a shared connection no key is watched
      return forward(session, spec, frame)
  }
}

/** A transaction that is wholly in hand goes to a shared connection in one piece, any other to a lease. */
function dispatchMulti(session: Session, spec: CommandSpec, frame: Frame): boolean {
  const run = session.lease === null ? readRun(session, frame) : null
  const fits = run !== null && run.length < session.window.size
  const done = fits ? sendRun(session, spec, frame, run) : beginTransaction(session, spec, frame)
  // It was refused, but the client has sent more already: outside a transaction that must not be executed.
  if (done && session.connection === null && frame.inHand > frame.end) session.failTransaction()
  return done
}

function beginTransaction(session: Session, spec: CommandSpec, frame: Frame): boolean {
  if (tiesSubscriptions(session)) return relay(session, spec, frame, 'multi')
  return onLease(session, spec, frame, 'multi', 'queueing')
}

/** What is queued may concern the subscriptions, or move the session and them with it; on a cluster that is refused. */
export function tiesSubscriptions({ subscribed, context }: Session): boolean {
  return subscribed && !context.topology.sharded
}

/** Sends a command on the lease, after getting one if need be, and moves on to the mode. */
function onLease(
  session: Session,
  spec: CommandSpec,
  frame: Frame,
  reason: PinReason,
  next: 'queueing' | 'watching',
): boolean {
  if (!session.ways.takeLease(spec, reason)) return false
  if (session.lease === null) return true
  if (!session.lease.usable) return holdFor(session, session.lease)
  if (next === 'queueing') session.ways.nameLease()
  submitInTurn(session, session.lease, spec, frame, session.context.limits.commandTimeout)
  if (session.mode.current !== next) session.mode.to(next)
  return true
}

function dispatchBlocking(session: Session, spec: CommandSpec, frame: Frame): boolean {
  const time = blockTimeOf(spec, frame)
  if (time === -1) return forward(session, spec, frame)
  if (!session.ways.takeLease(spec, 'blocking')) return false
  if (session.lease === null) return true
  return submitBlocking(session, session.lease, spec, frame, time)
}
