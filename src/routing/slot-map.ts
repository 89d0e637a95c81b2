import type { Address } from '../config/config.js'
import { describeAddress } from '../config/address.js'

export const SLOTS = 16_384

/** One primary with its replicas, by the names of their endpoints. */
export interface Shard {
  readonly primary: string
  /** In alphabetical order, since every node lists them in another one. */
  readonly replicas: readonly string[]
}

/** Which shard serves which slot. Immutable: a new state of the cluster is a new map. */
export interface SlotMap {
  /** In the order of the first slot that each serves; none without a slot. */
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
      shards.push({ primary, replicas: replicas.filter((name) => name !== null).sort() })
    }
    owners.fill(index, first, last + 1)
  }
  return arranged(shards, owners, addresses)
}

const isSlot = (value: unknown): value is number =>
  Number.isInteger(value) && Number(value) >= 0 && Number(value) < SLOTS

/** A node's address; null if the cluster does not know it (yet). */
function readNode(node: unknown, asked: Address): Address | null {
  if (!Array.isArray(node)) return null
  const [host, port] = node as unknown[]
  if (host !== null && typeof host !== 'string') return null
  return nodeAddress(host, Number(port), asked)
}

/** An address as a node writes it: without a host it means its own, `?` stands for one that it does not know. */
export function nodeAddress(host: string | null, port: number, asked: Address): Address | null {
  if (!Number.isInteger(port) || port < 1 || port > 65_535 || host === '?') return null
  if (host !== null && host !== '') return { kind: 'tcp', host, port }
  return asked.kind === 'tcp' ? { kind: 'tcp', host: asked.host, port } : null
}

/** The same map but for one slot, as a MOVED reply tells it. */
export function withOwner(map: SlotMap, slot: number, address: Address): SlotMap {
  const name = describeAddress(address)
  const owners = map.owners.slice()
  const index = map.shards.findIndex(({ primary }) => primary === name)
  const shards = index === -1 ? [...map.shards.map((shard) => without(shard, name)), alone(name)] : map.shards
  owners[slot] = index === -1 ? map.shards.length : index
  return arranged(shards, owners, new Map(map.addresses).set(name, address))
}

const alone = (primary: string): Shard => ({ primary, replicas: [] })

/** A replica that has become a primary is none any more. */
function without({ primary, replicas }: Shard, name: string): Shard {
  return { primary, replicas: replicas.filter((replica) => replica !== name) }
}

/** The map with its shards in the order of their first slots, and without those that serve none. Changes `owners`. */
function arranged(shards: readonly Shard[], owners: Int16Array, addresses: ReadonlyMap<string, Address>): SlotMap {
  const ranks = new Int16Array(shards.length).fill(-1)
  const inOrder: Shard[] = []
  let covered = 0
  for (let slot = 0; slot < SLOTS; slot++) {
    const owner = owners[slot]
    if (owner === -1) continue
    covered++
    if (ranks[owner] === -1) ranks[owner] = inOrder.push(shards[owner]) - 1
    owners[slot] = ranks[owner]
  }
  const names = new Set(inOrder.flatMap(({ primary, replicas }) => [primary, ...replicas]))
  return { shards: inOrder, owners, covered, addresses: new Map([...addresses].filter(([name]) => names.has(name))) }
}

/** How many slots have another primary in one map than in the other. */
export function countMoved(before: SlotMap, after: SlotMap): number {
  const primary = ({ shards, owners }: SlotMap, slot: number) => shards[owners[slot]]?.primary
  let moved = 0
  for (let slot = 0; slot < SLOTS; slot++) if (primary(before, slot) !== primary(after, slot)) moved++
  return moved
}

/** The slots of each shard, as CLUSTER NODES writes them: `0-5460`, or `7` for one alone. */
export function slotRanges({ shards, owners }: SlotMap): string[][] {
  const ranges: string[][] = shards.map(() => [])
  for (let first = 0, slot = 1; slot <= SLOTS; slot++) {
    if (slot < SLOTS && owners[slot] === owners[first]) continue
    if (owners[first] !== -1) ranges[owners[first]].push(slot - 1 === first ? `${first}` : `${first}-${slot - 1}`)
    first = slot
  }
  return ranges
}
