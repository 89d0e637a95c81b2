/** One primary of a cluster says nothing any more, for a while: nobody else feels it, and it comes back by itself. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type RedisCluster, SLOTS, startCluster } from '../helpers/cluster.ts'
import type { RawClient } from '../helpers/raw.ts'
import { type Respool, startRespool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup, connectAll, extraMemory, MEGABYTE } from '../integration/support.ts'
import { keyIn, ShardLoad } from './shard-load.ts'

const SHARDS = 3
const owner = (slot: number) => Math.floor((slot * SHARDS) / SLOTS)

describe('a primary that is stopped', { timeout: 120_000 }, () => {
  const suite = new Cleanup()
  let cluster: RedisCluster
  let respool: Respool

  before(async () => {
    // Nobody takes its place.
    cluster = suite.add(await startCluster({ nodeTimeout: 60_000 }))
    const config = { upstream: { commandTimeout: '1s', connectTimeout: '1s' } }
    respool = suite.add(await startRespool({ upstream: cluster.url, config }))
  })
  after(() => suite.run())

  it('fails fast soon, leaves the others as they are, and comes back by itself', async (context) => {
    const loads = await Promise.all(
      Array.from({ length: SHARDS }, (_, shard) =>
        ShardLoad.start(respool.port, `shard ${shard}`, (slot) => owner(slot) === shard, 8),
      ),
    )
    const clients = await connectAll(respool.port, 20)
    const { server } = cluster.primaries[0]
    const endpoint = `127.0.0.1:${server.port}`
    const breaker = () => respool.metric('respool_breaker_state', { endpoint })
    await sleep(2500)
    const opened = await respool.metric('respool_upstream_opened_total')
    const memory = extraMemory(respool)
    const stopped = performance.now()
    await server.kill('SIGSTOP')
    try {
      // Asked seldom: telling all metrics takes respool as long as hundreds of commands.
      while ((await breaker()) === 0) await sleep(200)
      const opening = performance.now() - stopped
      const key = keyIn('fast', (slot) => owner(slot) === 0)
      const times: number[] = []
      for (let tries = 0; tries < 50; tries++) {
        const began = performance.now()
        assert.match(await ask(clients[tries % clients.length], 'GET', key), /^-TRYAGAIN /)
        times.push(performance.now() - began)
      }
      await sleep(2000)
      const ended = performance.now()
      await server.kill('SIGCONT')
      await until(async () => (await ask(clients[0], 'GET', key)) === '$-1\r\n', 'it is back')
      const back = performance.now() - ended
      await until(async () => (await breaker()) === 0, 'the breaker closes')
      await sleep(500)
      for (const load of loads) await load.stop()
      const [, ...others] = loads
      const figures = others.map((load) => {
        const [before, during] = [load.p99(stopped - 2000, stopped), load.p99(stopped, ended)]
        return `${before.toFixed(1)} and ${during.toFixed(1)} ms (${(during / before).toFixed(2)} ×)`
      })
      context.diagnostic(
        `breaker open after ${opening.toFixed(0)} ms, errors within ${Math.max(...times).toFixed(1)} ms then, back after ` +
          `${back.toFixed(0)} ms; p99 of others before and during: ${figures.join(', ')}; the stopped one: ` +
          `${loads[0].answers.length} answers, ${loads[0].errors.length} errors; ${((await memory.stop()) / MEGABYTE).toFixed(1)} MB more`,
      )
      for (const load of others) assert.deepEqual(load.errors, [])
      for (const load of loads) assert.deepEqual(load.wrong, [])
      for (const error of loads[0].errors) assert.match(error, /^-(TRYAGAIN|OUTCOMEUNKNOWN) /)
      // Half of the time that a command would otherwise have taken to fail.
      assert.ok(times.sort((a, b) => a - b)[25] < 500, `errors came after ${times.join(' ')} ms`)
      assert.ok(memory.highest < 64 * MEGABYTE, `${memory.highest / MEGABYTE} MB`)
      const missing = await Promise.all(loads.map((load) => load.missing(respool.port)))
      assert.deepEqual(missing, [0, 0, 0])
    } finally {
      await server.kill('SIGCONT')
    }
    await nothingLeft(clients, opened)
  })

  /** No connection, waiter or place is lost, and Redis and respool agree on who is connected. */
  async function nothingLeft(clients: RawClient[], opened: number): Promise<void> {
    for (const client of clients) client.close()
    await until(async () => (await respool.metric('respool_downstream_connections')) === 0, 'all have left')
    const { endpoints } = (await (await fetch(`${respool.admin}/stats`)).json()) as {
      endpoints: { endpoint: string; waiters: number; connections: Record<string, number> }[]
    }
    for (const { waiters } of endpoints) assert.equal(waiters, 0)
    for (const { server } of cluster.primaries) {
      const labels = { endpoint: `127.0.0.1:${server.port}` }
      const agreed = async () => {
        const known = await respool.metric('respool_pool_connections', labels)
        const node = cluster.primaries.find((one) => one.server === server)!
        const rows = (await node.call('CLIENT', 'LIST'))
          .split('\n')
          .filter((row) => /name=respool:(?!\S*:control )/.test(row))
        return (
          rows.length === known &&
          (await respool.metric('respool_pool_connections', { ...labels, state: 'pinned' })) === 0
        )
      }
      await until(agreed, 'both count the same connections')
    }
    assert.ok(
      (await respool.metric('respool_upstream_opened_total')) - opened < 60,
      'connections were opened again and again',
    )
  }
})
