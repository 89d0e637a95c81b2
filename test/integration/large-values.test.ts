/** Values far larger than what the proxy may keep pass through it, whole and unhurried, and others notice nothing. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { after, before, beforeEach, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { encode, RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, bulkText, Cleanup, connectAll, extraMemory, MEGABYTE, Observer, pipeline, SlowReader } from './support.ts'

/** What the proxy may use beyond what it uses idle, whatever passes through. */
const EXTRA_MEMORY = 64 * MEGABYTE

describe('large values', { timeout: 120_000 }, () => {
  const suite = new Cleanup()
  let redis: RedisServer
  let respool: Respool
  let observer: Observer
  let direct: RawClient

  before(async () => {
    redis = suite.add(await startRedis())
    direct = suite.client(await RawClient.connect(redis.port))
    respool = suite.add(await startRespool({ upstream: redis.url, config: { limits: { stallTimeout: '20s' } } }))
    observer = suite.add(await Observer.connect(redis.port))
  })
  beforeEach(async () => void (await direct.call('FLUSHALL')))
  after(() => suite.run())

  it('passes 10 MB values of several clients at once, next to small commands', async () => {
    const values = Array.from({ length: 6 }, () => randomBytes(10 * MEGABYTE))
    let done = false
    const neighbour = await RawClient.connect(respool.port)
    const neighbours = (async () => {
      let turns = 0
      for (; !done; turns++) assert.equal(bulkText(await ask(neighbour, 'ECHO', `${turns}`)), `${turns}`)
      return turns
    })()
    await Promise.all(
      values.map(async (value, nth) => {
        const client = await RawClient.connect(respool.port)
        assert.equal(await ask(client, 'SET', `big:${nth}`, value), '+OK\r\n')
        const reply = await client.call('GET', `big:${nth}`)
        assert.ok(reply.subarray(reply.indexOf('\n') + 1, -2).equals(value))
        client.close()
      }),
    )
    done = true
    assert.ok((await neighbours) > 0)
    neighbour.close()
  })

  it('passes MSET of 100,000 pairs and MGET of 50,000 keys', async () => {
    const client = await RawClient.connect(respool.port)
    const pairs = Array.from({ length: 100_000 }, (_, nth) => [`pair:${nth}`, `${nth}`]).flat()
    client.send(encode(['MSET', ...pairs]))
    assert.equal(String(await client.frame()), '+OK\r\n')
    assert.equal(await ask(client, 'DBSIZE'), ':100000\r\n')
    assert.equal(await ask(client, 'GET', 'pair:99999'), '$5\r\n99999\r\n')
    const keys = Array.from({ length: 50_000 }, (_, nth) => `pair:${nth * 2}`)
    const slow = await SlowReader.connect(respool.port)
    const expected = `*50000\r\n${keys.map((key) => bulk(key.slice(5))).join('')}`
    await slow.send(encode(['MGET', ...keys]))
    assert.equal(await digestOf(slow, expected.length), digest(expected))
    slow.close()
    client.close()
  })

  it('passes an LRANGE of a million elements', async () => {
    const count = 1_000_000
    await direct.call('EVAL', `for i=1,${count} do redis.call('RPUSH', 'long', i) end return 1`, 0)
    let expected = `*${count}\r\n`
    for (let nth = 1; nth <= count; nth++) expected += bulk(`${nth}`)
    const memory = extraMemory(respool)
    const client = await SlowReader.connect(respool.port)
    await client.send(encode(['LRANGE', 'long', 0, -1]))
    assert.equal(await digestOf(client, expected.length), digest(expected))
    assert.ok((await memory.stop()) < EXTRA_MEMORY)
    client.close()
  })

  it('keeps the order of large and small commands and replies in one pipeline', async () => {
    const client = await RawClient.connect(respool.port)
    const large = 'L'.repeat(3 * MEGABYTE)
    const replies = await pipeline(client, [
      ['SET', 'small', 's'],
      ['SET', 'large', large],
      ['GET', 'small'],
      ['GET', 'large'],
      ['PING'],
      ['GET', 'small'],
      ['STRLEN', 'large'],
      ['PING', large],
      ['ECHO', large],
      ['APPEND', 'small', large],
      ['GETRANGE', 'small', 0, 3],
    ])
    const expected = ['+OK\r\n', '+OK\r\n', bulk('s'), bulk(large), '+PONG\r\n', bulk('s'), `:${large.length}\r\n`]
    expected.push(bulk(large), bulk(large), `:${large.length + 1}\r\n`, bulk('sLLL'))
    assert.equal(digest(replies.join('')), digest(expected.join('')))
    client.close()
  })

  it('carries large commands inside MULTI and large replies of EXEC', async () => {
    const client = await RawClient.connect(respool.port)
    const large = randomBytes(2 * MEGABYTE).toString('base64')
    const replies = await pipeline(client, [
      ['MULTI'],
      ['SET', 'k', large],
      ['GET', 'k'],
      ['EXEC'],
      ['WATCH', 'k'],
      ['SET', 'other', large],
      ['MULTI'],
      ['GET', 'other'],
      ['EXEC'],
      ['GET', 'k'],
    ])
    const queued = '+QUEUED\r\n'
    const expected = ['+OK\r\n', queued, queued, `*2\r\n+OK\r\n${bulk(large)}`]
    expected.push('+OK\r\n', '+OK\r\n', '+OK\r\n', queued, `*1\r\n${bulk(large)}`, bulk(large))
    assert.equal(digest(replies.join('')), digest(expected.join('')))
    client.close()
    await until(async () => (await observer.clients()).every(({ multi }) => multi === '-1'), 'no transaction is left')
  })

  it('a client that leaves in the middle of a large SET or GET harms nobody', async () => {
    await direct.call('SET', 'big', 'b'.repeat(30 * MEGABYTE))
    const neighbour = await RawClient.connect(respool.port)
    const before = respool.rss()
    for (let round = 0; round < 8; round++) {
      const writer = await SlowReader.connect(respool.port)
      await writer.send(Buffer.from(`*3\r\n$3\r\nSET\r\n$4\r\nhalf\r\n$${20 * MEGABYTE}\r\n`))
      await writer.send(Buffer.alloc((round + 1) * MEGABYTE, 'h'))
      const reader = await SlowReader.connect(respool.port)
      await reader.send(encode(['GET', 'big']))
      await reader.take((round + 1) * MEGABYTE)
      writer.close()
      reader.close()
      assert.equal(await ask(neighbour, 'SET', 'n', round), '+OK\r\n')
      assert.equal(await ask(neighbour, 'GET', 'n'), `$1\r\n${round}\r\n`)
    }
    assert.equal(await ask(neighbour, 'EXISTS', 'half'), ':0\r\n')
    await until(
      async () => (await respool.metric('respool_pool_connections', { state: 'pinned' })) === 0,
      'leases are free',
    )
    await until(() => respool.rss() - before < EXTRA_MEMORY, 'the memory is given back')
    neighbour.close()
  })

  it('a slow reader of big replies costs bounded memory, and its neighbours go on', async () => {
    await direct.call('SET', 'big', 'b'.repeat(100 * MEGABYTE))
    const neighbours = await connectAll(respool.port, 10)
    for (const client of neighbours) await ask(client, 'SET', 'n', 'n')
    const memory = extraMemory(respool)
    const slow = await SlowReader.connect(respool.port)
    await slow.send(encode(['GET', 'big']))
    await slow.take(MEGABYTE)
    for (let turn = 0; turn < 50; turn++) {
      for (const client of neighbours) assert.equal(await ask(client, 'GET', 'n'), '$1\r\nn\r\n')
      await slow.take(10_000)
      await sleep(10)
    }
    const total = `$${100 * MEGABYTE}\r\n`.length + 100 * MEGABYTE + 2
    await slow.take(total - slow.taken)
    const extra = await memory.stop()
    assert.ok(extra < EXTRA_MEMORY, `${extra} bytes of extra memory`)
    for (const client of [slow, ...neighbours]) client.close()
  })

  it('10,000 pipelined GETs of 10 KB by a slow reader complete with bounded memory', async () => {
    const value = 'v'.repeat(10_000)
    await direct.call('SET', 'ten', value)
    const memory = extraMemory(respool)
    const slow = await SlowReader.connect(respool.port)
    const neighbours = await connectAll(respool.port, 5)
    const reply = bulk(value)
    let done = false
    const neighbourhood = neighbours.map(async (client) => {
      let turns = 0
      for (; !done; turns++) assert.equal(await ask(client, 'GET', 'ten'), reply)
      return turns
    })
    const sending = slow.send(Buffer.concat(Array.from({ length: 10_000 }, () => encode(['GET', 'ten']))))
    for (let nth = 0; nth < 1000; nth++) {
      assert.equal(await digestOf(slow, 10 * reply.length), digest(reply.repeat(10)))
      await sleep(1)
    }
    await sending
    done = true
    for (const turns of await Promise.all(neighbourhood)) assert.ok(turns > 10, `a neighbour got only ${turns} answers`)
    const extra = await memory.stop()
    assert.ok(extra < EXTRA_MEMORY, `${extra} bytes of extra memory`)
    for (const client of [slow, ...neighbours]) client.close()
  })

  it('an argument over limits.bulkBytes is refused with the words of Redis', async () => {
    const small = await startRespool({ upstream: redis.url, config: { limits: { bulkBytes: '1mb' } } })
    const client = await RawClient.connect(small.port)
    client.send(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${MEGABYTE + 1}\r\n`)
    assert.equal(String(await client.frame()), '-ERR Protocol error: invalid bulk length\r\n')
    await client.closed
    const allowed = await RawClient.connect(small.port)
    assert.equal(await ask(allowed, 'SET', 'k', 'v'.repeat(MEGABYTE)), '+OK\r\n')
    allowed.close()
    assert.equal(await small.stop(), 0)
  })
})

const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`
const digest = (text: string) => createHash('sha256').update(text, 'latin1').digest('hex')

async function digestOf(reader: SlowReader, length: number): Promise<string> {
  const hash = createHash('sha256')
  await reader.take(length, (piece) => hash.update(piece))
  return hash.digest('hex')
}
