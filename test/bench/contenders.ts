import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../helpers/ports.ts'
import { Child, temporaryDirectory } from '../helpers/processes.ts'
import { RawClient } from '../helpers/raw.ts'
import type { RedisServer } from '../helpers/redis.ts'
import { readCpu } from './cpu.ts'
import { findBinary, versionOf } from './machine.ts'
import type { Entry, Options, Peer } from './options.ts'
import { isBuilt, UsageError } from './options.ts'

export type Server = Pick<RedisServer, 'port' | 'pid'>

/** Something that answers like Redis: Redis itself, or a proxy in front of it. */
export interface Contender {
  readonly name: string
  readonly host: string
  readonly port: number
  /** The proxy's process; undefined for the direct connection. */
  readonly pid: number | undefined
  /** The Redis processes behind it. */
  readonly servers: readonly Server[]
  /** True if it may answer what Redis then does not see. */
  readonly answers?: boolean
  /** What it is and how it is set, for the head of the report. */
  readonly about: string
  /** Whether the process is known to have ended. */
  ended(): boolean
  /** The proxy's log so far. */
  log(): string
}

export const DIRECT = 'direct'
export const REFERENCE = 'nutcracker'
/** In the names of those that answer from the near cache, and how they do. */
const NEAR = 'cache'
const NEAR_CACHE = { RESPOOL_CACHE_PREFIXES: 'key:' }
/** In the names of those in front of a cluster. */
export const CLUSTER = 'cluster'

/** Contenders that run, and one line for each that cannot. */
export interface Field {
  readonly contenders: Contender[]
  readonly missing: string[]
}

/** Starts every contender asked for; what is not installed is left out, unless it was asked for by name. */
export async function startContenders(
  options: Options,
  redis: RedisServer,
  cluster: readonly Server[],
): Promise<Field> {
  const contenders: Contender[] = [direct(redis)]
  const missing: string[] = []
  const starters = startersOf(options, redis)
  if (cluster.length > 0) for (const [name, start] of clusterStarters(options, cluster)) starters.set(name, start)
  const unknown = options.only?.find((name) => name !== DIRECT && !starters.has(name))
  if (unknown) throw new UsageError(`no contender is called "${unknown}"; there are ${[...starters.keys()].join(', ')}`)
  for (const [name, start] of starters) {
    if (options.only && !options.only.includes(name)) continue
    const started = await start()
    if (typeof started !== 'string') contenders.push(started)
    else if (options.only) throw new UsageError(started)
    else missing.push(started)
  }
  return { contenders, missing }
}

/** Gives the running proxy, or the reason why it is not there. */
type Starter = () => Promise<Contender | string>

function startersOf(options: Options, redis: RedisServer): Map<string, Starter> {
  const starters = new Map<string, Starter>()
  const add = (name: string, starter: Starter) => {
    if (name === DIRECT || starters.has(name)) throw new UsageError(`two contenders are called "${name}"`)
    starters.set(name, starter)
  }
  for (const entry of options.entries) {
    add(entry.name, () => startRespool(entry, options.node, redis.url, [redis]))
    // What it answers Redis does not see, so that it is no match for the others unless that is asked for.
    const near = `${entry.name}-${NEAR}`
    if (options.only?.includes(near) === true) add(near, () => startNear({ ...entry, name: near }, options.node, redis))
  }
  add(REFERENCE, () => startNutcracker(redis))
  add('haproxy', () => startHaproxy(redis))
  for (const peer of options.peers) add(peer.name, () => Promise.resolve(joinPeer(peer, redis)))
  return starters
}

function direct(redis: RedisServer): Contender {
  const about = versionOf('redis-server', '--version')
  return {
    name: DIRECT,
    host: redis.host,
    port: redis.port,
    pid: undefined,
    servers: [redis],
    about,
    ended: () => false,
    log: () => '',
  }
}

async function startRespool(
  entry: Entry,
  node: string,
  upstream: string,
  servers: readonly Server[],
  env: Record<string, string> = {},
): Promise<Contender | string> {
  if (!isBuilt(entry)) return `${entry.name}: no ${entry.path}; "npm run build" makes it`
  const port = await freePort()
  const args = [entry.path, '--listen', `127.0.0.1:${port}`, '--admin', 'off', '--upstream', upstream]
  const settings = Object.keys(env).join(', ') || 'default settings'
  const about = `${entry.path}, Node ${versionOf(node, '--version')}, ${settings}`
  return launch(entry.name, node, args, port, about, servers, env)
}

async function startNear(entry: Entry, node: string, redis: RedisServer): Promise<Contender | string> {
  const started = await startRespool(entry, node, redis.url, [redis], NEAR_CACHE)
  return typeof started === 'string' ? started : { ...started, answers: true }
}

/** What can stand in front of a cluster. */
function clusterStarters(options: Options, cluster: readonly Server[]): Map<string, Starter> {
  const nodes = cluster.map(({ port }) => `127.0.0.1:${port}`)
  const starters = new Map<string, Starter>([['predixy', () => startPredixy(nodes, cluster)]])
  for (const entry of options.entries) {
    const name = `${entry.name}-${CLUSTER}`
    starters.set(name, () =>
      startRespool({ ...entry, name }, options.node, `redis+cluster://${nodes.join(',')}`, cluster),
    )
  }
  return starters
}

async function startPredixy(nodes: readonly string[], cluster: readonly Server[]): Promise<Contender | string> {
  const binary = findBinary('predixy')
  if (!binary) return 'predixy is not installed'
  const port = await freePort()
  const config = join(temporaryDirectory('respool-bench'), 'predixy.conf')
  const servers = nodes.map((node) => `    + ${node}`)
  writeFileSync(
    config,
    [`Bind 127.0.0.1:${port}`, 'WorkerThreads 1', 'Authority {', '  Auth {', '    Mode admin', '  }', '}']
      .concat(
        'ClusterServerPool {',
        '  MasterReadPriority 60',
        '  RefreshInterval 1',
        '  Servers {',
        ...servers,
        '  }',
        '}',
        '',
      )
      .join('\n'),
  )
  return launch('predixy', binary, [config], port, `${versionOf(binary, '--version')}, one thread`, cluster)
}

async function startNutcracker(redis: RedisServer): Promise<Contender | string> {
  const binary = findBinary('nutcracker')
  if (!binary) return 'nutcracker is not installed (Debian: apt-get install nutcracker)'
  const dir = temporaryDirectory('respool-bench')
  const [port, statsPort] = [await freePort(), await freePort()]
  const config = join(dir, 'nutcracker.yml')
  writeFileSync(
    config,
    ['bench:', `  listen: 127.0.0.1:${port}`, '  redis: true', '  backlog: 1024', '  preconnect: true']
      .concat('  server_connections: 1', '  servers:', `    - ${redis.host}:${redis.port}:1`, '')
      .join('\n'),
  )
  const args = ['-c', config, '-s', `${statsPort}`, '-a', '127.0.0.1', '-p', join(dir, 'pid'), '-o', join(dir, 'log')]
  const about = `${versionOf(binary, '--version')}, one server connection, default mbuf`
  return launch(REFERENCE, binary, args, port, about, [redis])
}

async function startHaproxy(redis: RedisServer): Promise<Contender | string> {
  const binary = findBinary('haproxy')
  if (!binary) return 'haproxy is not installed (Debian: apt-get install haproxy)'
  const port = await freePort()
  const config = join(temporaryDirectory('respool-bench'), 'haproxy.cfg')
  writeFileSync(
    config,
    [
      'global',
      '  nbthread 1',
      '  maxconn 4000',
      'defaults',
      '  mode tcp',
      '  timeout connect 5s',
      '  timeout client 1h',
    ]
      .concat('  timeout server 1h', 'listen bench', `  bind 127.0.0.1:${port} backlog 1024`)
      .concat(`  server redis ${redis.host}:${redis.port}`, '')
      .join('\n'),
  )
  const about = `${versionOf(binary, '-v')}, TCP mode, one thread`
  // Without -db it would fork, and the process that works would not be the one started here.
  return launch('haproxy', binary, ['-db', '-f', config], port, about, [redis])
}

async function launch(
  name: string,
  command: string,
  args: string[],
  port: number,
  about: string,
  servers: readonly Server[],
  env: Record<string, string> = {},
): Promise<Contender> {
  const child = new Child(command, args, { ...process.env, ...env })
  await child.ready(() => answersGet(port), `${name} on port ${port} answers GET`)
  return {
    name,
    host: '127.0.0.1',
    port,
    pid: child.pid,
    servers,
    about,
    ended: () => !child.alive,
    log: () => child.output(),
  }
}

function joinPeer(peer: Peer, redis: Server): Contender {
  readCpu(peer.pid)
  return { ...peer, servers: [redis], about: `running proxy, process ${peer.pid}`, ended: () => false, log: () => '' }
}

export async function answersGet(port: number): Promise<boolean> {
  const client = await RawClient.connect(port)
  try {
    return (await client.call('GET', 'no such key')).toString() === '$-1\r\n'
  } finally {
    client.close()
  }
}
