/** respool in front of one Redis, asked what one asks a cluster: answered as by a cluster of one node where it was dialled. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { startCluster, type RedisCluster } from '../helpers/cluster.ts'
import { freePort } from '../helpers/ports.ts'
import { RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { ask, Cleanup, connectAll, pipeline } from './support.ts'

/** Asked of a real node too; ID stands for its own. */
const SAME = [
  ...['SLOTS', 'SHARDS', 'NODES', 'INFO', 'MYID', 'LINKS', 'REPLICAS ID', 'SLAVES ID', 'COUNT-FAILURE-REPORTS ID'],
  ...['KEYSLOT k', 'keyslot {a}b', 'KEYSLOT'],
  ...['REPLICAS nobody', 'SLAVES nobody', 'COUNT-FAILURE-REPORTS nobody', 'SLOTS x', 'NODES x', 'MEET', 'BOGUS'],
  ...['COUNTKEYSINSLOT x', 'COUNTKEYSINSLOT 16384', 'GETKEYSINSLOT x 1', 'GETKEYSINSLOT 5 -1', 'GETKEYSINSLOT -1 5'],
].map((words) => `CLUSTER ${words}`)
const OF_THE_CONNECTION = ['READONLY', 'READWRITE', 'ASKING', 'READONLY x', 'CLUSTER']

/** What is left to real nodes. */
const BEYOND = [
  ...['COUNTKEYSINSLOT 5', 'GETKEYSINSLOT 5 10', 'MEET 127.0.0.1 6379', `FORGET ${'0'.repeat(40)}`],
  ...['ADDSLOTS 1', 'ADDSLOTSRANGE 1 2', 'DELSLOTS 1', 'DELSLOTSRANGE 1 2', 'FLUSHSLOTS', 'SETSLOT 1 STABLE'],
  ...['FAILOVER', 'FAILOVER TAKEOVER', 'REPLICATE x', 'RESET', 'RESET HARD', 'SAVECONFIG', 'BUMPEPOCH'],
  ...['SET-CONFIG-EPOCH 1', 'SLOT-STATS SLOTSRANGE 0 1'],
]

describe('standing in for a cluster', { timeout: 60_000 }, () => {
  const suite = new Cleanup()
  const ports: Record<'announced' | 'named' | 'everywhere', number> = { announced: 0, named: 0, everywhere: 0 }
  let redis: RedisServer
  let respool: Respool
  let cluster: RedisCluster

  before(async () => {
    redis = suite.add(await startRedis())
    cluster = suite.add(await startCluster({ primaries: 1, args: ['--cluster-announce-ip', '127.0.0.1'] }))
    for (const name of Object.keys(ports) as (keyof typeof ports)[]) ports[name] = await freePort()
    const listen = [
      { address: `127.0.0.1:${ports.announced}`, announce: '10.1.2.3:4567' },
      { address: `127.0.0.1:${ports.named}`, announce: 'redis.local:4567' },
      `:${ports.everywhere}`,
    ]
    respool = suite.add(await startRespool({ upstream: redis.url, unixSocket: true, config: { listen } }))
  })
  after(() => suite.run())

  async function connect(target: number | string): Promise<RawClient> {
    return suite.client(await RawClient.connect(target))
  }

  /** The answers with the node's id and port replaced. */
  async function answers(port: number, protocol: number, commands: string[]): Promise<string[]> {
    const client = await connect(port)
    await ask(client, 'HELLO', protocol)
    const id = (await ask(client, 'CLUSTER', 'MYID')).split('\r\n')[1]
    assert.match(id, /^[0-9a-f]{40}$/)
    const replies = await pipeline(
      client,
      commands.map((command) => command.replace('ID', id).split(' ')),
    )
    const known = (text: string) =>
      text
        .replaceAll(id, 'ID')
        .replaceAll(`${port}@${port + 10_000}`, 'PORT@BUS')
        .replaceAll(`:${port}\r`, ':PORT\r')
        .replace(/^[$=]\d+\r\n(?=(txt:)?ID )/, 'LENGTH ')
    return replies.map((reply, nth) => `${commands[nth]}: ${known(reply)}`)
  }

  for (const protocol of [2, 3]) {
    it(`answers as a real cluster of one node, in RESP${protocol}`, async (t) => {
      const info = await ask(await connect(redis.port), 'INFO', 'server')
      if (!info.includes('redis_version:7.0')) return t.skip('the shapes are those of Redis 7.0')
      const commands = [...SAME, ...OF_THE_CONNECTION]
      const real = await answers(cluster.primaries[0].server.port, protocol, commands)
      assert.deepEqual(await answers(respool.port, protocol, commands), real)
    })
  }

  it('gives the slot of any key as a real node does', async () => {
    const letters = ['{', '}', '{}', 'a', 'b', '\r\n', Buffer.from([0]), Buffer.from([255])].map((letter) =>
      Buffer.from(letter),
    )
    const keys = Array.from({ length: 3000 }, () =>
      Buffer.concat(Array.from({ length: 8 }, () => letters[Math.floor(Math.random() * letters.length)])),
    )
    const commands = [...keys, '', '{}', 'foo{}{bar}'].map((key) => ['CLUSTER', 'KEYSLOT', key])
    const [real, own] = await Promise.all(
      [cluster.primaries[0].server.port, respool.port].map(async (port) => pipeline(await connect(port), commands)),
    )
    for (const [nth, slot] of real.entries()) assert.equal(own[nth], slot, JSON.stringify(String(commands[nth][2])))
  })

  it('names the same node each time, and another one at another address', async () => {
    const ids = await Promise.all(
      [respool.port, respool.port, ports.announced].map(async (port) => ask(await connect(port), 'CLUSTER', 'MYID')),
    )
    assert.equal(ids[0], ids[1])
    assert.notEqual(ids[0], ids[2])
    const shard = await ask(await connect(respool.port), 'CLUSTER', 'MYSHARDID')
    assert.match(shard, /^\$40\r\n[0-9a-f]{40}\r\n$/)
    assert.notEqual(shard, ids[0])
  })

  it('leads to the address that a listener announces', async () => {
    const client = await connect(ports.announced)
    assert.match(await ask(client, 'CLUSTER', 'SLOTS'), /\$8\r\n10\.1\.2\.3\r\n:4567\r\n\$40\r\n/)
    assert.match(await ask(client, 'CLUSTER', 'NODES'), / 10\.1\.2\.3:4567@14567 myself,master /)
    assert.match(await ask(client, 'CLUSTER', 'SHARDS'), /\r\nport\r\n:4567\r\n.*\r\nip\r\n\$8\r\n10\.1\.2\.3\r\n/s)
  })

  it('leads to a name that a listener announces', async () => {
    const client = await connect(ports.named)
    assert.match(await ask(client, 'CLUSTER', 'SLOTS'), /\$11\r\nredis\.local\r\n:4567\r\n\$40\r\n/)
    assert.match(await ask(client, 'CLUSTER', 'NODES'), / redis\.local:4567@14567,redis\.local myself,master /)
    assert.match(await ask(client, 'CLUSTER', 'SHARDS'), /\r\nhostname\r\n\$11\r\nredis\.local\r\n/)
  })

  it('leads to the address that was dialled where the listener takes every interface', async () => {
    const slots = await ask(await connect(ports.everywhere), 'CLUSTER', 'SLOTS')
    assert.match(slots, new RegExp(`\\$9\\r\\n127\\.0\\.0\\.1\\r\\n:${ports.everywhere}\\r\\n`))
  })

  it('says what to do where a unix socket was dialled', async () => {
    const client = await connect(respool.socketPath!)
    for (const command of ['SLOTS', 'SHARDS', 'NODES', 'MYID', 'MYSHARDID']) {
      assert.match(await ask(client, 'CLUSTER', command), /^-ERR .*give that listener an address to announce\r\n$/)
    }
    assert.match(await ask(client, 'CLUSTER', 'INFO'), /cluster_state:ok/)
    assert.equal(await ask(client, 'CLUSTER', 'KEYSLOT', 'foo'), ':12182\r\n')
  })

  it('refuses what only real nodes can do, and goes on', async () => {
    const [client] = await connectAll(respool.port, 1)
    suite.client(client)
    const errors = await respool.metric('respool_errors_total', { code: 'beyondStandIn' })
    for (const words of BEYOND) {
      const name = `cluster|${words.split(' ')[0].toLowerCase()}`
      const expected = `-ERR respool only stands in for the servers that '${name}' is meant for\r\n`
      assert.equal(await ask(client, 'CLUSTER', ...words.split(' ')), expected)
    }
    assert.equal(await respool.metric('respool_errors_total', { code: 'beyondStandIn' }), errors + BEYOND.length)
    assert.equal(await ask(client, 'PING'), '+PONG\r\n')
  })

  it('says in HELP what it answers, all of which is true', async () => {
    const client = await connect(respool.port)
    const lines = (await ask(client, 'CLUSTER', 'HELP')).split('\r\n').filter((line) => /^\+[A-Z]/.test(line))
    const usages = lines.slice(1).map((line) => line.slice(1))
    assert.ok(usages.length > 10)
    const id = (await ask(client, 'CLUSTER', 'MYID')).split('\r\n')[1]
    for (const usage of usages) {
      const words = usage.replace('<node-id>', id).replace('<key>', 'k').split(' ')
      assert.doesNotMatch(await ask(client, 'CLUSTER', ...words), /^-/, usage)
    }
  })

  it('is answered while keys are watched, in order, and not within a transaction', async () => {
    const [client] = await connectAll(respool.port, 1)
    suite.client(client)
    const refusal = "-ERR respool answers 'cluster' itself, and cannot do so within a transaction\r\n"
    const replies = await pipeline(client, [
      ['WATCH', 'k'],
      ['GET', 'none'],
      ['CLUSTER', 'KEYSLOT', 'foo'],
      ['MULTI'],
      ['SET', 'k', 'v'],
      ['CLUSTER', 'SLOTS'],
      ['EXEC'],
      ['GET', 'k'],
      ['CLUSTER', 'KEYSLOT', 'foo'],
    ])
    assert.deepEqual(replies.slice(0, 6), ['+OK\r\n', '$-1\r\n', ':12182\r\n', '+OK\r\n', '+QUEUED\r\n', refusal])
    assert.match(replies[6], /^-EXECABORT /)
    assert.deepEqual(replies.slice(7), ['$-1\r\n', ':12182\r\n'])
  })
})

describe('standing in for a cluster, switched off', { timeout: 60_000 }, () => {
  const suite = new Cleanup()
  after(() => suite.run())

  it('leaves the answers to Redis', async () => {
    const redis = suite.add(await startRedis())
    const respool = suite.add(await startRespool({ upstream: redis.url, config: { standIn: { cluster: 'off' } } }))
    const commands = [...SAME, ...OF_THE_CONNECTION, 'CLUSTER HELP', 'CLUSTER RESET', 'MULTI', 'CLUSTER INFO', 'EXEC']
    const [direct, proxied] = await Promise.all(
      [redis.port, respool.port].map(async (port) =>
        pipeline(
          suite.client(await RawClient.connect(port)),
          commands.map((command) => command.split(' ')),
        ),
      ),
    )
    assert.deepEqual(proxied, direct)
  })
})
