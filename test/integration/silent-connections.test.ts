/** What connections that say nothing cost: no upstream connection, little memory, and no trouble when they speak at last. */
import assert from 'node:assert/strict'
import { after, before, describe, it, type TestContext } from 'node:test'
import { connect, type Socket } from 'node:net'
import { raiseFileLimit } from '../bench/machine.ts'
import { encode, RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup, Observer } from './support.ts'

const CONNECTIONS = 10_000
const BYTES_EACH = 8 * 1024
const PING = encode(['PING'])

describe('silent connections', { timeout: 60_000 }, () => {
  const suite = new Cleanup()
  let redis: RedisServer
  let respool: Respool
  let observer: Observer

  before(async () => {
    redis = suite.add(await startRedis())
    respool = suite.add(await startRespool({ upstream: redis.url }))
    observer = suite.add(await Observer.connect(redis.port))
    await until(async () => (await respool.metric('respool_upstream_up')) === 1, 'Redis is reached')
  })
  after(() => suite.run())

  it('10,000 of them cost no upstream connection and under 8 kB each, and all can speak later', async (context) => {
    if (!enoughFiles(context, respool.pid)) return
    await ask(suite.client(await RawClient.connect(respool.port)), 'GET', 'warm')
    const received = await observer.info('stats', 'total_connections_received')
    const upstream = (await observer.clients()).length
    const before = respool.rss()
    const sockets: Socket[] = []
    suite.also(() => sockets.forEach((socket) => socket.destroy()))
    while (sockets.length < CONNECTIONS) {
      sockets.push(...(await Promise.all(Array.from({ length: 200 }, () => open(respool.port)))))
    }
    await until(
      async () => (await respool.metric('respool_downstream_connections')) === CONNECTIONS + 1,
      'all connections are accepted',
    )
    // A scrape makes garbage; what counts is what stays.
    const each = () => (respool.rss() - before) / CONNECTIONS
    await until(() => each() < BYTES_EACH, `a connection costs under ${BYTES_EACH} bytes`)
    context.diagnostic(`${Math.round(each())} bytes for each connection`)
    assert.equal(await observer.info('stats', 'total_connections_received'), received)
    assert.equal((await observer.clients()).length, upstream)

    const replies = sockets.map((socket) => new Promise((resolve) => socket.once('data', resolve)))
    for (const socket of sockets) socket.write(PING)
    for (const reply of await Promise.all(replies)) assert.equal(String(reply), '+PONG\r\n')
    const writing = sockets.slice(0, 500)
    const answers = writing.map((socket) => new Promise((resolve) => socket.once('data', resolve)))
    writing.forEach((socket, nth) => socket.write(encode(['SET', `spoke:${nth}`, nth])))
    for (const answer of await Promise.all(answers)) assert.equal(String(answer), '+OK\r\n')
    assert.ok((await observer.clients()).length <= 8)
    assert.equal(sockets.filter((socket) => socket.destroyed).length, 0)
  })
})

function enoughFiles(context: TestContext, proxyPid: number): boolean {
  try {
    for (const pid of [process.pid, proxyPid]) raiseFileLimit(pid, CONNECTIONS + 500)
    return true
  } catch (error) {
    context.skip(`this machine does not let a process open so many files: ${String(error)}`)
    return false
  }
}

function open(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.once('connect', () => resolve(socket))
  })
}
