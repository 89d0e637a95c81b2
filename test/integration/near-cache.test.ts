/** Replies that are kept: who finds them, and who does not, and when they go. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ClusterNode, type RedisCluster, startCluster } from '../helpers/cluster.ts'
import { freePort } from '../helpers/ports.ts'
import { type Argument, RawClient } from '../helpers/raw.ts'
import { type RedisServer, startRedis } from '../helpers/redis.ts'
import { type Respool, startRespool } from '../helpers/respool.ts'
import { startSentinels } from '../helpers/sentinels.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup, Observer, pipeline } from './support.ts'

const OK = '+OK\r\n'
const bulk = (text: string) => `$${Buffer.byteLength(text)}\r\n${text}\r\n`
/** So old that nothing goes by its age. */
const cache = { prefixes: ['c:'], maxAge: '10m' }

/** For what takes a failover, ms. */
const PATIENCE = 30_000

const hits = (respool: Respool) => respool.metric('respool_cache_hits_total')
const entries = (respool: Respool) => respool.metric('respool_cache_entries')
const dropped = (respool: Respool, cause: string) => respool.metric('respool_cache_drops_total', { cause })
const ready = (respool: Respool, servers = 1) =>
  until(
    async () => (await respool.metric('respool_cache_ready')) === servers,
    'all servers tell what changes',
    PATIENCE,
  )

/** Asks until the answer comes from what is kept, which takes more than twice only if Redis is still telling of a change before; gives it. */
async function whenKept(respool: Respool, client: RawClient, ...command: Argument[]): Promise<string> {
  let answer = ''
  await until(
    async () => {
      const before = await hits(respool)
      answer = await ask(client, ...command)
      return (await hits(respool)) > before
    },
    `the answer to ${command.join(' ')} is kept`,
    PATIENCE,
  )
  return answer
}

async function assertNotKept(respool: Respool, client: RawClient, ...command: Argument[]): Promise<void> {
  const before = await hits(respool)
  for (let nth = 0; nth < 3; nth++) await ask(client, ...command)
  assert.equal(await hits(respool), before, command.join(' '))
}

describe('the near cache', { timeout: 120_000 }, () => {
  const suite = new Cleanup()
  const test = new Cleanup()
  let redis: RedisServer
  let respool: Respool
  let direct: RawClient

  before(async () => {
    redis = suite.add(await startRedis({ args: ['--enable-debug-command', 'local'] }))
    respool = suite.add(await startRespool({ upstream: redis.url, config: { cache } }))
    direct = suite.client(await RawClient.connect(redis.port))
    await ready(respool)
  })
  afterEach(async () => {
    await test.run()
    await direct.call('FLUSHALL')
    await until(async () => (await entries(respool)) === 0, 'nothing is kept')
  })
  after(() => suite.run())

  const connect = async (protocol = 2, port = respool.port) => {
    const client = test.client(await RawClient.connect(port))
    await ask(client, 'HELLO', protocol)
    return client
  }
  /** How often Redis has carried a command out. */
  const calls = async (command: string) => {
    const stats = await ask(direct, 'INFO', 'commandstats')
    return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0)
  }
  /** Redis changes the key, and what was kept of it is gone. */
  const changes = async (...command: Argument[]) => {
    const before = await dropped(respool, 'redis')
    await direct.call(...command)
    await until(async () => (await dropped(respool, 'redis')) > before, 'what was kept is dropped')
  }

  it('answers what was asked before, until Redis says that the key has changed', async () => {
    const [one, other] = [await connect(), await connect()]
    await direct.call('SET', 'c:k', 'v1')
    assert.equal(await whenKept(respool, one, 'GET', 'c:k'), bulk('v1'))
    const before = await calls('get')
    for (const client of [one, other, one, other]) assert.equal(await ask(client, 'GET', 'c:k'), bulk('v1'))
    assert.equal(await calls('get'), before)
    await changes('SET', 'c:k', 'v2')
    assert.equal(await ask(other, 'GET', 'c:k'), bulk('v2'))
    assert.equal(await calls('get'), before + 1)
    await changes('FLUSHDB')
    assert.equal(await ask(one, 'GET', 'c:k'), '$-1\r\n')
  })

  it('answers with the same bytes as Redis, whatever is read', async () => {
    const client = await connect()
    const fill: Argument[][] = [
      ['SET', 'c:text', 'a\r\n\0é'],
      ['HSET', 'c:hash', 'f', '1', 'g', Buffer.from([0, 255, 13, 10])],
      ['RPUSH', 'c:list', 'a', 'b', 'c'],
      ['SADD', 'c:set', 'm'],
      ['ZADD', 'c:zset', '1', 'a', '2.5', 'b'],
      ['GEOADD', 'c:geo', '13.361389', '38.115556', 'x', '15.087269', '37.502669', 'y'],
      ['XADD', 'c:stream', '1-1', 'f', 'v'],
    ]
    for (const command of fill) await direct.call(...command)
    const reads = [
      ...['GET c:text', 'get c:none', 'STRLEN c:text', 'GETRANGE c:text 1 2', 'GETBIT c:text 3', 'BITCOUNT c:text'],
      ...['EXISTS c:text', 'MGET c:text', 'TYPE c:zset', 'HGET c:hash g', 'HGETALL c:hash', 'HMGET c:hash f x g'],
      ...['HLEN c:hash', 'LRANGE c:list 0 -1', 'LINDEX c:list 1', 'SMEMBERS c:set', 'SISMEMBER c:set m', 'SCARD c:set'],
      ...[
        'ZRANGE c:zset 0 -1 WITHSCORES',
        'ZSCORE c:zset b',
        'ZRANK c:zset b',
        'GEODIST c:geo x y',
        'XRANGE c:stream - +',
      ],
    ].map((line) => line.split(' '))
    for (const protocol of [2, 3]) {
      for (const one of [client, direct]) await ask(one, 'HELLO', protocol)
      for (const read of reads) {
        const expected = await ask(direct, ...read)
        assert.equal(await whenKept(respool, client, ...read), expected, read.join(' '))
      }
    }
    await ask(direct, 'HELLO', 2)
  })

  it('keeps nothing else: other keys, several of them, errors, what depends on time or chance', async () => {
    const client = await connect()
    await direct.call('SET', 'c:k', 'v', 'EX', 100)
    await direct.call('SADD', 'c:s', 'm')
    const reads = [
      'GET k',
      'GET xc:k',
      'MGET c:k c:j',
      'EXISTS c:k c:k',
      'TTL c:k',
      'SRANDMEMBER c:s',
      'OBJECT ENCODING c:k',
    ]
    for (const read of [...reads, 'HGET c:k f', 'GET c:k too many', 'SSCAN c:s 0', 'PFCOUNT c:none', 'STRLEN k'])
      await assertNotKept(respool, client, ...read.split(' '))
  })

  it('keeps databases and protocols apart', async () => {
    const [two, three, other] = [await connect(2), await connect(3), await connect(2)]
    await ask(other, 'SELECT', 1)
    await ask(other, 'SET', 'c:k', 'other')
    assert.equal(await whenKept(respool, two, 'GET', 'c:k'), '$-1\r\n')
    assert.equal(await whenKept(respool, three, 'GET', 'c:k'), '_\r\n')
    assert.equal(await whenKept(respool, other, 'GET', 'c:k'), bulk('other'))
    assert.equal(await entries(respool), 3)
    // Redis does not say in which database.
    await changes('SET', 'c:k', 'v')
    assert.equal(await ask(two, 'GET', 'c:k'), bulk('v'))
    assert.equal(await ask(other, 'GET', 'c:k'), bulk('other'))
  })

  it('keeps users apart', async () => {
    for (const [name, rule] of Object.entries({ alice: 'c:*', bob: 'other:*' }))
      await direct.call('ACL', 'SETUSER', name, 'reset', 'on', `>${name}`, `~${rule}`, '+@all')
    const port = await freePort()
    const listen = [{ address: `127.0.0.1:${port}`, auth: 'passthrough' }]
    const users = test.add(await startRespool({ upstream: redis.url, config: { cache, listen } }))
    await ready(users)
    const [alice, bob] = [test.client(await RawClient.connect(port)), test.client(await RawClient.connect(port))]
    assert.equal(await ask(alice, 'AUTH', 'alice', 'alice'), OK)
    assert.equal(await ask(bob, 'AUTH', 'bob', 'bob'), OK)
    await direct.call('SET', 'c:k', 'secret')
    assert.equal(await whenKept(users, alice, 'GET', 'c:k'), bulk('secret'))
    for (let nth = 0; nth < 2; nth++) assert.match(await ask(bob, 'GET', 'c:k'), /^-NOPERM/)
    // One user writes what another has read.
    const own = test.client(await RawClient.connect(users.port))
    assert.equal(await ask(own, 'SET', 'c:k', 'new'), OK)
    assert.equal(await ask(alice, 'GET', 'c:k'), bulk('new'))
  })

  const writes: Record<string, (client: RawClient, value: string) => Promise<unknown>> = {
    SET: (client, value) => ask(client, 'SET', 'c:k', value),
    'MSET of several': (client, value) => ask(client, 'MSET', 'a', '1', 'c:k', value),
    'RENAME to it': (client, value) =>
      pipeline(client, [
        ['SET', 'x', value],
        ['RENAME', 'x', 'c:k'],
      ]),
    'a transaction in one piece': (client, value) => pipeline(client, [['MULTI'], ['SET', 'c:k', value], ['EXEC']]),
    'a transaction in parts': async (client, value) => {
      for (const command of [['MULTI'], ['SET', 'c:k', value], ['EXEC']]) await ask(client, ...command)
    },
    'a transaction under WATCH': async (client, value) => {
      for (const command of [['WATCH', 'c:k'], ['MULTI'], ['SET', 'c:k', value], ['EXEC']])
        await ask(client, ...command)
    },
    'a script that names it': (client, value) =>
      ask(client, 'EVAL', "return redis.call('SET', KEYS[1], ARGV[1])", 1, 'c:k', value),
    'a script that names nothing': (client, value) =>
      ask(client, 'EVAL', "return redis.call('SET', 'c:k', ARGV[1])", 0, value),
    'a command from another database': (client, value) =>
      pipeline(client, [
        ['SELECT', 1],
        ['SET', 'c:k', value],
        ['MOVE', 'c:k', 0],
        ['SELECT', 0],
      ]),
  }
  for (const [name, write] of Object.entries(writes)) {
    it(`has every session read what was written by ${name}, from its answer on`, async () => {
      const [writer, reader] = [await connect(), await connect()]
      for (let nth = 0; nth < 200; nth++) {
        if (name.includes('another database')) await ask(writer, 'DEL', 'c:k')
        await write(writer, `${nth}`)
        assert.equal(await ask(nth % 2 === 0 ? reader : writer, 'GET', 'c:k'), bulk(`${nth}`))
        await ask(reader, 'GET', 'c:k')
      }
    })
  }

  it('has a session read what it wrote in the same pipeline, also a large value', async () => {
    const [client, other] = [await connect(), await connect()]
    for (let nth = 0; nth < 100; nth++) {
      const value = `${nth}`.repeat(nth % 10 === 0 ? 40_000 : 1)
      await ask(other, 'GET', 'c:k')
      const replies = await pipeline(client, [
        ['GET', 'c:k'],
        ['SET', 'c:k', value],
        ['GET', 'c:k'],
        ['STRLEN', 'c:k'],
      ])
      assert.deepEqual(replies.slice(1), [OK, bulk(value), `:${value.length}\r\n`])
      assert.equal(await ask(other, 'GET', 'c:k'), bulk(value))
    }
  })

  it('leaves a read to Redis that comes behind what Redis has to answer: its reply must not be the older one', async () => {
    const client = await connect()
    await whenKept(respool, client, 'GET', 'c:k')
    const before = await hits(respool)
    await pipeline(client, [
      ['GET', 'plain'],
      ['GET', 'c:k'],
      ['GET', 'c:k'],
    ])
    assert.equal(await hits(respool), before)
    await pipeline(client, [
      ['GET', 'c:k'],
      ['GET', 'c:k'],
      ['GET', 'plain'],
    ])
    assert.equal(await hits(respool), before + 2)
  })

  it('lets nothing outlive its key, though Redis may tell late', async () => {
    await direct.call('DEBUG', 'SET-ACTIVE-EXPIRE', 0)
    test.also(() => direct.call('DEBUG', 'SET-ACTIVE-EXPIRE', 1))
    const client = await connect()
    await direct.call('SET', 'c:k', 'v', 'PX', 1000)
    const set = performance.now()
    assert.equal(await whenKept(respool, client, 'GET', 'c:k'), bulk('v'))
    while (performance.now() - set < 1020) await sleep(5)
    assert.equal(await ask(client, 'GET', 'c:k'), '$-1\r\n')
  })

  it('keeps nothing for longer than it may', async () => {
    const brief = test.add(
      await startRespool({ upstream: redis.url, config: { cache: { ...cache, maxAge: '200ms' } } }),
    )
    await ready(brief)
    const client = await connect(2, brief.port)
    await whenKept(brief, client, 'GET', 'c:k')
    await sleep(250)
    const before = await hits(brief)
    await ask(client, 'GET', 'c:k')
    assert.equal(await hits(brief), before)
    assert.equal(await dropped(brief, 'age'), 1)
  })

  it('is not for those whom Redis has to know: listeners that pool by session, transactions, tracking, silence', async () => {
    const apart = await freePort()
    const config = { cache, listen: [{ address: `127.0.0.1:${apart}`, pooling: 'session' }] }
    const many = test.add(await startRespool({ upstream: redis.url, config }))
    await ready(many)
    const shared = await connect(3, many.port)
    await whenKept(many, shared, 'GET', 'c:k')
    await assertNotKept(many, await connect(3, apart), 'GET', 'c:k')
    const [watching, tracking, silent] = [await connect(3, many.port), await connect(3, many.port), await connect()]
    await ask(watching, 'WATCH', 'x')
    await assertNotKept(many, watching, 'GET', 'c:k')
    assert.deepEqual(await pipeline(watching, [['MULTI'], ['GET', 'c:k'], ['EXEC']]), [
      OK,
      '+QUEUED\r\n',
      '*1\r\n_\r\n',
    ])
    silent.send('CLIENT REPLY OFF\r\nGET c:k\r\nCLIENT REPLY ON\r\n')
    assert.equal(String(await silent.frame()), OK)
    await ask(tracking, 'CLIENT', 'TRACKING', 'ON')
    assert.equal(await ask(tracking, 'GET', 'c:k'), '_\r\n')
    await ask(shared, 'SET', 'c:k', 'v')
    assert.match(String(await tracking.frame()), /invalidate/)
  })

  it('drops everything with the connection that tells what changes, and goes on when there is another', async () => {
    const observer = test.add(await Observer.connect(redis.port))
    const client = await connect()
    await direct.call('SET', 'c:k', 'v1')
    await whenKept(respool, client, 'GET', 'c:k')
    const rows = await observer.clients()
    const { id } = rows.find(({ name }) => name.endsWith(':invalidations'))!
    const before = await dropped(respool, 'lost')
    // Redis tells nobody of what is written behind this.
    await pipeline(direct, [
      ['CLIENT', 'KILL', 'ID', id],
      ['SET', 'c:k', 'v2'],
    ])
    await until(async () => (await dropped(respool, 'lost')) > before, 'everything is dropped')
    assert.equal(await ask(client, 'GET', 'c:k'), bulk('v2'))
    await ready(respool)
    await whenKept(respool, client, 'GET', 'c:k')
    assert.equal(respool.events('cache_ready').length, 2)
  })

  it('drops everything rather than take in a list of changes that is too long', async () => {
    const client = await connect()
    await whenKept(respool, client, 'GET', 'c:k')
    const before = await dropped(respool, 'lost')
    const long = Array.from({ length: 17_000 }, (_, nth) => [`c:${nth}:${'x'.repeat(1024)}`, 'v']).flat()
    await direct.call('MSET', ...long)
    await until(async () => (await dropped(respool, 'lost')) > before, 'everything is dropped')
    assert.match(JSON.stringify(respool.events('cache_off').at(-1)), /too large/)
    await direct.call('FLUSHALL')
    await ready(respool)
    await whenKept(respool, client, 'GET', 'c:k')
  })

  it('is off where Redis refuses to tell, and everything else goes on', async () => {
    await direct.call('ACL', 'SETUSER', 'plain', 'reset', 'on', '>plain', '~*', '+@all', '-client|tracking')
    const upstream = `redis://plain:plain@127.0.0.1:${redis.port}`
    const without = test.add(await startRespool({ upstream, config: { cache } }))
    await until(() => without.events('cache_off').length === 1, 'it says so')
    const client = await connect(2, without.port)
    assert.equal(await ask(client, 'SET', 'c:k', 'v'), OK)
    await assertNotKept(without, client, 'GET', 'c:k')
    assert.equal(await without.metric('respool_cache_ready'), 0)
  })

  it('keeps within its limits', async () => {
    const limits = { maxBytes: '256kb', maxEntries: 100, maxEntryBytes: '8kb' }
    const small = test.add(await startRespool({ upstream: redis.url, config: { cache: { ...cache, ...limits } } }))
    await ready(small)
    const client = await connect(2, small.port)
    for (const [size, count] of [
      [10, 300],
      [7000, 100],
    ]) {
      const keys = Array.from({ length: count }, (_, nth) => `c:${size}:${nth}`)
      for (const key of keys) await direct.call('SET', key, 'x'.repeat(size))
      for (const key of keys) assert.equal(await ask(client, 'GET', key), bulk('x'.repeat(size)))
      assert.ok((await entries(small)) <= 100)
      const bytes = await small.metric('respool_cache_bytes')
      assert.ok(bytes <= 256 * 1024 && bytes > 10 * size, `${bytes} bytes`)
      // What was used last is there.
      await whenKept(small, client, 'GET', keys[count - 1])
    }
    await direct.call('SET', 'c:large', 'x'.repeat(8 * 1024))
    await assertNotKept(small, client, 'GET', 'c:large')
  })
})

describe('the near cache in front of several servers', { timeout: 120_000 }, () => {
  const suite = new Cleanup()
  after(() => suite.run())
  const connect = async (port: number) => suite.client(await RawClient.connect(port))

  /** A key of the first shard, moved to another one. */
  async function move(cluster: RedisCluster, key: string, slot: number, target: ClusterNode): Promise<void> {
    const source = await cluster.ownerOf(slot)
    await target.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', source.id)
    await source.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', target.id)
    await source.call('MIGRATE', '127.0.0.1', target.server.port, key, 0, 5000)
    for (const node of [target, source, ...cluster.primaries])
      await node.call('CLUSTER', 'SETSLOT', slot, 'NODE', target.id)
  }

  it('follows keys through a cluster that is being resharded', async () => {
    const cluster = suite.add(await startCluster())
    const respool = suite.add(await startRespool({ upstream: cluster.url, config: { cache } }))
    await ready(respool, cluster.primaries.length)
    const [client, writer] = [await connect(respool.port), await connect(respool.port)]
    for (let nth = 0; nth < 20; nth++) {
      const key = `c:${nth}`
      assert.equal(await ask(writer, 'SET', key, 'v'), OK)
      assert.equal(await ask(client, 'GET', key), bulk('v'))
    }
    const before = await hits(respool)
    for (let nth = 0; nth < 20; nth++) assert.equal(await ask(client, 'GET', `c:${nth}`), bulk('v'))
    assert.ok((await hits(respool)) > before)
    const slot = Number((await cluster.primaries[0].call('CLUSTER', 'KEYSLOT', 'c:7')).slice(1))
    const owner = await cluster.ownerOf(slot)
    // To each of the others once: a slot that comes back before word of it is everywhere leaves nodes that do not agree for good.
    for (const [nth, target] of cluster.primaries.filter((node) => node !== owner).entries()) {
      await move(cluster, 'c:7', slot, target)
      assert.equal(await target.call('SET', 'c:7', `v${nth}`), OK)
      await until(async () => (await ask(client, 'GET', 'c:7')) === bulk(`v${nth}`), 'what its new owner has')
      assert.equal(await ask(writer, 'SET', 'c:7', `w${nth}`), OK)
      for (let read = 0; read < 3; read++) assert.equal(await ask(client, 'GET', 'c:7'), bulk(`w${nth}`))
    }
    assert.equal(await ask(writer, 'DEL', ...Array.from({ length: 20 }, (_, nth) => `c:${nth}`)), ':20\r\n')
    for (let nth = 0; nth < 20; nth++) assert.equal(await ask(client, 'GET', `c:${nth}`), '$-1\r\n')
  })

  it('drops everything when sentinels name another primary', async () => {
    const sentinels = suite.add(await startSentinels({ replicas: 1, downAfter: 1000 }))
    const replicas = await freePort()
    const listen = [{ address: `127.0.0.1:${replicas}`, reads: 'prefer-replica' }]
    const respool = suite.add(await startRespool({ upstream: sentinels.url, config: { cache, listen } }))
    await ready(respool)
    const client = await connect(respool.port)
    assert.equal(await ask(client, 'SET', 'c:k', 'v'), OK)
    await whenKept(respool, client, 'GET', 'c:k')
    // What lags behind neither takes part nor is kept.
    await assertNotKept(respool, await connect(replicas), 'GET', 'c:k')
    const before = (await sentinels.primary()).port
    await sentinels.failover()
    await until(async () => (await sentinels.primary()).port !== before, 'there is another primary', PATIENCE)
    await until(() => respool.events('upstream_moved').length >= 2, 'respool knows', PATIENCE)
    assert.ok((await dropped(respool, 'lost')) > 0)
    await ready(respool)
    const primary = await connect((await sentinels.primary()).port)
    assert.equal(await ask(primary, 'SET', 'c:k', 'new'), OK)
    await until(async () => (await ask(client, 'GET', 'c:k')) === bulk('new'), 'what the new one has', PATIENCE)
    await whenKept(respool, client, 'GET', 'c:k')
  })
})
