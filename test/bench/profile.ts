/**
 * Where respool spends its time: starts Redis and a build of respool under V8's sampling profiler, puts one load on
 * it, and prints the functions with the most self time.
 */
import { copyFileSync, existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { freePort } from '../helpers/ports.ts'
import { Child, temporaryDirectory } from '../helpers/processes.ts'
import { startRedis } from '../helpers/redis.ts'
import { answersGet } from './contenders.ts'
import { selfTimes, type CpuProfile, type SelfTime } from './cpuprofile.ts'
import { requestsFor } from './load.ts'
import { fill, measure } from './measure.ts'
import { DEFAULT_ENTRY, parseCells, parseOperations } from './options.ts'

const KEYSPACE = 100_000
const VALUE_BYTES = 16
const SAMPLE_EVERY_US = 200

const { values: flags } = parseArgs({
  options: {
    cell: { type: 'string', default: '50x16' },
    op: { type: 'string', default: 'GET' },
    seconds: { type: 'string', default: '5' },
    top: { type: 'string', default: '30' },
    entry: { type: 'string', default: DEFAULT_ENTRY },
    node: { type: 'string', default: process.execPath },
    keep: { type: 'string' },
    help: { type: 'boolean' },
  },
})

const USAGE = `Profiles respool under one load.

  --cell 50x16    connections x pipeline
  --op GET        GET or SET
  --seconds 5     length of the load
  --top 30        functions to print
  --entry PATH    dist/main.js of the build to profile (default: this checkout's)
  --node PATH     node binary that runs it
  --keep FILE     keep the .cpuprofile, for a viewer such as Chrome's developer tools`

async function profile(): Promise<void> {
  const [cell] = parseCells(flags.cell)
  const [operation] = parseOperations(flags.op)
  const redis = await startRedis()
  await fill(redis.port, KEYSPACE, VALUE_BYTES)
  const dir = temporaryDirectory('respool-profile')
  const port = await freePort()
  const profiler = ['--cpu-prof', '--cpu-prof-dir', dir, '--cpu-prof-interval', `${SAMPLE_EVERY_US}`]
  const proxy = [flags.entry, '--listen', `127.0.0.1:${port}`, '--admin', 'off', '--upstream', redis.url]
  const child = new Child(flags.node, [...profiler, ...proxy])
  await child.ready(() => answersGet(port), `respool on port ${port} answers GET`)

  const contender = { host: '127.0.0.1', port, pid: child.pid, servers: [redis] }
  const load = { ...cell, operation, keyspace: KEYSPACE, valueBytes: VALUE_BYTES }
  const first = await measure(contender, { ...load, requests: requestsFor(1, 20_000, cell) })
  const requests = requestsFor(Number(flags.seconds), first.throughput, cell)
  const from = monotonicNow()
  const sample = await measure(contender, { ...load, requests })
  const span = { from, to: monotonicNow() }
  console.log(
    `${operation}, ${flags.cell}, ${requests} commands: ${sample.throughput.toFixed(0)} commands/s, ` +
      `${sample.proxyCpu?.toFixed(2)} µs of CPU per command in respool under the profiler`,
  )
  // The profile is written when the process ends by itself.
  await child.stop('SIGTERM')
  print(selfTimes(readProfiles(dir), span))
}

function readProfiles(dir: string): CpuProfile[] {
  const files = readdirSync(dir).filter((name) => name.endsWith('.cpuprofile'))
  if (files.length === 0) throw new Error('respool ended without a profile: it must exit by itself on SIGTERM')
  if (flags.keep) copyFileSync(join(dir, files[0]), flags.keep)
  return files.map((name) => JSON.parse(readFileSync(join(dir, name), 'utf8')) as CpuProfile)
}

function monotonicNow(): number {
  return Number(process.hrtime.bigint() / 1000n)
}

/** Shares are of the time not idle. */
function print(times: SelfTime[]): void {
  const all = times.filter(({ where }) => where !== '(idle)')
  const total = all.reduce((sum, { microseconds }) => sum + microseconds, 0)
  console.log('  self ms      %  function')
  for (const { where, microseconds } of all.slice(0, Number(flags.top))) {
    const share = ((100 * microseconds) / total).toFixed(1)
    console.log(`${(microseconds / 1000).toFixed(1).padStart(9)}  ${share.padStart(5)}  ${where}`)
  }
}

if (flags.help) {
  console.log(USAGE)
} else if (!existsSync(flags.entry)) {
  console.error(`no ${flags.entry}; "npm run build" makes it`)
  process.exitCode = 2
} else {
  await profile()
  // The exit ends every process started here.
  process.exit()
}
