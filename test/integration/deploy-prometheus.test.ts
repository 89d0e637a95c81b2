/** An unmodified Prometheus with our configuration, rules and dashboard queries, scraping three respools. */
import assert from 'node:assert/strict'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { parse, stringify } from 'yaml'
import { freePort } from '../helpers/ports.ts'
import { Child, temporaryDirectory } from '../helpers/processes.ts'
import { RawClient } from '../helpers/raw.ts'
import { startRedis } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { ROOT } from '../helpers/root.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup } from './support.ts'

interface Sample {
  metric: Record<string, string>
}
interface Answer<T> {
  status: string
  error?: string
  data: T
}
interface Panel {
  title: string
  targets?: { expr: string }[]
}
interface Rule {
  name: string
  health: string
  lastError?: string
}

const FOLDER = join(ROOT, 'deploy/prometheus')
const COUNT = 3
/** What a single healthy Redis gives no reason to count. */
const EMPTY = ['respool_redirects_total', 'respool_upstream_closed_total']

const { panels } = JSON.parse(readFileSync(join(ROOT, 'deploy/grafana/respool.json'), 'utf8')) as { panels: Panel[] }

describe('Prometheus', { timeout: 180_000 }, () => {
  const suite = new Cleanup()
  const respools: Respool[] = []
  let prometheus: Ask
  let stopTraffic: () => Promise<void>

  before(async () => {
    const redis = suite.add(await startRedis())
    for (let i = 0; i < COUNT; i++) respools.push(suite.add(await startRespool({ upstream: redis.url })))
    stopTraffic = await startTraffic(respools)
    suite.also(stopTraffic)
    const port = await freePort()
    const child = startPrometheus(port, respools)
    suite.also(() => child.stop('SIGTERM'))
    prometheus = askerOf(port)
    await child.ready(
      async () => (await prometheus.query('up == 1')).length === COUNT,
      'Prometheus has scraped all',
      60_000,
    )
  })
  after(() => suite.run())

  it('gets data for every query of the dashboard', async () => {
    const queries = panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr })))
    assert.ok(queries.length > 30)
    const expected = queries.filter(({ expr }) => !EMPTY.some((name) => expr.includes(name)))
    // A rate takes two scrapes.
    for (const { title, expr } of expected) {
      await until(
        async () => (await prometheus.query(filled(expr))).length > 0,
        `there is data for ${title}: ${expr}`,
        30_000,
      )
    }
    for (const { expr } of queries) await prometheus.query(filled(expr))
  })

  it('evaluates every rule', async () => {
    const wanted = [...readFileSync(join(FOLDER, 'respool.rules.yml'), 'utf8').matchAll(/- (?:alert|record): (\S+)/g)]
    const evaluated = async () => (await prometheus.rules()).every(({ health }) => health !== 'unknown')
    await until(evaluated, 'all rules have been evaluated')
    const rules = await prometheus.rules()
    const names = rules.map(({ name }) => name)
    assert.deepEqual(names.sort(), wanted.map(([, name]) => name).sort())
    for (const { name, health, lastError } of rules) assert.equal(health, 'ok', `${name}: ${lastError}`)
  })

  it('records for each respool', async () => {
    const record = async () => (await prometheus.query('instance:redis_cmds:rate5m > 0')).length === COUNT
    await until(record, 'the commands of all are recorded', 30_000)
  })

  it('notices which respool has gone', async () => {
    const [gone] = respools
    await stopTraffic()
    assert.equal(await gone.stop(), 0)
    const alert = 'ALERTS{alertname="RespoolDown"}'
    await until(async () => (await prometheus.query(alert)).length > 0, 'the alert is on its way', 30_000)
    const alerts = await prometheus.query(alert)
    assert.deepEqual(
      alerts.map(({ metric }) => [metric['instance'], metric['alertstate']]),
      [[`127.0.0.1:${gone.adminPort}`, 'pending']],
    )
  })
})

interface Ask {
  query: (expr: string) => Promise<Sample[]>
  rules: () => Promise<Rule[]>
}

function askerOf(port: number): Ask {
  const get = async <T>(path: string): Promise<T> => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/${path}`)
    const { status, error, data } = (await response.json()) as Answer<T>
    if (status !== 'success') throw new Error(`${path}: ${error}`)
    return data
  }
  return {
    query: async (expr) => (await get<{ result: Sample[] }>(`query?query=${encodeURIComponent(expr)}`)).result,
    rules: async () => (await get<{ groups: { rules: Rule[] }[] }>('rules')).groups.flatMap(({ rules }) => rules),
  }
}

/** As Grafana would send it, for a scrape each second. */
function filled(expr: string): string {
  return expr.replaceAll('$__rate_interval', '10s').replaceAll('$instance', '.*')
}

/** Ours, but with the targets that there are, and faster. */
function startPrometheus(port: number, respools: Respool[]): Child {
  const directory = temporaryDirectory('respool-prometheus')
  const config = parse(readFileSync(join(FOLDER, 'prometheus.yml'), 'utf8')) as {
    global: object
    scrape_configs: { static_configs: { targets: string[] }[] }[]
  }
  config.global = { scrape_interval: '1s', evaluation_interval: '1s' }
  config.scrape_configs[0].static_configs[0].targets = respools.map(({ adminPort }) => `127.0.0.1:${adminPort}`)
  writeFileSync(join(directory, 'prometheus.yml'), stringify(config))
  copyFileSync(join(FOLDER, 'respool.rules.yml'), join(directory, 'respool.rules.yml'))
  return new Child('prometheus', [
    `--config.file=${join(directory, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(directory, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
    '--log.level=warn',
  ])
}

/** Has each respool do a little of everything, again and again. Gives what ends it. */
async function startTraffic(respools: Respool[]): Promise<() => Promise<void>> {
  const clients = await Promise.all(respools.map(({ port }) => RawClient.connect(port)))
  const subscribers = await Promise.all(respools.map(({ port }) => RawClient.connect(port)))
  for (const subscriber of subscribers) await ask(subscriber, 'SUBSCRIBE', 'news')
  let going = true
  const loops = clients.map(async (client) => {
    while (going) {
      await ask(client, 'SET', 'key', 'value')
      await ask(client, 'GET', 'key')
      await ask(client, 'LPUSH', 'key', 'no list')
      await ask(client, 'BLPOP', 'nothing', '0.01')
      await ask(client, 'DEBUG', 'JMAP')
      await ask(client, 'PUBLISH', 'news', 'none')
      await sleep(50)
    }
  })
  return async () => {
    going = false
    await Promise.all(loops)
    for (const client of [...clients, ...subscribers]) client.close()
  }
}
