import { fileURLToPath } from 'node:url'
import { Child } from '../helpers/processes.ts'

/** GETs of short values at a fixed rate. */
export interface OpenLoop {
  readonly host: string
  readonly port: number
  /** Commands a second, over all connections. */
  readonly rate: number
  readonly seconds: number
  readonly connections: number
  readonly keyspace: number
  readonly valueBytes: number
}

/** In ms, from the moment when each command was due. */
export interface Latencies {
  readonly count: number
  readonly p50: number
  readonly p99: number
  readonly p999: number
}

export interface Neighbour {
  readonly host: string
  readonly port: number
  /** Reads one large value after the other, or many short ones in one pipeline after the other. */
  readonly kind: 'large' | 'pipeline'
  /** Length of the large value. */
  readonly bytes: number
  /** Length of the pipeline. */
  readonly commands: number
  /** Least time from one question to the next, ms. */
  readonly every: number
}

export const LARGE_KEY = 'large'

/** Runs in a process of its own, so that nothing else delays it. */
export async function openLoop(load: OpenLoop): Promise<Latencies> {
  const child = start('open-loop.ts', load)
  if ((await child.exited) !== 0) throw new Error(child.output().trim())
  return JSON.parse(child.output()) as Latencies
}

export const startNeighbour = (load: Neighbour): Child => start('neighbour.ts', load)

function start(file: string, load: object): Child {
  const path = fileURLToPath(new URL(file, import.meta.url))
  return new Child(process.execPath, ['--import', 'tsx', path, JSON.stringify(load)])
}
