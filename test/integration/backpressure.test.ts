/** More comes than can be passed on: the proxy stops reading, keeps its memory, and loses nothing. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { encode, RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup, connectAll, extraMemory, MEGABYTE, SlowReader } from './support.ts'

const EXTRA_MEMORY = 96 * MEGABYTE

describe('back-pressure', { timeout: 90_000 }, () => {
  const test = new Cleanup()
  let redis: RedisServer

  before(async () => {
    redis = await startRedis()
  })
  afterEach(async () => {
    await redis.kill('SIGCONT')
    await test.run()
    await redis.restart()
  })
  after(() => redis.stop())

  /** One whose patience outlasts what the tests do to it. */
  const proxy = async () => {
    const config = { upstream: { commandTimeout: '60s', holdTime: '60s' }, limits: { stallTimeout: '60s' } }
    return test.add(await startRespool({ upstream: redis.url, config }))
  }

  for (const [size, count, seconds] of [
    [10, 1_000_000, 2],
    [10_000, 1_000_000, 2],
  ]) {
    it(`SETs of ${size} bytes pipelined at a frozen Redis: bounded memory, and nothing lost after it`, async (context) => {
      const respool = await proxy()
      const client = test.client(await RawClient.connect(respool.port))
      assert.equal(await ask(client, 'SET', 'count', 0), '+OK\r\n')
      client.close()
      const memory = extraMemory(respool)
      await redis.kill('SIGSTOP')

      const sender = await SlowReader.connect(respool.port)
      test.also(() => sender.close())
      const value = 'v'.repeat(size)
      const perChunk = Math.ceil(MEGABYTE / 2 / (size + 40))
      const deadline = performance.now() + seconds * 1000
      let sent = 0
      let sending: Promise<void> = Promise.resolve()
      while (sent < count && performance.now() < deadline) {
        const commands = Array.from({ length: perChunk }, (_, nth) =>
          encode(['SET', `k:${(sent + nth) % 1000}`, value]),
        )
        commands.push(encode(['INCR', 'count']))
        sending = sender.send(Buffer.concat(commands))
        sent += perChunk
        await Promise.race([sending, sleep(deadline - performance.now())])
      }
      const chunks = sent / perChunk
      const extraFrozen = await memory.stop()
      const memoryAfter = extraMemory(respool)
      await redis.kill('SIGCONT')

      const tail = '+OK\r\n'.repeat(perChunk)
      for (let chunk = 1; chunk <= chunks; chunk++) {
        const expected = `${tail}:${chunk}\r\n`
        let got = ''
        await sender.take(expected.length, (piece) => (got += piece.toString('latin1')))
        assert.ok(got === expected, `other replies than expected to chunk ${chunk} of ${chunks}`)
      }
      await sending
      const extra = Math.max(extraFrozen, await memoryAfter.stop())
      context.diagnostic(`${sent} SETs sent, ${(extra / MEGABYTE).toFixed(1)} MB of extra memory at most`)
      assert.ok(extra < EXTRA_MEMORY, `${extra} bytes of extra memory`)
    })
  }

  it('many connections that send and do not read: bounded memory, others served, all answered in the end', async (context) => {
    const respool = await proxy()
    const direct = test.client(await RawClient.connect(redis.port))
    await ask(direct, 'SET', 'k', 'v'.repeat(20_000))
    const memory = extraMemory(respool)
    const readers = await Promise.all(Array.from({ length: 20 }, () => SlowReader.connect(respool.port)))
    test.also(() => readers.forEach((reader) => reader.close()))
    const gets = Buffer.concat(Array.from({ length: 300 }, () => encode(['GET', 'k'])))
    for (const reader of readers) await reader.send(gets)
    const others = await connectAll(respool.port, 5)
    for (let turn = 0; turn < 20; turn++) {
      for (const other of others) assert.equal(await ask(other, 'SET', 'n', turn), '+OK\r\n')
    }
    const reply = `$20000\r\n${'v'.repeat(20_000)}\r\n`
    for (let nth = 0; nth < 300; nth++) {
      for (const reader of readers) await reader.take(reply.length)
    }
    const extra = await memory.stop()
    context.diagnostic(`${(extra / MEGABYTE).toFixed(1)} MB of extra memory at most`)
    assert.ok(extra < 300 * MEGABYTE, `${extra} bytes of extra memory`)
    for (const client of others) client.close()
  })

  it('a session over limits.outstanding waits, and goes on', async () => {
    const config = { limits: { outstanding: 10 }, upstream: { commandTimeout: '30s' } }
    const respool = test.add(await startRespool({ upstream: redis.url, config }))
    const client = test.client(await RawClient.connect(respool.port))
    const commands = Array.from({ length: 5000 }, (_, nth) => encode(nth % 3 === 0 ? ['ECHO', nth] : ['INCR', 'n']))
    client.send(Buffer.concat(commands))
    for (let nth = 0, n = 0; nth < commands.length; nth++) {
      const expected = nth % 3 === 0 ? `$${`${nth}`.length}\r\n${nth}\r\n` : `:${++n}\r\n`
      assert.equal(String(await client.frame()), expected)
    }
  })

  it('a frozen Redis and a client that leaves: nothing is kept for it', async () => {
    const config = { upstream: { commandTimeout: '1s', holdTime: '10s' } }
    const respool = test.add(await startRespool({ upstream: redis.url, config }))
    const clients = await connectAll(respool.port, 50)
    for (const client of clients) await ask(client, 'GET', 'k')
    await redis.kill('SIGSTOP')
    for (const client of clients) client.send(Buffer.concat(Array.from({ length: 100 }, () => encode(['GET', 'k']))))
    await until(
      async () => (await respool.metric('respool_downstream_bytes_total', { direction: 'in' })) > 50 * 100 * 20,
      'all is read',
    )
    for (const client of clients) client.close()
    await until(async () => (await respool.metric('respool_downstream_connections')) === 0, 'everybody has left')
    await redis.kill('SIGCONT')
    const late = test.client(await RawClient.connect(respool.port))
    assert.equal(await ask(late, 'ECHO', 'mine'), '$4\r\nmine\r\n')
    await until(async () => (await ask(late, 'SET', 'k', 'v')) === '+OK\r\n', 'Redis serves again')
    assert.equal(await ask(late, 'GET', 'k'), '$1\r\nv\r\n')
  })
})
