/** Several processes behind the same ports: to applications and to monitoring they are one. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { Generations, isAlive } from '../helpers/generations.ts'
import { temporaryDirectory } from '../helpers/processes.ts'
import { encode, RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { type Respool, type RespoolOptions, startRespool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup, connectAll, Observer, Peak } from './support.ts'

const COMMANDS = 10_000
const CONNECTIONS = 40

describe('several workers', { timeout: 120_000 }, () => {
  const suite = new Cleanup()
  const test = new Cleanup()
  let redis: RedisServer

  before(async () => {
    redis = suite.add(await startRedis())
  })
  afterEach(() => test.run())
  after(() => suite.run())

  const start = async (options: Partial<RespoolOptions> = {}) =>
    test.add(await startRespool({ upstream: redis.url, args: ['--workers', '2'], ...options }))
  const connections = async (port: number, count: number) =>
    (await connectAll(port, count)).map((client) => test.client(client))

  it('count as one, and share the work', async () => {
    const respool = await start()
    const clients = await connections(respool.port, CONNECTIONS)
    await Promise.all(
      clients.map(async (client, nth) => {
        for (let i = 0; i < COMMANDS / CONNECTIONS; i++) assert.equal(await ask(client, 'SET', `k${nth}`, i), '+OK\r\n')
      }),
    )
    assert.equal(await respool.metric('redis_cmd_duration_seconds_count', { cmd: 'set' }), COMMANDS)
    assert.equal(await respool.metric('respool_downstream_connections'), CONNECTIONS)
    assert.equal(await respool.metric('respool_build_info'), 1)
    assert.equal(await respool.metric('respool_upstream_up'), 1)
    const stats = (await get(respool, '/stats')) as { downstreamConnections: number; endpoints: object[] }
    assert.equal(stats.downstreamConnections, CONNECTIONS)
    assert.equal(stats.endpoints.length, 1)
    const listed = (await get(respool, '/clients')) as { id: number }[]
    assert.equal(new Set(listed.map(({ id }) => id)).size, CONNECTIONS)
    const [first, second] = await byWorker(clients)
    assert.equal(first.length, CONNECTIONS / 2)
    assert.equal(second.length, CONNECTIONS / 2)
    assert.deepEqual(await get(respool, '/readyz'), { ready: true, reasons: [] })
    assert.equal(await respool.stop(), 0)
  })

  it('together have no more connections to Redis than were configured', async () => {
    const pool = { max: 4, leases: { max: 6, reserve: 0 } }
    const respool = await start({ config: { pool } })
    const observer = test.add(await Observer.connect(redis.port))
    const peak = new Peak(async () => (await observer.clients()).length, 5)
    const clients = await connections(respool.port, 60)
    const [blocking, others] = [clients.slice(0, 20), clients.slice(20)]
    for (const client of blocking) client.send(encode(['BLPOP', 'nothing', '1']))
    for (let round = 0; round < 50; round++)
      await Promise.all(others.map((client) => client.call('INCRBY', 'sum', '1')))
    await Promise.all(blocking.map((client) => client.frame()))
    assert.equal(await ask(others[0], 'GET', 'sum'), `$4\r\n${50 * 40}\r\n`)
    assert.equal(await peak.stop(), pool.max + pool.leases.max)
  })

  it('are replaced when they are lost, and the applications of others feel nothing', async () => {
    const respool = await start()
    const clients = await connections(respool.port, 10)
    for (const client of clients) assert.equal(await ask(client, 'PING'), '+PONG\r\n')
    const [first, second] = await byWorker(clients)
    const before = await respool.metric('redis_cmd_duration_seconds_count', { cmd: 'ping' })
    const [pid] = await pidsIn(respool)
    process.kill(pid, 'SIGKILL')
    await Promise.all(first.map(({ closed }) => closed))
    await until(async () => (await respool.metric('respool_worker_losses_total')) === 1, 'the loss is counted')
    for (const client of second) assert.equal(await ask(client, 'PING'), '+PONG\r\n')
    assert.equal(await respool.metric('redis_cmd_duration_seconds_count', { cmd: 'ping' }), before + second.length)
    // The next ones go to the new process, which has none, whatever that takes.
    const ids = new Set<number>()
    await until(async () => {
      const [client] = await connections(respool.port, 1)
      ids.add(rangeOf(await ask(client, 'CLIENT', 'ID')))
      return ids.has(2)
    }, 'the new worker has applications')
    assert.match(respool.output(), new RegExp(`"event":"worker_lost","worker":\\d,"pid":${pid},"how":"SIGKILL"`))
  })

  it('all go by a configuration that is read again', async () => {
    const file = join(temporaryDirectory('respool-workers'), 'respool.yaml')
    writeFileSync(file, 'limits: { connections: 10 }\nreload: signal')
    const respool = await start({ args: ['--workers', '2', '-c', file] })
    await pidsIn(respool)
    writeFileSync(file, 'limits: { connections: 4 }\nreload: signal')
    process.kill(respool.pid, 'SIGHUP')
    await until(() => respool.output().includes('"event":"config_reloaded"'), 'it is read again')
    const clients = await connections(respool.port, 5)
    const replies = await Promise.all(clients.map((client) => ask(client, 'PING')))
    assert.equal(replies.filter((reply) => reply === '+PONG\r\n').length, 4)
    assert.equal(replies.filter((reply) => reply.startsWith('-ERR max number of clients')).length, 1)
    writeFileSync(file, 'limits: { connections: 1 }\nreload: signal')
    process.kill(respool.pid, 'SIGHUP')
    await until(() => /config_refused.*limits.connections/.test(respool.output()), 'what cannot be divided is refused')
  })

  it('are succeeded by others, which go on with their applications', async () => {
    const respool = await startRespool({ upstream: redis.url, args: ['--workers', '2'], unixSocket: true })
    const all = test.add(new Generations(respool))
    const clients = await connections(respool.port, 10)
    const local = test.client(await RawClient.connect(respool.socketPath!))
    for (const [nth, client] of clients.entries()) await client.call('CLIENT', 'SETNAME', `app${nth}`)
    await all.succeed()
    for (const [nth, client] of clients.entries()) {
      assert.equal(await ask(client, 'CLIENT', 'GETNAME'), `$4\r\napp${nth}\r\n`)
      assert.equal(await ask(client, 'INCR', `n${nth}`), ':1\r\n')
    }
    assert.equal(await ask(local, 'PING'), '+PONG\r\n')
    assert.equal(await respool.metric('respool_downstream_connections'), 11)
    assert.equal(await respool.metric('respool_downstream_accepted_total'), 0)
  })

  it('end with the process that has started them, however it ends', async () => {
    const respool = await start()
    const pids = await pidsIn(respool)
    assert.equal(pids.length, 2)
    assert.equal(await respool.stop('SIGKILL'), 137)
    await until(() => !pids.some(isAlive), 'the workers have ended')
  })
})

const get = async (respool: Respool, path: string): Promise<unknown> => (await fetch(respool.admin + path)).json()

/** The workers' process ids, by their numbers. */
async function pidsIn(respool: Respool): Promise<number[]> {
  const list = () => /"event":"workers_started","workers":\[([\d,]+)\]/.exec(respool.output())?.[1]
  return (await until(list, 'the workers have started'))!.split(',').map(Number)
}

/** Each process of a worker has a range of ids of its own: which one. */
const rangeOf = (id: string): number => Math.floor(Number(id.slice(1)) / 2 ** 32)

/** The connections of the first worker and those of the second. */
async function byWorker(clients: RawClient[]): Promise<[RawClient[], RawClient[]]> {
  const ranges = await Promise.all(clients.map(async (client) => rangeOf(await ask(client, 'CLIENT', 'ID'))))
  const of = (range: number) => clients.filter((_, nth) => ranges[nth] === range)
  return [of(0), of(1)]
}
