/** What makes a connection one session's own: subscriptions, MONITOR, CLIENT TRACKING, and the ways out of each. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { encode, RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup, connectAll, Observer, pipeline } from './support.ts'

const OK = '+OK\r\n'

describe('session modes', { timeout: 60_000 }, () => {
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

  const connect = async (protocol: number) => {
    const client = await RawClient.connect(respool.port)
    if (protocol === 3) await ask(client, 'HELLO', 3)
    return client
  }
  const next = async (client: RawClient) => String(await client.frame())
  const nobodyPinned = () =>
    until(async () => (await respool.metric('respool_pool_connections', { state: 'pinned' })) === 0, 'no lease is held')

  for (const protocol of [2, 3]) {
    const push = protocol === 3 ? '>' : '*'
    const message = (...texts: string[]) =>
      `${push}${texts.length}\r\n${texts.map((text) => `$${text.length}\r\n${text}\r\n`).join('')}`
    const confirm = (kind: string, channel: string, count: number) =>
      `${push}3\r\n$${kind.length}\r\n${kind}\r\n$${channel.length}\r\n${channel}\r\n:${count}\r\n`

    describe(`RESP${protocol}`, () => {
      it('a subscriber gets its channels and patterns, everyone else goes on, and UNSUBSCRIBE leads back', async () => {
        const [subscriber, publisher] = [await connect(protocol), await connect(protocol)]
        subscriber.send(encode(['SUBSCRIBE', 'a', 'b']))
        assert.equal(await next(subscriber), confirm('subscribe', 'a', 1))
        assert.equal(await next(subscriber), confirm('subscribe', 'b', 2))
        assert.equal(await ask(subscriber, 'PSUBSCRIBE', 'n*'), confirm('psubscribe', 'n*', 3))
        assert.equal(await ask(publisher, 'PUBLISH', 'a', 'hello'), ':1\r\n')
        assert.equal(await next(subscriber), message('message', 'a', 'hello'))
        assert.equal(await ask(publisher, 'PUBLISH', 'news', 'x'), ':1\r\n')
        assert.equal(await next(subscriber), message('pmessage', 'n*', 'news', 'x'))
        assert.equal(await ask(subscriber, 'UNSUBSCRIBE', 'a'), confirm('unsubscribe', 'a', 2))
        assert.equal(await ask(subscriber, 'UNSUBSCRIBE', 'b'), confirm('unsubscribe', 'b', 1))
        assert.equal(await ask(subscriber, 'PUNSUBSCRIBE', 'n*'), confirm('punsubscribe', 'n*', 0))
        assert.equal(await ask(publisher, 'PUBLISH', 'a', 'nobody'), ':0\r\n')
        assert.equal(await ask(subscriber, 'SET', 'k', 'v'), OK)
        assert.equal(await ask(publisher, 'GET', 'k'), '$1\r\nv\r\n')
        for (const client of [subscriber, publisher]) client.close()
        await nobodyPinned()
      })

      it('subscribes behind other commands, in order', async () => {
        const [subscriber, publisher] = [await connect(protocol), await connect(protocol)]
        subscriber.send(Buffer.concat([['SET', 'k', 'v'], ['GET', 'k'], ['SUBSCRIBE', 'c'], ['PING']].map(encode)))
        assert.deepEqual([await next(subscriber), await next(subscriber)], [OK, '$1\r\nv\r\n'])
        assert.equal(await next(subscriber), confirm('subscribe', 'c', 1))
        assert.equal(await next(subscriber), protocol === 3 ? '+PONG\r\n' : message('pong', ''))
        assert.equal(await ask(publisher, 'PUBLISH', 'c', '1'), ':1\r\n')
        assert.equal(await next(subscriber), message('message', 'c', '1'))
        for (const client of [subscriber, publisher]) client.close()
      })

      it('subscribing inside a transaction ends as with Redis', async () => {
        const [client, model] = [await connect(protocol), await RawClient.connect(redis.port)]
        if (protocol === 3) await ask(model, 'HELLO', 3)
        const commands = [['MULTI'], ['SET', 'k', 'v'], ['SUBSCRIBE', 'c'], ['EXEC'], ['PING']]
        for (const one of [client, model]) one.send(Buffer.concat(commands.map(encode)))
        // EXEC's array may be followed by what SUBSCRIBE says by itself.
        for (let nth = 0; nth < 5; nth++) assert.equal(await next(client), await next(model))
        for (const one of [client, model]) one.close()
        await nobodyPinned()
      })

      for (const leave of ['QUIT', 'RESET', 'a closed socket']) {
        it(`${leave} ends a subscription at Redis too`, async () => {
          const client = await connect(protocol)
          assert.equal(await ask(client, 'SUBSCRIBE', 'c'), confirm('subscribe', 'c', 1))
          assert.equal(await ask(direct, 'PUBLISH', 'c', 'x'), ':1\r\n')
          assert.equal(await next(client), message('message', 'c', 'x'))
          if (leave === 'QUIT') {
            assert.equal(await ask(client, 'QUIT'), OK)
            await client.closed
          } else if (leave === 'RESET') {
            assert.equal(await ask(client, 'RESET'), '+RESET\r\n')
            assert.equal(await ask(client, 'GET', 'nothing'), '$-1\r\n')
            assert.equal(await ask(client, 'SET', 'k', 'v'), OK)
          }
          if (leave !== 'QUIT') client.close()
          await until(async () => (await ask(direct, 'PUBLISH', 'c', 'x')) === ':0\r\n', 'nobody is subscribed')
          await nobodyPinned()
        })
      }

      it('MONITOR shows what others do', async () => {
        const [monitor, other] = [await connect(protocol), await connect(protocol)]
        assert.equal(await ask(monitor, 'MONITOR'), OK)
        await ask(other, 'SET', 'seen', 'v')
        const seen: string[] = []
        while (!seen.at(-1)?.includes('"seen"')) seen.push(await next(monitor))
        assert.match(seen.at(-1)!, /^\+\d+\.\d+ \[0 127\.0\.0\.1:\d+\] "SET" "seen" "v"\r\n$/)
        assert.equal(await ask(other, 'GET', 'seen'), '$1\r\nv\r\n')
        for (const client of [monitor, other]) client.close()
        await nobodyPinned()
        assert.equal((await observer.clients()).filter(({ flags }) => flags.includes('O')).length, 0)
      })
    })
  }

  it('whoever monitors is told what it says itself, and leaves as with Redis', async () => {
    for (const protocol of [2, 3]) {
      const clients = [await connect(protocol), await RawClient.connect(redis.port)]
      if (protocol === 3) await ask(clients[1], 'HELLO', 3)
      const play = async (client: RawClient) => {
        const seen = [await ask(client, 'MONITOR')]
        const commands = [['PING'], ['GET', 'k'], ['ECHO', 'words'], ['RESET'], ['SET', 'k', 'v'], ['PING'], ['QUIT']]
        for (const command of commands) client.send(encode(command))
        await client.closed
        // What is monitored comes with a time and an address.
        seen.push(
          ...String(client.pending)
            .split('\r\n')
            .filter((line) => !line.startsWith('+1') || line.includes('"ECHO"')),
        )
        return seen.map((line) => line.replace(/^\+[\d.]+ \[0 [\d.:]+\]/, '+time [0 address]'))
      }
      const [proxied, expected] = [await play(clients[0]), await play(clients[1])]
      assert.deepEqual(proxied, expected)
    }
    await nobodyPinned()
  })

  it('what is monitored goes to nobody else', async () => {
    const [monitor, ...others] = await connectAll(respool.port, 10)
    assert.equal(await ask(monitor, 'MONITOR'), OK)
    const replies = await Promise.all(
      others.map((client, nth) => pipeline(client, [['SET', `m${nth}`, 'v'], ['GET', `m${nth}`], ['MULTI'], ['EXEC']])),
    )
    for (const reply of replies) assert.deepEqual(reply, [OK, '$1\r\nv\r\n', OK, '*0\r\n'])
    const ids = (await observer.clients()).filter(({ flags }) => flags.includes('O')).map(({ id }) => id)
    assert.equal(ids.length, 1)
    monitor.close()
    await until(async () => !(await observer.clients()).some(({ id }) => id === ids[0]), 'its connection is closed')
    for (const client of others) client.close()
  })

  it('CLIENT TRACKING brings invalidations of what the session read, changed through any connection', async () => {
    const [tracking, other] = [await connect(3), await connect(3)]
    assert.equal(await ask(tracking, 'CLIENT', 'TRACKING', 'ON'), OK)
    assert.equal(await ask(tracking, 'GET', 'k'), '_\r\n')
    assert.equal(await ask(other, 'SET', 'k', 'new'), OK)
    assert.equal(await next(tracking), '>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n')
    assert.equal(await ask(tracking, 'GET', 'k'), '$3\r\nnew\r\n')
    await ask(direct, 'DEL', 'k')
    assert.equal(await next(tracking), '>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n')
    // Others do not get them, and the next owner of the connection does not either.
    assert.equal(await ask(other, 'PING'), '+PONG\r\n')
    tracking.close()
    await nobodyPinned()
    await until(async () => (await observer.info('clients', 'tracking_clients')) === 0, 'nobody tracks')
    other.close()
  })

  it('CLIENT TRACKING BCAST with a prefix, and OFF', async () => {
    const [tracking, other] = [await connect(3), await connect(2)]
    assert.equal(await ask(tracking, 'CLIENT', 'TRACKING', 'ON', 'BCAST', 'PREFIX', 'user:'), OK)
    await ask(other, 'SET', 'user:1', 'x')
    await ask(other, 'SET', 'item:1', 'x')
    assert.equal(await next(tracking), '>2\r\n$10\r\ninvalidate\r\n*1\r\n$6\r\nuser:1\r\n')
    assert.equal(await ask(tracking, 'CLIENT', 'TRACKING', 'OFF'), OK)
    await ask(other, 'SET', 'user:1', 'y')
    assert.equal(await ask(tracking, 'GET', 'user:1'), '$1\r\ny\r\n')
    for (const client of [tracking, other]) client.close()
  })

  it('sessions keep names, databases and protocols of their own', async () => {
    const clients = await connectAll(respool.port, 20)
    for (const [nth, client] of clients.entries()) {
      const [, ...rest] = await pipeline(client, [
        ['HELLO', nth % 2 === 0 ? '2' : '3'],
        ['CLIENT', 'SETNAME', `app-${nth}`],
        ['SELECT', nth % 4],
      ])
      assert.deepEqual(rest, [OK, OK])
    }
    const list = await ask(clients[0], 'CLIENT', 'LIST')
    for (const [nth, client] of clients.entries()) {
      assert.equal(await ask(client, 'CLIENT', 'GETNAME'), `$${`app-${nth}`.length}\r\napp-${nth}\r\n`)
      const row = list.split('\n').find((line) => line.includes(` name=app-${nth} `))
      assert.match(String(row), new RegExp(` db=${nth % 4} .* resp=${nth % 2 === 0 ? 2 : 3}( |$)`))
    }
    // None of it reached the connections that they share.
    for (const { name } of await observer.clients()) assert.doesNotMatch(name, /^app-/)
    assert.equal(await ask(clients[5], 'RESET'), '+RESET\r\n')
    assert.equal(await ask(clients[5], 'CLIENT', 'GETNAME'), '$-1\r\n')
    for (const client of clients) client.close()
  })

  it('CLIENT KILL ends the session that is meant, and no shared connection', async () => {
    const [killer, victim, bystander] = await connectAll(respool.port, 3)
    const id = Number((await ask(victim, 'CLIENT', 'ID')).slice(1))
    const opened = await respool.metric('respool_upstream_opened_total')
    assert.equal(await ask(killer, 'CLIENT', 'KILL', 'ID', id), ':1\r\n')
    await victim.closed
    assert.equal(await ask(bystander, 'SET', 'k', 'v'), OK)
    assert.equal(await ask(killer, 'GET', 'k'), '$1\r\nv\r\n')
    assert.ok((await respool.metric('respool_upstream_opened_total')) - opened <= 1)
    for (const client of [killer, bystander]) client.close()
  })

  it('a slow subscriber does not slow the others down', async () => {
    const [slow, quick, publisher] = await connectAll(respool.port, 3)
    for (const subscriber of [slow, quick]) await ask(subscriber, 'SUBSCRIBE', 'c')
    slow.socket.pause()
    const text = 'm'.repeat(10_000)
    for (let nth = 0; nth < 500; nth++) {
      assert.equal(await ask(publisher, 'PUBLISH', 'c', text), ':2\r\n')
      assert.ok((await next(quick)).includes(text))
    }
    slow.socket.resume()
    for (let nth = 0; nth < 500; nth++) assert.ok((await next(slow)).includes(text))
    for (const client of [slow, quick, publisher]) client.close()
  })
})
