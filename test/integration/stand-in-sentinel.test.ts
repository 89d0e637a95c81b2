/** respool in front of one Redis, asked what one asks a sentinel: answered as by the only one, of a primary where it was dialled. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { freePort } from '../helpers/ports.ts'
import { type Argument, RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { startSentinels, type Sentinels } from '../helpers/sentinels.ts'
import { ask, bulkText, Cleanup, pipeline } from './support.ts'

/** Asked of a real sentinel too. */
const SAME = [
  ...['GET-MASTER-ADDR-BY-NAME main', 'get-master-addr-by-name other', 'MASTER main', 'MASTER other', 'MASTERS'],
  ...['REPLICAS main', 'REPLICAS other', 'SLAVES main', 'SLAVES other', 'SENTINELS main', 'SENTINELS other'],
  ...['CKQUORUM main', 'CKQUORUM other', 'IS-MASTER-DOWN-BY-ADDR 127.0.0.1 1 0 *', 'IS-MASTER-DOWN-BY-ADDR h x 0 *'],
  ...['IS-MASTER-DOWN-BY-ADDR h 1 x *', 'MASTER', 'MASTERS x', 'MASTER a b', 'BOGUS', 'SET main', 'MONITOR a b'],
].map((words) => `SENTINEL ${words}`)

/** What is left to real sentinels. */
const BEYOND = [
  ...['FAILOVER main', 'RESET *', 'MONITOR a 127.0.0.1 1 1', 'REMOVE main', 'SET main quorum 1', 'FLUSHCONFIG'],
  ...['CONFIG GET *', 'DEBUG', 'INFO-CACHE main', 'PENDING-SCRIPTS', 'SIMULATE-FAILURE HELP'],
]

describe('standing in for a sentinel', { timeout: 60_000 }, () => {
  const suite = new Cleanup()
  let redis: RedisServer
  let restricted: Respool
  let respool: Respool
  let sentinels: Sentinels
  let announced: number

  before(async () => {
    redis = suite.add(await startRedis())
    sentinels = suite.add(await startSentinels({ service: 'main', sentinels: 1, replicas: 0 }))
    announced = await freePort()
    const listen = [{ address: `127.0.0.1:${announced}`, announce: 'redis.local:4567' }]
    respool = suite.add(await startRespool({ upstream: redis.url, unixSocket: true, config: { listen } }))
    const standIn = { services: ['main'] }
    restricted = suite.add(await startRespool({ upstream: redis.url, config: { standIn } }))
  })
  after(() => suite.run())

  async function connect(target: number | string): Promise<RawClient> {
    return suite.client(await RawClient.connect(target))
  }

  /** The answers of a sentinel with what differs from one primary to the other, and from one moment to the other, left out. */
  async function answers(port: number, primaryPort: number, protocol: number): Promise<string[]> {
    const client = await connect(port)
    await ask(client, 'HELLO', protocol)
    const replies = await pipeline(
      client,
      SAME.map((command) => command.split(' ')),
    )
    const figure =
      /\b(last-ok-ping-reply|last-ping-reply|last-ping-sent|info-refresh|role-reported-time|down-after-milliseconds|failover-timeout)\r\n\$\d+\r\n\d+/g
    return replies.map((reply, nth) => {
      const known = reply
        .replaceAll(`$${String(primaryPort).length}\r\n${primaryPort}\r\n`, 'PORT\r\n')
        .replace(/[0-9a-f]{40}/g, 'ID')
        .replace(figure, '$1\r\nN')
      return `${SAME[nth]}: ${known}`
    })
  }

  for (const protocol of [2, 3]) {
    it(`answers as a real one that watches a primary without replicas, in RESP${protocol}`, async (t) => {
      const info = await ask(await connect(redis.port), 'INFO', 'server')
      if (!info.includes('redis_version:7.0')) return t.skip('the shapes are those of Redis 7.0')
      const real = await answers(sentinels.ports[0], sentinels.servers[0].port, protocol)
      assert.deepEqual(await answers(restricted.port, restricted.port, protocol), real)
    })
  }

  it('takes any name of a service where none is given, and has one to list', async () => {
    const client = await connect(respool.port)
    const address = `*2\r\n$9\r\n127.0.0.1\r\n$${String(respool.port).length}\r\n${respool.port}\r\n`
    for (const name of ['main', 'whatever', '']) {
      assert.equal(await ask(client, 'SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name), address)
      assert.match(await ask(client, 'SENTINEL', 'MASTER', name), new RegExp(`\\r\\n${name}\\r\\n\\$2\\r\\nip\\r\\n`))
    }
    assert.match(await ask(client, 'SENTINEL', 'MASTERS'), /^\*1\r\n\*40\r\n\$4\r\nname\r\n\$8\r\nmymaster\r\n/)
  })

  it('is the same sentinel each time', async () => {
    const ids = await Promise.all([1, 2].map(async () => ask(await connect(respool.port), 'SENTINEL', 'MYID')))
    assert.match(ids[0], /^\$40\r\n[0-9a-f]{40}\r\n$/)
    assert.equal(ids[0], ids[1])
  })

  it('leads to the address that a listener announces', async () => {
    const client = await connect(announced)
    const reply = await ask(client, 'SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'main')
    assert.equal(reply, '*2\r\n$11\r\nredis.local\r\n$4\r\n4567\r\n')
    assert.match(await ask(client, 'SENTINEL', 'MASTER', 'main'), /\$2\r\nip\r\n\$11\r\nredis\.local\r\n/)
  })

  it('says what to do where a unix socket was dialled', async () => {
    const client = await connect(respool.socketPath!)
    for (const words of [['GET-MASTER-ADDR-BY-NAME', 'main'], ['MASTER', 'main'], ['MASTERS'], ['MYID']]) {
      assert.match(await ask(client, 'SENTINEL', ...words), /^-ERR .*give that listener an address to announce\r\n$/)
    }
  })

  it('refuses what only real sentinels can do, and goes on', async () => {
    const client = await connect(respool.port)
    for (const words of BEYOND) {
      const name = `sentinel|${words.split(' ')[0].toLowerCase()}`
      const expected = `-ERR respool only stands in for the servers that '${name}' is meant for\r\n`
      assert.equal(await ask(client, 'SENTINEL', ...words.split(' ')), expected)
    }
    assert.equal(await ask(client, 'PING'), '+PONG\r\n')
  })

  it('says in HELP what it answers, all of which is true', async () => {
    const client = await connect(respool.port)
    const lines = (await ask(client, 'SENTINEL', 'HELP')).split('\r\n').filter((line) => /^\+[A-Z]/.test(line))
    const usages = lines.slice(1).map((line) => line.slice(1))
    assert.ok(usages.length > 8)
    for (const usage of usages) {
      const words = usage.replace('<service>', 'main').replace('<port>', '1').replace('<epoch>', '0').split(' ')
      assert.doesNotMatch(await ask(client, 'SENTINEL', ...words), /^-/, usage)
    }
  })

  it('is a primary by ROLE and INFO, and never says that there is another', async () => {
    const client = await connect(respool.port)
    assert.match(await ask(client, 'ROLE'), /^\*3\r\n\$6\r\nmaster\r\n/)
    assert.match(bulkText(await ask(client, 'INFO', 'replication')), /^role:master\r$/m)
    const channel = '+switch-master'
    assert.equal(await ask(client, 'SUBSCRIBE', channel), `*3\r\n$9\r\nsubscribe\r\n$14\r\n${channel}\r\n:1\r\n`)
    assert.equal(await ask(client, 'PING'), '*2\r\n$4\r\npong\r\n$0\r\n\r\n')
  })

  it('is answered while Redis is away', async () => {
    const away = await startRedis()
    const lonely = suite.add(await startRespool({ upstream: away.url }))
    await away.stop()
    const client = await connect(lonely.port)
    assert.match(await ask(client, 'SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'main'), /^\*2\r\n/)
    assert.match(await ask(client, 'CLUSTER', 'SLOTS'), /^\*1\r\n/)
  })

  it('is not answered within a transaction, which fails', async () => {
    const client = await connect(respool.port)
    const commands: Argument[][] = [['MULTI'], ['SET', 'k', 'v'], ['SENTINEL', 'MASTERS'], ['EXEC'], ['GET', 'k']]
    const replies = await pipeline(client, commands)
    assert.equal(replies[2], "-ERR respool answers 'sentinel' itself, and cannot do so within a transaction\r\n")
    assert.match(replies[3], /^-EXECABORT /)
    assert.equal(replies[4], '$-1\r\n')
  })

  it('switched off leaves the answers to Redis', async () => {
    const off = suite.add(await startRespool({ upstream: redis.url, config: { standIn: { sentinel: 'off' } } }))
    const commands = ['SENTINEL MASTERS', 'SENTINEL', 'MULTI', 'SENTINEL MYID', 'EXEC'].map((words) => words.split(' '))
    const [direct, proxied] = await Promise.all(
      [redis.port, off.port].map(async (port) => pipeline(await connect(port), commands)),
    )
    assert.deepEqual(proxied, direct)
  })
})
