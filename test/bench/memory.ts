/**
 * What silent connections cost: opens many to respool, and prints resident memory per connection and how many
 * connections the server sees because of them.
 */
import { existsSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { freePort } from '../helpers/ports.ts'
import { Child } from '../helpers/processes.ts'
import { encode, RawClient } from '../helpers/raw.ts'
import { startRedis } from '../helpers/redis.ts'
import { residentBytes } from '../helpers/respool.ts'
import { raiseFileLimit } from './machine.ts'
import { DEFAULT_ENTRY } from './options.ts'

const { values: flags } = parseArgs({
  options: {
    connections: { type: 'string', default: '10000' },
    ping: { type: 'boolean', default: false },
    entry: { type: 'string', default: DEFAULT_ENTRY },
    node: { type: 'string', default: process.execPath },
    help: { type: 'boolean' },
  },
})

const USAGE = `Memory of silent connections to respool.

  --connections 10000    how many
  --ping                 let each say PING once before it falls silent
  --entry PATH           dist/main.js of the build to measure (default: this checkout's)
  --node PATH            node binary that runs it`

/** Well below the number of ephemeral ports that one address has for one destination. */
const PER_ADDRESS = 10_000
/** Opened at once; below the usual limit of connections waiting to be accepted. */
const BATCH = 100
/** Sockets aside, files that a process needs. */
const SPARE_FILES = 200

interface Figures {
  readonly rss: number
  readonly upstream: number
}

async function memory(): Promise<void> {
  const count = Number(flags.connections)
  const redis = await startRedis()
  const port = await freePort()
  const proxy = [flags.entry, '--listen', `127.0.0.1:${port}`, '--admin', 'off', '--upstream', redis.url]
  const child = new Child(flags.node, proxy)
  for (const pid of [process.pid, child.pid]) raiseFileLimit(pid, count + SPARE_FILES)
  await child.ready(() => accepts(port), `respool accepts on port ${port}`)

  const figures = async (): Promise<Figures> => ({
    rss: await settledRss(child.pid),
    upstream: await connectedClients(redis.port),
  })
  const before = await figures()
  const sockets = await openAll(port, count)
  await answersPing(port)
  const after = await figures()
  const dead = sockets.filter((socket) => socket.destroyed).length
  if (dead > 0) throw new Error(`${dead} of ${count} connections were closed: ${child.output().slice(-2000)}`)

  const perConnection = (after.rss - before.rss) / count
  console.log(`${count} connections${flags.ping ? ', one PING each' : ', silent'}`)
  console.log(`resident memory: ${mb(before.rss)} before, ${mb(after.rss)} with them`)
  console.log(`per connection: ${perConnection.toFixed(0)} bytes`)
  console.log(`connections the server sees: ${before.upstream} before, ${after.upstream} with them`)
}

async function openAll(port: number, count: number): Promise<Socket[]> {
  const sockets: Socket[] = []
  while (sockets.length < count) {
    const batch = Array.from({ length: Math.min(BATCH, count - sockets.length) }, (_, at) => {
      const address = 1 + Math.floor((sockets.length + at) / PER_ADDRESS)
      return open(port, `127.0.0.${address}`)
    })
    sockets.push(...(await Promise.all(batch)))
  }
  return sockets
}

function open(port: number, localAddress: string): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, localAddress })
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.once('connect', () => {
      if (!flags.ping) resolve(socket)
      else socket.once('data', () => resolve(socket)).write(PING)
    })
  })
}

const PING = encode(['PING'])

async function accepts(port: number): Promise<boolean> {
  const client = await RawClient.connect(port)
  client.close()
  return true
}

/** Connections are accepted in order: when the last one has its answer, all before it are accepted too. */
async function answersPing(port: number): Promise<void> {
  const client = await RawClient.connect(port)
  try {
    await client.call('PING')
  } finally {
    client.close()
  }
}

/** Waits until memory has stopped changing for a second, for 15 s at most; the collector tidies up late. */
async function settledRss(pid: number): Promise<number> {
  let rss = residentBytes(pid)
  for (let second = 0; second < 15; second++) {
    await sleep(1000)
    const now = residentBytes(pid)
    if (Math.abs(now - rss) < 64 * 1024) return now
    rss = now
  }
  return rss
}

/** Connections that the server has, without the one that asks. */
async function connectedClients(port: number): Promise<number> {
  const client = await RawClient.connect(port)
  try {
    const info = (await client.call('INFO', 'clients')).toString()
    return Number(/^connected_clients:(\d+)/m.exec(info)?.[1]) - 1
  } finally {
    client.close()
  }
}

function mb(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}

if (flags.help) {
  console.log(USAGE)
} else if (!existsSync(flags.entry)) {
  console.error(`no ${flags.entry}; "npm run build" makes it`)
  process.exitCode = 2
} else {
  await memory()
  // The exit ends every process started here.
  process.exit()
}
