import { type Reader, Role } from '../cache/near-cache.js'
import type { CommandSpec } from '../commands/spec.js'
import { findServer } from './cluster/cluster.js'
import { answerLocally, dispatchOpen } from './open.js'
import { dispatchLocked } from './locked.js'
import { answerNear, fetchNear } from './near/near.js'
import { noteWrites } from './near/writes.js'
import { blocks, findInService, prepare } from './reads/place.js'
import { relayBytes } from './relay.js'
import { dispatchSubscribed } from './subscribed.js'
import { forward, type Frame } from './send.js'
import type { Mode } from './mode.js'
import type { Session } from './session.js'
import { dispatchDiscarding, dispatchQueueing, dispatchSpoilt, dispatchWatching } from './transaction.js'

/**
 * Decides what happens to one command, and does it. False means: not now. The caller keeps the command and all that
 * follows, and calls again after `Downstream.resume`.
 */
export function dispatch(session: Session, spec: CommandSpec, frame: Frame): boolean {
  return session.context.attends ? attend(session, spec, frame) : carryOut(session, spec, frame)
}

/** Dispatches a command that may have to be sent again, or that concerns what is kept of replies. */
function attend(session: Session, spec: CommandSpec, frame: Frame): boolean {
  const { near, keeps } = session.context
  if (keeps) {
    // What was refused is sent again first.
    if (session.retries?.active === true) return session.hold('again')
    if (session.keptBytes > MOST_KEPT) return session.hold('outstanding')
  }
  if (near !== null) return dispatchNear(session, near, spec, frame)
  return (keeps ? find(session, spec, frame) : null) ?? carryOut(session, spec, frame)
}

/** Dispatches a command that concerns what is kept of replies, if it reads or may write. */
function dispatchNear(session: Session, near: Reader, spec: CommandSpec, frame: Frame): boolean {
  const { cache } = near
  const role = cache.roleOf(spec)
  const answered = role === Role.read ? answerNear(session, near, spec, frame) : null
  if (answered === true) return true
  const found = session.context.keeps ? find(session, spec, frame) : null
  if (answered === false && found === null) return fetchNear(session, cache, spec, frame)
  const done = found ?? carryOut(session, spec, frame)
  if (done && (role === Role.write || role === Role.exec)) noteWrites(session, cache, spec, frame)
  return done
}

function carryOut(session: Session, spec: CommandSpec, frame: Frame): boolean {
  if (session.mode.current === 'open' && spec.handling === 'forward') return forward(session, spec, frame)
  return BY_MODE[session.mode.current](session, spec, frame)
}

/** Finds the server for the command at hand, where there are several. Answers as `findServer` does. */
function find(session: Session, spec: CommandSpec, frame: Frame): boolean | null {
  const { reads, context } = session
  if (reads !== null) {
    const prepared = prepare(session, spec, frame.argc)
    if (prepared !== null) return prepared
    if (!context.topology.sharded) return findInService(session, spec, blocks(spec, frame))
  }
  return context.topology.sharded ? findServer(session, spec, frame) : null
}

/** Bytes of unanswered commands that one session may keep. */
const MOST_KEPT = 4 * 1024 * 1024

type Dispatch = (session: Session, spec: CommandSpec, frame: Frame) => boolean

const BY_MODE: Record<Mode, Dispatch> = {
  locked: dispatchLocked,
  open: dispatchOpen,
  watching: dispatchWatching,
  // Only what leaves the transaction: see cluster/starting.ts.
  starting: answerLocally,
  queueing: dispatchQueueing,
  spoilt: dispatchSpoilt,
  discarding: dispatchDiscarding,
  subscribed: dispatchSubscribed,
  relaying: (session, _spec, { buf, start, end }) => relayBytes(session, buf, start, end),
  closed: () => true,
}
