import type { Contender } from './contenders.ts'
import { requestsFor, type Load } from './load.ts'
import { measure, measureQuietly, type Sample } from './measure.ts'
import type { Cell, Operation, Options } from './options.ts'

/** All samples of one contender in one cell. */
export interface Series {
  readonly contender: string
  readonly cell: Cell
  readonly operation: Operation
  /** Commands in each sample; set by the warm-up. */
  requests: number
  readonly samples: Sample[]
  /** Why there are no further samples. */
  failure: string | undefined
}

/**
 * Warms every contender up in every cell, then measures in rounds: each round goes once through all cells, and in each
 * cell through all contenders, so that a slow minute of the machine strikes all of them alike.
 */
export async function runRounds(
  contenders: Contender[],
  options: Options,
  say: (progress: string) => void,
): Promise<Series[]> {
  const started = performance.now()
  const expired = () => performance.now() - started > options.limit * 1000
  const patience = { left: options.patience * 1000 }
  const groups = groupsOf(contenders, options)
  const each = async (round: number, run: (contender: Contender, series: Series) => Promise<void>) => {
    for (const [at, group] of groups.entries()) {
      for (const series of rotate(group, round + at)) {
        const contender = contenders.find(({ name }) => name === series.contender)
        if (!contender || series.failure !== undefined) continue
        if (expired()) series.failure = `stopped after ${options.limit} s`
        else await attempt(contender, series, run)
      }
    }
  }
  say('warm-up')
  await each(0, (contender, series) => warmUp(contender, series, options))
  for (let round = 1; round <= options.rounds; round++) {
    say(`round ${round} of ${options.rounds}`)
    await each(round, async (contender, series) => {
      const load = loadOf(series, options)
      series.samples.push(await measureQuietly(contender, load, patience, options.pinning?.load))
    })
  }
  return groups.flat()
}

async function attempt(
  contender: Contender,
  series: Series,
  run: (contender: Contender, series: Series) => Promise<void>,
): Promise<void> {
  try {
    await run(contender, series)
  } catch (error) {
    const why = contender.ended() ? 'its process has ended' : error instanceof Error ? error.message : String(error)
    series.failure = [why, contender.log().trim().split('\n').slice(-5).join('\n')].join('\n').trim()
  }
}

/** One group for each cell and operation, with a series for each contender. */
function groupsOf(contenders: Contender[], options: Options): Series[][] {
  return options.cells.flatMap((cell) =>
    options.operations.map((operation) =>
      contenders.map(({ name }) => ({
        contender: name,
        cell,
        operation,
        requests: 0,
        samples: [],
        failure: undefined,
      })),
    ),
  )
}

/** Loads the contender for half the time of a measurement at least, and learns how many commands fill a whole one. */
async function warmUp(contender: Contender, series: Series, options: Options): Promise<void> {
  const part = options.seconds / 4
  let best = 0
  let spent = 0
  while (spent < 2 * part) {
    series.requests = requestsFor(part, best || FIRST_GUESS, series.cell)
    const { throughput } = await measure(contender, loadOf(series, options), options.pinning?.load)
    spent += series.requests / throughput
    // A short run says too little: opening the connections is a large share of it.
    best = Math.max(best, throughput)
  }
  series.requests = options.requests ?? requestsFor(options.seconds, best, series.cell)
}

/** Commands a second; low, so that the first load is short on a slow contender too. */
const FIRST_GUESS = 20_000

function loadOf(series: Series, options: Options): Load {
  const { keyspace, valueBytes } = options
  return { ...series.cell, operation: series.operation, requests: series.requests, keyspace, valueBytes }
}

/** The same ring, begun further on. */
export function rotate<T>(items: readonly T[], by: number): T[] {
  const start = by % items.length
  return [...items.slice(start), ...items.slice(0, start)]
}
