/** What is kept for applications has a limit, at which they are told so or made to wait; and it is given back. */
import assert from 'node:assert/strict'
import { afterEach, describe, it } from 'node:test'
import { connect as connectTo } from 'node:net'
import { FakeCluster } from '../helpers/fake-cluster.ts'
import { encode, RawClient } from '../helpers/raw.ts'
import { startRedis } from '../helpers/redis.ts'
import { type Respool, startRespool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup, connectAll, MEGABYTE, Peak, pipeline } from './support.ts'

const OK = '+OK\r\n'
const buffered = (respool: Respool) => respool.metric('respool_buffered_bytes')
const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`

describe('what is kept for applications', { timeout: 60_000 }, () => {
  const test = new Cleanup()
  afterEach(() => test.run())

  const standalone = async (limits: object) =>
    test.add(await startRespool({ upstream: test.add(await startRedis()).url, config: { limits } }))
  const connect = async (port: number) => test.client(await RawClient.connect(port))

  it('short commands with long answers that come at once: no more are taken in than are read', async () => {
    const respool = await standalone({ outputBytes: '256kb', bufferedBytes: '8mb' })
    for (const one of await connectAll(respool.port, 100)) {
      test.client(one)
      assert.equal(await ask(one, 'CLIENT', 'SETNAME', 'n'.repeat(2000)), OK)
    }
    const lazy = await connect(respool.port)
    lazy.socket.pause()
    const peak = new Peak(() => buffered(respool))
    const lists = Array.from({ length: 1000 }, () => encode(['CLIENT', 'LIST']))
    lazy.send(Buffer.concat([encode(['GET', 'missing']), ...lists]))
    await until(async () => (await buffered(respool)) > MEGABYTE, 'replies pile up')
    lazy.socket.resume()
    assert.equal(String(await lazy.frame()), '$-1\r\n')
    for (let i = 0; i < lists.length; i++) assert.ok((await lazy.frame(20_000)).length > 200_000)
    const most = await peak.stop()
    assert.ok(most < 12 * MEGABYTE, `${most} bytes were kept`)
    assert.equal(await buffered(respool), 0)
  })

  it('a list of connections that would be too long is refused', async () => {
    const respool = await standalone({ mergedBytes: '64kb' })
    const client = await connect(respool.port)
    assert.match(await ask(client, 'CLIENT', 'LIST'), /^\$/)
    const others = await connectAll(respool.port, 2)
    for (const one of others) await ask(test.client(one), 'CLIENT', 'SETNAME', 'n'.repeat(40_000))
    assert.match(await ask(client, 'CLIENT', 'LIST'), /^-ERR .*limits.mergedBytes/)
    assert.equal(await respool.metric('respool_errors_total', { code: 'replyTooLarge' }), 1)
  })

  it('the admin port takes so many connections, and no more', async () => {
    const respool = await standalone({})
    const sockets = Array.from({ length: 140 }, () => connectTo(respool.adminPort, '127.0.0.1'))
    let ended = 0
    for (const socket of sockets) socket.on('error', () => undefined).once('close', () => ended++)
    test.also(() => sockets.forEach((socket) => socket.destroy()))
    await until(() => ended >= 12, 'those that are too many are ended')
    assert.ok(ended < 140 - 120, `${ended} were ended`)
  })

  it('subscriptions: more than there is room for are refused, and room comes back', async () => {
    const respool = await standalone({ outputBytes: '64kb', bufferedBytes: '1mb' })
    const names = (count: number, prefix: string) => Array.from({ length: count }, (_, nth) => `${prefix}${nth}`)
    const [ear, other] = [await connect(respool.port), await connect(respool.port)]
    const subscribe = async (client: RawClient, channels: string[]) => {
      client.send(encode(['SUBSCRIBE', ...channels]))
      for (const channel of channels) assert.match(String(await client.frame()), new RegExp(`${channel}\r\n`))
    }
    await subscribe(ear, names(3000, 'a'))
    const kept = await buffered(respool)
    assert.ok(kept > 3000 * 256, `${kept} bytes`)
    // Again is no more.
    await subscribe(ear, names(500, 'a'))
    assert.equal(await buffered(respool), kept)
    assert.match(await ask(other, 'SUBSCRIBE', ...names(2000, 'b')), /^-TRYAGAIN .*limits.bufferedBytes/)
    assert.equal(await respool.metric('respool_errors_total', { code: 'subscriptionsExceeded' }), 1)
    assert.equal(await buffered(respool), kept)
    await subscribe(other, names(10, 'b'))
    ear.send(encode(['UNSUBSCRIBE']))
    for (let i = 0; i < 3000; i++) await ear.frame()
    await subscribe(other, names(2000, 'b'))
    other.close()
    await until(async () => (await buffered(respool)) === 0, 'nothing is kept')
  })
})

describe('what is kept for applications of a cluster', { timeout: 60_000 }, () => {
  const test = new Cleanup()
  afterEach(() => test.run())

  async function start(limits: object) {
    const cluster = test.add(await FakeCluster.start())
    const respool = test.add(
      await startRespool({ upstream: cluster.url, config: { upstream: { commandTimeout: '1s' }, limits } }),
    )
    const connect = async () => test.client(await RawClient.connect(respool.port))
    const client = await connect()
    for (const node of [0, 1])
      await until(async () => (await ask(client, 'SET', cluster.key(node), 'first')) === OK, 'it is connected')
    return { cluster, respool, client, connect }
  }

  it('replies that wait for another one: no more are read than there is room for, and all come in the end', async () => {
    const { cluster, respool, client } = await start({ outputBytes: '64kb', bufferedBytes: '2mb' })
    const [slow, quick] = [cluster.key(0), cluster.key(1)]
    const value = 'v'.repeat(400_000)
    cluster.answer = ([, key], node) => (node.nth === 0 ? null : key === quick ? bulk(value) : undefined)
    const peak = new Peak(() => buffered(respool))
    const replies = await pipeline(client, [['GET', slow], ...Array.from({ length: 100 }, () => ['GET', quick])])
    assert.match(replies[0], /^-/)
    for (const reply of replies.slice(1)) assert.ok(reply === bulk(value))
    const most = await peak.stop()
    // Besides, there is what one turn brings.
    assert.ok(most > MEGABYTE && most < 16 * MEGABYTE, `${most} bytes were kept`)
    assert.equal(await buffered(respool), 0)
  })

  it('many commands in flight to a cluster: those that may be sent again are kept up to a limit', async () => {
    const { cluster, client } = await start({})
    cluster.answer = () => null
    const key = cluster.key(0)
    client.send(Buffer.concat(Array.from({ length: 120 }, () => encode(['SET', key, 'v'.repeat(60_000)]))))
    await until(() => cluster.count('SET') >= 60 + 2, 'some are sent')
    const sent = cluster.count('SET') - 2
    assert.ok(sent < 80, `${sent} are in flight`)
  })

  it('a transaction without a key begins somewhere when it has become long', async () => {
    const { cluster, client } = await start({})
    assert.equal(await ask(client, 'MULTI'), OK)
    for (const reply of await pipeline(
      client,
      Array.from({ length: 1000 }, () => ['PING']),
    ))
      assert.equal(reply, '+QUEUED\r\n')
    assert.equal(cluster.count('MULTI'), 0)
    await ask(client, 'PING')
    assert.equal(cluster.count('MULTI'), 1)
  })

  it('replies that are put together: with those of others they have a limit, too', async () => {
    const { cluster, respool, client, connect } = await start({ outputBytes: '64kb', bufferedBytes: '1mb' })
    const keys = [cluster.key(0), cluster.key(1)]
    const value = bulk('v'.repeat(600_000))
    cluster.answer = ([name], node) => (name !== 'MGET' ? undefined : node.nth === 0 ? null : `*1\r\n${value}`)
    const others = await Promise.all([connect(), connect()])
    const answers = others.map((other) => ask(other, 'MGET', ...keys))
    const texts = await Promise.all(answers)
    assert.equal(
      texts.filter((text) => /^-ERR .*limits/.test(text)).length,
      1,
      texts.map((text) => text.slice(0, 80)).join(),
    )
    cluster.answer = () => undefined
    await until(async () => (await ask(client, 'MGET', ...keys)).startsWith('*2'), 'it goes on')
    assert.equal(await buffered(respool), 0)
  })

  it('requests that are put together: one too many is refused, and may come again', async () => {
    const { cluster, respool, client, connect } = await start({ outputBytes: '64kb', bufferedBytes: '1mb' })
    const [first, second] = [await connect(), client]
    const large = encode(['SET', cluster.key(0), 'x'.repeat(700_000)])
    first.send(large.subarray(0, 690_000))
    await until(async () => (await buffered(respool)) > 600_000, 'the first has begun')
    second.send(large)
    assert.match(String(await second.frame()), /^-TRYAGAIN/)
    first.send(large.subarray(690_000))
    assert.equal(String(await first.frame()), OK)
    second.send(large)
    assert.equal(String(await second.frame()), OK)
    first.send(large.subarray(0, 690_000))
    await until(async () => (await buffered(respool)) > 600_000, 'another has begun')
    first.close()
    await until(async () => (await buffered(respool)) === 0, 'it is forgotten')
  })
})
