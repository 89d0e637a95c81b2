/** Figures equal what was done, and their number stays bounded whatever is sent. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { after, beforeEach, before, describe, it } from 'node:test'
import { encode, RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup, connectAll, Observer, pipeline } from './support.ts'

const COMMANDS = 'redis_cmd_duration_seconds_count'

describe('metrics', { timeout: 60_000 }, () => {
  const suite = new Cleanup()
  let redis: RedisServer
  let respool: Respool
  let observer: Observer
  let client: RawClient

  before(async () => {
    redis = suite.add(await startRedis())
    respool = suite.add(await startRespool({ upstream: redis.url }))
    observer = suite.add(await Observer.connect(redis.port))
    client = suite.client(await RawClient.connect(respool.port))
  })
  beforeEach(async () => void (await ask(client, 'FLUSHALL')))
  after(() => suite.run())

  /** How much the figures change while something is done; a counter that is not there yet is 0. */
  async function changes(figures: [string, Record<string, string>][], work: () => Promise<unknown>): Promise<number[]> {
    const take = () => Promise.all(figures.map(([name, labels]) => respool.metric(name, labels)))
    const before = await take()
    await work()
    const now = await take()
    return now.map((value, nth) => value - before[nth])
  }

  it('counts every command once, by name and outcome, alone and pipelined', async () => {
    const figures: [string, Record<string, string>][] = [
      [COMMANDS, { cmd: 'set', status: 'ok' }],
      [COMMANDS, { cmd: 'set', status: 'error' }],
      [COMMANDS, { cmd: 'get' }],
      [COMMANDS, { cmd: 'ping' }],
      [COMMANDS, { cmd: 'lpush', status: 'error' }],
      ['redis_cmd_errors_total', { cmd: 'lpush' }],
      ['redis_cmd_errors_total', { cmd: 'get' }],
      ['respool_upstream_duration_seconds_count', { cmd: 'get' }],
      ['respool_upstream_duration_seconds_count', { cmd: 'ping' }],
    ]
    const deltas = await changes(figures, async () => {
      for (let nth = 0; nth < 10; nth++) assert.equal(await ask(client, 'SET', 'k', nth), '+OK\r\n')
      await pipeline(
        client,
        Array.from({ length: 90 }, () => ['set', 'k', 'v']),
      )
      assert.match(await ask(client, 'SET', 'k', 'v', 'BOGUS'), /^-ERR/)
      await pipeline(
        client,
        Array.from({ length: 50 }, () => ['GET', 'missing']),
      )
      await pipeline(
        client,
        Array.from({ length: 7 }, () => ['PING']),
      )
      await pipeline(
        client,
        Array.from({ length: 5 }, () => ['LPUSH', 'k', 'x']),
      )
    })
    assert.deepEqual(deltas, [100, 1, 50, 7, 5, 5, 0, 50, 0])
  })

  it('counts pipelines as such, and commands per read and per batch', async () => {
    const figures: [string, Record<string, string>][] = [
      [COMMANDS, { cmd: 'pipeline' }],
      ['respool_pipeline_commands_count', {}],
      ['respool_pipeline_commands_sum', {}],
      ['respool_batch_commands_sum', {}],
    ]
    const deltas = await changes(figures, async () => {
      await pipeline(
        client,
        Array.from({ length: 100 }, () => ['INCR', 'n']),
      )
      await ask(client, 'INCR', 'n')
    })
    assert.deepEqual(deltas, [1, 2, 101, 101])
  })

  it('counts bytes in both directions on both sides', async () => {
    const sides = ['respool_downstream_bytes_total', 'respool_upstream_bytes_total']
    const figures = sides.flatMap((name): [string, Record<string, string>][] => [
      [name, { direction: 'in' }],
      [name, { direction: 'out' }],
    ])
    const value = 'v'.repeat(1_000_000)
    const request = encode(['SET', 'k', value]).length + encode(['GET', 'k']).length
    const reply = '+OK\r\n'.length + `$${value.length}\r\n`.length + value.length + 2
    const deltas = await changes(figures, () =>
      pipeline(client, [
        ['SET', 'k', value],
        ['GET', 'k'],
      ]),
    )
    assert.deepEqual(deltas.slice(0, 2), [request, reply])
    // The proxy says a few things of its own to Redis.
    assert.ok(deltas[3] >= request && deltas[3] < request + 1000, `${deltas[3]} bytes sent upstream`)
    assert.ok(deltas[2] >= reply && deltas[2] < reply + 1000, `${deltas[2]} bytes received from upstream`)
  })

  it('counts leases by reason', async () => {
    const reasons = ['watch', 'multi', 'blocking', 'subscribe', 'tracking', 'monitor', 'large']
    const figures = reasons.map((reason): [string, Record<string, string>] => ['respool_pins_total', { reason }])
    const deltas = await changes(figures, async () => {
      const clients = await connectAll(respool.port, 6)
      await ask(clients[0], 'WATCH', 'k')
      await pipeline(clients[0], [['MULTI'], ['EXEC']])
      for (let nth = 0; nth < 2; nth++) await ask(clients[1], 'BLPOP', 'nothing', '0.01')
      await ask(clients[2], 'SUBSCRIBE', '__redis__:invalidate')
      await pipeline(clients[3], [
        ['HELLO', 3],
        ['CLIENT', 'TRACKING', 'ON'],
      ])
      await ask(clients[4], 'MONITOR')
      await ask(clients[5], 'SET', 'k', 'v'.repeat(1_000_000))
      await ask(clients[5], 'MULTI')
      await ask(clients[5], 'EXEC')
      for (const one of clients) one.close()
    })
    assert.deepEqual(deltas, [1, 1, 2, 1, 1, 1, 1])
  })

  it('shows the pool as Redis sees it', async () => {
    const clients = await connectAll(respool.port, 6)
    for (const [nth, one] of clients.entries())
      await pipeline(one, [
        ['SELECT', nth % 3],
        ['SET', 'k', 'v'],
      ])
    await ask(clients[0], 'SUBSCRIBE', 'c')
    await ask(clients[1], 'WATCH', 'k')
    await ask(clients[2], 'BLPOP', 'nothing', '0.01')
    const states = ['idle', 'shared', 'pinned', 'connecting']
    const figures = async () =>
      Promise.all(states.map((state) => respool.metric('respool_pool_connections', { state })))
    const agrees = async () => {
      const [idle, shared, pinned, connecting] = await figures()
      const seen = (await observer.clients()).length
      return idle + shared + pinned === seen && connecting === 0 && pinned === 1
    }
    await until(agrees, 'both say the same')
    assert.equal(await respool.metric('respool_downstream_connections'), 7)
    const opened = await respool.metric('respool_upstream_opened_total')
    const closed = await respool.metric('respool_upstream_closed_total')
    const [idle, shared, pinned] = await figures()
    assert.equal(opened - closed, idle + shared + pinned)
    for (const one of clients) one.close()
    await until(async () => (await respool.metric('respool_downstream_connections')) === 1, 'they are gone')
  })

  it('100,000 different command names add no series', async () => {
    const names = (from: number) => Array.from({ length: 5000 }, (_, nth) => [`random${from + nth}`, 'x'])
    const first = await pipeline(client, names(0))
    for (const reply of first) assert.match(reply, /^-ERR unknown command 'random\d+'/)
    const before = await seriesCount()
    const clients = await connectAll(respool.port, 19)
    const [others] = await changes([[COMMANDS, { cmd: 'other', status: 'error' }]], () =>
      Promise.all(clients.map((one, nth) => pipeline(one, names(5000 * (nth + 1))))),
    )
    for (const one of clients) one.close()
    assert.equal(others, 95_000)
    assert.equal(await seriesCount(), before)
  })

  it('promtool accepts a live scrape', async (context) => {
    const response = await fetch(`${respool.admin}/metrics`)
    assert.match(String(response.headers.get('content-type')), /^text\/plain; version=0\.0\.4/)
    const text = await response.text()
    const { error, status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
      input: text,
      encoding: 'utf8',
    })
    if (error) return context.skip('promtool is not installed')
    assert.equal(stdout + stderr, '')
    assert.equal(status, 0)
  })

  /**
   * Of respool's own metrics: Node's grow a series for each new kind of garbage collection, and a connection can close for a new
   * reason at any time.
   */
  async function seriesCount(): Promise<number> {
    const text = await (await fetch(`${respool.admin}/metrics`)).text()
    return text.split('\n').filter((line) => /^(respool|redis)_(?!upstream_closed)/.test(line)).length
  }
})
