/** Reads from the replicas of a cluster: which commands go there, when they do not, and a listener that is a replica altogether. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type ClusterNode, type RedisCluster, startCluster } from '../helpers/cluster.ts'
import { freePort } from '../helpers/ports.ts'
import { RawClient } from '../helpers/raw.ts'
import { type Respool, startRespool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, bulkText, Cleanup, pipeline } from './support.ts'

const READONLY = "-READONLY You can't write against a read only replica.\r\n"
const KEYS = Array.from({ length: 60 }, (_, i) => `key:${i}`)
const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`

describe('reads on a cluster with replicas', { timeout: 120_000 }, () => {
  const suite = new Cleanup()
  let cluster: RedisCluster
  let respool: Respool
  const ports: Record<string, number> = {}

  const LISTENERS = {
    prefer: { reads: 'prefer-replica', readYourWrites: '1m' },
    hasty: { reads: 'prefer-replica', readYourWrites: '50ms' },
    strict: { reads: 'replica' },
    random: { reads: 'random' },
    nearest: { reads: 'nearest' },
    replica: { role: 'replica' },
  }

  before(async () => {
    cluster = suite.add(await startCluster({ replicas: 1 }))
    for (const name of Object.keys(LISTENERS)) ports[name] = await freePort()
    // A cluster names replicas only when something has been replicated to them.
    const upstream = { cluster: { refreshInterval: '500ms' } }
    const listen = Object.entries(LISTENERS).map(([name, how]) => ({ address: `127.0.0.1:${ports[name]}`, ...how }))
    respool = suite.add(await startRespool({ upstream: cluster.url, config: { listen, upstream } }))
    const client = await connect()
    await pipeline(
      client,
      KEYS.map((key) => ['SET', key, `of ${key}`]),
    )
    await replicated()
  })
  after(() => suite.run())

  const connect = async (name?: string) =>
    suite.client(await RawClient.connect(name === undefined ? respool.port : ports[name]))
  const onEach = (nodes: readonly ClusterNode[], ...args: string[]) =>
    Promise.all(nodes.map((node) => node.call(...args)))

  /** Replicas have all that primaries have. */
  const replicated = () =>
    until(async () => {
      const [primaries, replicas] = await Promise.all(
        [cluster.primaries, cluster.replicas].map((nodes) => onEach(nodes, 'INFO', 'replication')),
      )
      const offset = (text: string) => /master_repl_offset:(\d+)/.exec(text)?.[1]
      return primaries.every((text, nth) => offset(text) === offset(replicas[nth]))
    }, 'all is replicated')

  /** How often servers have carried out a command since they were asked to forget, and how many of any kind they have refused. */
  async function counts(nodes: readonly ClusterNode[], command: string): Promise<{ calls: number; rejected: number }> {
    const texts = (await onEach(nodes, 'INFO', 'commandstats')).join()
    const sum = (pattern: RegExp) => [...texts.matchAll(pattern)].reduce((all, [, count]) => all + Number(count), 0)
    return {
      calls: sum(new RegExp(`cmdstat_${command.replace('|', '\\|')}:calls=(\\d+)`, 'g')),
      rejected: sum(/rejected_calls=(\d+)/g),
    }
  }
  const forget = () => onEach([...cluster.primaries, ...cluster.replicas], 'CONFIG', 'RESETSTAT')

  /** Plays commands and gives how often replicas and primaries have carried out one of them. */
  async function spread(name: string, command: string, commands: string[][]) {
    const client = await connect(name)
    // The first read finds no connection to replicas yet.
    await until(async () => {
      await forget()
      await pipeline(
        client,
        KEYS.map((key) => ['STRLEN', key]),
      )
      const each = await Promise.all(cluster.replicas.map((replica) => counts([replica], 'strlen')))
      return each.every(({ calls }) => calls > 0)
    }, 'replicas are reached')
    await forget()
    const replies = await pipeline(client, commands)
    const [replicas, primaries] = [await counts(cluster.replicas, command), await counts(cluster.primaries, command)]
    assert.equal(replicas.rejected, 0, 'sent to a replica that had to refuse it')
    return { replies, replicas: replicas.calls, primaries: primaries.calls }
  }
  const gets = KEYS.map((key) => ['GET', key])
  const values = KEYS.map((key) => bulk(`of ${key}`))

  it('need no connection to any replica where nobody reads from them', async () => {
    assert.deepEqual(await pipeline(await connect(), gets), values)
    for (const replica of cluster.replicas)
      assert.doesNotMatch(await replica.call('CLIENT', 'LIST'), / name=respool:/, 'a connection that nobody asked for')
  })

  it('are answered by replicas, if these are preferred', async () => {
    assert.deepEqual(await spread('prefer', 'get', gets), { replies: values, replicas: KEYS.length, primaries: 0 })
    const { endpoints } = (await (await fetch(`${respool.admin}/topology`)).json()) as {
      endpoints: { role: string; up: boolean }[]
    }
    assert.equal(endpoints.filter(({ role, up }) => role === 'replica' && up).length, 3)
    assert.equal(await respool.metric('respool_upstream_up', { role: 'replica' }), 3)
  })

  it('are answered by replicas only, if no others are allowed', async () => {
    assert.deepEqual(await spread('strict', 'get', gets), { replies: values, replicas: KEYS.length, primaries: 0 })
  })

  it('are answered by all servers, if chance decides', async () => {
    const { replies, replicas, primaries } = await spread('random', 'get', [...gets, ...gets, ...gets, ...gets])
    assert.deepEqual(replies, [...values, ...values, ...values, ...values])
    assert.ok(replicas > 0 && primaries > 0, `${replicas} and ${primaries}`)
    assert.equal(replicas + primaries, 4 * KEYS.length)
  })

  it('are answered by some of them, if they go to the nearest', async () => {
    assert.deepEqual(await pipeline(await connect('nearest'), gets), values)
  })

  it('of many keys or of all are spread over replicas', async () => {
    const mget = await spread('prefer', 'mget', [['MGET', ...KEYS]])
    assert.deepEqual(mget.replies, [`*${KEYS.length}\r\n${values.join('')}`])
    assert.ok(mget.replicas > 2 && mget.primaries === 0)
    const size = await spread('prefer', 'dbsize', [['DBSIZE']])
    assert.deepEqual(size, { replies: [`:${KEYS.length}\r\n`], replicas: 3, primaries: 0 })
  })

  const READS: [command: string, args: string[]][] = [
    ['hgetall', ['HGETALL', '{x}hash']],
    ['xread', ['XREAD', 'STREAMS', '{x}stream', '0']],
    ['eval_ro', ['EVAL_RO', "return redis.call('GET', KEYS[1])", '1', '{x}']],
    ['keys', ['KEYS', '*']],
  ]
  for (const [command, args] of READS)
    it(`may be ${args[0]}`, async () => {
      const { replicas, primaries } = await spread('prefer', command, [args])
      assert.ok(replicas > 0 && primaries === 0, `${replicas} and ${primaries}`)
    })

  const OTHERS: [command: string, commands: string[][]][] = [
    ['set', [['SET', '{x}', '1']]],
    ['eval', [['EVAL', "return redis.call('GET', KEYS[1])", '1', '{x}']]],
    ['touch', [['TOUCH', '{x}']]],
    ['object|idletime', [['OBJECT', 'IDLETIME', 'key:1']]],
    ['hscan', [['HSCAN', '{x}hash', '0']]],
    ['scan', [['SCAN', '0']]],
    ['get', [['MULTI'], ['GET', '{x}'], ['EXEC']]],
    ['get', [['WATCH', '{x}'], ['GET', '{x}'], ['UNWATCH']]],
    ['xread', [['XREAD', 'BLOCK', '1', 'STREAMS', '{x}none', '$']]],
    ['config|get', [['CONFIG', 'GET', 'port']]],
  ]
  for (const [command, commands] of OTHERS)
    it(`is not ${commands.map(([name]) => name).join(' ')}, which stays with the primary`, async () => {
      await spread('prefer', command, commands)
      const name = command === 'set' ? 'strlen' : command
      const { calls } = await counts(cluster.replicas, name)
      assert.equal(calls, 0)
      assert.ok((await counts(cluster.primaries, command)).calls > 0)
    })

  it('find what their session has written, though replicas lag; those of others may not', async () => {
    const [writer, reader, hasty] = await Promise.all(['prefer', 'prefer', 'hasty'].map(connect))
    await onEach(cluster.replicas, 'CLIENT', 'PAUSE', '60000', 'WRITE')
    try {
      for (let i = 0; i < 50; i++) {
        const key = KEYS[i % KEYS.length]
        assert.equal(await ask(writer, 'SET', key, `new ${i}`), '+OK\r\n')
        assert.equal(await ask(writer, 'GET', key), bulk(`new ${i}`))
        assert.equal(await ask(reader, 'GET', key), bulk(`of ${key}`), 'the replica does not lag')
      }
      const batch = KEYS.flatMap((key) => [
        ['GET', key],
        ['APPEND', key, '!'],
        ['GET', key],
      ])
      const replies = await pipeline(writer, batch)
      for (let i = 0; i < replies.length; i += 3) {
        assert.ok(!replies[i].includes('!'), 'it read what was written behind it')
        assert.ok(replies[i + 2].includes('!'), 'it did not read what was written before it')
      }
      assert.equal(await ask(hasty, 'SET', 'key:0', 'mine'), '+OK\r\n')
      await until(async () => (await ask(hasty, 'GET', 'key:0')) === bulk('of key:0'), 'its time is over')
    } finally {
      await onEach(cluster.replicas, 'CLIENT', 'UNPAUSE')
    }
    await pipeline(
      writer,
      KEYS.map((key) => ['SET', key, `of ${key}`]),
    )
    await replicated()
  })

  it('may be large, and come behind what is large', async () => {
    const large = 'x'.repeat(9 * 1024 * 1024)
    const [client, replica] = [await connect('prefer'), await connect('replica')]
    const replies = await pipeline(client, [
      ['GET', 'key:0'],
      ['SET', 'large', large],
      ['STRLEN', 'large'],
      ['EXISTS', ...Array.from({ length: 10_000 }, () => 'key:0')],
    ])
    assert.deepEqual(replies, [bulk('of key:0'), '+OK\r\n', `:${large.length}\r\n`, ':10000\r\n'])
    const refused = await pipeline(replica, [
      ['SET', 'large', large],
      ['APPEND', 'large', large],
      ['SET', 'large', 'x'.repeat(200_000)],
      ['GET', 'key:0'],
    ])
    assert.deepEqual(refused, [READONLY, READONLY, READONLY, bulk('of key:0')])
    await ask(client, 'DEL', 'large')
    await replicated()
  })

  it('come before what is written behind them, also if the replica is slow', async () => {
    const client = await connect('prefer')
    await until(async () => (await ask(client, 'GET', 'key:0')) === bulk('of key:0'), 'replicas are reached')
    await onEach(cluster.replicas, 'CLIENT', 'PAUSE', '300', 'ALL')
    const replies = await pipeline(client, [
      ['GET', 'key:0'],
      ['SET', 'key:0', 'later'],
      ['GET', 'key:0'],
    ])
    assert.deepEqual(replies, [bulk('of key:0'), '+OK\r\n', bulk('later')])
    await ask(client, 'SET', 'key:0', 'of key:0')
    await replicated()
  })

  describe('a replica listener', () => {
    it('says what it is', async () => {
      const client = await connect('replica')
      assert.match(await ask(client, 'HELLO', '2'), /\$4\r\nrole\r\n\$7\r\nreplica\r\n/)
      assert.match(bulkText(await ask(client, 'INFO', 'replication')), /^role:slave\r$/m)
      assert.match(await ask(client, 'ROLE'), /^\*5\r\n\$5\r\nslave\r\n/)
    })

    it('reads from replicas only, and refuses to write as they do', async () => {
      const writes = [...gets, ['SET', 'key:0', 'x'], ['DEL', ...KEYS], ['MSET', 'a', '1', 'b', '2'], ['FLUSHALL']]
      const { replies, replicas, primaries } = await spread('replica', 'get', writes)
      assert.deepEqual(replies.slice(KEYS.length), [READONLY, READONLY, READONLY, READONLY])
      assert.deepEqual(replies.slice(0, KEYS.length), values)
      assert.deepEqual([replicas, primaries], [KEYS.length, 0])
      const wrong = "-ERR wrong number of arguments for 'set' command\r\n"
      assert.equal(await ask(await connect('replica'), 'SET', 'key:0'), wrong)
    })

    it('carries transactions that only read, and fails those that write', async () => {
      const client = await connect('replica')
      const read = ['*1\r\n$8\r\nof key:0\r\n']
      const [, , exec] = await pipeline(client, [['MULTI'], ['GET', 'key:0'], ['EXEC']])
      assert.deepEqual([exec], read)
      const replies = await pipeline(client, [['MULTI'], ['GET', 'key:0'], ['SET', 'key:0', 'x'], ['EXEC']])
      assert.match(replies[3], /^-EXECABORT /)
      assert.equal(replies[2], READONLY)
      for (const words of ['MULTI', 'PING', 'SET key:0 x']) await ask(client, ...words.split(' '))
      assert.match(await ask(client, 'EXEC'), /^-EXECABORT /)
      for (const words of ['WATCH key:0', 'MULTI', 'GET key:0']) await ask(client, ...words.split(' '))
      assert.deepEqual([await ask(client, 'EXEC')], read)
    })

    it('runs scripts that only read', async () => {
      const client = await connect('replica')
      const script = (body: string) => ask(client, 'EVAL', body, '1', 'key:0')
      assert.equal(await script("return redis.call('GET', KEYS[1])"), bulk('of key:0'))
      assert.match(await script("return redis.call('SET', KEYS[1], 'x')"), /^-READONLY /)
      assert.equal(await ask(client, 'GET', 'key:0'), bulk('of key:0'))
    })

    it('scans all keys of all replicas', async () => {
      const client = await connect('replica')
      const seen: string[] = []
      let cursor = '0'
      do {
        const lines = (await ask(client, 'SCAN', cursor, 'COUNT', '5')).split('\r\n')
        cursor = lines[2]
        seen.push(...lines.slice(4).filter((line) => line.startsWith('key:')))
      } while (cursor !== '0')
      assert.deepEqual(seen.sort(), [...KEYS].sort())
    })

    it('takes subscriptions, and messages for those of all listeners', async () => {
      const [subscriber, publisher] = [await connect(), await connect('replica')]
      await ask(subscriber, 'SUBSCRIBE', 'news')
      assert.equal(await ask(publisher, 'PUBLISH', 'news', 'x'), ':1\r\n')
      assert.match(String(await subscriber.frame()), /news\r\n\$1\r\nx\r\n$/)
    })
  })

  it('go on from primaries when all replicas have gone, unless that is not allowed', async () => {
    const [preferring, strict, replica] = await Promise.all(['prefer', 'strict', 'replica'].map(connect))
    await spread('prefer', 'get', gets)
    for (const { server } of cluster.replicas) await server.kill()
    for (let i = 0; i < 5; i++) assert.deepEqual(await pipeline(preferring, gets), values)
    const none = '-TRYAGAIN respool has no replica to read from: the command was not sent\r\n'
    await until(async () => (await ask(strict, 'GET', 'key:0')) === none, 'there is none')
    await until(async () => (await ask(replica, 'GET', 'key:0')) === none, 'there is none')
    assert.equal(await ask(replica, 'PING'), '+PONG\r\n')
    assert.match(await ask(replica, 'INFO'), /role:slave/)
    assert.equal(await ask(strict, 'SET', 'key:0', 'of key:0'), '+OK\r\n')
    for (const { server } of cluster.replicas) await server.restart()
    await until(async () => (await ask(strict, 'GET', 'key:0')) === bulk('of key:0'), 'they are back')
  })
})
