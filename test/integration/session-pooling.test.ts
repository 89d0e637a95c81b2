/** A listener with session pooling: each application has an upstream connection to itself, which is used again after it. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { encode, RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { freePort } from '../helpers/ports.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup, connectAll, Observer, pipeline } from './support.ts'

describe('session pooling', { timeout: 60_000 }, () => {
  const suite = new Cleanup()
  let redis: RedisServer
  let respool: Respool
  let observer: Observer
  let port: number

  before(async () => {
    redis = suite.add(await startRedis())
    port = await freePort()
    const listen = [{ address: `127.0.0.1:${port}`, pooling: 'session' }]
    const pool = { max: 1, leases: { max: 4, reserve: 1, waitTimeout: '200ms' } }
    respool = suite.add(await startRespool({ upstream: redis.url, config: { listen, pool } }))
    observer = suite.add(await Observer.connect(redis.port))
  })
  after(() => suite.run())

  const named = async (name: string) => (await observer.clients()).filter((one) => one.name === name)
  const leases = () => respool.metric('respool_pins_total', { reason: 'session' })

  it('takes a lease with the first command that needs Redis, and keeps it until the application leaves', async () => {
    const client = await RawClient.connect(port)
    const before = await leases()
    await pipeline(client, [['CLIENT', 'SETNAME', 'mine'], ['PING']])
    assert.equal(await leases(), before)
    await pipeline(client, [
      ['SET', 'k', 'v'],
      ['WATCH', 'k'],
      ['MULTI'],
      ['GET', 'k'],
      ['EXEC'],
      ['BLPOP', 'nothing', '0.01'],
      ['GET', 'k'],
    ])
    const [upstream] = await named('mine')
    assert.equal(upstream.cmd, 'get')
    assert.equal(await leases(), before + 1)
    client.close()
    await until(async () => (await named('mine')).length === 0, 'the connection has its own name again')
    assert.ok(
      (await observer.clients()).some((one) => one.id === upstream.id),
      'and is still there',
    )

    const next = await RawClient.connect(port)
    await pipeline(next, [
      ['CLIENT', 'SETNAME', 'next'],
      ['GET', 'k'],
    ])
    assert.equal((await named('next'))[0].id, upstream.id, 'for the next one')
    next.close()
    await until(async () => (await named('next')).length === 0, 'it has left')
  })

  it('follows the application to another database', async () => {
    const client = await RawClient.connect(port)
    const commands = [
      ['SET', 'where', 'zero'],
      ['SELECT', '2'],
      ['SET', 'where', 'two'],
      ['GET', 'where'],
      ['SELECT', '0'],
      ['GET', 'where'],
    ]
    const replies = await pipeline(client, commands)
    assert.deepEqual([replies[3], replies[5]], ['$3\r\ntwo\r\n', '$4\r\nzero\r\n'])
    client.close()
  })

  it('undoes what an application leaves behind', async () => {
    for (const left of [[['WATCH', 'k']], [['MULTI'], ['SET', 'k', 'w']]]) {
      const client = await RawClient.connect(port)
      await pipeline(client, left)
      client.close()
      const clean = async () =>
        (await observer.clients()).every(({ multi, watch }) => multi === '-1' && (watch ?? '0') === '0')
      await until(clean, 'nothing is left')
    }
  })

  it('has a clear error when all leases are taken, and leaves the others to transactions', async () => {
    const clients = await connectAll(port, 4)
    const [, , , last] = clients
    for (const client of clients.slice(0, 3)) assert.equal(await ask(client, 'SET', 'k', 'v'), '+OK\r\n')
    assert.match(await ask(last, 'GET', 'k'), /^-TRYAGAIN .*pool\.leases\.max/)
    const other = await RawClient.connect(respool.port)
    assert.equal(await ask(other, 'WATCH', 'k'), '+OK\r\n')
    last.send(encode(['GET', 'k']))
    clients[0].close()
    assert.equal(String(await last.frame()), '$1\r\nv\r\n')
    for (const client of [...clients, other]) client.close()
  })
})
