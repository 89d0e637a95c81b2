import { existsSync } from 'node:fs'
import { isAbsolute, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

export const OPERATIONS = ['SET', 'GET'] as const
export type Operation = (typeof OPERATIONS)[number]

export interface Cell {
  readonly connections: number
  /** Commands a connection sends before it waits for their replies. */
  readonly pipeline: number
}

/** A proxy that somebody else runs, in front of the Redis of this benchmark (see `--redis-port`). */
export interface Peer {
  readonly name: string
  readonly host: string
  readonly port: number
  readonly pid: number
}

/** A build of respool, by the path of its `dist/main.js`. */
export interface Entry {
  readonly name: string
  readonly path: string
}

/** CPU lists as taskset takes them. */
export interface Pinning {
  readonly proxy: string
  readonly redis: string
  readonly load: string
}

export interface Options {
  readonly cells: Cell[]
  readonly operations: Operation[]
  readonly rounds: number
  /** Length of one measurement, unless `requests` fixes the number of commands. */
  readonly seconds: number
  readonly requests: number | undefined
  readonly keyspace: number
  readonly valueBytes: number
  readonly only: string[] | undefined
  readonly peers: Peer[]
  readonly entries: Entry[]
  readonly node: string
  readonly redisPort: number | undefined
  /** Primaries of the cluster that cluster proxies are measured in front of; 0 for no such part. */
  readonly cluster: number
  readonly pinning: Pinning | undefined
  /** Seconds, in the whole run, to wait for quiet and measure again when other programs disturbed a measurement. */
  readonly patience: number
  /** No further measurement starts after this many seconds. */
  readonly limit: number
  readonly json: string | undefined
  readonly markdown: boolean
}

export class UsageError extends Error {}

export const DEFAULT_ENTRY = fileURLToPath(new URL('../../dist/main.js', import.meta.url))

const FLAGS = {
  cells: { type: 'string' },
  ops: { type: 'string' },
  rounds: { type: 'string' },
  seconds: { type: 'string' },
  requests: { type: 'string' },
  keyspace: { type: 'string' },
  'value-bytes': { type: 'string' },
  quick: { type: 'boolean' },
  only: { type: 'string' },
  peer: { type: 'string', multiple: true },
  'respool-entry': { type: 'string', multiple: true },
  node: { type: 'string' },
  'redis-port': { type: 'string' },
  cluster: { type: 'string' },
  pin: { type: 'string' },
  patience: { type: 'string' },
  limit: { type: 'string' },
  json: { type: 'string' },
  markdown: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const

export const USAGE = `Compares respool with other proxies and with a direct connection, on this machine.

  --cells 50x1,50x16    connections x pipeline (default: 1, 50 and 500 x 1, 16 and 100)
  --ops SET,GET         commands (default: both)
  --rounds N            measurements of each cell, of which the median is shown (default 5)
  --seconds S           length of one measurement (default 1)
  --requests N          commands in one measurement, instead of --seconds
  --keyspace N          number of keys (default 100000)
  --value-bytes N       length of values (default 16)
  --quick               50x1,50x16,50x100 in 3 rounds of 0.5 s: under a minute
  --only A,B            just these contenders; "direct" is always there
  --respool-entry [NAME=]PATH   a dist/main.js to measure; repeat it to compare builds (default: this checkout's)
  --node PATH           node binary that runs respool (default: this one)
  --peer NAME=HOST:PORT:PID     another running proxy, in front of the Redis at --redis-port; repeatable
  --redis-port N        port of the Redis that is started here (default: a free one)
  --cluster N           primaries of the cluster in front of which respool, as respool-cluster, and other cluster proxies are
                        measured besides (default 3, with --quick none; 0 for none)
  --pin PROXY/REDIS/LOAD        CPU lists for taskset, such as 0/1/0-1, or "off"
  --patience S          time to spend in all on measuring again what other programs disturbed (default 120)
  --limit S             start no measurement after S seconds (default 1800)
  --json FILE           write every sample to FILE
  --markdown            print tables for a README

Ratios are of medians. Latency is that of a whole pipeline, as redis-benchmark counts it. CPU is what the kernel's
scheduler charged to the process, opening and closing the connections included.`

const FULL = {
  cells: '1x1,1x16,1x100,50x1,50x16,50x100,500x1,500x16,500x100',
  rounds: '5',
  cluster: '3',
  seconds: '1',
  patience: '120',
}
const QUICK = { cells: '50x1,50x16,50x100', rounds: '3', cluster: '0', seconds: '0.5', patience: '10' }

/** Options, or undefined when help was asked for. Throws UsageError. */
export function parseOptions(args: string[]): Options | undefined {
  const flags = readFlags(args)
  if (flags.help) return undefined
  const size = flags.quick ? QUICK : FULL
  return {
    cells: parseCells(flags.cells ?? size.cells),
    operations: parseOperations(flags.ops ?? OPERATIONS.join(',')),
    rounds: wholeNumber('--rounds', flags.rounds ?? size.rounds),
    seconds: positive('--seconds', flags.seconds ?? size.seconds),
    requests: flags.requests === undefined ? undefined : wholeNumber('--requests', flags.requests),
    keyspace: wholeNumber('--keyspace', flags.keyspace ?? '100000'),
    valueBytes: wholeNumber('--value-bytes', flags['value-bytes'] ?? '16'),
    only: flags.only?.split(','),
    peers: (flags.peer ?? []).map(parsePeer),
    entries: (flags['respool-entry'] ?? [`respool=${DEFAULT_ENTRY}`]).map(parseEntry),
    node: flags.node ?? process.execPath,
    redisPort: flags['redis-port'] === undefined ? undefined : wholeNumber('--redis-port', flags['redis-port']),
    cluster: parseCluster(flags.cluster ?? size.cluster),
    pinning: parsePinning(flags.pin ?? 'off'),
    patience: flags.patience === '0' ? 0 : positive('--patience', flags.patience ?? size.patience),
    limit: positive('--limit', flags.limit ?? '1800'),
    json: flags.json,
    markdown: flags.markdown ?? false,
  }
}

function readFlags(args: string[]) {
  try {
    return parseArgs({ args, options: FLAGS }).values
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

export function parseCells(text: string): Cell[] {
  return text.split(',').map((part) => {
    const match = /^([1-9]\d*)x([1-9]\d*)$/.exec(part)
    if (!match) throw new UsageError(`not a cell: "${part}"; write connections x pipeline, such as 50x16`)
    return { connections: Number(match[1]), pipeline: Number(match[2]) }
  })
}

export function parseOperations(text: string): Operation[] {
  return text.split(',').map((part) => {
    const found = OPERATIONS.find((operation) => operation === part.toUpperCase())
    if (!found) throw new UsageError(`not an operation: "${part}"; there are ${OPERATIONS.join(' and ')}`)
    return found
  })
}

/** `NAME=HOST:PORT:PID`; an IPv6 host may be in brackets or not. */
export function parsePeer(text: string): Peer {
  const match = /^([^=]+)=(.+):(\d+):(\d+)$/.exec(text)
  if (!match) throw new UsageError(`not a peer: "${text}"; write NAME=HOST:PORT:PID`)
  const [, name, host, port, pid] = match
  return { name, host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port), pid: Number(pid) }
}

function parseEntry(text: string): Entry {
  const equals = text.indexOf('=')
  const name = equals < 0 ? 'respool' : text.slice(0, equals)
  const path = text.slice(equals + 1)
  return { name, path: isAbsolute(path) ? path : resolve(path) }
}

export function parsePinning(text: string): Pinning | undefined {
  if (text === 'off') return undefined
  const lists = text.split('/')
  if (lists.length !== 3 || !lists.every((list) => /^\d+([,-]\d+)*$/.test(list))) {
    throw new UsageError(`not a pinning: "${text}"; write PROXY/REDIS/LOAD, such as 0/1/0-1, or "off"`)
  }
  return { proxy: lists[0], redis: lists[1], load: lists[2] }
}

const parseCluster = (text: string): number => (text === '0' ? 0 : wholeNumber('--cluster', text))

function wholeNumber(flag: string, text: string): number {
  const number = Number(text)
  if (!Number.isInteger(number) || number < 1) throw new UsageError(`${flag} must be a whole number above 0: "${text}"`)
  return number
}

function positive(flag: string, text: string): number {
  const number = Number(text)
  if (!Number.isFinite(number) || number <= 0) throw new UsageError(`${flag} must be a number above 0: "${text}"`)
  return number
}

/** Whether the build is there; `npm run build` makes it. */
export function isBuilt(entry: Entry): boolean {
  return existsSync(entry.path)
}
