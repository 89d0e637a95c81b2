import { CELLS, type Cell, play, type Row } from './cell.ts'
import { type Options, parseOptions, USAGE, UsageError } from './options.ts'
import { details, sum, table } from './report.ts'
import { startStage, type Topology } from './stage.ts'

const SESSIONS = { raw: 18, libraries: 2, quiet: 300 }
/** A connection that all share makes it certain which request a reply too many would be taken for. */
const ALONE = { pool: { max: 1, min: 1 } }

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2))
  if (!options) console.log(USAGE)
  if (options?.isList) console.log(CELLS.map(({ name, topologies }) => `${name} (${topologies.join(', ')})`).join('\n'))
  if (!options || options.isList) return 0
  const began = performance.now()
  const rows: Row[] = []
  let broken = 0
  for (const topology of options.topologies) {
    for (const isAlone of [false, true]) {
      // What went wrong here says nothing of the other topologies.
      await playAll(topology, isAlone, options, rows).catch((error: unknown) => {
        broken++
        console.error(`${topology}:`, error)
      })
    }
  }
  console.log(
    `${table(rows)}\n\n${sum(rows)}; ${Math.round((performance.now() - began) / 1000)} s, seed ${options.seed}`,
  )
  return broken > 0 || rows.some(({ texts }) => texts.length > 0) ? 1 : 0
}

/** All faults of one topology, one after the other, with the same servers and the same proxy. */
async function playAll(topology: Topology, isAlone: boolean, options: Options, rows: Row[]): Promise<void> {
  const fits = (cell: Cell) => cell.topologies.includes(topology) && cell.isAlone === isAlone
  const cells = options.cells.filter(fits)
  if (cells.length === 0) return
  const { commands, seed } = options
  const stage = await startStage(topology, seed, isAlone ? ALONE : {})
  try {
    for (const cell of cells) {
      const row = await play(stage, cell, { ...SESSIONS, commands, seed: seed + rows.length })
      rows.push(row)
      console.error(table([row]).split('\n')[1])
      for (const line of row.texts.length > 0 || options.isVerbose ? details(row) : []) console.error(line)
      if (row.texts.length > 0) console.error(stage.respool.output().slice(-4000))
    }
  } finally {
    await stage.stop()
  }
}

try {
  // The exit ends every process started here, and so does Ctrl-C.
  process.exit(await main())
} catch (error) {
  if (!(error instanceof UsageError)) throw error
  console.error(`${error.message}\nTry --help.`)
  process.exit(2)
}
