/** A transaction that comes in one piece needs no connection of its own: it goes to a shared one, and nothing comes between. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { type Argument, encode, RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { ask, Cleanup, connectAll, pipeline } from './support.ts'

const TRANSACTION = [
  ['MULTI'],
  ['SET', 'k', '1'],
  ['INCR', 'k'],
  ['LPUSH', 'k', 'x'],
  ['MULTI'],
  ['WATCH', 'k'],
  ['BLPOP', 'nothing', '0'],
  ['PING'],
  ['EXEC'],
  ['GET', 'k'],
]

describe('transactions in one piece', { timeout: 120_000 }, () => {
  const suite = new Cleanup()
  let redis: RedisServer
  let respool: Respool
  let direct: RawClient

  before(async () => {
    redis = suite.add(await startRedis())
    respool = suite.add(await startRespool({ upstream: redis.url }))
    direct = suite.client(await RawClient.connect(redis.port))
  })
  beforeEach(async () => void (await direct.call('FLUSHALL')))
  after(() => suite.run())

  const leases = () => respool.metric('respool_pins_total', { reason: 'multi' })

  it('take no lease, whatever is queued, and are answered as by Redis itself', async () => {
    const client = await RawClient.connect(respool.port)
    const before = await leases()
    assert.deepEqual(await pipeline(client, TRANSACTION), await pipeline(direct, TRANSACTION))
    assert.equal(await leases(), before)
    client.close()
  })

  it('take one if they come in pieces, and are answered the same, wherever they are cut', async () => {
    const client = await RawClient.connect(respool.port)
    const bytes = Buffer.concat(TRANSACTION.map(encode))
    const expected = await pipeline(direct, TRANSACTION)
    const before = await leases()
    for (let cut = 1; cut < bytes.length; cut++) {
      client.send(bytes.subarray(0, cut))
      await new Promise((resolve) => setImmediate(resolve))
      client.send(bytes.subarray(cut))
      for (const reply of expected) assert.equal(String(await client.frame()), reply)
    }
    assert.ok((await leases()) > before)
    client.close()
  })

  it('take one for anything that changes the connection', async () => {
    const others: Argument[][] = [['SELECT', 3], ['CLIENT', 'ID'], ['DISCARD'], ['SUBSCRIBE', 'c'], ['NOSUCHCOMMAND']]
    for (const command of others) {
      const client = await RawClient.connect(respool.port)
      const before = await leases()
      await pipeline(client, [['MULTI'], command, ['EXEC']])
      assert.equal(await leases(), before + 1, command[0].toString())
      client.close()
    }
  })

  it('stay in order with commands before and behind them, and whole among those of others', async () => {
    const clients = await connectAll(respool.port, 40)
    const before = await leases()
    const pieces = [
      ['RPUSH', 'l', '.'],
      ['MULTI'],
      ['RPUSH', 'l', 'a'],
      ['RPUSH', 'l', 'b'],
      ['EXEC'],
      ['RPUSH', 'l', '.'],
    ]
    const round = Array.from({ length: 5 }, () => pieces).flat()
    for (let nth = 0; nth < 10; nth++) {
      const replies = await Promise.all(clients.map((client) => pipeline(client, round)))
      for (const reply of replies.flat()) assert.doesNotMatch(reply, /^-/)
    }
    const list = (await ask(direct, 'LRANGE', 'l', 0, -1)).replaceAll(/[*$]\d+\r\n|\r\n/g, '')
    assert.equal(list.replaceAll('.', ''), 'ab'.repeat(2000))
    assert.equal(list.replaceAll('ab', ''), '.'.repeat(4000))
    assert.equal(await leases(), before)
    for (const client of clients) client.close()
  })

  it('that are longer than what may be in flight work too', async () => {
    const client = await RawClient.connect(respool.port)
    const commands = [['MULTI'], ...Array.from({ length: 3000 }, () => ['INCR', 'n']), ['EXEC'], ['GET', 'n']]
    const replies = await pipeline(client, commands)
    assert.equal(replies.at(-1), '$4\r\n3000\r\n')
    client.close()
  })

  it('disturb nobody on a server where EXEC has another name', async () => {
    const renamed = await startRedis({ args: ['--rename-command', 'EXEC', 'XEXEC'] })
    const through = await startRespool({ upstream: renamed.url })
    const clients = await connectAll(through.port, 20)
    await Promise.all(clients.map((client, nth) => ask(client, 'SET', `k${nth}`, nth)))
    await Promise.all(
      clients.map(async (client, nth) => {
        if (nth % 5 === 0) return void (await pipeline(client, [['MULTI'], ['GET', 'k0'], ['EXEC']]))
        for (const reply of await pipeline(client, Array(50).fill(['GET', `k${nth}`]) as Argument[][])) {
          if (!reply.startsWith('-OUTCOMEUNKNOWN') && !reply.startsWith('-TRYAGAIN'))
            assert.equal(reply, `$${`${nth}`.length}\r\n${nth}\r\n`)
        }
      }),
    )
    for (const client of clients) client.close()
    await through.stop()
    await renamed.stop()
  })

  it('that are refused before they begin are refused whole', async () => {
    const gone = await startRedis()
    const through = await startRespool({ upstream: gone.url, config: { upstream: { holdTime: '50ms' } } })
    const client = await RawClient.connect(through.port)
    await ask(client, 'PING')
    await gone.stop()
    const replies = await pipeline(client, [['MULTI'], ['SET', 'k', 'v'], ['EXEC'], ['PING']])
    assert.match(replies[0], /^-TRYAGAIN /)
    assert.equal(replies[1], '+QUEUED\r\n')
    assert.match(replies[2], /^-EXECABORT /)
    assert.equal(replies[3], '+PONG\r\n')
    client.close()
    await through.stop()
  })
})
