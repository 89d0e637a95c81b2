import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from './ports.ts'
import { Child, removeDirectory, temporaryDirectory } from './processes.ts'
import { RawClient } from './raw.ts'
import { type RedisServer, type RedisTls, startRedis, tlsSettings } from './redis.ts'
import { until } from './waiting.ts'

export interface Sentinels {
  readonly ports: readonly number[]
  /** The servers that they watch: the first one began as primary. */
  readonly servers: readonly RedisServer[]
  /** `redis+sentinel://` URL with all sentinels; `rediss+sentinel://` if they speak TLS. */
  readonly url: string
  /** The server that the sentinels call the primary now. */
  primary(): Promise<RedisServer>
  /** Has another server promoted, and waits until all sentinels say so. */
  failover(): Promise<void>
  stop(): Promise<void>
}

export interface SentinelOptions {
  service?: string
  sentinels?: number
  replicas?: number
  /** ms without an answer after which a primary counts as down. */
  downAfter?: number
  /** Starts something in front of a server's port, through which all others reach it; answers its port. */
  behind?: (port: number) => Promise<number>
  /** All of them speak TLS with each other, and with others beside the ports in the clear. */
  tls?: RedisTls
}

/** Starts a primary, replicas, and sentinels that watch them, on free ports, and waits until all know each other. */
export async function startSentinels(options: SentinelOptions = {}): Promise<Sentinels> {
  const { service = 'main', sentinels = 3, replicas = 1, downAfter = 1000, tls, behind } = options
  const fronts = new Map<number, number>()
  const secure = async () => {
    const port = await freePort()
    if (behind) fronts.set(port, await behind(port))
    const announced = behind ? ['--replica-announce-port', `${fronts.get(port)}`] : []
    return { port, ...(tls && { tls }), args: [...announced, ...(tls ? ['--tls-replication', 'yes'] : [])] }
  }
  /** What the sentinels know a server by. */
  const portOf = (server: RedisServer) => fronts.get(server.port) ?? (server.tlsPort || server.port)
  const first = await startRedis(await secure())
  const others = await Promise.all(
    Array.from({ length: replicas }, async () => {
      const { args, ...common } = await secure()
      const behindFirst = ['--replicaof', `127.0.0.1 ${portOf(first)}`, '--repl-diskless-sync-delay', '0']
      return startRedis({ ...common, args: [...args, ...behindFirst] })
    }),
  )
  const servers = [first, ...others]
  for (const { port } of others)
    await until(async () => (await ask(port, 'INFO', 'replication')).includes('master_link_status:up'), 'it replicates')

  const quorum = Math.floor(sentinels / 2) + 1
  const dir = temporaryDirectory('respool-sentinels')
  const ports = await Promise.all(Array.from({ length: sentinels }, freePort))
  const tlsPorts = await Promise.all(tls ? ports.map(freePort) : [])
  const children = ports.map((port, i) => {
    // A sentinel keeps its state in its configuration file.
    const file = join(dir, `${port}.conf`)
    const lines = [
      `port ${port}`,
      'bind 127.0.0.1',
      `dir ${dir}`,
      ...(tls ? [...tlsSettings(tls, tlsPorts[i]), ['tls-replication', 'yes']] : []).map((words) => words.join(' ')),
      `sentinel monitor ${service} 127.0.0.1 ${portOf(first)} ${quorum}`,
      `sentinel down-after-milliseconds ${service} ${downAfter}`,
      `sentinel failover-timeout ${service} 5000`,
    ]
    writeFileSync(file, `${lines.join('\n')}\n`)
    return new Child(process.env['REDIS_SERVER'] ?? 'redis-server', [file, '--sentinel'])
  })
  const know = async (port: number) => {
    const state = await ask(port, 'SENTINEL', 'MASTER', service)
    const figure = (name: string) => Number(new RegExp(`${name}\r\n\\$\\d+\r\n(\\d+)`).exec(state)?.[1])
    return figure('num-slaves') === replicas && figure('num-other-sentinels') === sentinels - 1
  }
  for (const port of ports) await until(() => know(port), 'the sentinels know each other', 30_000)

  const primaryPorts = () =>
    Promise.all(
      ports.map(async (port) =>
        Number((await ask(port, 'SENTINEL', 'GET-MASTER-ADDR-BY-NAME', service)).split('\r\n')[4]),
      ),
    )
  return {
    ports,
    servers,
    url: `redis${tls ? 's' : ''}+sentinel://${(tls ? tlsPorts : ports).map((port) => `127.0.0.1:${port}`).join(',')}/${service}`,
    async primary() {
      const [port] = await primaryPorts()
      return servers.find((server) => portOf(server) === port)!
    },
    async failover() {
      const [before] = await primaryPorts()
      await until(async () => (await ask(ports[0], 'SENTINEL', 'FAILOVER', service)).startsWith('+OK'), 'it begins')
      const agreed = async () => (await primaryPorts()).every((port, _, all) => port !== before && port === all[0])
      await until(agreed, 'all sentinels name another primary', 30_000)
    },
    async stop() {
      await Promise.all(children.map((child) => child.stop('SIGKILL')))
      await Promise.all(servers.map((server) => server.stop()))
      removeDirectory(dir)
    },
  }
}

async function ask(port: number, ...args: string[]): Promise<string> {
  const client = await RawClient.connect(port)
  try {
    return String(await client.call(...args))
  } finally {
    client.close()
  }
}
