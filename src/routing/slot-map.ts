import type { Address } from '../config/config.js'
import { describeAddress } from '../config/address.js'

export const SLOTS = 16_384

/** One primary with its replicas, by the names of their endpoints. */
export interface Shard {
  readonly primary: string
  readonly replicas: readonly string[]
}

/** Which shard serves which slot. Immutable: a new state of the cluster is a new map. */
export interface SlotMap {
  readonly shards: readonly Shard[]
  /** By slot: the index in `shards`, or -1 for a slot that nobody serves. */
  readonly owners: Int16Array
  /** Slots that somebody serves. */
  readonly covered: number
  /** All addresses that occur, by the names of their endpoints. */
  readonly addresses: ReadonlyMap<string, Address>
}

export const EMPTY_MAP: SlotMap = {
  shards: [],
  owners: new Int16Array(SLOTS).fill(-1),
  covered: 0,
  addresses: new Map(),
}

/**
 * Reads a CLUSTER SLOTS reply (https://redis.io/docs/latest/commands/cluster-slots/), decoded RESP2: rows of first slot, last slot,
 * primary and replicas, each node an array of host, port and more. Null if it is none.
 *
 * @param asked the node that said so, whose host counts where a row has none
 * @param translate says where a node is really reached
 */
export function readClusterSlots(
  reply: unknown,
  asked: Address,
  translate: (address: Address) => Address,
): SlotMap | null {
  if (!Array.isArray(reply)) return null
  const addresses = new Map<string, Address>()
  const shards: Shard[] = []
  const known = new Map<string, number>()
  const owners = new Int16Array(SLOTS).fill(-1)
  let covered = 0

  const nodeName = (node: unknown): string | null => {
    const address = readNode(node, asked)
    if (address === null) return null
    const real = translate(address)
    const name = describeAddress(real)
    addresses.set(name, real)
    return name
  }

  for (const row of reply as unknown[]) {
    if (!Array.isArray(row)) return null
    const [first, last, ...nodes] = row as unknown[]
    if (!isSlot(first) || !isSlot(last) || first > last) return null
    const [primary, ...replicas] = nodes.map(nodeName)
    if (primary === undefined || primary === null) continue
    let index = known.get(primary)
    if (index === undefined) {
      index = shards.length
      known.set(primary, index)
      shards.push({ primary, replicas: replicas.filter((name) => name !== null) })
    }
    owners.fill(index, first, last + 1)
    covered += last - first + 1
  }
  return { shards, owners, covered, addresses }
}

const isSlot = (value: unknown): value is number =>
  Number.isInteger(value) && Number(value) >= 0 && Number(value) < SLOTS

/** A node's address; null if the cluster does not know it (yet). */
function readNode(node: unknown, asked: Address): Address | null {
  if (!Array.isArray(node)) return null
  const [host, port] = node as unknown[]
  if (!Number.isInteger(port) || Number(port) < 1 || Number(port) > 65_535 || host === '?') return null
  if (typeof host === 'string' && host !== '') return { kind: 'tcp', host, port: Number(port) }
  return asked.kind === 'tcp' ? { kind: 'tcp', host: asked.host, port: Number(port) } : null
}

/** The same map but for one slot, as a MOVED reply tells it. */
export function withOwner(map: SlotMap, slot: number, address: Address): SlotMap {
  const name = describeAddress(address)
  const owners = map.owners.slice()
  const index = map.shards.findIndex(({ primary }) => primary === name)
  const shards = index === -1 ? [...map.shards, { primary: name, replicas: [] }] : map.shards
  const covered = map.covered + (owners[slot] === -1 ? 1 : 0)
  owners[slot] = index === -1 ? map.shards.length : index
  return { shards, owners, covered, addresses: new Map(map.addresses).set(name, address) }
}
