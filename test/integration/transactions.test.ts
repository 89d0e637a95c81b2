/** MULTI and WATCH through shared connections: atomic, conflict-aware, and never left behind on an upstream one. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { encode, RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup, connectAll, Observer, pipeline } from './support.ts'

const OK = '+OK\r\n'
const QUEUED = '+QUEUED\r\n'

describe('transactions', { timeout: 60_000 }, () => {
  const suite = new Cleanup()
  let redis: RedisServer
  let respool: Respool
  let observer: Observer
  let direct: RawClient

  before(async () => {
    redis = suite.add(await startRedis())
    respool = suite.add(await startRespool({ upstream: redis.url }))
    observer = suite.add(await Observer.connect(redis.port))
    direct = suite.client(await RawClient.connect(redis.port))
  })
  beforeEach(async () => void (await direct.call('FLUSHALL')))
  after(() => suite.run())

  const nothingLeft = async () => {
    const clean = async () =>
      (await observer.clients()).every(({ multi, watch }) => multi === '-1' && (watch ?? '0') === '0')
    await until(clean, 'no upstream connection has a transaction or a watched key')
    await until(
      async () => (await respool.metric('respool_pool_connections', { state: 'pinned' })) === 0,
      'no lease is held',
    )
  }

  for (const protocol of [2, 3]) {
    const nil = protocol === 3 ? '_\r\n' : '*-1\r\n'

    describe(`RESP${protocol}`, () => {
      const connect = async () => {
        const client = await RawClient.connect(respool.port)
        await ask(client, 'HELLO', protocol)
        return client
      }

      it('EXEC answers all queued commands, in one write or in many', async () => {
        const client = await connect()
        const commands = [['MULTI'], ['SET', 'k', '1'], ['INCR', 'k'], ['LPUSH', 'k', 'x'], ['GET', 'k'], ['EXEC']]
        const wrong = '-WRONGTYPE Operation against a key holding the wrong kind of value\r\n'
        const expected = [OK, QUEUED, QUEUED, QUEUED, QUEUED, `*4\r\n+OK\r\n:2\r\n${wrong}$1\r\n2\r\n`]
        assert.deepEqual(await pipeline(client, commands), expected)
        for (const [nth, command] of commands.entries()) assert.equal(await ask(client, ...command), expected[nth])
        await nothingLeft()
        client.close()
      })

      it('WATCH makes EXEC fail when the key changed, and succeed when not', async () => {
        const [client, other] = [await connect(), await connect()]
        assert.equal(await ask(client, 'WATCH', 'k', 'l'), OK)
        assert.equal(await ask(client, 'GET', 'k'), protocol === 3 ? '_\r\n' : '$-1\r\n')
        assert.equal(await ask(other, 'SET', 'k', 'theirs'), OK)
        assert.deepEqual(await pipeline(client, [['MULTI'], ['SET', 'k', 'mine'], ['EXEC']]), [OK, QUEUED, nil])
        assert.equal(await ask(other, 'GET', 'k'), '$6\r\ntheirs\r\n')

        assert.equal(await ask(client, 'WATCH', 'k'), OK)
        assert.equal(await ask(client, 'GET', 'k'), '$6\r\ntheirs\r\n')
        assert.deepEqual(await pipeline(client, [['MULTI'], ['SET', 'k', 'mine'], ['EXEC']]), [
          OK,
          QUEUED,
          '*1\r\n+OK\r\n',
        ])

        assert.equal(await ask(client, 'WATCH', 'k'), OK)
        assert.equal(await ask(client, 'SET', 'k', 'own change'), OK)
        assert.deepEqual(await pipeline(client, [['MULTI'], ['GET', 'k'], ['EXEC']]), [OK, QUEUED, nil])

        assert.deepEqual(await pipeline(client, [['WATCH', 'k'], ['UNWATCH']]), [OK, OK])
        assert.equal(await ask(other, 'SET', 'k', 'again'), OK)
        assert.deepEqual(await pipeline(client, [['MULTI'], ['GET', 'k'], ['EXEC']]), [
          OK,
          QUEUED,
          '*1\r\n$5\r\nagain\r\n',
        ])
        await nothingLeft()
        for (const one of [client, other]) one.close()
      })

      for (const leave of ['RESET', 'QUIT', 'a closed socket', 'a half-closed socket']) {
        it(`${leave} leaves neither a transaction nor a watched key behind`, async () => {
          const [watching, queueing, both] = [await connect(), await connect(), await connect()]
          await pipeline(watching, [['WATCH', 'k']])
          await pipeline(queueing, [['MULTI'], ['SET', 'k', 'never']])
          await pipeline(both, [['WATCH', 'k'], ['MULTI'], ['SET', 'k', 'never']])
          for (const client of [watching, queueing, both]) {
            if (leave === 'RESET') assert.equal(await ask(client, 'RESET'), '+RESET\r\n')
            else if (leave === 'QUIT') assert.equal(await ask(client, 'QUIT'), OK)
            else if (leave === 'a closed socket') client.close()
            else client.socket.end()
            if (leave !== 'RESET') await client.closed
          }
          await nothingLeft()
          assert.equal(await ask(direct, 'EXISTS', 'k'), ':0\r\n')
          // Servers that do not show watched keys show them by what they do to the next transaction.
          await ask(direct, 'SET', 'k', 'changed')
          const next = await Promise.all(Array.from({ length: 4 }, connect))
          const results = next.map((client) => pipeline(client, [['MULTI'], ['PING'], ['EXEC']]))
          for (const result of await Promise.all(results)) assert.deepEqual(result, [OK, QUEUED, '*1\r\n+PONG\r\n'])
          for (const client of next) client.close()
          await ask(direct, 'DEL', 'k')
          if (leave !== 'RESET') return
          for (const client of [watching, queueing, both]) {
            assert.equal(await ask(client, 'EXEC'), '-ERR EXEC without MULTI\r\n')
            client.close()
          }
        })
      }
    })
  }

  it('sessions that count up under WATCH never lose an update', async () => {
    const clients = await connectAll(respool.port, 20)
    await Promise.all(
      clients.map(async (client) => {
        for (let counted = 0; counted < 10;) {
          await ask(client, 'WATCH', 'count')
          const now = Number((await ask(client, 'GET', 'count')).split('\r\n')[1] || 0)
          const [, , result] = await pipeline(client, [['MULTI'], ['SET', 'count', now + 1], ['EXEC']])
          if (result === '*1\r\n+OK\r\n') counted++
          else assert.equal(result, '*-1\r\n')
        }
      }),
    )
    assert.equal(await ask(direct, 'GET', 'count'), '$3\r\n200\r\n')
    await nothingLeft()
    for (const client of clients) client.close()
  })

  it('nothing comes between the commands of a transaction', async () => {
    const clients = await connectAll(respool.port, 40)
    await Promise.all(
      clients.map(async (client, nth) => {
        for (let round = 0; round < 20; round++) {
          const push =
            nth % 2 === 0
              ? [['MULTI'], ['RPUSH', 'l', 'a'], ['RPUSH', 'l', 'b'], ['RPUSH', 'l', 'c'], ['EXEC']]
              : [['RPUSH', 'l', '.']]
          await pipeline(client, push)
        }
      }),
    )
    const list = (await ask(direct, 'LRANGE', 'l', 0, -1)).replaceAll(/[*$]\d+\r\n|\r\n/g, '')
    assert.equal(list.replaceAll('.', ''), 'abc'.repeat(400))
    assert.equal(list.replaceAll('abc', ''), '.'.repeat(400))
    for (const client of clients) client.close()
  })

  it('plain commands around a transaction keep their order', async () => {
    const client = await RawClient.connect(respool.port)
    const replies = await pipeline(client, [
      ['SET', 'k', '1'],
      ['MULTI'],
      ['INCR', 'k'],
      ['PING'],
      ['EXEC'],
      ['INCR', 'k'],
      ['ECHO', 'between'],
      ['MULTI'],
      ['INCR', 'k'],
      ['DISCARD'],
      ['GET', 'k'],
    ])
    const expected = [
      OK,
      OK,
      QUEUED,
      QUEUED,
      '*2\r\n:2\r\n+PONG\r\n',
      ':3\r\n',
      '$7\r\nbetween\r\n',
      OK,
      QUEUED,
      OK,
      '$1\r\n3\r\n',
    ]
    assert.deepEqual(replies, expected)
    client.close()
  })

  it('a refused command in a transaction makes EXEC fail, as any error there does', async () => {
    const client = await RawClient.connect(respool.port)
    const replies = await pipeline(client, [
      ['MULTI'],
      ['SET', 'k', 'v'],
      ['SHUTDOWN'],
      ['SET', 'k', 'w'],
      ['EXEC'],
      ['GET', 'k'],
    ])
    assert.deepEqual(replies.slice(0, 2), [OK, QUEUED])
    assert.match(replies[2], /^-ERR /)
    assert.equal(replies[3], QUEUED)
    assert.match(replies[4], /^-EXECABORT /)
    assert.equal(replies[5], '$-1\r\n')
    await nothingLeft()
    client.close()
  })

  it('SELECT inside a transaction moves the session, as with Redis', async () => {
    const [client, model] = [await RawClient.connect(respool.port), await RawClient.connect(redis.port)]
    const commands = [
      ['SET', 'k', 'zero'],
      ['MULTI'],
      ['SELECT', '4'],
      ['SET', 'k', 'four'],
      ['EXEC'],
      ['GET', 'k'],
      ['SELECT', '0'],
      ['GET', 'k'],
    ]
    assert.deepEqual(await pipeline(client, commands), await pipeline(model, commands))
    for (const one of [client, model]) one.close()
  })

  it('many transactions wait their turn when there are fewer leases', async () => {
    const tight = await startRespool({
      upstream: redis.url,
      config: { pool: { leases: { max: 2, waitTimeout: '10s' } } },
    })
    const clients = await connectAll(tight.port, 50)
    const commands = [['WATCH', 'other'], ['MULTI'], ['INCR', 'n'], ['EXEC']].map(encode)
    for (const client of clients) client.send(Buffer.concat(commands))
    const results: string[] = []
    for (const client of clients) {
      for (const expected of [OK, OK, QUEUED]) assert.equal(String(await client.frame()), expected)
      results.push(String(await client.frame()))
    }
    const numbers = results.map((result) => Number(/^\*1\r\n:(\d+)\r\n$/.exec(result)?.[1]))
    assert.deepEqual(
      numbers.sort((a, b) => a - b),
      Array.from({ length: 50 }, (_, nth) => nth + 1),
    )
    for (const client of clients) client.close()
    assert.equal(await tight.stop(), 0)
  })

  it('sessions that leave after a transaction leave no trace in the queue for leases', async () => {
    for (let round = 0; round < 20; round++) {
      const client = await RawClient.connect(respool.port)
      await ask(client, 'MULTI')
      await ask(client, 'EXEC')
      client.close()
      await client.closed
    }
    const stats = (await (await fetch(`${respool.admin}/stats`)).json()) as { endpoints: { waiters: number }[] }
    assert.deepEqual(
      stats.endpoints.map(({ waiters }) => waiters),
      [0],
    )
  })
})
