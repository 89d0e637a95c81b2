import { setTimeout as sleep } from 'node:timers/promises'
import { ShardLoad } from '../scenarios/shard-load.ts'
import { until } from '../helpers/waiting.ts'
import { Asking } from './asking.ts'
import type { Finding, Kind } from './findings.ts'
import { Load } from './load.ts'
import { NETWORK_FAULTS } from './network-faults.ts'
import { PROCESS_FAULTS } from './process-faults.ts'
import type { NetworkFault, Relay, Side } from './relay.ts'
import { callPort, type Stage, type Topology } from './stage.ts'

/** One fault, as it can happen to one topology. */
export interface Cell {
  readonly name: string
  readonly topologies: readonly Topology[]
  readonly isLossy: boolean
  readonly isAlone: boolean
  readonly lasts: number
  readonly felt?: RegExp
  readonly begin: (stage: Stage) => Promise<() => Promise<void>>
}

export interface Row {
  readonly topology: Topology
  readonly fault: string
  readonly checked: number
  readonly errors: number
  readonly unknown: number
  readonly reconnected: number
  readonly forgiven: number
  readonly counts: Readonly<Record<Kind, number>>
  /** ms from the end of the fault until every session had a good reply. */
  readonly recovery: number
  readonly texts: readonly string[]
  readonly errorTexts: ReadonlyMap<string, number>
}

export interface Size {
  /** Replies to be checked, at least. */
  readonly commands: number
  readonly raw: number
  readonly libraries: number
  readonly seed: number
  /** ms before the fault, and after it. */
  readonly quiet: number
  /** ms that a fault lasts at most. */
  readonly lasts?: number
}

const ALL: readonly Topology[] = ['standalone', 'cluster', 'sentinel']
const RECOVERY_LIMIT = 20_000
const POISON_LIMIT = 3000

export const CELLS: readonly Cell[] = [
  {
    name: 'none',
    topologies: ALL,
    isLossy: false,
    isAlone: false,
    lasts: 500,
    begin: () => Promise.resolve(() => Promise.resolve()),
  },
  ...NETWORK_FAULTS.flatMap((fault) => fault.sides.map((side) => networkCell(fault, side))),
  ...PROCESS_FAULTS.map(({ name, on, isLossy = false, lasts = 1500, felt, begin }) => ({
    ...{ name, topologies: on, isLossy, isAlone: false, lasts },
    ...(felt && { felt }),
    begin,
  })),
]

function networkCell(fault: NetworkFault, side: Side): Cell {
  return {
    name: `${fault.name}, ${side} side`,
    topologies: ALL,
    isLossy: false,
    isAlone: fault.isAlone ?? false,
    lasts: 2500,
    begin: (stage) => {
      const relays = side === 'application' ? [stage.front] : stage.backs
      const before = happened(relays)
      for (const relay of relays) relay.begin(fault)
      return Promise.resolve(() => {
        for (const relay of relays) relay.end()
        if (happened(relays) === before) throw new Error(`nothing happened: ${fault.name}`)
        return Promise.resolve()
      })
    },
  }
}

const happened = (relays: readonly Relay[]) => relays.reduce((sum, relay) => sum + relay.happened, 0)

/** Lets a fault happen under load, and judges what applications saw of it. */
export async function play(stage: Stage, cell: Cell, size: Size): Promise<Row> {
  const { topology, front } = stage
  for (const { port } of await stage.primaries()) await callPort(port, 'FLUSHALL')
  const name = `${topology}:${cell.name.replaceAll(/[ ,]+/g, '-')}`
  const crowd = cell.isAlone ? { raw: 1, libraries: 0, depth: 1 } : { raw: size.raw, libraries: size.libraries }
  const load = new Load({ name, port: front.port, seed: size.seed, ...crowd })
  const asking = new Asking(stage)
  const { findings, tally } = load.common
  try {
    await until(() => load.slowest > 0, 'all sessions are answered', RECOVERY_LIMIT)
    await sleep(size.quiet)
    if (cell.isLossy) load.beginLosses()
    const replicated = cell.isLossy ? await ShardLoad.start(stage.respool.port, name, () => true, 4) : null
    const undo = await cell.begin(stage)
    await sleep(Math.min(cell.lasts, size.lasts ?? Infinity))
    await undo()
    const over = performance.now()
    const hasRecovered = until(() => load.slowest > over, 'all sessions are answered again', RECOVERY_LIMIT)
    await hasRecovered.catch((error: Error) => findings.add('lost', error.message))
    const recovery = performance.now() - over
    if (replicated) findings.addAll(await judgeReplicated(replicated, stage))
    if (cell.isLossy) load.endLosses()
    const poisoned = () => [front, ...stage.backs].some(({ links }) => [...links].some((link) => link.isPoisoned))
    const isClean = until(
      () => !poisoned(),
      'no connection is used any more that brought what is no reply',
      POISON_LIMIT,
    )
    await isClean.catch((error: Error) => findings.add('crossed', error.message))
    await sleep(size.quiet)
    const enough = cell.isAlone ? Math.min(size.commands, 2000) : size.commands
    await until(() => tally.checked >= enough, `${enough} replies are checked`, 120_000)
    await load.finish(asking.ask)
    if (cell.felt && ![...tally.errorTexts.keys()].some((text) => cell.felt!.test(text)))
      throw new Error(`nobody felt it: ${cell.name}`)
    return { topology, fault: cell.name, ...tally, ...counted(load), recovery }
  } finally {
    load.abandon()
    asking.close()
  }
}

/** Whatever happens to a primary: what a replica has confirmed must not be lost. */
async function judgeReplicated(replicated: ShardLoad, { respool }: Stage): Promise<Finding[]> {
  await replicated.stop()
  const wrong = replicated.wrong.map((text): Finding => ({ kind: 'crossed', text }))
  const missing = await replicated.missing(respool.port).then(
    () => [],
    (error: Error): Finding[] => [{ kind: 'lost', text: error.message }],
  )
  return [...wrong, ...missing]
}

function counted({ common: { findings }, reconnected }: Load) {
  const { counts, texts, forgiven } = findings
  return { counts, texts, forgiven, reconnected }
}
