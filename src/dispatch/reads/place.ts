import { mayWrite } from '../../commands/reading.js'
import { type CommandSpec, Flag, isBlocking } from '../../commands/spec.js'
import type { Endpoint } from '../../upstream/endpoint.js'
import { hasArity } from '../local/syntax.js'
import { blockTimeOf, type Frame } from '../send.js'
import type { Session } from '../session.js'
import { standIn } from '../stand-in.js'

// What a session that may read from replicas does otherwise than others.

/**
 * The server for the command at hand; null if there is none.
 *
 * @param slot of its keys
 * @param waits true if it may be answered only when data comes
 */
export function serverFor(session: Session, spec: CommandSpec, slot: number, waits: boolean): Endpoint | null {
  const { reads, context } = session
  if (reads === null) return slot < 0 ? context.topology.home : context.topology.primaryOf(slot)
  if (!reads.leadsToReplica(spec, slot)) return reads.primary(slot)
  if (!reads.onReplica && (waits || isBound(session))) return reads.primary(slot)
  return reads.choose(spec, slot)
}

/** True if what the session does goes to where it has done something before. */
function isBound({ mode, lease, anchor }: Session): boolean {
  return mode.current !== 'open' || lease !== null || anchor.exists
}

export function blocks(spec: CommandSpec, frame: Frame): boolean {
  return isBlocking(spec) && blockTimeOf(spec, frame) !== -1
}

/** There is no server for the command at hand: answers as dispatch does. */
export function answerNone(session: Session, spec: CommandSpec, slot: number): boolean | null {
  const { reads, context, protocol } = session
  const { topology } = context
  topology.refresh()
  // What is answered here needs no server.
  if (spec.handling === 'local') return null
  const unread = reads !== null && reads.primary(slot) !== null
  const text = reads?.onReplica === true ? standIn(spec.name, protocol, replicaInfo(session)) : null
  if (text !== null) session.answer(spec, text)
  else session.answerError(spec, unread ? 'noReplica' : 'slotNotServed')
  return true
}

const replicaInfo = ({ context }: Session) => ({ ...context.topology.info, role: 'slave' })

/**
 * What comes before the choice of a server, for a session that may read from replicas. True if the command is answered, false if it has to
 * wait, null if it goes on.
 */
export function prepare(session: Session, spec: CommandSpec, argc: number): boolean | null {
  const { reads, ways } = session
  if (reads === null || !mayWrite(spec)) return null
  // A read that is still on its way to a replica must not see what its session writes behind it.
  if (!reads.onReplica) return ways.awaitsReplica ? session.hold('drained') : null
  const writes = (spec.flags & Flag.write) !== 0
  return writes && hasArity(spec, argc) ? refuseWrite(session, spec) : null
}

/** As a replica does it, which also lets the transaction fail that the command was to be part of. */
export function refuseWrite(session: Session, spec: CommandSpec): boolean {
  const { mode } = session
  if (mode.current === 'queueing' || mode.current === 'starting') {
    if (session.inflight > 0) return session.hold('drained')
    session.failTransaction()
  }
  session.answerError(spec, 'readOnlyReplica')
  return true
}

/** Finds the server where there are no slots: the primary of a service, or one of its replicas. Answers as `findServer` does. */
export function findInService(session: Session, spec: CommandSpec, waits: boolean): boolean | null {
  const { topology } = session.context
  if (session.version !== topology.version) {
    if (session.inflight > 0) return session.hold('drained')
    session.version = topology.version
    session.ways.forget()
  }
  const endpoint = session.ways.leaseRoute?.endpoint ?? serverFor(session, spec, -1, waits)
  if (endpoint === null) return answerNone(session, spec, -1)
  session.ways.goTo(endpoint)
  return null
}

/** The same for a command that has not come whole, with all that comes before. */
export function findForLarge(session: Session, spec: CommandSpec): boolean | null {
  return prepare(session, spec, Math.abs(spec.arity)) ?? findInService(session, spec, isBlocking(spec))
}
