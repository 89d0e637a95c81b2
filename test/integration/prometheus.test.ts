/** An unmodified Prometheus, with the rules that are shipped, watches three respools, and the dashboard's queries find something. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { parse, stringify } from 'yaml'
import { ROOT } from '../helpers/modules.ts'
import { freePort } from '../helpers/ports.ts'
import { Child, removeDirectory, temporaryDirectory } from '../helpers/processes.ts'
import { RawClient } from '../helpers/raw.ts'
import { startRedis } from '../helpers/redis.ts'
import { type Respool, startRespool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup } from './support.ts'

interface Settings {
  global: Record<string, string>
  rule_files: string[]
  scrape_configs: { job_name: string; static_configs: { targets: string[] }[] }[]
}
interface Panel {
  title: string
  targets?: { expr: string }[]
}
interface Target {
  health: string
  lastError: string
  labels: Record<string, string>
}
interface Group {
  rules: { name: string; health: string; lastError?: string; state?: string }[]
}

const RESPOOLS = 3
const read = (...path: string[]) => readFileSync(join(ROOT, 'deploy', ...path), 'utf8')

/** Panels that show only what is more than nothing. */
const QUIET = ['Errors of respool itself', 'Connections closed']

describe('Prometheus', { timeout: 90_000 }, () => {
  const suite = new Cleanup()
  let respools: Respool[]
  let api: string

  before(async () => {
    const redis = suite.add(await startRedis())
    const options = { upstream: redis.url, config: { cache: { prefixes: ['kept:'] } } }
    respools = await Promise.all(Array.from({ length: RESPOOLS }, () => startRespool(options)))
    for (const respool of respools) suite.add(respool)
    api = await startPrometheus(respools.map(({ adminPort }) => `127.0.0.1:${adminPort}`))
  })
  after(() => suite.run())

  async function startPrometheus(targets: string[]): Promise<string> {
    const dir = temporaryDirectory('prometheus')
    const settings = parse(read('prometheus', 'prometheus.yml')) as Settings
    settings.global = { scrape_interval: '1s', evaluation_interval: '1s' }
    settings.scrape_configs[0].static_configs = [{ targets }]
    writeFileSync(join(dir, 'prometheus.yml'), stringify(settings))
    for (const file of settings.rule_files) writeFileSync(join(dir, file), read('prometheus', file))
    const address = `127.0.0.1:${await freePort()}`
    const child = new Child('prometheus', [
      `--config.file=${join(dir, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(dir, 'data')}`,
      `--web.listen-address=${address}`,
    ])
    const stop = async () => {
      const code = await child.stop('SIGTERM')
      removeDirectory(dir)
      return code
    }
    suite.add({ stop })
    await child.ready(async () => (await fetch(`http://${address}/-/ready`)).ok, 'Prometheus is ready')
    return `http://${address}/api/v1`
  }

  async function get<T>(path: string): Promise<T> {
    const answer = (await (await fetch(`${api}/${path}`)).json()) as { status: string; error?: string; data: T }
    assert.equal(answer.status, 'success', `${path}: ${answer.error}`)
    return answer.data
  }

  /** A little of everything that applications do. */
  async function play(respool: Respool): Promise<void> {
    const client = await RawClient.connect(respool.port)
    const listener = await RawClient.connect(respool.port)
    await ask(listener, 'SUBSCRIBE', 'news')
    for (let i = 0; i < 50; i++) await ask(client, 'SET', `k${i}`, 'v')
    assert.match(await ask(client, 'INCR', 'k1'), /^-ERR/)
    await ask(client, 'WATCH', 'k1')
    await ask(client, 'UNWATCH')
    await ask(client, 'PUBLISH', 'news', 'text')
    await ask(client, 'KEYS', 'none')
    await ask(client, 'GET', 'kept:nothing')
    const sha = await ask(client, 'SCRIPT', 'LOAD', 'return 1')
    assert.equal(await ask(client, 'EVALSHA', sha.split('\r\n')[1], '0'), ':1\r\n')
    client.close()
    listener.close()
  }

  it('scrapes each of them, and has no fault to find with the rules', async () => {
    await until(async () => {
      const { activeTargets } = await get<{ activeTargets: Target[] }>('targets')
      return activeTargets.length === RESPOOLS && activeTargets.every(({ health }) => health === 'up')
    }, 'all are up')
    const { activeTargets } = await get<{ activeTargets: Target[] }>('targets')
    for (const { lastError, labels } of activeTargets) {
      assert.equal(lastError, '')
      assert.equal(labels['job'], 'respool')
    }
    const rules = async () => (await get<{ groups: Group[] }>('rules')).groups.flatMap((group) => group.rules)
    await until(async () => (await rules()).every(({ health }) => health !== 'unknown'), 'all rules are evaluated')
    for (const rule of await rules()) {
      assert.equal(rule.health, 'ok', `${rule.name}: ${rule.lastError}`)
      assert.notEqual(rule.state, 'firing', rule.name)
    }
  })

  it("finds something for each of the dashboard's queries", async () => {
    const { panels } = JSON.parse(read('grafana', 'respool.json')) as { panels: Panel[] }
    const empty = async () => {
      const found: string[] = []
      for (const { title, targets = [] } of panels) {
        for (const { expr } of targets) {
          const query = expr.replaceAll('$__rate_interval', '30s').replaceAll('$instance', '.*')
          const { result } = await get<{ result: unknown[] }>(`query?query=${encodeURIComponent(query)}`)
          if (result.length === 0 && !QUIET.includes(title)) found.push(`${title}: ${query}`)
        }
      }
      return found
    }
    let missing: string[] = []
    await until(
      async () => {
        await Promise.all(respools.map(play))
        missing = await empty()
        return missing.length === 0
      },
      'all have data',
      20_000,
    ).catch(() => assert.deepEqual(missing, []))
  })
})
