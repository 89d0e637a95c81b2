import { setTimeout as sleep } from 'node:timers/promises'
import type { RedisServer } from '../helpers/redis.ts'
import { RawClient } from '../helpers/raw.ts'
import type { Contender } from './contenders.ts'
import { cpuBetween, readCpu } from './cpu.ts'
import { foreignShare, QUIET, readMachine, waitForQuiet } from './disturbance.ts'
import { runLoad, type Load } from './load.ts'

/** What is measured of a contender. */
export type Target = Pick<Contender, 'host' | 'port' | 'pid'>

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
export async function measureQuietly(
  target: Target,
  redis: RedisServer,
  load: Load,
  patience: Patience,
  cpus?: string,
): Promise<Sample> {
  let best = await measure(target, redis, load, cpus)
  for (let attempt = 1; attempt < ATTEMPTS && best.foreign > QUIET && patience.left > 0; attempt++) {
    const started = performance.now()
    await waitForQuiet(Math.min(patience.left, LONGEST_WAIT_MS))
    const next = await measure(target, redis, load, cpus)
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

/** Puts one load on one target. Fails when commands do not get to this Redis: then it measured something else. */
export async function measure(target: Target, redis: RedisServer, load: Load, cpus?: string): Promise<Sample> {
  const arrivedBefore = await commandsProcessed(redis.port)
  const pids = target.pid === undefined ? [redis.pid] : [redis.pid, target.pid]
  const machineBefore = readMachine()
  const before = pids.map(readCpu)
  const result = await runLoad(target.host, target.port, load, cpus)
  // The generator is gone, its connections are not yet.
  await sleep(SETTLE_MS)
  const after = pids.map(readCpu)
  const ticks = after.reduce((sum, reading, at) => sum + reading.ticks - before[at].ticks, 0)
  const foreign = foreignShare(machineBefore, readMachine(), ticks)
  const [redisCpu, proxyCpu] = after.map((reading, at) => cpuBetween(before[at], reading) / 1000 / load.requests)
  const arrived = (await commandsProcessed(redis.port)) - arrivedBefore
  if (arrived < load.requests) throw new Error(`only ${arrived} of ${load.requests} commands reached Redis`)
  return { ...result, proxyCpu, redisCpu, foreign }
}

const SETTLE_MS = 30

async function commandsProcessed(port: number): Promise<number> {
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

const FILL = `for i = 0, ARGV[1] - 1 do redis.call('SET', string.format('key:%012d', i), ARGV[2]) end
return redis.call('DBSIZE')`
