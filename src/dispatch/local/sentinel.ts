import { describeAddress } from '../../config/address.js'
import type { Place } from '../../config/config.js'
import type { Arguments } from '../../resp/arguments.js'
import { array, bulk, integer, map, nullArray, type Protocol, quoted, simple } from '../../resp/encode.js'
import type { Session } from '../session.js'
import { beyond, code, failure, type Outcome, reply } from './outcome.js'
import { at, help, identity, located, placeFor } from './place.js'
import { parseInteger, takes, wrongArity } from './syntax.js'

// Standing in for a sentinel: to applications it is the only one, and the primary that it watches is where they have dialled. The
// shapes are those of Redis 7 (https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/#sentinel-api).

interface SentinelCommand {
  /** Number of arguments, SENTINEL counted; a negative one is a minimum. */
  readonly arity: number
  /** None if it would change what sentinels do, or look into one. */
  readonly answer?: (session: Session, args: Arguments) => Outcome
}

/** The last argument names a service that is known. */
const ofService =
  (answer: (session: Session, name: string) => Outcome) =>
  (session: Session, args: Arguments): Outcome => {
    const name = args.text(2)
    return isKnown(session, name) ? answer(session, name) : failure('ERR No such master with that name')
  }
const none = ofService(() => reply(array([])))
const listed = ofService(replicas)

const HELP = help('SENTINEL', [
  ['CKQUORUM <service>', 'That a failover could take place.'],
  ['GET-MASTER-ADDR-BY-NAME <service>', 'Where to connect to.'],
  ['IS-MASTER-DOWN-BY-ADDR <ip> <port> <epoch> <run-id>', 'That it is not.'],
  ['MASTER <service>', 'What is known of the primary.'],
  ['MASTERS', 'The same of the primaries of all services.'],
  ['MYID', "The sentinel's id."],
  ['REPLICAS <service>', 'The replica listener, if there is one.'],
  ['SENTINELS <service>', 'No others.'],
  ['HELP', 'This text.'],
])

const SUBCOMMANDS: ReadonlyMap<string, SentinelCommand> = new Map<string, SentinelCommand>([
  ['get-master-addr-by-name', { arity: 3, answer: primaryAddress }],
  ['master', { arity: 3, answer: ofService((session, name) => primaries(session, [name], ([text]) => text)) }],
  ['masters', { arity: 2, answer: (session) => primaries(session, services(session), array) }],
  ['replicas', { arity: 3, answer: listed }],
  ['slaves', { arity: 3, answer: listed }],
  ['sentinels', { arity: 3, answer: none }],
  ['ckquorum', { arity: 3, answer: ofService(() => reply(QUORUM)) }],
  ['myid', { arity: 2, answer: ({ downstream }) => located(downstream, (place) => bulk(identity('sentinel', place))) }],
  ['is-master-down-by-addr', { arity: 6, answer: isDown }],
  ['help', { arity: 2, answer: () => reply(HELP) }],
  ['config', { arity: -3 }],
  ['debug', { arity: -2 }],
  ['failover', { arity: 3 }],
  ['flushconfig', { arity: 2 }],
  ['info-cache', { arity: -3 }],
  ['monitor', { arity: 6 }],
  ['pending-scripts', { arity: 2 }],
  ['remove', { arity: 3 }],
  ['reset', { arity: 3 }],
  ['set', { arity: -5 }],
  ['simulate-failure', { arity: -3 }],
])

const QUORUM = simple('OK 1 usable Sentinels. Quorum and failover authorization can be reached')

export function sentinel(session: Session, args: Arguments): Outcome {
  if (args.count < 2) return failure(wrongArity('sentinel'))
  const name = args.lower(1)
  const subcommand = SUBCOMMANDS.get(name)
  if (subcommand === undefined) return failure(`ERR unknown subcommand '${quoted(args.text(1))}'. Try SENTINEL HELP.`)
  if (!takes(subcommand.arity, args.count)) return failure(wrongArity(`sentinel|${name}`))
  return subcommand.answer === undefined ? beyond(`sentinel|${name}`) : subcommand.answer(session, args)
}

/** Those that there are to list. */
function services({ context }: Session): readonly string[] {
  const { services: given, service } = context.standIn
  return given.length > 0 ? given : [service]
}

function isKnown({ context }: Session, name: string): boolean {
  const { services: given } = context.standIn
  return given.length === 0 || given.includes(name)
}

function primaryAddress(session: Session, args: Arguments): Outcome {
  if (!isKnown(session, args.text(2))) return reply(nullArray(session.protocol))
  return at(placeFor(session, 'primary'), ({ host, port }) => array([bulk(host), bulk(String(port))]))
}

function primaries(session: Session, names: readonly string[], frame: (texts: string[]) => string): Outcome {
  const count = placeFor(session, 'replica') === null ? 0 : 1
  return at(placeFor(session, 'primary'), (place) =>
    frame(names.map((name) => primary(session.protocol, name, place, count))),
  )
}

type Field = readonly [name: string, value: string | number]

/** A server as a sentinel with default settings sees it while all is well. */
function server(
  protocol: Protocol,
  name: string,
  place: Place,
  role: 'primary' | 'replica',
  flags: string,
  rest: Field[],
): string {
  const reported = role === 'primary' ? 'master' : 'slave'
  const fields: Field[] = [
    ['name', name],
    ['ip', place.host],
    ['port', place.port],
    ['runid', identity(role, place)],
    ['flags', flags],
    ['link-pending-commands', 0],
    ['link-refcount', 1],
    ['last-ping-sent', 0],
    ['last-ok-ping-reply', 0],
    ['last-ping-reply', 0],
    ['down-after-milliseconds', 30_000],
    ['info-refresh', 0],
    ['role-reported', reported],
    ['role-reported-time', 0],
    ...rest,
  ]
  return map(
    protocol,
    fields.map(([field, value]) => [field, bulk(String(value))]),
  )
}

function primary(protocol: Protocol, name: string, place: Place, replicaCount: number): string {
  return server(protocol, name, place, 'primary', 'master', [
    ['config-epoch', 0],
    ['num-slaves', replicaCount],
    ['num-other-sentinels', 0],
    ['quorum', 1],
    ['failover-timeout', 180_000],
    ['parallel-syncs', 1],
  ])
}

/** The replica listener; not well while there is no replica behind it, so that clients choose the primary. */
function replicas(session: Session): Outcome {
  const [place, primaryPlace] = [placeFor(session, 'replica'), placeFor(session, 'primary')]
  if (place === null) return reply(array([]))
  const { topology } = session.context
  const well = topology.version === 0 || topology.replicasOf(-1).some(({ outage }) => outage === null)
  const name = describeAddress({ kind: 'tcp', ...place })
  const row = server(session.protocol, name, place, 'replica', well ? 'slave' : 's_down,slave', [
    ['master-link-down-time', 0],
    ['master-link-status', 'ok'],
    ['master-host', primaryPlace?.host ?? '?'],
    ['master-port', primaryPlace?.port ?? 0],
    ['slave-priority', 100],
    ['slave-repl-offset', 0],
    ['replica-announced', 1],
  ])
  return reply(array([row]))
}

/** What other sentinels ask: whether it is down, and whom this one has voted for. */
function isDown(_session: Session, args: Arguments): Outcome {
  const valid = parseInteger(args.text(3)) !== null && parseInteger(args.text(4)) !== null
  return valid ? reply(array([integer(0), bulk('*'), integer(0)])) : code('notInteger')
}
