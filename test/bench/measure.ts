import { setTimeout as sleep } from 'node:timers/promises'
import { encode, RawClient } from '../helpers/raw.ts'
import type { Contender } from './contenders.ts'
import { cpuBetween, readCpu } from './cpu.ts'
import { foreignShare, QUIET, readMachine, waitForQuiet } from './disturbance.ts'
import { runLoad, type Load } from './load.ts'

/** What is measured of a contender. */
export type Target = Pick<Contender, 'host' | 'port' | 'pid' | 'servers' | 'answers'>

/** One measurement. CPU is in microseconds per command. */
export interface Sample {
  /** Commands a second. */
  readonly throughput: number
  /** Milliseconds, of a whole pipeline. */
  readonly p50: number
  readonly p99: number
  /** Undefined for the direct connection. */
  readonly proxyCpu: number | undefined
  readonly redisCpu: number
  /** Share of the machine's CPU time that other programs took meanwhile. */
  readonly foreign: number
}

/**
 * Measures again, at a quieter moment, when other programs disturbed; gives the least disturbed sample.
 * Waiting and measuring anew use up patience, and without patience one sample is enough.
 */
export async function measureQuietly(target: Target, load: Load, patience: Patience, cpus?: string): Promise<Sample> {
  let best = await measure(target, load, cpus)
  for (let attempt = 1; attempt < ATTEMPTS && best.foreign > QUIET && patience.left > 0; attempt++) {
    const started = performance.now()
    await waitForQuiet(Math.min(patience.left, LONGEST_WAIT_MS))
    const next = await measure(target, load, cpus)
    if (next.foreign < best.foreign) best = next
    patience.left -= performance.now() - started
  }
  return best
}

/** Milliseconds left for waiting, in the whole run. */
export interface Patience {
  left: number
}

const ATTEMPTS = 3
const LONGEST_WAIT_MS = 10_000

/** Puts one load on one target. Fails when commands do not get to its servers: then it measured something else. */
export async function measure(target: Target, load: Load, cpus?: string): Promise<Sample> {
  const { servers, pid } = target
  const arrivedBefore = await commandsProcessed(servers)
  const pids = [...servers.map((server) => server.pid), ...(pid === undefined ? [] : [pid])]
  const machineBefore = readMachine()
  const before = pids.map(readCpu)
  const result = await runLoad(target.host, target.port, load, cpus)
  // The generator is gone, its connections are not yet.
  await sleep(SETTLE_MS)
  const after = pids.map(readCpu)
  const ticks = after.reduce((sum, reading, at) => sum + reading.ticks - before[at].ticks, 0)
  const foreign = foreignShare(machineBefore, readMachine(), ticks)
  const costs = after.map((reading, at) => cpuBetween(before[at], reading) / 1000 / load.requests)
  const redisCpu = costs.slice(0, servers.length).reduce((sum, cost) => sum + cost, 0)
  const proxyCpu = costs.at(servers.length)
  const arrived = (await commandsProcessed(servers)) - arrivedBefore
  if (arrived < load.requests && target.answers !== true)
    throw new Error(`only ${arrived} of ${load.requests} commands reached Redis`)
  return { ...result, proxyCpu, redisCpu, foreign }
}

const SETTLE_MS = 30

async function commandsProcessed(servers: Target['servers']): Promise<number> {
  const counts = await Promise.all(servers.map(({ port }) => processedBy(port)))
  return counts.reduce((sum, count) => sum + count, 0)
}

async function processedBy(port: number): Promise<number> {
  const client = await RawClient.connect(port)
  try {
    const info = (await client.call('INFO', 'stats')).toString()
    return Number(/^total_commands_processed:(\d+)/m.exec(info)?.[1])
  } finally {
    client.close()
  }
}

/** Sets every key that redis-benchmark may ask for, so that each GET finds a value. */
export async function fill(port: number, keyspace: number, valueBytes: number): Promise<void> {
  const client = await RawClient.connect(port)
  try {
    const reply = await client.call('EVAL', FILL, '0', keyspace, 'x'.repeat(valueBytes))
    if (reply.toString() !== `:${keyspace}\r\n`) throw new Error(`filling the keyspace: ${reply.toString()}`)
  } finally {
    client.close()
  }
}

/** The same through something that finds each key's server. */
export async function fillThrough(port: number, keyspace: number, valueBytes: number): Promise<void> {
  const client = await RawClient.connect(port)
  const value = 'x'.repeat(valueBytes)
  try {
    for (let first = 0; first < keyspace; first += FILL_BATCH) {
      const count = Math.min(FILL_BATCH, keyspace - first)
      const sets = Array.from({ length: count }, (_, i) =>
        encode(['SET', `key:${`${first + i}`.padStart(12, '0')}`, value]),
      )
      client.send(Buffer.concat(sets))
      for (let i = 0; i < count; i++) {
        const reply = (await client.frame()).toString()
        if (reply !== '+OK\r\n') throw new Error(`filling the keyspace: ${reply}`)
      }
    }
  } finally {
    client.close()
  }
}

const FILL_BATCH = 1000

const FILL = `for i = 0, ARGV[1] - 1 do redis.call('SET', string.format('key:%012d', i), ARGV[2]) end
return redis.call('DBSIZE')`
