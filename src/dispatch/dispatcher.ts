import type { CommandSpec } from '../commands/spec.js'
import { findServer } from './cluster/cluster.js'
import { answerLocally, dispatchOpen } from './open.js'
import { dispatchLocked } from './locked.js'
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
  if (session.context.keeps) {
    // What was refused is sent again first.
    if (session.retries?.active === true) return session.hold('again')
    if (session.keptBytes > MOST_KEPT) return session.hold('outstanding')
    const found = find(session, spec, frame)
    if (found !== null) return found
  }
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
