/** Where applications come in, how many may, and how it all ends. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { freePort } from '../helpers/ports.ts'
import { Child, temporaryDirectory } from '../helpers/processes.ts'
import { encode, RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup, connectAll, Observer } from './support.ts'

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url))

describe('listeners', { timeout: 60_000 }, () => {
  const suite = new Cleanup()
  const test = new Cleanup()
  const directory = temporaryDirectory('respool-listeners')
  const redisSocket = join(directory, 'redis.sock')
  let redis: RedisServer

  before(async () => {
    redis = suite.add(await startRedis({ args: ['--unixsocket', redisSocket] }))
  })
  afterEach(() => test.run())
  after(() => suite.run())

  const proxy = async (options: Partial<Parameters<typeof startRespool>[0]> = {}) =>
    test.add(await startRespool({ upstream: redis.url, ...options }))

  /** Starts the program by itself, with what a proxy in the way of others cannot be started with. */
  const spawn = (...args: string[]) => {
    const child = new Child(process.execPath, [MAIN, '--admin', 'off', '--upstream', redis.url, ...args])
    test.also(() => child.stop('SIGKILL'))
    return child
  }

  it('a unix socket serves beside TCP, and its file goes with the process', async () => {
    const respool = await proxy({ unixSocket: true })
    const path = respool.socketPath!
    const [local, remote] = [await RawClient.connect(path), await RawClient.connect(respool.port)]
    assert.equal(await ask(local, 'SET', 'k', 'over the socket'), '+OK\r\n')
    assert.equal(await ask(remote, 'GET', 'k'), '$15\r\nover the socket\r\n')
    for (const client of [local, remote]) client.close()
    assert.equal(await respool.stop(), 0)
    assert.equal(existsSync(path), false)
  })

  it('a socket file that a killed process left behind is replaced', async () => {
    const path = join(directory, 'left.sock')
    const first = spawn('--listen', `unix:${path}`)
    await first.ready(() => accepts(path), 'it accepts')
    assert.equal(await first.stop('SIGKILL'), 137)
    assert.ok(existsSync(path))
    const second = spawn('--listen', `unix:${path}`)
    await second.ready(() => accepts(path), 'it accepts again')
    const client = test.client(await RawClient.connect(path))
    assert.equal(await ask(client, 'PING'), '+PONG\r\n')
  })

  it('a socket that somebody else listens on is left to him', async () => {
    const path = join(directory, 'taken.sock')
    const owner = createServer((socket) => socket.on('error', () => undefined).end('mine'))
    await new Promise<void>((resolve) => owner.listen(path, resolve))
    test.also(() => owner.close())
    const child = spawn('--listen', `unix:${path}`)
    assert.equal(await child.exited, 1)
    assert.match(child.output(), /EADDRINUSE/)
    assert.ok(await accepts(path))
  })

  it('a file that is no socket is not removed', async () => {
    const path = join(temporaryDirectory('respool-file'), 'precious')
    writeFileSync(path, 'data')
    assert.equal(await spawn('--listen', `unix:${path}`).exited, 1)
    assert.equal(readFileSync(path, 'utf8'), 'data')
  })

  it('an occupied port ends it with code 1 and the address in the message', async () => {
    const { port } = await proxy()
    const child = spawn('--listen', `127.0.0.1:${port}`)
    assert.equal(await child.exited, 1)
    assert.match(child.output(), new RegExp(`^respool: .*EADDRINUSE.*127\\.0\\.0\\.1:${port}`, 'm'))
  })

  it('an occupied admin port does so too, and no application is accepted before', async () => {
    const child = new Child(process.execPath, [
      MAIN,
      ...['--listen', `127.0.0.1:${await freePort()}`, '--admin', `127.0.0.1:${redis.port}`, '--upstream', redis.url],
    ])
    test.also(() => child.stop('SIGKILL'))
    assert.equal(await child.exited, 1)
    assert.doesNotMatch(child.output(), /"event":"started"/)
  })

  it('port 0 takes a free port and says which in the log', async () => {
    const child = spawn('--listen', '127.0.0.1:0')
    const port = await until(() => /"listening":\["127\.0\.0\.1:(\d+)"\]/.exec(child.output())?.[1], 'it says where')
    const client = test.client(await RawClient.connect(Number(port)))
    assert.equal(await ask(client, 'PING'), '+PONG\r\n')
  })

  it('several listeners share connections, limits and the pool', async () => {
    const [one, two] = [await freePort(), await freePort()]
    const child = spawn('--listen', `127.0.0.1:${one}`, '--listen', `127.0.0.1:${two}`)
    for (const port of [one, two]) await child.ready(() => accepts(port), `it accepts on ${port}`)
    const clients = [await RawClient.connect(one), await RawClient.connect(two)]
    assert.equal(await ask(clients[0], 'SET', 'both', '1'), '+OK\r\n')
    assert.equal(await ask(clients[1], 'GET', 'both'), '$1\r\n1\r\n')
    for (const client of clients) client.close()
  })

  it('a connection over the limit is told so in the words of Redis, and the others stay', async () => {
    const respool = await proxy({ config: { limits: { connections: 10 } } })
    await until(async () => (await respool.metric('respool_downstream_connections')) === 0, 'the first probe has left')
    const clients = await connectAll(respool.port, 10)
    for (const client of clients) assert.equal(await ask(client, 'PING'), '+PONG\r\n')
    for (let nth = 0; nth < 5; nth++) {
      const refused = await RawClient.connect(respool.port)
      assert.equal(String(await refused.frame()), '-ERR max number of clients reached\r\n')
      await refused.closed
    }
    assert.equal(await respool.metric('respool_downstream_refused_total'), 5)
    for (const client of clients) assert.equal(await ask(client, 'SET', 'k', 'v'), '+OK\r\n')
    clients[0].close()
    await until(async () => (await respool.metric('respool_downstream_connections')) === 9, 'one has left')
    const late = test.client(await RawClient.connect(respool.port))
    assert.equal(await ask(late, 'PING'), '+PONG\r\n')
    for (const client of clients) client.close()
  })

  it('Redis itself can be reached through its unix socket', async () => {
    const respool = await proxy({ upstream: `redis+unix://${redisSocket}?db=2` })
    const client = test.client(await RawClient.connect(respool.port))
    assert.equal(await ask(client, 'SET', 'by-socket', 'v'), '+OK\r\n')
    assert.deepEqual(await ask(client, 'MULTI'), '+OK\r\n')
    assert.equal(await ask(client, 'EXEC'), '*0\r\n')
    const direct = test.client(await RawClient.connect(redis.port))
    await ask(direct, 'SELECT', 2)
    assert.equal(await ask(direct, 'GET', 'by-socket'), '$1\r\nv\r\n')
    const observer = test.add(await Observer.connect(redis.port))
    assert.ok((await observer.clients()).some(({ addr }) => addr.startsWith(redisSocket)))
  })

  it('SIGTERM lets commands in flight finish, refuses new connections and ends with code 0', async () => {
    const respool = await proxy()
    const [busy, idle] = await connectAll(respool.port, 2)
    for (const client of [busy, idle]) await ask(client, 'PING')
    // A script that runs for a while, on a connection that is shared.
    busy.send(
      encode([
        'EVAL',
        "local t=redis.call('TIME') local e=t[1]*1000+t[2]/1000+500 while true do t=redis.call('TIME') if t[1]*1000+t[2]/1000>e then return 'done' end end",
        0,
      ]),
    )
    await until(
      async () => (await respool.metric('respool_downstream_bytes_total', { direction: 'in' })) > 150,
      'it was read',
    )
    const code = respool.stop()
    assert.equal(String(await busy.frame()), '$4\r\ndone\r\n')
    await idle.closed
    await busy.closed
    assert.equal(await code, 0)
    await assert.rejects(RawClient.connect(respool.port))
  })

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`${signal} ends an idle proxy with code 0, also while Redis is away`, async () => {
      const respool = await proxy({ upstream: `redis://127.0.0.1:${await freePort()}` })
      const clients = await connectAll(respool.port, 5)
      assert.equal(await respool.stop(signal), 0)
      for (const client of clients) await client.closed
    })
  }

  it('a half-closed connection still gets all that it asked for', async () => {
    const respool = await proxy()
    const socket = connect({ port: respool.port, host: '127.0.0.1', allowHalfOpen: true })
    const chunks: Buffer[] = []
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    const ended = new Promise((resolve) => socket.once('end', resolve))
    const commands = [['SET', 'half', '1'], ...Array.from({ length: 100 }, () => ['INCR', 'half']), ['PING']]
    socket.end(Buffer.concat(commands.map(encode)))
    await ended
    const expected = ['+OK', ...Array.from({ length: 100 }, (_, nth) => `:${nth + 2}`), '+PONG', ''].join('\r\n')
    assert.equal(Buffer.concat(chunks).toString(), expected)
    socket.destroy()
  })

  async function accepts(target: number | string): Promise<boolean> {
    const client = await RawClient.connect(target)
    client.close()
    return true
  }
})
