import { type Argument, RawClient } from './raw.ts'
import { type RedisServer, type RedisTls, startRedis } from './redis.ts'
import { until } from './waiting.ts'

export const SLOTS = 16_384

export interface ClusterNode {
  readonly server: RedisServer
  readonly id: string
  /** One command on a connection of its own. */
  call(...args: Argument[]): Promise<string>
}

export interface RedisCluster {
  /** The primaries as started, in the order of their slots. */
  readonly primaries: readonly ClusterNode[]
  /** One behind another: replica i belongs to primary i modulo their number. */
  readonly replicas: readonly ClusterNode[]
  /** `redis+cluster://` URL with all primaries; `rediss+cluster://` if they speak TLS. */
  readonly url: string
  /** The node that serves a slot as the others see it now. */
  ownerOf(slot: number): Promise<ClusterNode>
  /** Makes a further node known to the others, without slots. */
  addNode(): Promise<ClusterNode>
  stop(): Promise<void>
}

export interface ClusterOptions {
  primaries?: number
  /** Per primary. */
  replicas?: number
  /** ms without an answer after which a node counts as failing. */
  nodeTimeout?: number
  args?: string[]
  /** The nodes speak TLS with each other, and with others beside the ports in the clear. */
  tls?: RedisTls
}

/** Starts a real cluster on free ports, and waits until all of its nodes agree that it works. */
export async function startCluster(options: ClusterOptions = {}): Promise<RedisCluster> {
  const { primaries: count = 3, replicas: perPrimary = 0, nodeTimeout = 2000, args = [], tls } = options
  const launch = async () =>
    nodeOf(
      await startRedis({
        ...(tls && { tls }),
        args: [
          ...['--cluster-enabled', 'yes', '--cluster-node-timeout', `${nodeTimeout}`],
          ...(tls ? ['--tls-cluster', 'yes'] : []),
          ...args,
        ],
      }),
    )
  const nodes = await Promise.all(Array.from({ length: count * (1 + perPrimary) }, launch))
  const [primaries, replicas] = [nodes.slice(0, count), nodes.slice(count)]

  // Different epochs from the start, or they would have to be fought out first.
  await Promise.all(nodes.map((node, nth) => node.call('CLUSTER', 'SET-CONFIG-EPOCH', nth + 1)))
  await Promise.all(
    primaries.map((node, nth) => {
      const [first, next] = [nth, nth + 1].map((part) => Math.floor((SLOTS * part) / count))
      return node.call('CLUSTER', 'ADDSLOTSRANGE', first, next - 1)
    }),
  )
  for (const node of nodes.slice(1)) await meet(nodes[0], node)
  await until(
    async () => (await counts(nodes, 'cluster_known_nodes')).every((known) => known === nodes.length),
    'all know all',
    30_000,
  )
  for (const [nth, replica] of replicas.entries()) {
    const { id } = primaries[nth % count]
    await until(async () => (await replica.call('CLUSTER', 'REPLICATE', id)) === '+OK\r\n', 'it replicates')
  }
  await until(() => isWhole(nodes, replicas.length), 'the cluster works', 30_000)

  const all = [...nodes]
  return {
    primaries,
    replicas,
    url: `redis${tls ? 's' : ''}+cluster://${primaries.map(({ server }) => `127.0.0.1:${portOf(server)}`).join(',')}`,
    async ownerOf(slot) {
      const { id } = (await slotRanges(all)).find(({ first, last }) => first <= slot && slot <= last)!
      return all.find((node) => node.id === id)!
    },
    async addNode() {
      const node = await launch()
      await meet(nodes[0], node)
      all.push(node)
      await until(
        async () => (await counts(all, 'cluster_known_nodes')).every((known) => known === all.length),
        'all know it',
        30_000,
      )
      await until(
        async () => (await node.call('CLUSTER', 'INFO')).includes('cluster_state:ok'),
        'it takes part in the cluster',
        30_000,
      )
      return node
    },
    async stop() {
      await Promise.all(all.map(({ server }) => server.stop()))
    },
  }
}

async function nodeOf(server: RedisServer): Promise<ClusterNode> {
  const call = async (...args: Argument[]) => {
    const client = await RawClient.connect(server.port)
    try {
      return String(await client.call(...args))
    } finally {
      client.close()
    }
  }
  return { server, id: (await call('CLUSTER', 'MYID')).split('\r\n')[1], call }
}

async function meet(one: ClusterNode, other: ClusterNode): Promise<void> {
  await one.call('CLUSTER', 'MEET', '127.0.0.1', portOf(other.server))
}

/** What the nodes know a server by. */
const portOf = ({ port, tlsPort }: RedisServer): number => tlsPort || port

/** One figure of CLUSTER INFO, as each node has it. */
function counts(nodes: ClusterNode[], field: string): Promise<number[]> {
  return Promise.all(
    nodes.map(async (node) => Number(new RegExp(`${field}:(\\d+)`).exec(await node.call('CLUSTER', 'INFO'))?.[1])),
  )
}

async function isWhole(nodes: ClusterNode[], replicas: number): Promise<boolean> {
  const infos = await Promise.all(nodes.map((node) => node.call('CLUSTER', 'INFO')))
  if (!infos.every((info) => info.includes('cluster_state:ok') && info.includes(`cluster_slots_ok:${SLOTS}`)))
    return false
  const tables = await Promise.all(nodes.map((node) => node.call('CLUSTER', 'NODES')))
  if (!tables.every((table) => table.split('slave').length > replicas)) return false
  const roles = await Promise.all(nodes.map((node) => node.call('INFO', 'replication')))
  return roles.every((role) => role.includes('role:master') || role.includes('master_link_status:up'))
}

/** Slot ranges and their owners by the table of the first node that answers. */
async function slotRanges(nodes: ClusterNode[]): Promise<{ first: number; last: number; id: string }[]> {
  for (const node of nodes) {
    const table = await node.call('CLUSTER', 'NODES').catch(() => null)
    if (table === null) continue
    return table.split('\n').flatMap((line) => {
      const [id, , flags = '', , , , , , ...ranges] = line.replace(/^\$\d+\r/, '').split(' ')
      if (!flags.includes('master') || flags.includes('fail')) return []
      return ranges
        .map((range) => /^(\d+)(?:-(\d+))?\r?$/.exec(range))
        .filter((match) => match !== null)
        .map(([, first, last = first]) => ({ first: Number(first), last: Number(last), id }))
    })
  }
  throw new Error('no node of the cluster answers')
}
