/** A changed configuration takes the place of the running one: all of it or nothing, and no application notices. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { Redis } from 'ioredis'
import { Authority } from '../helpers/certificates.ts'
import { freePort } from '../helpers/ports.ts'
import { temporaryDirectory } from '../helpers/processes.ts'
import { RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { type Respool, startRespool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup, connectAll } from './support.ts'

interface Answer {
  result: string
  changes: { key: string; effect: string }[]
  problems: { source: string; path: string; line: number | null; message: string }[]
}

describe('reload', { timeout: 60_000 }, () => {
  const test = new Cleanup()
  let redis: RedisServer

  before(async () => {
    redis = await startRedis()
  })
  afterEach(() => test.run())
  after(() => redis.stop())

  const proxy = async (config: object = {}) => test.add(await startRespool({ upstream: redis.url, config }))

  const reload = async ({ admin }: Respool): Promise<{ status: number; answer: Answer }> => {
    const response = await fetch(`${admin}/reload`, { method: 'POST' })
    return { status: response.status, answer: (await response.json()) as Answer }
  }

  const shown = async <T>({ admin }: Respool): Promise<T> => (await (await fetch(`${admin}/config`)).json()) as T

  it('changes limits while connections stay, and says which keys need what', async () => {
    const respool = await proxy({ limits: { connections: 2 } })
    await until(async () => (await respool.metric('respool_downstream_connections')) === 0, 'the first probe has left')
    const hash = await respool.metric('respool_config_hash')
    const clients = await connectAll(respool.port, 2)
    for (const client of clients) test.client(client)
    assert.equal(await ask(clients[0], 'PING'), '+PONG\r\n')
    const third = test.client(await RawClient.connect(respool.port))
    assert.match(String(await third.frame()), /max number of clients/)

    respool.configure({ limits: { connections: 3 }, pool: { maxLifetime: '1h' }, scripts: { cacheCount: 5 } })
    process.kill(respool.pid, 'SIGHUP')
    await until(() => respool.events('config_reloaded').length === 1, 'it has reloaded')
    const [event] = respool.events('config_reloaded')
    assert.deepEqual([event.cause, event.result], ['signal', 'applied'])
    assert.deepEqual(event.changes, [
      { key: 'pool.maxLifetime', effect: 'connections' },
      { key: 'limits.connections', effect: 'live' },
      { key: 'scripts.cacheCount', effect: 'restart' },
    ])
    test.client((clients[2] = await RawClient.connect(respool.port)))
    for (const client of clients) assert.equal(await ask(client, 'PING'), '+PONG\r\n')
    const config = await shown<{ limits: object; scripts: object }>(respool)
    assert.deepEqual(
      [(config.limits as { connections: number }).connections, config.scripts],
      [3, { cacheBytes: '8mb', cacheCount: 1000 }],
    )
    assert.equal(await respool.metric('respool_config_reloads_total', { result: 'ok' }), 1)
    assert.equal(await respool.metric('respool_config_pending_keys'), 1)
    assert.notEqual(await respool.metric('respool_config_hash'), hash)
  })

  it('reaches what has long been connected: time limits, the pool, the log', async () => {
    const respool = await proxy()
    const client = test.client(await RawClient.connect(respool.port))
    await ask(client, 'PING')
    respool.configure({ upstream: { commandTimeout: '300ms' }, log: { level: 'debug' } })
    assert.equal((await reload(respool)).answer.result, 'applied')
    await redis.kill('SIGSTOP')
    const reply = await ask(client, 'GET', 'k').finally(() => redis.kill('SIGCONT'))
    assert.match(reply, /^-OUTCOMEUNKNOWN Redis did not answer the command in time|^-TRYAGAIN/)
    client.close()
    await until(() => respool.events('connection_closed').length > 0, 'it writes events of that level')
  })

  it('changes nothing if anything is wrong, and says what and where', async () => {
    const respool = await proxy({ limits: { connections: 7 } })
    const before = await shown(respool)
    writeFileSync(respool.configPath!, 'limits:\n  connections: 9\npool:\n  max: many\n  mni: 3\n')
    const { status, answer } = await reload(respool)
    assert.deepEqual([status, answer.result], [422, 'refused'])
    assert.deepEqual(
      answer.problems.map(({ line, path }) => [line, path]),
      [
        [4, 'pool.max'],
        [5, 'pool.mni'],
      ],
    )
    const event = await until(() => respool.events('config_refused').at(0), 'it is in the log')
    assert.deepEqual(event?.problems, answer.problems)
    assert.deepEqual(await shown(respool), before)
    assert.equal(await respool.metric('respool_config_reloads_total', { result: 'failed' }), 1)
    respool.configure({ limits: { connections: 7 } })
    assert.deepEqual((await reload(respool)).answer, { result: 'unchanged', changes: [], problems: [] })
  })

  it('listens where listeners are added, and lets those who came by a removed one stay', async () => {
    const [kept, added] = [await freePort(), await freePort()]
    const respool = await proxy({ listen: [`127.0.0.1:${kept}`] })
    const old = test.client(await RawClient.connect(kept))
    await ask(old, 'PING')
    respool.configure({ listen: [`127.0.0.1:${added}`] })
    assert.deepEqual((await reload(respool)).answer.changes, [{ key: 'listen', effect: 'connections' }])
    const fresh = test.client(await RawClient.connect(added))
    assert.equal(await ask(fresh, 'SET', 'added', '1'), '+OK\r\n')
    await assert.rejects(RawClient.connect(kept))
    assert.equal(await ask(old, 'GET', 'added'), '$1\r\n1\r\n')
  })

  it('leaves all as it was if an added listener finds its port taken', async () => {
    const free = await freePort()
    const taken = createServer().listen(0, '127.0.0.1')
    test.also(() => taken.close())
    await once(taken, 'listening')
    const { port } = taken.address() as AddressInfo
    const respool = await proxy({ listen: [], limits: { connections: 7 } })
    respool.configure({ listen: [`127.0.0.1:${free}`, `127.0.0.1:${port}`], limits: { connections: 9 } })
    const { status, answer } = await reload(respool)
    assert.equal(status, 422)
    assert.match(answer.problems[0].message, /EADDRINUSE/)
    await assert.rejects(RawClient.connect(free), 'the first one is closed again')
    assert.equal((await shown<{ limits: { connections: number } }>(respool)).limits.connections, 7)
    test.client(await RawClient.connect(respool.port))
  })

  it('gives a listener TLS while those in the clear stay, and takes it away again', async () => {
    const authority = await Authority.create('reload', temporaryDirectory('respool-reload'))
    const { cert, key } = await authority.issue()
    const port = await freePort()
    const respool = await proxy({ listen: [`127.0.0.1:${port}`] })
    const clear = test.client(await RawClient.connect(port))
    await ask(clear, 'PING')
    respool.configure({ listen: [{ address: `127.0.0.1:${port}`, tls: { cert, key } }] })
    assert.equal((await reload(respool)).answer.result, 'applied')
    const safe = test.client(await RawClient.connectTls(port, { rejectUnauthorized: false }))
    assert.equal(await ask(safe, 'SET', 'safe', '1'), '+OK\r\n')
    assert.equal(await ask(clear, 'GET', 'safe'), '$1\r\n1\r\n')
    respool.configure({ listen: [`127.0.0.1:${port}`] })
    assert.equal((await reload(respool)).answer.result, 'applied')
    const again = test.client(await RawClient.connect(port))
    for (const client of [again, safe, clear]) assert.equal(await ask(client, 'GET', 'safe'), '$1\r\n1\r\n')
  })

  it('follows a file that is changed by its links, as Kubernetes changes a ConfigMap', async () => {
    const directory = temporaryDirectory('respool-config-map')
    const put = (version: string, connections: number) => {
      mkdirSync(join(directory, version))
      writeFileSync(join(directory, version, 'respool.yaml'), `reload: watch\nlimits: {connections: ${connections}}\n`)
      symlinkSync(version, join(directory, 'next'))
      renameSync(join(directory, 'next'), join(directory, '..data'))
    }
    put('one', 11)
    symlinkSync('..data/respool.yaml', join(directory, 'respool.yaml'))
    const respool = test.add(await startRespool({ upstream: redis.url, args: ['-c', join(directory, 'respool.yaml')] }))
    put('two', 12)
    await until(() => respool.events('config_reloaded').length === 1, 'it has seen the change')
    assert.equal(respool.events('config_reloaded')[0].cause, 'file')
    assert.equal((await shown<{ limits: { connections: number } }>(respool)).limits.connections, 12)
  })

  it('fifty times under load: no error, and every command is carried out once', async () => {
    const port = await freePort()
    const listen = [`127.0.0.1:${port}`]
    const respool = await proxy({ listen })
    const clients = Array.from(
      { length: 8 },
      () => new Redis({ port: respool.port, maxRetriesPerRequest: 0, retryStrategy: () => null }),
    )
    for (const client of clients) test.also(() => client.disconnect())
    let going = true
    let done = 0
    const load = clients.map(async (client, nth) => {
      while (going) {
        await Promise.all([client.incr('reload:count'), client.set(`reload:${nth}`, 'v'), client.get(`reload:${nth}`)])
        done++
      }
    })
    for (let nth = 1; nth <= 50; nth++) {
      const even = nth % 2 === 0
      respool.configure({
        listen: even ? listen : [],
        pool: { max: 1 + (nth % 5), leases: { max: 10 + nth } },
        limits: { outputBytes: even ? '1mb' : '64kb', bulkBytes: even ? '1mb' : '2mb' },
        upstream: { commandTimeout: even ? '2s' : '3s', holdTime: even ? 0 : '1s' },
      })
      assert.equal((await reload(respool)).answer.result, 'applied')
    }
    going = false
    await Promise.all(load)
    assert.ok(done > 50)
    assert.equal(await clients[0].get('reload:count'), String(done))
  })
})
