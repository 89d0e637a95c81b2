/** `npm run soak`: everything at once for a long time; prints a table by the minute, and what is wrong if anything is. */
import { parseArgs } from 'node:util'
import type { Sample } from './sample.ts'
import { soak } from './soak.ts'
import { faults } from './verdict.ts'

const { values: flags } = parseArgs({
  options: { minutes: { type: 'string', default: '30' }, help: { type: 'boolean', short: 'h' } },
})

const USAGE = `Has respool work on everything at once, with reloads every 10 s and a restart of Redis every minute.

  --minutes N   how long (default 30)

Memory is sampled every 5 s, after a full garbage collection that a module loaded into the process makes (test/soak/probe.mjs). What it is in the quieter
quarter of the samples may not grow by more than 5 % from the middle third of the time to the last one, and what is open must be back to the start afterwards.`

const COLUMNS: readonly [string, (sample: Sample) => string][] = [
  ['time', ({ at }) => `${Math.floor(at / 60)}:${`${Math.floor(at % 60)}`.padStart(2, '0')}`],
  ['RSS MB', ({ rss }) => megabytes(rss)],
  ['heap MB', ({ heapUsed }) => megabytes(heapUsed)],
  ['external MB', ({ external }) => megabytes(external)],
  ['buffers MB', ({ arrayBuffers }) => megabytes(arrayBuffers)],
  ['descriptors', ({ descriptors }) => `${descriptors}`],
  ['timers', ({ timers }) => `${timers}`],
  ['handles', ({ handles }) => `${handles}`],
  ['applications', ({ connections }) => `${connections}`],
  ['kept kB', ({ buffered }) => (buffered / 1000).toFixed(0)],
]

const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1)
const line = (cells: readonly string[]) => cells.map((cell, nth) => cell.padStart(COLUMNS[nth][0].length)).join('  ')
const row = (sample: Sample) => line(COLUMNS.map(([, show]) => show(sample)))

async function main(): Promise<number> {
  if (flags.help) {
    console.log(USAGE)
    return 0
  }
  const seconds = Number(flags.minutes) * 60
  if (!(seconds >= 15)) throw new Error(`--minutes must be a number of at least 0.25: ${flags.minutes}`)
  console.log(line(COLUMNS.map(([title]) => title)))
  let next = 0
  const onSample = (sample: Sample) => {
    if (sample.at < next && sample.at + 5 <= seconds) return
    next += Math.min(60, seconds / 6)
    console.log(row(sample))
  }
  const result = await soak({ seconds, every: 5, reloads: 10, restarts: 60, onSample })
  console.log(`${row(result.before)}  before\n${row(result.after)}  after`)
  const { connections, commands, broken, wrong } = result
  console.log(
    `\n${connections} connections (${(connections / seconds).toFixed(0)} a second), ${commands} commands, ${broken} rounds broken off by restarts and garbage`,
  )
  const found = [...faults(result.before, result.during, result.after), ...wrong]
  for (const fault of found) console.error(`failed: ${fault}`)
  if (found.length === 0) console.log('Memory has not grown, and everything is back to where it was.')
  return found.length === 0 ? 0 : 1
}

process.exit(await main())
