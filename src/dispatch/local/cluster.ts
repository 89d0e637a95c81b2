import { isIP } from 'node:net'
import { slotOf } from '../../commands/slot.js'
import type { CommandSpec } from '../../commands/spec.js'
import type { Place } from '../../config/config.js'
import type { Arguments } from '../../resp/arguments.js'
import { array, bulk, integer, map, OK, type Protocol, quoted, verbatim } from '../../resp/encode.js'
import type { Session } from '../session.js'
import { beyond, code, failure, type Outcome, reply } from './outcome.js'
import { help, identity, located } from './place.js'
import { hasArity, parseInteger, wrongArity } from './syntax.js'

// Standing in for a cluster: to applications there is one node, which owns all slots, where they have dialled. The shapes are
// those of Redis 7 (https://redis.io/docs/latest/commands/cluster-nodes/ and its neighbours).

type ClusterCommand = (session: Session, args: Arguments) => Outcome

const SLOTS = 16_384
/** A node's own port and this make the port on which nodes talk to each other. */
const BUS_OFFSET = 10_000

const INFO: readonly (readonly [string, string | number])[] = [
  ['cluster_state', 'ok'],
  ['cluster_slots_assigned', SLOTS],
  ['cluster_slots_ok', SLOTS],
  ['cluster_slots_pfail', 0],
  ['cluster_slots_fail', 0],
  ['cluster_known_nodes', 1],
  ['cluster_size', 1],
  ['cluster_current_epoch', 1],
  ['cluster_my_epoch', 1],
  ['cluster_stats_messages_sent', 0],
  ['cluster_stats_messages_received', 0],
  ['total_cluster_links_buffer_limit_exceeded', 0],
]

const HELP = help('CLUSTER', [
  ['COUNT-FAILURE-REPORTS <node-id>', 'None.'],
  ['INFO', 'The state of a cluster of one node.'],
  ['KEYSLOT <key>', 'The hash slot of a key.'],
  ['LINKS', 'None.'],
  ['MYID', "The node's id."],
  ['MYSHARDID', "The id of the node's shard."],
  ['NODES', 'The node, in the lines of a cluster.'],
  ['REPLICAS <node-id>', 'None.'],
  ['SHARDS', 'The node with all slots.'],
  ['SLOTS', 'All slots with the node.'],
  ['HELP', 'This text.'],
])

const SUBCOMMANDS: ReadonlyMap<string, ClusterCommand> = new Map<string, ClusterCommand>([
  ['slots', ({ downstream, protocol }) => located(downstream, (place) => slots(protocol, place))],
  ['shards', ({ downstream, protocol }) => located(downstream, (place) => shards(protocol, place))],
  ['nodes', ({ downstream, protocol }) => located(downstream, (place) => verbatim(protocol, `${nodeLine(place)}\n`))],
  ['myid', ({ downstream }) => located(downstream, (place) => bulk(identity('node', place)))],
  ['myshardid', ({ downstream }) => located(downstream, (place) => bulk(identity('shard', place)))],
  ['info', ({ protocol }) => reply(verbatim(protocol, INFO.map(([name, value]) => `${name}:${value}\r\n`).join('')))],
  ['keyslot', (_session, args) => reply(integer(slotOf(args.bytes(2))))],
  ['links', () => reply(array([]))],
  ['replicas', (session, args) => ofNode(session, args, array([]))],
  ['slaves', (session, args) => ofNode(session, args, array([]))],
  ['count-failure-reports', (session, args) => ofNode(session, args, integer(0))],
  ['countkeysinslot', countKeys],
  ['getkeysinslot', getKeys],
  ['help', () => reply(HELP)],
])

/** Whatever is not answered here would look into a node or change the cluster, and there is none. */
export function cluster(session: Session, args: Arguments, spec: CommandSpec): Outcome {
  const row = spec.subcommands?.get(args.lower(1))
  if (row === undefined) return failure(`ERR unknown subcommand '${quoted(args.text(1))}'. Try CLUSTER HELP.`)
  if (!hasArity(row, args.count)) return failure(wrongArity(row.name))
  const subcommand = SUBCOMMANDS.get(args.lower(1))
  return subcommand === undefined ? beyond(row.name) : subcommand(session, args)
}

/** READONLY, READWRITE and ASKING: the one node takes reads and writes of all slots. */
export function ofClusterConnection({ context }: Session): Outcome {
  return context.standIn.cluster ? reply(OK) : failure('ERR This instance has cluster support disabled')
}

function slots(protocol: Protocol, place: Place): string {
  const node = array([bulk(place.host), integer(place.port), bulk(identity('node', place)), map(protocol, [])])
  return array([array([integer(0), integer(SLOTS - 1), node])])
}

function shards(protocol: Protocol, place: Place): string {
  const { host, port } = place
  const node = map(protocol, [
    ['id', bulk(identity('node', place))],
    ['port', integer(port)],
    ['ip', bulk(host)],
    ['endpoint', bulk(host)],
    ...(isIP(host) === 0 ? [['hostname', bulk(host)] as const] : []),
    ['role', bulk('master')],
    ['replication-offset', integer(0)],
    ['health', bulk('online')],
  ])
  const shard = map(protocol, [
    ['slots', array([integer(0), integer(SLOTS - 1)])],
    ['nodes', array([node])],
  ])
  return array([shard])
}

function nodeLine(place: Place): string {
  const { host, port } = place
  const hostname = isIP(host) === 0 ? `,${host}` : ''
  const address = `${host}:${port}@${port + BUS_OFFSET}${hostname}`
  return `${identity('node', place)} ${address} myself,master - 0 0 1 connected 0-${SLOTS - 1}`
}

/** What there is to say of a node, given that it is the one. */
function ofNode({ downstream }: Session, args: Arguments, text: string): Outcome {
  const known = located(downstream, (place) => identity('node', place))
  if (known.kind === 'reply' && known.text !== args.text(2)) return failure(`ERR Unknown node ${quoted(args.text(2))}`)
  return known.kind === 'reply' ? reply(text) : known
}

function countKeys(_session: Session, args: Arguments): Outcome {
  const slot = parseInteger(args.text(2))
  if (slot === null) return code('notInteger')
  return isSlot(slot) ? beyond('cluster|countkeysinslot') : failure('ERR Invalid slot')
}

function getKeys(_session: Session, args: Arguments): Outcome {
  const [slot, count] = [parseInteger(args.text(2)), parseInteger(args.text(3))]
  if (slot === null || count === null) return code('notInteger')
  return isSlot(slot) && count >= 0 ? beyond('cluster|getkeysinslot') : failure('ERR Invalid slot or number of keys')
}

const isSlot = (slot: number): boolean => slot >= 0 && slot < SLOTS
