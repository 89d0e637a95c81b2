import { type CommandSpec, isBlocking } from '../commands/spec.js'
import { Arguments } from '../resp/arguments.js'
import { error, nullArray, OK, QUEUED } from '../resp/encode.js'
import { isHarmless, isStandIn, movesSession } from './local/local.js'
import { faultOf, hasArity, unknownCommand } from './local/syntax.js'
import { answerLocally, dispatchOpen, dispatchTransaction, refuse, refuseAs, tiesSubscriptions } from './open.js'
import { publish, recountLast } from './publish.js'
import { reasonOf, relay } from './relay.js'
import { loadBeside, noteEnd } from './scripts/queued.js'
import { dispatchScript } from './scripts/scripts.js'
import { blockTimeOf, forward, type Frame, holdFor, submitBlocking, submitInTurn } from './send.js'
import type { Session } from './session.js'
import { subscribe } from './subscribe.js'
import { Watched } from './watched.js'

export function dispatchWatching(session: Session, spec: CommandSpec, frame: Frame): boolean {
  if (leaseIsLost(session)) return dispatchSpoilt(session, spec, frame)
  // In RESP2 nothing but subscriptions would be possible from then on, and Redis goes on watching.
  const shared = spec.handling === 'subscribe' && session.protocol === 3 && hasArity(spec, frame.argc)
  if (shared) return subscribe(session, spec, frame)
  // Keys at another server than those that are watched.
  if (session.route !== session.ways.leaseRoute) {
    if (spec.handling === 'script') return dispatchScript(session, spec, frame)
    return spec.handling === 'publish' ? publish(session, spec, frame) : forward(session, spec, frame)
  }
  if (spec.handling === 'refuse') return refuse(session, spec)
  if (spec.handling === 'relay' || spec.handling === 'subscribe') return relay(session, spec, frame, reasonOf(spec))
  if (spec.handling === 'local') {
    return movesSession(session, spec, new Arguments(frame.buf, frame.start, frame.end))
      ? relay(session, spec, frame, 'session')
      : answerLocally(session, spec, frame)
  }
  if (spec.handling === 'script') return dispatchScript(session, spec, frame)
  if (spec.name === 'multi' && tiesSubscriptions(session) && hasArity(spec, frame.argc))
    return relay(session, spec, frame, 'multi')
  if (spec.name === 'multi') session.ways.nameLease()
  const done = submitOnLease(session, spec, frame)
  if (!done || !hasArity(spec, frame.argc)) return done
  if (spec.handling === 'publish') recountLast(session, spec, frame)
  if (spec.name === 'unwatch') session.mode.to('open')
  else if (spec.name === 'watch') session.ways.rewatched = true
  else if (spec.name === 'multi') {
    if (session.context.topology.sharded) session.watched = new Watched(session)
    session.mode.to('queueing')
  }
  return true
}

export function dispatchQueueing(session: Session, spec: CommandSpec, frame: Frame): boolean {
  if (leaseIsLost(session)) return dispatchDiscarding(session, spec, frame)
  const leaves = (spec.name === 'quit' || spec.name === 'reset') && hasArity(spec, frame.argc)
  if (leaves) return answerLocally(session, spec, frame)
  const alone =
    spec.handling === 'relay' || spec.handling === 'subscribe' || (spec.handling === 'local' && !isHarmless(spec))
  if (spec.handling === 'refuse' || isStandIn(spec)) {
    // As after any error while queueing, EXEC must fail: that takes the transaction off Redis.
    if (session.inflight > 0) return session.hold('drained')
    session.failTransaction()
    if (isStandIn(spec)) return refuseAs(session, spec, 'refusedInTransaction', spec.name)
    return refuse(session, spec)
  }
  if (alone) return relay(session, spec, frame, 'session')
  const { buf, start, end } = frame
  if (spec.handling === 'script' && !loadBeside(session, session.lease!, buf, { spec, start, end })) return false
  const done = submitOnLease(session, spec, frame)
  if (done && session.watched !== null) session.ring.at(session.ring.length - 1)!.run = session.watched
  // Whatever Redis answers to them they end the transaction, and EXEC does even with arguments that it does not take.
  const ends = spec.name === 'exec' || (spec.name === 'discard' && hasArity(spec, frame.argc))
  if (done && ends) {
    noteEnd(session, session.lease!)
    session.watched = null
    session.mode.to('open')
  }
  return done
}

function submitOnLease(session: Session, spec: CommandSpec, frame: Frame): boolean {
  const lease = session.lease!
  if (!lease.usable) return holdFor(session, lease)
  const blocks = session.mode.current !== 'queueing' && isBlocking(spec)
  const time = blocks ? blockTimeOf(spec, frame) : -1
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
export function dispatchSpoilt(session: Session, spec: CommandSpec, frame: Frame): boolean {
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

/**
 * A transaction that cannot be carried out any more is taken in and ended with the answer that tells the client to start again: if keys of a
 * cluster were watched, that they have changed, as they may go elsewhere at any time.
 */
export function dispatchDiscarding(session: Session, spec: CommandSpec, frame: Frame): boolean {
  const args = new Arguments(frame.buf, frame.start, frame.end)
  const fault = spec === session.context.table.other ? unknownCommand(args) : faultOf(spec, args)
  if (fault !== null) return discardFaulty(session, spec, fault)
  switch (spec.name) {
    case 'quit':
    case 'reset':
      return answerLocally(session, spec, frame)
    case 'exec':
      session.mode.to('open')
      if (session.conflict) session.answer(spec, nullArray(session.protocol))
      else session.answerError(spec, 'execAborted')
      return true
    case 'discard':
      session.mode.to('open')
      session.answer(spec, OK)
      return true
    case 'multi':
      session.answerError(spec, 'multiNested')
      return true
    case 'watch':
      session.answerError(spec, 'watchInMulti')
      return true
    default:
      session.answer(spec, QUEUED)
      return true
  }
}

/** A faulty EXEC ends the transaction too, and says so. */
function discardFaulty(session: Session, spec: CommandSpec, fault: string): true {
  const ends = spec.name === 'exec'
  if (ends) session.mode.to('open')
  const text = ends ? `EXECABORT Transaction discarded because of: ${fault.replace(/^ERR /, '')}` : fault
  session.answer(spec, error(text), true)
  return true
}
