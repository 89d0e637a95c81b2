import { blockTime } from '../../commands/blocking.js'
import { keyPositions } from '../../commands/keys.js'
import { policyFor } from '../../commands/policy.js'
import { type CommandSpec, Flag, type Handling, isBlocking, resolve, rulingOf } from '../../commands/spec.js'
import { type ErrorCode, ERRORS } from '../../errors.js'
import { Arguments } from '../../resp/arguments.js'
import { array, bulk, command, integer, map } from '../../resp/encode.js'
import { NO_KEY, slotOfCommand, tiesToNode } from '../cluster/place.js'
import { type Outlook, outlookOf } from '../guarded/foresight.js'
import { blocks, serverFor } from '../reads/place.js'
import { type Frame, ownFrame } from '../send.js'
import type { Session } from '../session.js'
import { split } from '../spread/split.js'
import { hasArity } from './syntax.js'

/** The way that a command takes: to Redis, or not. */
type Way = 'shared' | 'lease' | 'subscriptions' | 'split' | 'local' | 'refused'

type Pairs = (readonly [name: string, value: string])[]

/** What becomes of a command, and why. */
interface Fate {
  readonly way: Way
  readonly reason: string
  readonly more?: Pairs
}

/** A command that somebody asks about. */
interface Asked {
  readonly session: Session
  /** Its own row, and the one whose handling counts. */
  readonly row: CommandSpec
  readonly spec: CommandSpec
  readonly frame: Frame
  readonly args: Arguments
  readonly slot: number
}

/** What would become of a command if the session sent it now: a map of fields. It is not executed, nor counted. */
export function explain(session: Session, words: readonly string[]): string {
  const asked = look(session, words)
  const { row, args } = asked
  const { way, reason, more = [] } = fateOf(asked)
  const pairs: Pairs = [
    ['command', bulk(row === session.context.table.other ? 'unknown' : row.name)],
    ['route', bulk(way)],
    ['reason', bulk(reason)],
    ...more,
    ...warnings(asked),
    ['keys', integer(keyPositions(row, args).length)],
    ...(way === 'local' || way === 'refused' || way === 'split' ? [] : place(asked)),
  ]
  return map(session.protocol, pairs)
}

function look(session: Session, words: readonly string[]): Asked {
  const { table } = session.context
  const name = Buffer.from(words[0], 'latin1')
  const known = table.lookup(name, 0, name.length) ?? table.other
  const frame = ownFrame(command(...words), words.length)
  const args = new Arguments(frame.buf, frame.start, frame.end)
  const row = resolve(known, args)
  const slot = slotOfCommand(row, frame.buf, frame.start, frame.end, frame.argc)
  return { session, row, spec: rulingOf(known, row), frame, args, slot }
}

function fateOf(asked: Asked): Fate {
  const { session, row, spec, frame, args, slot } = asked
  const { guard, context } = session
  if (!hasArity(row, args.count)) return { way: 'shared', reason: 'has the wrong number of arguments' }
  const denied = guard.refuses(row, frame, false)
  if (denied !== null) return refused(denied, row, 'is denied by a rule or a limit')
  if (spec.handling === 'refuse') return refused('refused', row, reasonOf(row))
  if (session.reads?.onReplica === true && (row.flags & Flag.write) !== 0)
    return refused('readOnlyReplica', row, 'writes, and its listener is a replica')
  const outlook: Outlook = context.topology.sharded ? outlookOf(row, args, slot) : { kind: 'whole' }
  if (outlook.kind === 'refused') return refusedOnCluster(outlook.reason, row)
  if (outlook.kind === 'split') return { way: 'split', reason: SPREAD[outlook.how] ?? outlook.how, more: parts(asked) }
  if (tiesToNode(row, args)) return lease('tracking', 'changes what commands do on their connection')
  if (isBlocking(spec) && blockTime(row, args) === -1) return plain(session, 'does not wait')
  return byHandling(session, row, spec.handling)
}

function byHandling(session: Session, row: CommandSpec, handling: Handling): Fate {
  const reason = reasonOf(row)
  switch (handling) {
    case 'forward':
    case 'script':
    case 'publish':
      return plain(session, reason)
    case 'local':
      return { way: 'local', reason }
    case 'subscribe':
      return { way: 'subscriptions', reason }
    case 'block':
    case 'blockIf':
      return lease('blocking', reason)
    case 'relay':
      return lease(row.name === 'monitor' ? 'monitor' : 'session', `${reason}; for as long as the session lives`)
    case 'refuse':
      return refused('refused', row, reason)
    case 'transaction':
      return transaction(session, row, reason)
  }
}

function transaction(session: Session, row: CommandSpec, reason: string): Fate {
  switch (row.name) {
    case 'watch':
      return lease('watch', reason)
    case 'multi':
      return lease('multi', `${reason}; shared if all up to EXEC comes at once`)
    case 'unwatch':
      return plain(session, reason)
    default:
      return session.lease === null
        ? { way: 'local', reason: 'ends a transaction, and there is none' }
        : lease(session.ways.leaseReason ?? 'multi', reason)
  }
}

/** A command that any connection can carry. */
function plain({ lease: held, ways, pooling }: Session, reason: string): Fate {
  if (pooling === 'session') return lease('session', 'its listener has pooling: session')
  return held === null ? { way: 'shared', reason } : lease(ways.leaseReason ?? 'session', 'its session holds a lease')
}

const lease = (pin: string, reason: string): Fate => ({ way: 'lease', reason, more: [['lease', bulk(pin)]] })

function refused(code: ErrorCode, { name }: CommandSpec, reason: string): Fate {
  return { way: 'refused', reason, more: [['error', bulk(ERRORS[code].text.replace('%', name))]] }
}

function refusedOnCluster(reason: string, row: CommandSpec): Fate {
  const known = Object.hasOwn(ERRORS, reason)
  return known
    ? refused(reason as ErrorCode, row, 'cannot be done on a cluster')
    : { way: 'shared', reason: 'is what clusters do not do: Redis refuses it' }
}

/** How commands are split, by `Spread.to`. */
const SPREAD: Readonly<Record<string, string>> = {
  slots: 'has keys in several slots: a part goes to each',
  streams: 'has streams in several slots: a part goes to each',
  primaries: 'concerns all primaries',
  scan: 'goes to one primary after another, as its cursor says',
}

function parts({ session, row, args }: Asked): Pairs {
  const { topology } = session.context
  const shares = split(row, args)
  const places = shares?.map(({ slot }) => topology.primaryOf(slot)?.name ?? 'nobody')
  const nodes = [...new Set(places ?? topology.primaries.map(({ name }) => name))]
  const merge = row.spread?.merge ?? null
  return [
    ...(shares === null ? [] : ([['parts', integer(shares.length)]] satisfies Pairs)),
    ...(merge === null ? [] : ([['merge', bulk(merge)]] satisfies Pairs)),
    ['nodes', array(nodes.map(bulk))],
  ]
}

/** The slot, if slots matter, and the server. */
function place({ session, spec, frame, slot }: Asked): Pairs {
  const { context, ways } = session
  const held = slot === NO_KEY ? ways.leaseRoute?.endpoint : undefined
  const server = held ?? serverFor(session, spec, slot, blocks(spec, frame))
  return [
    ...(context.topology.sharded && slot >= 0 ? ([['slot', integer(slot)]] satisfies Pairs) : []),
    ['node', bulk(server?.name ?? 'nobody')],
    ...(server === null ? [] : ([['role', bulk(server.role)]] satisfies Pairs)),
  ]
}

function warnings({ session, row, frame }: Asked): Pairs {
  if (!hasArity(row, frame.argc)) return []
  const found = session.guard.findings(row, frame, false).map(({ action, rule }) => bulk(`${action} ${rule}`))
  return found.length === 0 ? [] : [['rules', array(found)]]
}

function reasonOf({ name }: CommandSpec): string {
  return (policyFor(name) ?? policyFor(name.split('|', 1)[0]))?.reason ?? 'any connection can carry it'
}
