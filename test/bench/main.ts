import { writeFileSync } from 'node:fs'
import { startCluster } from '../helpers/cluster.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startContenders, type Contender } from './contenders.ts'
import { describeMachine, pin, versionOf } from './machine.ts'
import { fill, fillThrough } from './measure.ts'
import { parseOptions, USAGE, UsageError, type Options } from './options.ts'
import { disturbance, failures, jsonReport, markdownReport, textReport } from './report.ts'
import { runRounds } from './rounds.ts'

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2))
  if (!options) {
    console.log(USAGE)
    return 0
  }
  const redis = await startRedis(options.redisPort ? { port: options.redisPort } : {})
  const cluster = options.cluster === 0 ? null : await startCluster({ primaries: options.cluster, nodeTimeout: 15_000 })
  const nodes = cluster?.primaries.map(({ server }) => server) ?? []
  const { contenders, missing } = await startContenders(options, redis, nodes)
  const { pinning } = options
  if (pinning) {
    for (const { pid } of [redis, ...nodes]) pin(pid, pinning.redis)
    for (const { pid } of contenders) if (pid !== undefined) pin(pid, pinning.proxy)
  }
  await fill(redis.port, options.keyspace, options.valueBytes)
  const [first] = contenders.filter(({ servers }) => servers === nodes)
  if (first !== undefined) await fillThrough(first.port, options.keyspace, options.valueBytes)

  const head = describe(options, contenders, redis)
  console.log([...head, ...missing.map((line) => `missing: ${line}`), ''].join('\n'))
  const series = await runRounds(contenders, options, (progress) => console.error(progress))
  console.log(options.markdown ? markdownReport(series) : textReport(series))
  console.log(`\n${disturbance(series)}`)
  if (options.json) writeFileSync(options.json, jsonReport({ head, missing, options }, series))
  const failed = failures(series)
  for (const failure of failed) console.error(`\nfailed: ${failure}`)
  return failed.length > 0 ? 1 : 0
}

function describe(options: Options, contenders: Contender[], redis: RedisServer): string[] {
  const size = options.requests ? `${options.requests} commands` : `${options.seconds} s`
  const { pinning } = options
  const where = pinning
    ? `proxies on CPU ${pinning.proxy}, Redis on ${pinning.redis}, load on ${pinning.load}`
    : 'nothing pinned'
  return [
    new Date().toISOString(),
    describeMachine(),
    `${versionOf('redis-benchmark', '--version')}, one thread; Redis on port ${redis.port} without persistence; ${where}`,
    `median of ${options.rounds} interleaved rounds of ${size} each, after a warm-up of every cell; ` +
      `${options.keyspace} keys, values of ${options.valueBytes} bytes`,
    'cells: connections × pipeline; latency: of a whole pipeline; CPU: opening and closing connections included',
    ...contenders.map(({ name, about }) => `${name}: ${about}`),
  ]
}

try {
  // The exit ends every process started here, and so does Ctrl-C.
  process.exit(await main())
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  console.error(`${error.message}\nTry --help.`)
  process.exit(2)
}
