/** A new process takes over the ports and the connections of applications; what it does under load is in the scenarios. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { Generations } from '../helpers/generations.ts'
import { temporaryDirectory } from '../helpers/processes.ts'
import { encode, RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { type RespoolOptions, startRespool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup } from './support.ts'

describe('a successor', { timeout: 120_000 }, () => {
  const suite = new Cleanup()
  const test = new Cleanup()
  let redis: RedisServer

  before(async () => {
    redis = suite.add(await startRedis())
  })
  afterEach(() => test.run())
  after(() => suite.run())

  const generations = async (options: Partial<RespoolOptions> = {}) =>
    test.add(new Generations(await startRespool({ upstream: redis.url, ...options })))
  const connect = async (target: number | string) => test.client(await RawClient.connect(target))

  it('goes on with connections where they were, over TCP and unix sockets', async () => {
    const all = await generations({ unixSocket: true })
    const { port, socketPath } = all.respool
    const clients = [await connect(port), await connect(socketPath!)]
    const infos: string[] = []
    for (const client of clients) {
      await client.call('HELLO', '3', 'SETNAME', 'one')
      assert.equal(await ask(client, 'SELECT', '3'), '+OK\r\n')
      await client.call('CLIENT', 'SETINFO', 'LIB-NAME', 'mine')
      infos.push(await ask(client, 'CLIENT', 'INFO'))
      // Half a command, whose rest goes to the other process.
      client.send('*3\r\n$3\r\nSET\r\n$4\r\nha')
    }
    const idle = await connect(port)
    await all.succeed()
    for (const [nth, client] of clients.entries()) {
      client.send('lf\r\n$1\r\n1\r\n')
      assert.equal((await client.frame()).toString(), '+OK\r\n')
      const constant = (info: string) => info.replace(/ (age|idle|cmd)=\S+/g, '')
      assert.equal(constant(await ask(client, 'CLIENT', 'INFO')), constant(infos[nth]))
      assert.equal(await ask(client, 'GET', 'half'), '$1\r\n1\r\n')
    }
    assert.equal(await ask(idle, 'PING'), '+PONG\r\n')
    const fresh = await connect(socketPath!)
    const idOf = async (client: RawClient) => Number((await ask(client, 'CLIENT', 'ID')).slice(1))
    assert.ok((await idOf(fresh)) > Math.max(...(await Promise.all(clients.map(idOf)))))
    assert.equal(await all.respool.metric('respool_downstream_connections'), 4)

    // The socket file goes with the last process, and nothing else is left.
    await all.succeed()
    assert.deepEqual(readdirSync(dirname(socketPath!)), ['respool.sock'])
    assert.equal(await ask(fresh, 'PING'), '+PONG\r\n')
    await all.stop()
    assert.equal(existsSync(dirname(socketPath!)), false)
  })

  it('gets sessions with transactions when these are over', async () => {
    const all = await generations()
    const { port } = all.respool
    const [watching, queueing] = [await connect(port), await connect(port)]
    assert.equal(await ask(watching, 'WATCH', 'w'), '+OK\r\n')
    assert.equal(await ask(queueing, 'MULTI'), '+OK\r\n')
    assert.equal(await ask(queueing, 'INCR', 'q'), '+QUEUED\r\n')
    const succeeded = all.succeed()
    await until(() => all.successors('succession_done').length > 0, 'the successor serves')
    assert.equal(await ask(queueing, 'EXEC'), '*1\r\n:1\r\n')
    assert.equal(await ask(watching, 'UNWATCH'), '+OK\r\n')
    await succeeded
    assert.equal(await ask(queueing, 'GET', 'q'), '$1\r\n1\r\n')
    assert.equal(await ask(watching, 'GET', 'q'), '$1\r\n1\r\n')
  })

  it('does not get subscribers and blocked sessions, whose connections end', async () => {
    const all = await generations()
    const { port } = all.respool
    const [subscriber, blocked] = [await connect(port), await connect(port)]
    await subscriber.call('SUBSCRIBE', 'news')
    blocked.send(encode(['BLPOP', 'nothing', '0']))
    await until(
      async () => (await all.respool.metric('respool_pool_connections', { state: 'pinned' })) === 1,
      'it blocks',
    )
    await all.succeed()
    await Promise.all([subscriber.closed, blocked.closed])
  })

  it('that cannot start changes nothing, and the log says why', async () => {
    const file = join(temporaryDirectory('respool-succession'), 'respool.yaml')
    writeFileSync(file, '')
    const all = await generations({ args: ['-c', file] })
    const client = await connect(all.respool.port)
    writeFileSync(file, 'pool: { max: nothing }')
    all.begin()
    await until(() => /"event":"succession_failed".*code 2/.test(all.respool.output()), 'it says so')
    assert.equal(await ask(client, 'PING'), '+PONG\r\n')
    assert.equal(await ask(await connect(all.respool.port), 'PING'), '+PONG\r\n')

    // Another configuration is in force as soon as it can be.
    writeFileSync(file, 'limits: { connections: 7 }')
    await all.succeed()
    const config = (await (await fetch(`${all.respool.admin}/config`)).json()) as { limits: { connections: number } }
    assert.equal(config.limits.connections, 7)
    assert.equal(await ask(client, 'PING'), '+PONG\r\n')
  })
})
