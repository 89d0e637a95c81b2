import { type CommandSpec, resolve } from '../../commands/spec.js'
import type { Arguments } from '../../resp/arguments.js'
import { array, bulk, OK, PONG } from '../../resp/encode.js'
import { leave } from '../entry.js'
import type { Session } from '../session.js'
import { auth, hello } from './hello.js'
import { client } from './client.js'
import { cluster, ofClusterConnection } from './cluster.js'
import { respool } from './respool.js'
import { sentinel } from './sentinel.js'
import { code, DRAIN, failure, HOLD, type Outcome, reply } from './outcome.js'
import { faultOf, hasArity, parseInteger, wrongArity } from './syntax.js'

/** How the proxy answers a command by itself. The number of arguments has been checked. */
export type LocalCommand = (session: Session, args: Arguments, spec: CommandSpec) => Outcome

const LOCAL: ReadonlyMap<string, LocalCommand> = new Map<string, LocalCommand>([
  ['ping', ping],
  ['echo', (_session, args) => reply(bulk(args.text(1)))],
  ['quit', () => ({ kind: 'quit', text: OK })],
  ['reset', reset],
  ['select', select],
  ['hello', hello],
  ['auth', auth],
  ['client', client],
  ['cluster', cluster],
  ['sentinel', sentinel],
  ['respool', respool],
  ['readonly', ofClusterConnection],
  ['readwrite', ofClusterConnection],
  ['asking', ofClusterConnection],
])

/** What a local command comes to, given that its name has a handler. */
export function answer(session: Session, spec: CommandSpec, args: Arguments): Outcome {
  const local = LOCAL.get(spec.name)
  if (local === undefined) throw new Error(`nobody answers ${spec.name}`)
  if (!hasArity(spec, args.count)) return failure(wrongArity(spec.name))
  // The one limit on arguments of PING that a negative arity cannot say.
  if (spec.name === 'ping' && args.count > 2) return failure(wrongArity('ping'))
  return refusalOf(session, spec, args) ?? local(session, args, spec)
}

/** What Redis has against it that this user says it; null if nothing. */
function refusalOf(session: Session, spec: CommandSpec, args: Arguments): Outcome | null {
  const { permissions } = session.context
  // Faults are found first, as by Redis.
  if (permissions === null || faultOf(spec, args) !== null) return null
  const again = () => session.held === 'learning' && session.unhold()
  const refusal = permissions.refusalOf(resolve(spec, args).name, args.texts(), again)
  if (refusal === undefined) return HOLD
  return refusal === null ? null : failure(refusal)
}

/** Local commands that a transaction or a watch can contain without harm to the connection that it runs on. */
export function isHarmless(spec: CommandSpec): boolean {
  return spec.name === 'ping' || spec.name === 'echo'
}

const OF_RESPOOL: readonly string[] = ['cluster', 'sentinel', 'respool']

/** Commands whose answer from Redis would speak of another server than the one that respool stands in for, or that no Redis has. */
export function isStandIn(spec: CommandSpec): boolean {
  return spec.handling === 'local' && OF_RESPOOL.includes(spec.name)
}

/** True if a command takes its session to another database or protocol, or might. On a cluster none does: cluster/unshared.ts refuses it. */
export function movesSession(session: Session, spec: CommandSpec, args: Arguments): boolean {
  if (args.count < 2 || session.context.topology.sharded) return false
  if (spec.name === 'select') return args.text(1) !== String(session.database)
  return spec.name === 'hello' && args.text(1) !== String(session.protocol)
}

/** In the midst of messages it looks like one of them. */
function ping({ mode }: Session, args: Arguments): Outcome {
  if (mode.current === 'subscribed') return reply(array([bulk('pong'), bulk(args.count > 1 ? args.text(1) : '')]))
  return reply(args.count > 1 ? bulk(args.text(1)) : PONG)
}

function reset(session: Session): Outcome {
  if (session.inflight > 0) return DRAIN
  const { subscriber, context } = session
  const again = () => session.held === 'learning' && session.unhold()
  if (subscriber?.leaveAll(context.clock.now + context.limits.commandTimeout, again) === false) return HOLD
  session.reset()
  leave(session)
  return reply('+RESET\r\n')
}

function select(session: Session, args: Arguments): Outcome {
  const index = parseInteger(args.text(1))
  if (index === null) return code('notInteger')
  if (index < -(2 ** 31) || index >= 2 ** 31) return code('numberOutOfRange')
  if (index === session.database) return reply(OK)
  if (session.context.topology.sharded) return code('selectOnCluster')
  if (session.inflight > 0) return DRAIN
  const { databases } = session.context
  const exists = databases.has(index)
  if (exists === false) return code('dbOutOfRange')
  if (exists === null) {
    void databases.ask(index, () => session.held === 'learning' && session.unhold())
    return HOLD
  }
  session.changeLane(session.protocol, index)
  return reply(OK)
}
