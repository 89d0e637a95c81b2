import { Child } from '../helpers/processes.ts'
import type { Cell, Operation } from './options.ts'

export interface Load extends Cell {
  readonly operation: Operation
  readonly requests: number
  readonly keyspace: number
  readonly valueBytes: number
}

export interface LoadResult {
  /** Commands a second. */
  readonly throughput: number
  /** Milliseconds, of a whole pipeline. */
  readonly p50: number
  readonly p99: number
}

/** Runs redis-benchmark (one thread) to its end; fails when it reports an error or takes longer than `limitMs`. */
export async function runLoad(host: string, port: number, load: Load, cpus?: string, limitMs = 60_000) {
  const args = loadArguments(host, port, load)
  const child = cpus ? new Child('taskset', ['-c', cpus, BINARY, ...args]) : new Child(BINARY, args)
  let late = false
  const timer = setTimeout(() => {
    late = true
    child.signal('SIGKILL')
  }, limitMs)
  const code = await child.exited
  clearTimeout(timer)
  if (late) throw new Error(`redis-benchmark did not end within ${limitMs} ms`)
  if (code !== 0) throw new Error(`redis-benchmark: exit code ${code}: ${child.output().trim()}`)
  return parseCsv(child.output(), load.operation)
}

const BINARY = 'redis-benchmark'

export function loadArguments(host: string, port: number, load: Load): string[] {
  const numbers = {
    '-p': port,
    '-c': load.connections,
    '-P': load.pipeline,
    '-n': load.requests,
    '-r': load.keyspace,
    '-d': load.valueBytes,
  }
  const pairs = Object.entries(numbers).flatMap(([flag, number]) => [flag, `${number}`])
  return ['-h', host, ...pairs, '-t', load.operation.toLowerCase(), '--csv']
}

/** The figures of one operation in the output of `redis-benchmark --csv`, found by the names of the columns. */
export function parseCsv(output: string, operation: Operation): LoadResult {
  const lines = output.split('\n').filter((line) => line.startsWith('"'))
  const rows = lines.map((line) => line.split(',').map((field) => field.replaceAll('"', '')))
  const names = rows.find((row) => row[0] === 'test')
  const figures = rows.find((row) => row[0] === operation)
  if (!names || !figures) throw new Error(`no figures of ${operation} in the output of redis-benchmark: ${output}`)
  const column = (name: string) => {
    const value = Number(figures[names.indexOf(name)])
    if (!Number.isFinite(value)) throw new Error(`no ${name} in the output of redis-benchmark: ${output}`)
    return value
  }
  return { throughput: column('rps'), p50: column('p50_latency_ms'), p99: column('p99_latency_ms') }
}

/** How many commands take about that long; whole pipelines, and at least two for each connection. */
export function requestsFor(seconds: number, throughput: number, cell: Cell): number {
  const wanted = Math.ceil((seconds * throughput) / cell.pipeline)
  return Math.max(wanted, 2 * cell.connections) * cell.pipeline
}
