/** `npm run bench:latency`: latency at fixed rates, and of one application while another one is greedy; respool beside others in the same run. */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { RawClient } from '../helpers/raw.ts'
import { startRedis } from '../helpers/redis.ts'
import { DIRECT, REFERENCE, startContenders, type Contender } from './contenders.ts'
import { LARGE_KEY, type Latencies, type Neighbour, openLoop, startNeighbour } from './generators.ts'
import { describeMachine } from './machine.ts'
import { fill } from './measure.ts'
import { parseOptions } from './options.ts'
import { rotate } from './rounds.ts'
import { median } from './statistics.ts'

const { values: flags } = parseArgs({
  options: {
    rate: { type: 'string', default: '10000,20000' },
    isolation: { type: 'boolean', default: false },
    'isolation-rate': { type: 'string', default: '2000' },
    every: { type: 'string', default: '100' },
    connections: { type: 'string', default: '50' },
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '5' },
    only: { type: 'string', default: `respool,${REFERENCE}` },
    'respool-entry': { type: 'string', multiple: true },
    help: { type: 'boolean', short: 'h' },
  },
})

const USAGE = `Latency of GETs of 16 bytes that are sent at a fixed rate, whatever becomes of them, each from the moment when it was due.

  --rate 10000,20000     commands a second
  --isolation            instead: alone, beside an application that reads values of 10 MB, and beside one that pipelines 100,000 commands
  --isolation-rate 2000  commands a second then
  --every 100            least time from one large value, or pipeline, to the next, ms; with 0 this measures how the machine shares its processors
  --connections 50       over so many connections (with --isolation 10)
  --seconds 5            length of one measurement
  --rounds 5             measurements of each, of which the median is shown
  --only A,B             these besides direct (default respool,${REFERENCE})
  --respool-entry [NAME=]PATH   a dist/main.js to measure; repeatable`

const KEYSPACE = 100_000
const VALUE_BYTES = 16
const LARGE = { bytes: 10_000_000, commands: 100_000 }

/** What is measured of each contender. */
interface Setting {
  readonly title: string
  readonly rate: number
  readonly connections: number
  readonly neighbour: Neighbour['kind'] | null
}

const QUANTILES = ['p50', 'p99', 'p999'] as const
type Medians = Record<(typeof QUANTILES)[number], number>

function settings(): Setting[] {
  const connections = Number(flags.connections)
  if (!flags.isolation)
    return flags.rate
      .split(',')
      .map((rate) => ({ title: `${rate}/s`, rate: Number(rate), connections, neighbour: null }))
  const rate = Number(flags['isolation-rate'])
  const kinds: [string, Setting['neighbour']][] = [
    ['alone', null],
    ['beside values of 10 MB', 'large'],
    ['beside pipelines of 100,000', 'pipeline'],
  ]
  return kinds.map(([title, neighbour]) => ({ title, rate, connections: 10, neighbour }))
}

async function measure({ host, port }: Contender, { rate, connections, neighbour }: Setting): Promise<Latencies> {
  const greedy =
    neighbour === null ? null : startNeighbour({ host, port, kind: neighbour, ...LARGE, every: Number(flags.every) })
  try {
    if (greedy !== null) await sleep(700)
    const seconds = Number(flags.seconds)
    const found = await openLoop({
      host,
      port,
      rate,
      seconds,
      connections,
      keyspace: KEYSPACE,
      valueBytes: VALUE_BYTES,
    })
    if (greedy?.alive === false) throw new Error(`the neighbour has ended: ${greedy.output()}`)
    return found
  } finally {
    greedy?.signal('SIGKILL')
  }
}

async function main(): Promise<number> {
  if (flags.help) {
    console.log(USAGE)
    return 0
  }
  const redis = await startRedis()
  const given = (flags['respool-entry'] ?? []).flatMap((entry) => ['--respool-entry', entry])
  const options = parseOptions(['--only', flags.only, '--cluster', '0', ...given])!
  const { contenders } = await startContenders(options, redis, [])
  await fill(redis.port, KEYSPACE, VALUE_BYTES)
  const client = await RawClient.connect(redis.port)
  await client.call('SET', LARGE_KEY, Buffer.alloc(LARGE.bytes, 'x'))
  client.close()

  console.log(
    [new Date().toISOString(), describeMachine(), ...contenders.map(({ name, about }) => `${name}: ${about}`)].join(
      '\n',
    ),
  )
  console.log(
    `median of ${flags.rounds} interleaved rounds of ${flags.seconds} s; milliseconds from the moment when a command was due`,
  )
  const samples = new Map<string, Latencies[]>()
  for (let round = 0; round < Number(flags.rounds); round++) {
    for (const setting of settings()) {
      for (const contender of rotate(contenders, round)) {
        const key = `${setting.title} ${contender.name}`
        samples.set(key, [...(samples.get(key) ?? []), await measure(contender, setting)])
      }
    }
    console.error(`round ${round + 1} of ${flags.rounds}`)
  }
  const middle = (setting: Setting, { name }: Contender): Medians => {
    const all = samples.get(`${setting.title} ${name}`)!
    return Object.fromEntries(QUANTILES.map((key) => [key, median(all.map((one) => one[key]))!])) as Medians
  }
  const alone = settings()[0]
  for (const setting of settings()) {
    console.log(`\n${setting.title}${flags.isolation ? `, at ${setting.rate}/s` : ''}`)
    for (const contender of contenders) {
      const found = middle(setting, contender)
      const figures = QUANTILES.map((key) => `${key} ${found[key].toFixed(3)}`)
      const notes = flags.isolation ? timesAlone(found, middle(alone, contender)) : added(setting, contender)
      console.log(`  ${contender.name.padEnd(12)} ${figures.join('  ')}  ${notes}`)
    }
  }
  return 0

  /** What it adds to a direct connection, and how many times as much as the reference does. */
  function added(setting: Setting, contender: Contender): string {
    const [direct] = contenders
    if (contender.name === DIRECT) return ''
    const base = middle(setting, direct)
    const reference = contenders.find(({ name }) => name === REFERENCE)
    return QUANTILES.map((key) => {
      const more = middle(setting, contender)[key] - base[key]
      const others = reference === undefined ? NaN : middle(setting, reference)[key] - base[key]
      const ratio = contender === reference || Number.isNaN(others) ? '' : ` (× ${(more / others).toFixed(2)})`
      return `${key} +${more.toFixed(3)}${ratio}`
    }).join('  ')
  }
}

const timesAlone = (found: Medians, alone: Medians) =>
  QUANTILES.map((key) => `${key} × ${(found[key] / alone[key]).toFixed(2)}`).join('  ')

process.exit(await main())
