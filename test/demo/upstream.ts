import { Redis } from 'ioredis'
import { heading, line, table } from './terminal.ts'
import type { Respool } from '../helpers/respool.ts'

const CONNECTIONS = 200
const COMMANDS_EACH = 50

/** Many application connections at work at once, and how few of them Redis sees. */
export async function crowd(respool: Respool, redisPort: number): Promise<void> {
  heading(`${CONNECTIONS} application connections at work, each with ${COMMANDS_EACH} commands one after the other`)
  const clients = Array.from({ length: CONNECTIONS }, () => new Redis(respool.port))
  const direct = new Redis(redisPort)
  try {
    const from = performance.now()
    await Promise.all(clients.map(work))
    const seconds = ((performance.now() - from) / 1000).toFixed(1)
    line(`${CONNECTIONS * COMMANDS_EACH} commands answered in ${seconds} s, connecting included.`)
    line()

    const downstream = await respool.metric('respool_downstream_connections')
    const upstream = parseClientList(String(await direct.call('CLIENT', 'LIST'))).filter(isOfRespool)
    line(`application connections open: ${downstream}`)
    line(`connections that Redis sees:  ${upstream.length}, by its CLIENT LIST:`)
    line()
    table([COLUMNS, ...upstream.map((client) => COLUMNS.map((column) => client.get(column) ?? ''))])
  } finally {
    for (const client of [...clients, direct]) client.disconnect()
  }
}

const COLUMNS = ['id', 'name', 'db', 'resp', 'cmd', 'tot-cmds']

async function work(client: Redis, index: number): Promise<void> {
  for (let i = 0; i < COMMANDS_EACH / 2; i++) {
    await client.set(`crowd:${index}`, i)
    const answer = await client.get(`crowd:${index}`)
    if (answer !== String(i)) throw new Error(`connection ${index} wrote ${i} and read ${answer}`)
  }
}

/** Redis's CLIENT LIST: a line per connection, fields as name=value. */
function parseClientList(text: string): Map<string, string>[] {
  const lines = text.split('\n').filter(Boolean)
  return lines.map((entry) => new Map(entry.split(' ').map((field) => field.split('=', 2) as [string, string])))
}

function isOfRespool(client: Map<string, string>): boolean {
  return client.get('name')?.startsWith('respool:') ?? false
}

/** The series of /metrics that tell the most, as they are scraped. */
export async function scrape(admin: string): Promise<void> {
  heading(`From ${admin}/metrics`)
  const response = await fetch(`${admin}/metrics`)
  if (!response.ok) throw new Error(`${admin}/metrics answered ${response.status}`)
  const series = (await response.text()).split('\n')
  for (const entry of series.filter((text) => TELLING.test(text) && !text.endsWith(' 0'))) line(entry)
}

const TELLING = new RegExp(
  `^(${[
    'redis_cmd_duration_seconds_count\\{cmd="(get|set|blpop|exec|pipeline)"',
    'redis_cmd_errors_total',
    'respool_downstream_(connections|bytes_total)',
    'respool_pool_(connections|hits|misses)',
    'respool_pins_total',
    'respool_(batch|pipeline)_commands_(sum|count)',
    'respool_upstream_up',
  ].join('|')})`,
)
