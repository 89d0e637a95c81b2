import type { CommandSpec, Handling } from '../../commands/spec.js'
import type { ErrorCode } from '../../errors.js'
import { Arguments } from '../../resp/arguments.js'
import { error } from '../../resp/encode.js'
import { isHarmless, isStandIn } from '../local/local.js'
import { faultOf, hasArity } from '../local/syntax.js'
import { refuseAs } from '../open.js'
import type { Frame } from '../send.js'
import type { Session } from '../session.js'
import { concernsAll, tiesToNode } from './place.js'

// A session that Redis has to know by one connection would see one node only, and be sent away (MOVED) by that for all other keys.

/** Refuses what one connection to one node cannot do; true if so. */
export function refusedOnCluster(session: Session, spec: CommandSpec, { buf, start, end }: Frame): boolean {
  if (spec.name !== 'client') return false
  const args = new Arguments(buf, start, end)
  if (!tiesToNode(spec, args)) return false
  return refuseAs(session, spec, 'refusedOnCluster', `client|${args.lower(1)}`)
}

/** Refuses, while keys are watched, what only the connection that watches them could do; true if so. */
export function refusedWhileWatching(session: Session, spec: CommandSpec, { buf, start, end }: Frame): boolean {
  const args = new Arguments(buf, start, end)
  // In RESP2 little else would be possible from then on, and Redis goes on watching.
  const subscribes = spec.handling === 'subscribe' && session.protocol === 2
  const protocol = spec.name === 'hello' && args.count > 1 ? args.text(1) : ''
  const changes = (protocol === '2' || protocol === '3') && protocol !== String(session.protocol)
  return (subscribes || changes) && refuseTie(session, spec, args, 'refusedOnCluster')
}

/**
 * Refuses, within a transaction, what is answered here otherwise, and what would tie the session to the node for good. As after any error
 * while queueing, EXEC must fail. Answers as `findServer` does.
 */
export function refusedInTransaction(
  session: Session,
  spec: CommandSpec,
  { buf, start, end, argc }: Frame,
): boolean | null {
  if (!(ties(spec) || concernsAll(spec)) || (LEAVES.includes(spec.name) && hasArity(spec, argc))) return null
  if (session.inflight > 0) return session.hold('drained')
  session.failTransaction()
  session.starting = []
  const code = concernsAll(spec)
    ? 'notByOneNode'
    : spec.handling === 'relay'
      ? 'refusedOnCluster'
      : 'refusedInTransaction'
  return refuseTie(session, spec, new Arguments(buf, start, end), code)
}

const ALONE: readonly Handling[] = ['relay', 'subscribe']
const LEAVES: readonly string[] = ['quit', 'reset']

function ties(spec: CommandSpec): boolean {
  return ALONE.includes(spec.handling) || (spec.handling === 'local' && !isHarmless(spec) && !isStandIn(spec))
}

function refuseTie(session: Session, spec: CommandSpec, args: Arguments, code: ErrorCode): true {
  const fault = faultOf(spec, args)
  if (fault === null) return refuseAs(session, spec, code, spec.name)
  session.answer(spec, error(fault), true)
  return true
}
