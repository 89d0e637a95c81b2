import { type ClusterNode, type RedisCluster, startCluster } from '../helpers/cluster.ts'
import { freePort } from '../helpers/ports.ts'
import { RawClient } from '../helpers/raw.ts'
import { type RedisServer, startRedis } from '../helpers/redis.ts'
import { type Respool, startRespool } from '../helpers/respool.ts'
import { type Sentinels, startSentinels } from '../helpers/sentinels.ts'
import { Cleanup } from '../integration/support.ts'
import { Relay } from './relay.ts'
import { World } from './world.ts'

export const TOPOLOGIES = ['standalone', 'cluster', 'sentinel'] as const
export type Topology = (typeof TOPOLOGIES)[number]

/** Redis in one of its shapes, respool in front of it, and a relay on each of its connections. */
export interface Stage {
  readonly topology: Topology
  readonly respool: Respool
  readonly world: World
  /** Between applications and respool; and between it and each server. */
  readonly front: Relay
  readonly backs: readonly Relay[]
  /** The servers that take writes, as far as they are known to be primaries now. */
  primaries(): Promise<RedisServer[]>
  readonly cluster?: RedisCluster
  readonly sentinels?: Sentinels
  /** The name under which a single Redis is dialled. */
  readonly host?: string
  /** Puts another relay in the place of one that is gone. */
  replaceBack?(relay: Relay): void
  stop(): Promise<void>
}

/** Short, so that what takes time in them is seen within seconds. */
const UPSTREAM = { commandTimeout: '1s', connectTimeout: '1s', holdTime: '1s' }
/** What a SIGKILL leaves is all that was confirmed: each write is in the file ahead of its reply. Off but for those faults. */
const KEPT = ['--appendonly', 'yes', '--appendfsync', 'no', '--auto-aof-rewrite-percentage', '0']
const HOST = 'redis.chaos.test'

export async function startStage(topology: Topology, seed: number, config: object = {}): Promise<Stage> {
  const suite = new Cleanup()
  try {
    return await STARTS[topology](suite, seed, config)
  } catch (error) {
    await suite.run()
    throw error
  }
}

const STARTS: Record<Topology, (suite: Cleanup, seed: number, config: object) => Promise<Stage>> = {
  standalone: startStandalone,
  cluster: startClusterStage,
  sentinel: startSentinelStage,
}

async function startStandalone(suite: Cleanup, seed: number, config: object): Promise<Stage> {
  const redis = suite.add(await startRedis({ args: KEPT }))
  await forget(redis.port)
  // A port of ours, so that another address can have the same one.
  const port = await freePort()
  const backs = [await Relay.start(redis.port, 'redis', { port, seed })]
  suite.also(() => backs.forEach((relay) => relay.stop()))
  const stage = await front(suite, `redis://${HOST}:${port}`, config, seed)
  return {
    ...stage,
    topology: 'standalone',
    backs,
    host: HOST,
    primaries: () => Promise.resolve([redis]),
    replaceBack: (relay) => void backs.splice(0, 1, relay),
  }
}

async function startClusterStage(suite: Cleanup, seed: number, config: object): Promise<Stage> {
  const cluster = suite.add(await startCluster({ primaries: 3, replicas: 1, nodeTimeout: 4000, args: KEPT }))
  const nodes = [...cluster.primaries, ...cluster.replicas]
  for (const { server } of nodes) await forget(server.port)
  const backs: Relay[] = []
  const addressMap: Record<string, string> = {}
  for (const { server } of nodes) {
    const relay = suite.add(await Relay.start(server.port, 'redis', { seed: seed + backs.length }))
    addressMap[`127.0.0.1:${server.port}`] = `127.0.0.1:${relay.port}`
    backs.push(relay)
  }
  const upstream = { ...UPSTREAM, cluster: { addressMap } }
  const stage = await front(suite, cluster.url, { upstream, ...config }, seed)
  return {
    ...stage,
    topology: 'cluster',
    backs,
    cluster,
    primaries: async () => (await primariesOf(nodes)).map(({ server }) => server),
  }
}

async function startSentinelStage(suite: Cleanup, seed: number, config: object): Promise<Stage> {
  const backs: Relay[] = []
  const behind = async (port: number) => {
    const relay = suite.add(await Relay.start(port, 'redis', { seed: seed + backs.length }))
    backs.push(relay)
    return relay.port
  }
  // One replica: while sentinels promote it, another one would still confirm what its old primary takes, and that is lost then.
  const sentinels = suite.add(await startSentinels({ replicas: 1, downAfter: 3000, behind }))
  const stage = await front(suite, sentinels.url, config, seed)
  return {
    ...stage,
    topology: 'sentinel',
    backs,
    sentinels,
    primaries: async () => [await sentinels.primary()],
  }
}

async function front(suite: Cleanup, upstream: string, config: object, seed: number) {
  const world = suite.add(new World())
  world.name(HOST, '127.0.0.1')
  const settings = { upstream: UPSTREAM, ...config }
  const respool = suite.add(await startRespool({ upstream, config: settings, env: world.env }))
  const relay = suite.add(await Relay.start(respool.port, 'application', { seed: seed + 100 }))
  return { world, respool, front: relay, stop: () => suite.run() }
}

/** Turns its file off, until a fault wants it. */
async function forget(port: number): Promise<void> {
  await callPort(port, 'CONFIG', 'SET', 'appendonly', 'no')
}

export async function primariesOf(nodes: readonly ClusterNode[]): Promise<ClusterNode[]> {
  const roles = await Promise.all(nodes.map((node) => node.call('ROLE').catch(() => '')))
  return nodes.filter((_, nth) => roles[nth].includes('master'))
}

/** One command on a connection of its own. */
export async function callPort(port: number, ...args: string[]): Promise<string> {
  const client = await RawClient.connect(port)
  try {
    return String(await client.call(...args))
  } finally {
    client.close()
  }
}
