/** A listener that is a replica, in front of a service that sentinels know, and clients that are told of it by respool as their sentinel. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { freePort } from '../helpers/ports.ts'
import { failuresOf, namesOf, play } from '../helpers/programs.ts'
import { RawClient } from '../helpers/raw.ts'
import type { RedisServer } from '../helpers/redis.ts'
import { type Respool, startRespool } from '../helpers/respool.ts'
import { type Sentinels, startSentinels } from '../helpers/sentinels.ts'
import { goProgram, pythonWith } from '../helpers/toolchain.ts'
import { until } from '../helpers/waiting.ts'
import { ask, bulkText, Cleanup, pipeline } from './support.ts'

const READONLY = "-READONLY You can't write against a read only replica.\r\n"
const HELLO = '$5\r\nhello\r\n'
const SCENARIOS = ['reads', 'finds a replica', 'does not write there', 'reads all of a transaction']

const file = (path: string) => fileURLToPath(new URL(`../clients/${path}`, import.meta.url))
const node = (library: string) => ({
  prepare: () => Promise.resolve([process.execPath, '--import', 'tsx', file('replica_reads.ts')]),
  extra: ['default', library],
})
const CLIENTS = {
  'redis-py 8': { prepare: async () => [await pythonWith('redis', '8.1.0'), file('replica_reads.py')], extra: [] },
  'ioredis 6': node('ioredis'),
  'node-redis 6': node('node-redis'),
  'go-redis 9': { prepare: async () => [await goProgram(file('go'))], extra: ['replicas'] },
}

describe('a replica listener', { timeout: 500_000 }, () => {
  const suite = new Cleanup()
  let sentinels: Sentinels
  let respool: Respool
  let port: number
  let preferring: number

  before(async () => {
    sentinels = suite.add(await startSentinels({ service: 'mymaster', sentinels: 1, replicas: 2 }))
    ;[port, preferring] = [await freePort(), await freePort()]
    const listen = [
      { address: `127.0.0.1:${preferring}`, reads: 'prefer-replica', readYourWrites: '1m' },
      { address: `127.0.0.1:${port}`, role: 'replica' },
    ]
    respool = suite.add(await startRespool({ upstream: sentinels.url, config: { listen } }))
    const client = await connect(respool.port)
    assert.equal(await ask(client, 'SET', 'greeting', 'hello'), '+OK\r\n')
    const replica = await connect(port)
    // Sentinels look at replicas only now and then.
    await until(async () => (await ask(replica, 'GET', 'greeting')) === HELLO, 'a replica is found', 30_000)
  })
  after(() => suite.run())

  const connect = async (to: number) => suite.client(await RawClient.connect(to))
  const direct = async ({ port: to }: RedisServer, ...args: string[]) => {
    const client = await RawClient.connect(to)
    const reply = await ask(client, ...args)
    client.close()
    return reply
  }
  const replicas = async () => {
    const primary = await sentinels.primary()
    return sentinels.servers.filter((server) => server !== primary)
  }

  /** How often servers have carried out a command, or refused any, since they were asked to forget. */
  async function count(servers: RedisServer[], pattern: RegExp): Promise<number> {
    const texts = await Promise.all(servers.map((server) => direct(server, 'INFO', 'commandstats')))
    return [...texts.join().matchAll(pattern)].reduce((sum, [, number]) => sum + Number(number), 0)
  }
  const CALLS = /cmdstat_get:calls=(\d+)/g
  const REJECTED = /rejected_calls=(\d+)/g
  const forget = () => Promise.all(sentinels.servers.map((server) => direct(server, 'CONFIG', 'RESETSTAT')))

  it('is what its replicas are', async () => {
    const client = await connect(port)
    assert.match(await ask(client, 'HELLO', '3'), /\$4\r\nrole\r\n\$7\r\nreplica\r\n/)
    assert.match(bulkText(await ask(client, 'INFO', 'replication')), /^role:slave\r$/m)
    assert.match(await ask(client, 'ROLE'), /^\*5\r\n\$5\r\nslave\r\n/)
    const script = "return redis.call('GET', KEYS[1])"
    const commands = [
      ['SET', 'greeting', 'x'],
      ['EVAL', script, '1', 'greeting'],
      ['EVAL', "return redis.call('DEL', KEYS[1])", '1', 'greeting'],
      ['MULTI'],
      ['GET', 'greeting'],
      ['SET', 'greeting', 'x'],
      ['EXEC'],
      ['BLPOP', 'list', '0'],
      ['WAIT', '0', '0'],
      ['PUBLISH', 'nobody', 'x'],
    ]
    const [replica] = await replicas()
    const other = await connect(replica.port)
    await ask(other, 'HELLO', '3')
    for (const command of commands) assert.equal(await ask(client, ...command), await ask(other, ...command))
    assert.deepEqual(await pipeline(client, commands), await pipeline(other, commands))
  })

  it('keeps reads, and nothing else, from the primary', async () => {
    await forget()
    const client = await connect(port)
    for (let i = 0; i < 20; i++) assert.equal(await ask(client, 'GET', 'greeting'), HELLO)
    assert.equal(await ask(client, 'SET', 'greeting', 'x'), READONLY)
    const [primary] = [await sentinels.primary()]
    assert.deepEqual([await count(await replicas(), CALLS), await count([primary], CALLS)], [20, 0])
    assert.equal(await count(await replicas(), REJECTED), 0)
  })

  it('takes large commands where they belong', async () => {
    const large = 'x'.repeat(200_000)
    const [reader, client] = [await connect(port), await connect(preferring)]
    await until(async () => (await ask(client, 'GET', 'greeting')) === HELLO, 'it reads')
    const replies = await pipeline(client, [
      ['GET', 'greeting'],
      ['SET', 'large', large],
      ['GET', 'greeting'],
      ['STRLEN', 'large'],
    ])
    assert.deepEqual(replies, [HELLO, '+OK\r\n', HELLO, ':200000\r\n'])
    assert.deepEqual(await pipeline(reader, [['SET', 'large', large], ['ECHO', large], ['PING']]), [
      READONLY,
      `$200000\r\n${large}\r\n`,
      '+PONG\r\n',
    ])
    assert.equal(await ask(reader, 'EXISTS', ...Array.from({ length: 10_000 }, () => 'greeting')), ':10000\r\n')
  })

  it('is named by respool as a sentinel, in the words of a real one', async () => {
    /** Of rows of names and values. */
    const names = (reply: string) => reply.split('\r\n').filter((_, nth) => nth % 4 === 2)
    const fields = async (to: number) => {
      const reply = await ask(await connect(to), 'SENTINEL', 'REPLICAS', 'mymaster')
      return names(reply.slice(reply.indexOf('\r\n') + 2)).slice(0, 21)
    }
    const real = await fields(sentinels.ports[0])
    assert.equal(real.length, 21)
    assert.deepEqual(await fields(respool.port), real)
    const client = await connect(respool.port)
    assert.match(await ask(client, 'SENTINEL', 'SLAVES', 'any'), new RegExp(`\\r\\n127\\.0\\.0\\.1:${port}\\r\\n`))
    assert.match(await ask(client, 'SENTINEL', 'MASTER', 'any'), /num-slaves\r\n\$1\r\n1\r\n/)
    const primary = await ask(await connect(port), 'SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'any')
    assert.ok(!primary.includes(String(port)), 'it takes itself for the primary')
  })

  for (const [client, { prepare, extra }] of Object.entries(CLIENTS))
    it(`is found by ${client}, which is told only of respool as a sentinel`, async () => {
      const command = await prepare()
      await forget()
      const run = await play(command, respool.port, ...extra)
      assert.deepEqual(namesOf(run), SCENARIOS, run.stderr)
      assert.deepEqual(failuresOf(run), [])
      assert.ok((await count(await replicas(), CALLS)) >= 20)
      assert.equal(await count(await replicas(), REJECTED), 0)
    })

  it('reads on when a replica refuses, and so do others', async () => {
    const servers = await replicas()
    const clients = [await connect(preferring), await connect(port)]
    for (const client of clients) assert.equal(await ask(client, 'GET', 'greeting'), HELLO)
    // Cut off from its primary it will not serve what may be stale.
    const [lost, other] = servers
    await direct(lost, 'CONFIG', 'SET', 'replica-serve-stale-data', 'no')
    await direct(lost, 'REPLICAOF', '127.0.0.1', String(await freePort()))
    const many = [...clients, ...(await Promise.all(Array.from({ length: 4 }, () => connect(preferring))))]
    for (const client of [...many, ...(await Promise.all([connect(port), connect(port)]))])
      assert.equal(await ask(client, 'GET', 'greeting'), HELLO)
    assert.ok((await respool.metric('respool_retries_total', { reason: 'masterdown' })) > 0)
    assert.ok((await count([other], CALLS)) > 0)
    await direct(lost, 'CONFIG', 'SET', 'replica-serve-stale-data', 'yes')
    await direct(lost, 'REPLICAOF', '127.0.0.1', String((await sentinels.primary()).port))
  })

  it('goes on through a failover, and never reads from whoever is the primary then', async () => {
    const [client, other] = [await connect(port), await connect(preferring)]
    const before = await sentinels.primary()
    await sentinels.failover()
    // Sentinels would come to that in ten seconds.
    await direct(before, 'REPLICAOF', '127.0.0.1', String((await sentinels.primary()).port))
    const roles = async () => {
      // Replicas are connected to when somebody reads.
      await ask(client, 'GET', 'greeting')
      const { endpoints } = (await (await fetch(`${respool.admin}/topology`)).json()) as {
        endpoints: { endpoint: string; role: string }[]
      }
      return endpoints.map(({ endpoint, role }) => `${endpoint} ${role}`).sort()
    }
    const primary = await sentinels.primary()
    const expected = sentinels.servers.map((server) => {
      return `127.0.0.1:${server.port} ${server === primary ? 'primary' : 'replica'}`
    })
    await until(async () => (await roles()).join() === expected.sort().join(), 'all of them are known', 30_000)
    assert.equal(await ask(other, 'SET', 'greeting', 'hello again'), '+OK\r\n')
    const again = '$11\r\nhello again\r\n'
    assert.equal(await ask(other, 'GET', 'greeting'), again)
    await until(async () => (await ask(client, 'GET', 'greeting')) === again, 'it is replicated')
    await forget()
    for (let i = 0; i < 20; i++) assert.equal(await ask(client, 'GET', 'greeting'), again)
    assert.equal(await count([primary], CALLS), 0)
    assert.equal(await count(await replicas(), REJECTED), 0)
  })

  it('is not well for clients while there is no replica', async () => {
    const client = await connect(respool.port)
    assert.match(await ask(client, 'SENTINEL', 'REPLICAS', 'mymaster'), /flags\r\n\$5\r\nslave\r\n/)
    for (const server of await replicas()) await server.kill()
    const unwell = /flags\r\n\$12\r\ns_down,slave\r\n/
    await until(async () => unwell.test(await ask(client, 'SENTINEL', 'REPLICAS', 'mymaster')), 'it says so', 30_000)
    const none = '-TRYAGAIN respool has no replica to read from: the command was not sent\r\n'
    assert.equal(await ask(await connect(port), 'GET', 'greeting'), none)
    assert.equal(await ask(await connect(preferring), 'GET', 'greeting'), '$11\r\nhello again\r\n')
  })
})
