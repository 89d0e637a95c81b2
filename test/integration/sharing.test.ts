/** Many application connections on few upstream ones: what the server sees is counted over a direct connection. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { encode, RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup, connectAll, Observer, Peak, pipeline } from './support.ts'

const CONNECTIONS = 1000
const ROUNDS = 20
/** The default of pool.max. */
const POOL_MAX = 8

describe('sharing', { timeout: 60_000 }, () => {
  const suite = new Cleanup()
  const test = new Cleanup()
  let redis: RedisServer
  let observer: Observer

  before(async () => {
    redis = suite.add(await startRedis())
    observer = suite.add(await Observer.connect(redis.port))
  })
  afterEach(() => test.run())
  after(() => suite.run())

  async function proxy(config: object = {}): Promise<Respool> {
    const respool = test.add(await startRespool({ upstream: redis.url, config }))
    await until(async () => (await observer.clients()).length === 1, 'the connection ahead of need is open')
    return respool
  }

  const upstreamCount = () => new Peak(async () => (await observer.clients()).length, 5)

  it('carries 1,000 working connections over at most pool.max upstream ones', async () => {
    const respool = await proxy()
    const before = await observer.info('stats', 'total_commands_processed')
    const peak = upstreamCount()
    const clients = await connectAll(respool.port, CONNECTIONS)
    await Promise.all(clients.map((client, nth) => work(client, nth)))
    assert.equal(await respool.metric('respool_downstream_connections'), CONNECTIONS)
    for (const client of clients) client.close()
    const highest = await peak.stop()

    assert.ok(highest >= 1 && highest <= POOL_MAX, `${highest} upstream connections`)
    const carried = (await observer.info('stats', 'total_commands_processed')) - before
    assert.ok(carried >= CONNECTIONS * ROUNDS * 3, `Redis saw only ${carried} commands`)
    const hits = await respool.metric('respool_pool_hits_total')
    const misses = await respool.metric('respool_pool_misses_total')
    assert.ok(hits > 0 && hits / (hits + misses) > 0.9, `${hits} hits, ${misses} misses`)
  })

  it('keeps to the maximum with every mixture of protocols and databases', async () => {
    const respool = await proxy({ pool: { max: 3 } })
    const peak = upstreamCount()
    const clients = await connectAll(respool.port, 120)
    await Promise.all(
      clients.map(async (client, nth) => {
        await ask(client, 'HELLO', nth % 2 === 0 ? '2' : '3')
        assert.equal(await ask(client, 'SELECT', nth % 5), '+OK\r\n')
        await work(client, nth)
      }),
    )
    for (const client of clients) client.close()
    const highest = await peak.stop()
    assert.ok(highest <= 3, `${highest} upstream connections for pool.max 3`)
  })

  it('serves ten kinds of connections over a single upstream one', async () => {
    const respool = await proxy({ pool: { max: 1 } })
    const peak = upstreamCount()
    const clients = await connectAll(respool.port, 10)
    await Promise.all(
      clients.map(async (client, nth) => {
        await ask(client, 'HELLO', nth % 2 === 0 ? '2' : '3')
        await ask(client, 'SELECT', nth >> 1)
        for (let round = 0; round < 20; round++) {
          assert.equal(await ask(client, 'SET', 'one', `${nth}/${round}`), '+OK\r\n')
        }
      }),
    )
    const highest = await peak.stop()
    for (const client of clients) client.close()
    assert.ok(highest <= 1, `${highest} upstream connections for pool.max 1`)
  })

  it('takes no more leases than pool.leases.max besides, whatever waits for one', async () => {
    const respool = await proxy({ pool: { max: 2, leases: { max: 3, reserve: 0, waitTimeout: '10s' } } })
    const peak = upstreamCount()
    const clients = await connectAll(respool.port, 100)
    await Promise.all(
      clients.map(async (client, nth) => {
        await work(client, nth)
        const key = `lease:${nth}`
        assert.equal(await ask(client, 'WATCH', key), '+OK\r\n')
        assert.equal(await ask(client, 'MULTI'), '+OK\r\n')
        assert.equal(await ask(client, 'INCR', key), '+QUEUED\r\n')
        assert.equal(await ask(client, 'EXEC'), '*1\r\n:1\r\n')
      }),
    )
    for (const client of clients) client.close()
    const highest = await peak.stop()
    assert.ok(highest > 2 && highest <= 5, `${highest} upstream connections for 2 shared and 3 leased`)
  })

  it('gives leases in turn to every kind of connection, however many wait in one', async () => {
    const respool = await proxy({ pool: { max: 2, leases: { max: 2, reserve: 0 } } })
    const clients = await connectAll(respool.port, 40)
    let busy = true
    const hogs = clients.slice(1).map(async (client) => {
      while (busy) {
        assert.equal(await ask(client, 'MULTI'), '+OK\r\n')
        assert.equal(await ask(client, 'EXEC'), '*0\r\n')
      }
    })
    const [guest] = clients
    await ask(guest, 'HELLO', 3)
    for (let round = 0; round < 5; round++) {
      assert.deepEqual(await pipeline(guest, [['MULTI'], ['INCR', 'guest'], ['EXEC']]), [
        '+OK\r\n',
        '+QUEUED\r\n',
        `*1\r\n:${round + 1}\r\n`,
      ])
    }
    busy = false
    await Promise.all(hogs)
    for (const client of clients) client.close()
  })

  it('does not reconnect to Redis for applications that connect, ask once and leave', async () => {
    const respool = await proxy()
    const before = await observer.info('stats', 'total_connections_received')
    const visits = 3000
    let visit = 0
    const visitor = async () => {
      for (let nth = visit++; nth < visits; nth = visit++) {
        const client = await RawClient.connect(respool.port)
        assert.equal(await ask(client, 'SET', `visit:${nth}`, `${nth}`), '+OK\r\n')
        // Half of them leave politely.
        if (nth % 2 === 0) assert.equal(await ask(client, 'QUIT'), '+OK\r\n')
        client.close()
      }
    }
    await Promise.all(Array.from({ length: 30 }, visitor))
    const opened = (await observer.info('stats', 'total_connections_received')) - before
    assert.ok(opened < POOL_MAX, `${visits} visits opened ${opened} upstream connections`)
    assert.equal(await respool.metric('respool_downstream_accepted_total'), visits + 1)
    await until(async () => (await respool.metric('respool_downstream_connections')) === 0, 'all visitors are gone')
  })

  it('opens nothing for sessions that only introduce themselves', async () => {
    const respool = await proxy()
    const before = await observer.info('stats', 'total_connections_received')
    const clients = await connectAll(respool.port, 200)
    for (const client of clients) {
      client.send(Buffer.concat([['HELLO', '3'], ['CLIENT', 'SETNAME', 'app'], ['SELECT', '9'], ['PING']].map(encode)))
    }
    for (const client of clients) {
      assert.match((await client.frame()).toString(), /^%7\r\n/)
      for (const expected of ['+OK', '+OK', '+PONG']) assert.equal((await client.frame()).toString(), `${expected}\r\n`)
    }
    assert.equal(await observer.info('stats', 'total_connections_received'), before)
    for (const client of clients) client.close()
  })
})

/** Everyday commands on keys of its own, in turns and pipelined. */
async function work(client: RawClient, nth: number): Promise<void> {
  const key = `work:${nth}`
  for (let round = 0; round < ROUNDS; round++) {
    const value = `${key}:${round}`
    assert.equal(await ask(client, 'SET', key, value), '+OK\r\n')
    const [got, size] = await pipeline(client, [
      ['GET', key],
      ['STRLEN', key],
    ])
    assert.equal(got, `$${value.length}\r\n${value}\r\n`)
    assert.equal(size, `:${value.length}\r\n`)
  }
}
