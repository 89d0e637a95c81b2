/** Limits of one listener bind its applications, and no others. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { freePort } from '../helpers/ports.ts'
import { encode, RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup, MEGABYTE } from './support.ts'

describe('limits of one listener', { timeout: 60_000 }, () => {
  const suite = new Cleanup()
  const test = new Cleanup()
  let redis: RedisServer

  before(async () => {
    redis = suite.add(await startRedis())
  })
  afterEach(() => test.run())
  after(() => suite.run())

  /** A proxy with one listener more, which has these limits. */
  async function proxy(limits: object) {
    const port = await freePort()
    const config = { listen: [{ address: `127.0.0.1:${port}`, limits }] }
    const respool = test.add(await startRespool({ upstream: redis.url, config }))
    return { respool, port }
  }
  const connect = async (port: number) => test.client(await RawClient.connect(port))

  it('one connection too many is refused as by Redis, and there is room again when one has gone', async () => {
    const { respool, port } = await proxy({ connections: 2 })
    const [first, second] = [await connect(port), await connect(port)]
    for (const client of [first, second]) assert.equal(await ask(client, 'PING'), '+PONG\r\n')
    const third = await connect(port)
    assert.equal(String(await third.frame()), '-ERR max number of clients reached\r\n')
    assert.equal(await ask(await connect(respool.port), 'PING'), '+PONG\r\n')
    assert.equal(await respool.metric('respool_downstream_refused_total'), 1)
    second.close()
    await until(async () => (await ask(await connect(port), 'PING')) === '+PONG\r\n', 'there is room')
  })

  it('commands that are too many wait, and none is lost, crossed or answered with an error', async () => {
    const { respool, port } = await proxy({ commandsPerSecond: 500 })
    const began = performance.now()
    await Promise.all(
      Array.from({ length: 4 }, async (_, nth) => {
        const client = await connect(port)
        for (let batch = 0; batch < 10; batch++) {
          const values = Array.from({ length: 25 }, (__, i) => `${nth}:${batch}:${i}`)
          client.send(Buffer.concat(values.map((value) => encode(['ECHO', value]))))
          for (const value of values)
            assert.equal(String(await client.frame(20_000)), `$${value.length}\r\n${value}\r\n`)
        }
      }),
    )
    // 1000 commands, of which 500 may come at once, and the last read of each is taken in whole.
    assert.ok(performance.now() - began > 500, 'they were made to wait')
    assert.ok((await respool.metric('respool_downstream_paced_total')) > 0)
    const other = await connect(respool.port)
    for (let i = 0; i < 1000; i++) assert.equal(await ask(other, 'ECHO', `${i}`), `$${`${i}`.length}\r\n${i}\r\n`)
    assert.equal(await respool.metric('respool_errors_total'), 0)
  })

  it('replies that nobody reads stop its applications, while those of others go on', async () => {
    const { respool, port } = await proxy({ bufferedBytes: '1mb' })
    const other = await connect(respool.port)
    await ask(other, 'SET', 'large', 'x'.repeat(64 * 1024))
    const lazy = await connect(port)
    lazy.socket.pause()
    for (let i = 0; i < 2000; i++) lazy.send(encode(['GET', 'large']))
    await until(async () => (await respool.metric('respool_buffered_bytes')) > MEGABYTE, 'replies pile up')
    for (let i = 0; i < 100; i++) assert.equal(await ask(other, 'GET', 'missing'), '$-1\r\n')
    assert.ok((await respool.metric('respool_buffered_bytes')) < 32 * MEGABYTE)
    lazy.socket.resume()
    for (let i = 0; i < 2000; i++) assert.equal((await lazy.frame(20_000)).length, 64 * 1024 + 10)
  })

  it('a reload changes them for those who come, and for the rate of those who are there', async () => {
    const port = await freePort()
    const config = (limits: object) => ({ listen: [{ address: `127.0.0.1:${port}`, limits }] })
    const respool = test.add(await startRespool({ upstream: redis.url, config: config({ connections: 1 }) }))
    const first = await connect(port)
    assert.equal(await ask(first, 'PING'), '+PONG\r\n')
    respool.configure(config({ connections: 2 }))
    assert.equal((await fetch(`${respool.admin}/reload`, { method: 'POST' })).status, 200)
    assert.equal(await ask(await connect(port), 'PING'), '+PONG\r\n')
    assert.equal(String(await (await connect(port)).frame()), '-ERR max number of clients reached\r\n')
    assert.equal(await ask(first, 'PING'), '+PONG\r\n')
  })
})
