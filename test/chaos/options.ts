import { parseArgs } from 'node:util'
import { CELLS, type Cell } from './cell.ts'
import { TOPOLOGIES, type Topology } from './stage.ts'

export const USAGE = `npm run chaos -- [--commands N] [--only TEXT[,TEXT…]] [--topology NAME[,NAME…]] [--seed N] [--list] [--verbose]

Breaks what is around respool, one fault after the other, while sessions check every reply that they get.
Exits with 1 if a reply was crossed, lost, doubled or reordered, or if somebody was not served again.

  --commands N    replies to be checked for each fault, at least (120000)
  --only TEXT     only faults whose name contains the text
  --topology NAME standalone, cluster or sentinel
  --seed N        of the load and of the faults (1)
  --verbose       tells the errors that applications got
  --list          only names the faults`

export interface Options {
  readonly commands: number
  readonly cells: readonly Cell[]
  readonly topologies: readonly Topology[]
  readonly seed: number
  readonly isVerbose: boolean
  readonly isList: boolean
}

export class UsageError extends Error {}

export function parseOptions(args: string[]): Options | null {
  const { values } = parse(args)
  if (values.help) return null
  const only = values.only?.split(',')
  const cells = CELLS.filter(({ name }) => !only || only.some((text) => name.includes(text)))
  if (cells.length === 0) throw new UsageError(`no fault is called ${values.only}`)
  const topologies = TOPOLOGIES.filter((name) => !values.topology || values.topology.split(',').includes(name))
  if (topologies.length === 0) throw new UsageError(`no topology is called ${values.topology}`)
  const [commands, seed] = [whole(values.commands ?? '120000'), whole(values.seed ?? '1')]
  return { commands, seed, cells, topologies, isVerbose: values.verbose ?? false, isList: values.list ?? false }
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        commands: { type: 'string' },
        only: { type: 'string' },
        topology: { type: 'string' },
        seed: { type: 'string' },
        verbose: { type: 'boolean' },
        list: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function whole(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) throw new UsageError(`${text} is no number above 0`)
  return Number(text)
}
