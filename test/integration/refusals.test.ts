/** What is not carried is refused in words that say what to do; what is allowed gets a connection that no one uses afterwards. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { REFUSED_BY_DEFAULT } from '../../src/config/schema.ts'
import { encode, RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup, connectAll, Observer, pipeline } from './support.ts'

const OK = '+OK\r\n'
const FORMS: Record<(typeof REFUSED_BY_DEFAULT)[number], string[]> = {
  'cluster|syncslots': ['CLUSTER', 'SYNCSLOTS', 'FINISH'],
  debug: ['DEBUG', 'JMAP'],
  psync: ['PSYNC', '?', '-1'],
  replconf: ['REPLCONF', 'listening-port', '1'],
  'script|debug': ['SCRIPT', 'DEBUG', 'NO'],
  shutdown: ['SHUTDOWN', 'ABORT'],
  sync: ['SYNC'],
}

describe('refusals', { timeout: 60_000 }, () => {
  const suite = new Cleanup()
  let redis: RedisServer
  let respool: Respool

  before(async () => {
    redis = suite.add(await startRedis({ args: ['--enable-debug-command', 'yes'] }))
    respool = suite.add(await startRespool({ upstream: redis.url }))
  })
  after(() => suite.run())

  const refused = (name: string) =>
    `-ERR respool does not carry '${name}': to let it through, list it under commands.allow\r\n`

  for (const name of REFUSED_BY_DEFAULT) {
    it(`${name} is refused, in any case, and the session goes on`, async () => {
      const [client] = await connectAll(respool.port, 1)
      const command = FORMS[name]
      const commands = [['SET', 'k', 'v'], command, command.map((word) => word.toLowerCase()), ['GET', 'k']]
      assert.deepEqual(await pipeline(client, commands), [OK, refused(name), refused(name), '$1\r\nv\r\n'])
      client.close()
    })

    it(`${name} in a transaction makes EXEC fail`, async () => {
      const [client] = await connectAll(respool.port, 1)
      const commands = [['MULTI'], ['SET', 'k', 'w'], FORMS[name], ['EXEC'], ['GET', 'k']]
      const replies = await pipeline(client, commands)
      assert.equal(replies[2], refused(name))
      assert.match(replies[3], /^-EXECABORT /)
      assert.equal(replies[4], '$1\r\nv\r\n')
      client.close()
    })
  }

  it('one with a large argument is refused as well', async () => {
    const [client] = await connectAll(respool.port, 1)
    assert.equal(await ask(client, 'DEBUG', 'x'.repeat(100_000)), refused('debug'))
    assert.equal(await ask(client, 'PING'), '+PONG\r\n')
    client.close()
  })

  it('each is counted', async () => {
    const count = () => respool.metric('respool_errors_total', { code: 'refused' })
    const [client] = await connectAll(respool.port, 1)
    const before = await count()
    await pipeline(client, [['DEBUG', 'JMAP'], ['SYNC']])
    assert.equal((await count()) - before, 2)
    client.close()
  })

  describe('what is allowed', () => {
    let lenient: Respool
    let observer: Observer

    before(async () => {
      lenient = suite.add(
        await startRespool({ upstream: redis.url, config: { commands: { allow: ['debug', 'psync', 'replconf'] } } }),
      )
      observer = suite.add(await Observer.connect(redis.port))
    })

    const nobodyPinned = () =>
      until(async () => (await lenient.metric('respool_pool_connections', { state: 'pinned' })) === 0, 'none is held')

    it('is answered by Redis, on a connection that is closed afterwards', async () => {
      const [client, model] = [...(await connectAll(lenient.port, 1)), ...(await connectAll(redis.port, 1))]
      const commands = [
        ['SET', 'k', 'v'],
        ['DEBUG', 'JMAP'],
        ['DEBUG', 'SLEEP', '0'],
        ['GET', 'k'],
      ]
      assert.deepEqual(await pipeline(client, commands), await pipeline(model, commands))
      assert.equal(await lenient.metric('respool_pins_total', { reason: 'session' }), 1)
      const ids = (await observer.clients()).map(({ id }) => id)
      for (const one of [client, model]) one.close()
      await nobodyPinned()
      await until(async () => (await observer.clients()).length === ids.length - 2, 'its connection is closed')
    })

    it('is part of a transaction, too', async () => {
      const [client] = await connectAll(lenient.port, 1)
      const commands = [['MULTI'], ['SET', 'k', 'v'], ['DEBUG', 'JMAP'], ['EXEC'], ['GET', 'k']]
      const replies = await pipeline(client, commands)
      const [model] = await connectAll(redis.port, 1)
      assert.deepEqual(replies, await pipeline(model, commands))
      for (const one of [client, model]) one.close()
      await nobodyPinned()
    })

    it('lets a replica follow through respool', async () => {
      const [writer] = await connectAll(lenient.port, 1)
      await ask(writer, 'SET', 'before', 'x')
      const replica = suite.add(await startRedis({ args: ['--replicaof', '127.0.0.1', String(lenient.port)] }))
      const reader = suite.client(await RawClient.connect(replica.port))
      await until(async () => (await ask(reader, 'GET', 'before')) === '$1\r\nx\r\n', 'the replica is loaded')
      await ask(writer, 'SET', 'after', 'y')
      await until(async () => (await ask(reader, 'GET', 'after')) === '$1\r\ny\r\n', 'the replica follows')
      writer.close()
    })

    it('the others are still refused', async () => {
      const [client] = await connectAll(lenient.port, 1)
      client.send(Buffer.concat([encode(['SYNC']), encode(['SHUTDOWN'])]))
      assert.equal(String(await client.frame()), refused('sync'))
      assert.equal(String(await client.frame()), refused('shutdown'))
      client.close()
    })
  })

  it('a SHUTDOWN that is allowed ends the connection that it came on', async () => {
    const doomed = suite.add(await startRedis())
    const lenient = suite.add(
      await startRespool({ upstream: doomed.url, config: { commands: { allow: ['shutdown'] } } }),
    )
    const [client] = await connectAll(lenient.port, 1)
    client.send(encode(['SHUTDOWN', 'NOSAVE']))
    await client.closed
    assert.equal(client.pending.length, 0)
  })
})
