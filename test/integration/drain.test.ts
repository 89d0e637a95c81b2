/** How it ends: applications have time to go, what has begun is finished, and what cannot be is told what became of it. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { Redis } from 'ioredis'
import { startCluster } from '../helpers/cluster.ts'
import { freePort } from '../helpers/ports.ts'
import { RawClient } from '../helpers/raw.ts'
import { encode } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { type Respool, startRespool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup, connectAll } from './support.ts'

const LONG = { notice: '60s', timeout: '60s' }

describe('drain', { timeout: 60_000 }, () => {
  const test = new Cleanup()
  let redis: RedisServer

  before(async () => {
    redis = await startRedis()
  })
  afterEach(async () => {
    await redis.kill('SIGCONT')
    await test.run()
  })
  after(() => redis.stop())

  const proxy = async (config: object) => test.add(await startRespool({ upstream: redis.url, config }))
  const connected = async ({ port }: Respool) => test.client(await RawClient.connect(port))
  const status = async ({ admin }: Respool, path: string) => (await fetch(admin + path)).status

  /** Tells it to stop; resolves when it has taken that in. */
  const told = async (respool: Respool, sign = 'draining') => {
    process.kill(respool.pid, 'SIGTERM')
    await until(() => respool.events(sign).length > 0, `the log says ${sign}`)
  }

  it('goes on accepting and serving until the applications have gone, while it says that it is not ready', async () => {
    const respool = await proxy({ drain: LONG })
    const old = await connected(respool)
    await ask(old, 'PING')
    const code = respool.exited()
    await told(respool)
    const ready = await fetch(`${respool.admin}/readyz`)
    assert.deepEqual([ready.status, await ready.json()], [503, { ready: false, reasons: ['told to stop'] }])
    assert.deepEqual([await status(respool, '/livez'), await status(respool, '/startupz')], [200, 200])
    assert.equal(await respool.metric('respool_draining'), 1)
    const fresh = await connected(respool)
    for (const client of [old, fresh]) assert.equal(await ask(client, 'SET', 'k', 'v'), '+OK\r\n')
    old.close()
    assert.equal(await ask(fresh, 'GET', 'k'), '$1\r\nv\r\n')
    fresh.close()
    assert.equal(await code, 0)
  })

  it('then accepts no more, closes who is idle, and lets who has begun something finish it', async () => {
    const respool = await proxy({ drain: { notice: 0, timeout: '60s' } })
    const [idle, hearing, busy] = [await connected(respool), await connected(respool), await connected(respool)]
    await ask(idle, 'PING')
    await ask(hearing, 'SUBSCRIBE', 'news')
    await ask(busy, 'WATCH', 'k')
    await ask(busy, 'MULTI')
    const code = respool.exited()
    await told(respool, 'accepts_no_more')
    await Promise.all([idle.closed, hearing.closed])
    await assert.rejects(RawClient.connect(respool.port))
    assert.equal(await respool.metric('respool_downstream_connections'), 1, 'metrics are served to the last moment')
    assert.equal(await ask(busy, 'SET', 'k', 'in time'), '+QUEUED\r\n')
    assert.equal(await ask(busy, 'EXEC'), '*1\r\n+OK\r\n')
    await busy.closed
    assert.equal(await code, 0)
  })

  it('POST /drain does the same', async () => {
    const respool = await proxy({ drain: { notice: '60s', timeout: '60s' } })
    const client = await connected(respool)
    const code = respool.exited()
    for (let nth = 0; nth < 2; nth++)
      assert.equal((await fetch(`${respool.admin}/drain`, { method: 'POST' })).status, 202)
    assert.equal(await ask(client, 'PING'), '+PONG\r\n')
    client.close()
    assert.equal(await code, 0)
  })

  it('a blocking call ends by itself if there is time, or is ended by Redis, so that nothing is lost', async () => {
    const respool = await proxy({ drain: { notice: 0, timeout: '1s' } })
    const [brief, endless] = [await connected(respool), await connected(respool)]
    brief.send(encode(['BLPOP', 'nothing', '0.3']))
    endless.send(encode(['BLPOP', 'list', '0']))
    await until(async () => (await respool.metric('respool_pool_connections', { state: 'pinned' })) === 2, 'both wait')
    const code = respool.exited()
    await told(respool)
    assert.equal(String(await brief.frame()), '*-1\r\n')
    assert.equal(String(await endless.frame()), '-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n')
    await Promise.all([brief.closed, endless.closed])
    assert.equal(await code, 0)
    const direct = test.client(await RawClient.connect(redis.port))
    await ask(direct, 'RPUSH', 'list', 'kept')
    assert.equal(await ask(direct, 'LRANGE', 'list', 0, -1), '*1\r\n$4\r\nkept\r\n')
  })

  it('says of what cannot finish whether it may have been executed', async () => {
    const pool = { leases: { max: 2, reserve: 0, maxBlocking: 1 } }
    const limits = { commandTimeout: '60s', holdTime: '60s' }
    const respool = await proxy({ drain: { notice: 0, timeout: '300ms' }, pool, upstream: limits })
    const [writer, reader, blocked, waiting, begun] = await connectAll(respool.port, 5)
    for (const client of [writer, reader, blocked, waiting, begun]) {
      test.client(client)
      await ask(client, 'GET', 'k')
    }
    await ask(begun, 'MULTI')
    blocked.send(encode(['BLPOP', 'none', '0']))
    await until(async () => (await respool.metric('respool_pool_connections', { state: 'pinned' })) === 2, 'it blocks')
    waiting.send(Buffer.concat([encode(['BLPOP', 'none', '0']), encode(['SET', 'k', 'behind']), encode(['GET', 'k'])]))
    await until(async () => (await respool.metric('respool_pool_waiters')) === 1, 'another one waits')
    await redis.kill('SIGSTOP')
    const sent = await respool.metric('respool_upstream_bytes_total', { direction: 'out' })
    writer.send(encode(['INCR', 'n']))
    reader.send(encode(['GET', 'n']))
    await until(
      async () => (await respool.metric('respool_upstream_bytes_total', { direction: 'out' })) > sent + 40,
      'both are on their way',
    )
    const code = respool.exited()
    await told(respool, 'drain_cut')
    assert.match(String(await writer.frame()), /^-OUTCOMEUNKNOWN /)
    assert.match(String(await reader.frame()), /^-TRYAGAIN .*only reads/)
    assert.match(String(await blocked.frame()), /^-OUTCOMEUNKNOWN /)
    for (let nth = 0; nth < 3; nth++) assert.match(String(await waiting.frame()), /^-TRYAGAIN respool is about to end/)
    for (const client of [writer, reader, blocked, waiting, begun]) await client.closed
    assert.equal(await code, 0)
    await redis.kill('SIGCONT')
  })

  it('on a cluster tells those who wait for a node that is away, whole commands and parts of them, that nothing was done', async () => {
    const cluster = test.add(await startCluster({ args: ['--cluster-require-full-coverage', 'no'] }))
    const config = { drain: { notice: 0, timeout: '300ms' }, upstream: { commandTimeout: '60s', holdTime: '60s' } }
    const respool = test.add(await startRespool({ upstream: cluster.url, config }))
    const [single, split, begun, served] = await connectAll(respool.port, 4)
    for (const client of [single, split, begun, served]) {
      test.client(client)
      assert.equal(await ask(client, 'MSET', 'a', '1', 'b', '2', 'k', '3'), '+OK\r\n')
    }
    // The slot of b is at the first, those of a and k are at others.
    await cluster.primaries[0].server.kill()
    const waiters = (count: number) =>
      until(async () => (await respool.metric('respool_pool_waiters')) === count, `${count} wait`)
    single.send(Buffer.concat([encode(['INCR', 'b']), encode(['GET', 'a'])]))
    await waiters(1)
    split.send(encode(['MGET', 'a', 'b', 'k']))
    await waiters(2)
    begun.send(Buffer.concat([encode(['MULTI']), encode(['INCR', 'b']), encode(['EXEC'])]))
    await waiters(3)
    assert.equal(await ask(served, 'INCR', 'a'), ':2\r\n')
    const code = respool.exited()
    await told(respool, 'drain_cut')
    for (const client of [single, single, split]) assert.match(String(await client.frame()), /^-TRYAGAIN /)
    const replies = [await begun.frame(), await begun.frame(), await begun.frame()].map(String)
    assert.ok(
      replies.some((reply) => /^-(TRYAGAIN|EXECABORT) /.test(reply)),
      replies.join(''),
    )
    for (const client of [single, split, begun, served]) await client.closed
    assert.equal(await code, 0)
  })

  it('a second signal ends it at once', async () => {
    const respool = await proxy({ drain: LONG })
    const client = await connected(respool)
    await ask(client, 'PING')
    const code = respool.exited()
    await told(respool)
    process.kill(respool.pid, 'SIGTERM')
    assert.equal(await code, 1)
    await client.closed
  })

  it('a signal behind POST /drain changes nothing, as an orchestrator sends both; the one after it ends it at once', async () => {
    const respool = await proxy({ drain: LONG })
    const client = await connected(respool)
    await ask(client, 'PING')
    const code = respool.exited()
    assert.equal((await fetch(`${respool.admin}/drain`, { method: 'POST' })).status, 202)
    await told(respool)
    assert.equal((await fetch(`${respool.admin}/drain`, { method: 'POST' })).status, 202)
    // It has got the signal when it has done what it was told behind it.
    process.kill(respool.pid, 'SIGHUP')
    await until(() => respool.events('config_reloaded').length > 0, 'it has heard')
    assert.equal(await ask(client, 'SET', 'k', 'v'), '+OK\r\n')
    assert.equal(respool.events('draining').length, 1)
    process.kill(respool.pid, 'SIGTERM')
    assert.equal(await code, 1)
    await client.closed
  })

  it('SIGINT waits for nobody who is idle', async () => {
    const respool = await proxy({ drain: LONG })
    await ask(await connected(respool), 'PING')
    assert.equal(await respool.stop('SIGINT'), 0)
  })

  it('three times under load, each with another one in its place: no error, and every command is carried out once', async () => {
    const port = await freePort()
    const config = { listen: [`127.0.0.1:${port}`], drain: { notice: 0, timeout: '2s' } }
    let respool = await proxy(config)
    const options = { port, maxRetriesPerRequest: null, retryStrategy: () => 10 }
    const clients = Array.from({ length: 8 }, () => new Redis(options))
    for (const client of clients) {
      // Nobody listens for a moment.
      client.on('error', () => undefined)
      test.also(() => client.disconnect())
    }
    let going = true
    let done = 0
    const load = clients.map(async (client, nth) => {
      // Some wait for each reply, others are never idle.
      let last: Promise<unknown> = Promise.resolve()
      while (going) {
        const next = client.incr('drain:count').then(() => done++)
        await (nth < 4 ? next : last)
        last = next
      }
      await last
    })
    for (let round = 0; round < 3; round++) {
      const before = done
      await until(() => done > before + 500, 'they work')
      const code = respool.exited()
      await told(respool, 'accepts_no_more')
      respool = await proxy(config)
      assert.equal(await code, 0)
    }
    const before = done
    await until(() => done > before + 500, 'they work on')
    going = false
    await Promise.all(load)
    assert.equal(await clients[0].get('drain:count'), String(done))
  })
})
