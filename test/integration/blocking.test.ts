/** Commands that wait get a connection of their own, in bounds, and nothing is popped for somebody who has left. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { ERRORS } from '../../src/errors.ts'
import { encode, RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup, connectAll, Observer, pipeline } from './support.ts'

const LEASES = 6

describe('blocking commands', { timeout: 60_000 }, () => {
  const suite = new Cleanup()
  let redis: RedisServer
  let respool: Respool
  let observer: Observer
  let direct: RawClient

  before(async () => {
    redis = suite.add(await startRedis({ args: ['--repl-diskless-sync-delay', '0'] }))
    const config = {
      pool: { leases: { max: LEASES, reserve: 0, waitTimeout: '700ms' } },
      upstream: { commandTimeout: '700ms' },
    }
    respool = suite.add(await startRespool({ upstream: redis.url, config }))
    observer = suite.add(await Observer.connect(redis.port))
    direct = suite.client(await RawClient.connect(redis.port))
  })
  beforeEach(async () => void (await direct.call('FLUSHALL')))
  after(() => suite.run())

  const blocked = (count: number) =>
    until(async () => (await observer.info('clients', 'blocked_clients')) === count, `${count} are blocked`)
  const nobodyPinned = () =>
    until(async () => (await respool.metric('respool_pool_connections', { state: 'pinned' })) === 0, 'no lease is held')

  it('a pop waits, also longer than a command may take, while others work', async () => {
    const [waiting, other] = await connectAll(respool.port, 2)
    const woken = ask(waiting, 'BLPOP', 'queue', 0)
    await blocked(1)
    const start = performance.now()
    // Well past commandTimeout: a pop without a limit has none here either.
    while (performance.now() - start < 1500) assert.equal(await ask(other, 'ECHO', 'x'), '$1\r\nx\r\n')
    assert.equal(await ask(other, 'RPUSH', 'queue', 'item'), ':1\r\n')
    assert.equal(await woken, '*2\r\n$5\r\nqueue\r\n$4\r\nitem\r\n')
    await nobodyPinned()
    for (const client of [waiting, other]) client.close()
  })

  it('what waits in vain ends with nil in the protocol of the session', async () => {
    const client = await RawClient.connect(respool.port)
    assert.equal(await ask(client, 'BLPOP', 'queue', '0.05'), '*-1\r\n')
    assert.equal(await ask(client, 'BZPOPMAX', 'zset', '0.05'), '*-1\r\n')
    await ask(client, 'HELLO', 3)
    assert.equal(await ask(client, 'BLPOP', 'queue', '0.05'), '_\r\n')
    assert.equal(await ask(client, 'BZPOPMIN', 'zset', '0.05'), '_\r\n')
    client.close()
  })

  it('more that wait than there are leases: a clear error within the limit, and the rest go on', async () => {
    const clients = await connectAll(respool.port, LEASES + 4)
    const replies = clients.map((client, nth) => ask(client, 'BLPOP', `queue:${nth}`, 0))
    await blocked(LEASES)
    const settled = await Promise.all(replies.map((reply) => Promise.race([reply, after2Seconds()])))
    const refused = settled.filter((reply) => reply === `-${ERRORS.leaseTimeout.text}\r\n`)
    assert.equal(refused.length, 4)
    assert.equal(await respool.metric('respool_errors_total', { code: 'leaseTimeout' }), 4)
    for (let nth = 0; nth < clients.length; nth++) await ask(direct, 'RPUSH', `queue:${nth}`, 'x')
    const answers = await Promise.all(replies)
    assert.equal(answers.filter((answer) => answer.startsWith('*2\r\n')).length, LEASES)
    for (const client of clients) {
      assert.equal(await ask(client, 'SET', 'after', 'v'), '+OK\r\n')
      client.close()
    }
    await nobodyPinned()
  })

  it('100 consumers take turns on the leases and every item goes to exactly one', async () => {
    const clients = await connectAll(respool.port, 100)
    const taken: string[] = []
    let done = false
    const consumers = clients.map(async (client) => {
      while (!done) {
        const reply = await ask(client, 'BLPOP', 'queue', '0.02')
        if (reply.startsWith('*2')) taken.push(reply.split('\r\n')[4])
      }
    })
    for (let nth = 0; nth < 500; nth++) await ask(direct, 'RPUSH', 'queue', `item ${nth}`)
    await until(() => taken.length >= 500, 'all items are taken')
    done = true
    await Promise.all(consumers)
    assert.equal(new Set(taken).size, 500)
    assert.equal(taken.length, 500)
    for (const client of clients) client.close()
  })

  for (const leave of ['destroys its socket', 'ends its half of the connection']) {
    it(`a client that ${leave} while it waits takes no item with it`, async () => {
      const clients = await connectAll(respool.port, LEASES)
      for (const client of clients) client.send(encode(['BLPOP', 'queue', 0]))
      await blocked(LEASES)
      for (const client of clients) {
        if (leave.startsWith('destroys')) client.close()
        else client.socket.end()
      }
      await blocked(0)
      await ask(direct, 'RPUSH', 'queue', 'precious')
      assert.equal(await ask(direct, 'LRANGE', 'queue', 0, -1), '*1\r\n$8\r\nprecious\r\n')
      await nobodyPinned()
    })
  }

  it('commands behind a blocking one wait for it, in order', async () => {
    const client = await RawClient.connect(respool.port)
    client.send(
      Buffer.concat(
        [['SET', 'k', 'v'], ['BLPOP', 'queue', '0'], ['GET', 'k'], ['BLPOP', 'queue', '0'], ['PING']].map(encode),
      ),
    )
    assert.equal(String(await client.frame()), '+OK\r\n')
    await blocked(1)
    await ask(direct, 'RPUSH', 'queue', '1')
    assert.equal(String(await client.frame()), '*2\r\n$5\r\nqueue\r\n$1\r\n1\r\n')
    assert.equal(String(await client.frame()), '$1\r\nv\r\n')
    await blocked(1)
    await ask(direct, 'RPUSH', 'queue', '2')
    assert.equal(String(await client.frame()), '*2\r\n$5\r\nqueue\r\n$1\r\n2\r\n')
    assert.equal(String(await client.frame()), '+PONG\r\n')
    client.close()
  })

  it('XREAD and XREADGROUP with BLOCK wait, without it they share', async () => {
    const [reader, group] = await connectAll(respool.port, 2)
    assert.equal(await ask(reader, 'XREAD', 'COUNT', 1, 'STREAMS', 's', '0'), '*-1\r\n')
    await ask(group, 'XGROUP', 'CREATE', 's', 'g', '$', 'MKSTREAM')
    const pins = await respool.metric('respool_pins_total', { reason: 'blocking' })
    const read = ask(reader, 'XREAD', 'BLOCK', 0, 'STREAMS', 's', '$')
    const readGroup = ask(group, 'XREADGROUP', 'GROUP', 'g', 'me', 'BLOCK', 0, 'STREAMS', 's', '>')
    await blocked(2)
    await ask(direct, 'XADD', 's', '1-1', 'f', 'v')
    const expected = '*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n'
    assert.equal(await read, expected)
    assert.equal(await readGroup, expected)
    assert.equal(await respool.metric('respool_pins_total', { reason: 'blocking' }), pins + 2)
    assert.equal(await ask(reader, 'XREAD', 'BLOCK', 30, 'STREAMS', 's', '$'), '*-1\r\n')
    for (const client of [reader, group]) client.close()
  })

  it('CLIENT UNBLOCK finds a session by the id that it was told', async () => {
    const [waiting, other] = await connectAll(respool.port, 2)
    const id = Number((await ask(waiting, 'CLIENT', 'ID')).slice(1))
    const timeout = ask(waiting, 'BLPOP', 'queue', 0)
    await blocked(1)
    assert.equal(await ask(other, 'CLIENT', 'UNBLOCK', id), ':1\r\n')
    assert.equal(await timeout, '*-1\r\n')
    const failing = ask(waiting, 'BLPOP', 'queue', 0)
    await blocked(1)
    assert.equal(await ask(other, 'CLIENT', 'UNBLOCK', id, 'ERROR'), ':1\r\n')
    assert.match(await failing, /^-UNBLOCKED /)
    for (const client of [waiting, other]) client.close()
  })

  it('no call waits longer than the configuration allows, and ends as if its own time were over', async () => {
    const impatient = await startRespool({ upstream: redis.url, config: { limits: { blockTime: '50ms' } } })
    const client = await RawClient.connect(impatient.port)
    assert.equal(await ask(client, 'BLPOP', 'nothing', 0), '*-1\r\n')
    assert.equal(await ask(client, 'XREAD', 'BLOCK', 0, 'STREAMS', 'nothing', '$'), '*-1\r\n')
    assert.equal(await ask(client, 'BZMPOP', 1000, 1, 'nothing', 'MIN'), '*-1\r\n')
    assert.equal(await ask(client, 'PING'), '+PONG\r\n')
    client.close()
    assert.equal(await impatient.stop(), 0)
  })

  it('a pop inside MULTI does not wait', async () => {
    const client = await RawClient.connect(respool.port)
    const replies = await pipeline(client, [['MULTI'], ['BLPOP', 'queue', '0'], ['EXEC']])
    assert.deepEqual(replies, ['+OK\r\n', '+QUEUED\r\n', '*1\r\n*-1\r\n'])
    client.close()
  })

  it("WAIT counts the replicas that have this session's own writes, and no others", async () => {
    const replica = await startRedis({ args: ['--replicaof', `127.0.0.1 ${redis.port}`] })
    try {
      await until(
        async () => (await observer.info('replication', 'connected_slaves')) === 1,
        'the replica is connected',
      )
      const [writer, reader] = await connectAll(respool.port, 2)
      await until(async () => {
        await ask(writer, 'SET', 'k', 'v')
        return (await ask(writer, 'WAIT', 1, 500)) === ':1\r\n'
      }, 'the replica acknowledges a write')
      assert.deepEqual(
        await pipeline(writer, [
          ['SET', 'k', 'w'],
          ['WAIT', '1', '500'],
        ]),
        ['+OK\r\n', ':1\r\n'],
      )
      await replica.kill('SIGSTOP')
      for (let round = 0; round < 3; round++) {
        assert.deepEqual(
          await pipeline(writer, [
            ['SET', 'k', `${round}`],
            ['WAIT', '1', '100'],
          ]),
          ['+OK\r\n', ':0\r\n'],
        )
      }
      assert.equal(await ask(writer, 'SET', 'k', 'x'), '+OK\r\n')
      assert.equal(await ask(writer, 'WAIT', 1, 100), ':0\r\n')
      await replica.kill('SIGCONT')
      await ask(writer, 'SET', 'k', 'y')
      assert.equal(await ask(writer, 'WAIT', 1, 0), ':1\r\n')
      for (const client of [writer, reader]) client.close()
    } finally {
      await replica.stop()
    }
  })
})

const after2Seconds = () => new Promise<string>((resolve) => setTimeout(resolve, 2000, 'no answer yet'))
