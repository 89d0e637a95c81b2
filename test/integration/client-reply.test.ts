/** CLIENT REPLY: replies are left out for one session alone, on connections that it goes on sharing. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { type Argument, encode, RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { ask, Cleanup, connectAll, MEGABYTE, pipeline } from './support.ts'

const OK = '+OK\r\n'

describe('CLIENT REPLY', { timeout: 60_000 }, () => {
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

  const off = encode(['CLIENT', 'REPLY', 'OFF'])
  const on = encode(['CLIENT', 'REPLY', 'ON'])
  const pins = () => respool.metric('respool_pins_total')
  /** The first bytes that come in answer to these. */
  const answerTo = async (port: number, ...commands: Argument[][]) => {
    const client = await RawClient.connect(port)
    try {
      client.send(Buffer.concat(commands.map(encode)))
      return [String(await client.frame()), String(await client.frame())]
    } finally {
      client.close()
    }
  }

  it('sessions that are silent and such that are not share connections, and none gets what is not its own', async () => {
    const clients = await connectAll(respool.port, 40)
    const before = await pins()
    const silent = clients.filter((_client, nth) => nth % 2 === 0)
    for (const client of silent) client.send(off)
    for (let round = 0; round < 20; round++) {
      for (const client of silent) client.send(encode(['INCR', 'silent']))
      const numbers = clients.map(async (client, nth) => {
        if (nth % 2 === 1) assert.equal(await ask(client, 'INCR', `own:${nth}`), `:${round + 1}\r\n`)
      })
      await Promise.all(numbers)
    }
    for (const client of silent) client.send(on)
    for (const client of silent) assert.equal(String(await client.frame()), OK)
    for (const client of silent) assert.equal(await ask(client, 'GET', 'silent'), '$3\r\n400\r\n')
    assert.equal(await pins(), before)
    for (const client of clients) client.close()
  })

  it('SKIP leaves out one reply, also of a command that waits for its connection or its name', async () => {
    const fresh = suite.add(await startRespool({ upstream: redis.url }))
    for (const command of [['SELECT', 7], ['NOSUCH:COMMAND'], ['HELLO', 3], ['BLPOP', 'missing', '0.01']]) {
      const [client] = await connectAll(fresh.port, 1)
      client.send(Buffer.concat([['CLIENT', 'REPLY', 'SKIP'], command, ['ECHO', 'next']].map(encode)))
      assert.equal(String(await client.frame()), '$4\r\nnext\r\n', String(command[0]))
      client.close()
    }
  })

  it('leaves out large replies and replies to large requests', async () => {
    const [client] = await connectAll(respool.port, 1)
    const large = Buffer.alloc(MEGABYTE, 'x')
    client.send(Buffer.concat([off, encode(['SET', 'k', large]), encode(['GET', 'k']), on]))
    assert.equal(String(await client.frame()), OK)
    assert.equal(await ask(client, 'STRLEN', 'k'), `:${MEGABYTE}\r\n`)
    client.close()
  })

  it('goes along when the session takes a connection for good', async () => {
    const commands = [
      ['CLIENT', 'REPLY', 'OFF'],
      ['SET', 'k', 'v'],
      ['SUBSCRIBE', 'c'],
      ['PING'],
      ['GET', 'k'],
      ['UNSUBSCRIBE', 'c'],
      ['GET', 'k'],
    ]
    assert.deepEqual(await answerTo(respool.port, ...commands), await answerTo(redis.port, ...commands))
  })

  it('inside a transaction it garbles the reply to EXEC, as with Redis', async () => {
    const commands = [['MULTI'], ['CLIENT', 'REPLY', 'SKIP'], ['PING', 'a'], ['EXEC'], ['PING', 'b'], ['PING', 'c']]
    const [client, model] = [await RawClient.connect(respool.port), await RawClient.connect(redis.port)]
    for (const one of [client, model]) {
      one.send(Buffer.concat(commands.map(encode)))
    }
    const replies = async (one: RawClient) => {
      const frames: string[] = []
      for (let nth = 0; nth < 4; nth++) frames.push(String(await one.frame()))
      return frames
    }
    assert.deepEqual(await replies(client), await replies(model))
    for (const one of [client, model]) one.close()
  })

  it('a silent transaction that nothing can be known of ends with the connection', async () => {
    const [client, other] = await connectAll(respool.port, 2)
    client.send(off)
    client.send(encode(['MULTI']))
    client.send(Buffer.concat([encode(['SET', 'k', 'v']), encode(['SUBSCRIBE', 'c']), encode(['EXEC'])]))
    await client.closed
    assert.equal(await ask(other, 'GET', 'k'), '$-1\r\n')
    other.close()
  })

  // A Redis of today forgets to close a silent connection that has nothing to say: then the application has to.
  it('QUIT and bytes that are no command end a silent connection without a word', async () => {
    for (const bytes of [encode(['QUIT']), Buffer.from('*1\r\nX\r\n'), Buffer.from('GET "k\r\n')]) {
      const [client] = await connectAll(respool.port, 1)
      client.send(Buffer.concat([off, encode(['SET', 'k', 'v']), bytes]))
      await client.closed
      assert.equal(client.pending.length, 0)
      assert.equal(await ask(direct, 'GETDEL', 'k'), '$1\r\nv\r\n')
    }
  })

  it('errors of respool are left out too', async () => {
    const away = suite.add(await startRedis())
    const own = suite.add(await startRespool({ upstream: away.url }))
    const [client] = await connectAll(own.port, 1)
    assert.equal(await ask(client, 'SET', 'k', 'v'), OK)
    await away.kill()
    client.send(Buffer.concat([off, encode(['GET', 'k']), encode(['DEBUG', 'SLEEP', 0]), on]))
    assert.equal(String(await client.frame()), OK)
    assert.match(await ask(client, 'GET', 'k'), /^-TRYAGAIN /)
    client.close()
  })

  it('commands of a silent session are counted as any others', async () => {
    const [client] = await connectAll(respool.port, 1)
    const count = () => respool.metric('redis_cmd_duration_seconds_count', { cmd: 'getset' })
    const before = await count()
    await pipeline(client, [['GETSET', 'k', 'a']])
    client.send(Buffer.concat([off, encode(['GETSET', 'k', 'b']), encode(['GETSET', 'k', 'c']), on]))
    assert.equal(String(await client.frame()), OK)
    assert.equal((await count()) - before, 3)
    client.close()
  })
})
