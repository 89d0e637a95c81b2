import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type RedisCluster, SLOTS, startCluster } from '../helpers/cluster.ts'
import { RawClient } from '../helpers/raw.ts'
import { type Respool, startRespool } from '../helpers/respool.ts'
import { ask, Cleanup, pipeline } from './support.ts'

describe('commands on a cluster', () => {
  const cleanup = new Cleanup()
  let cluster: RedisCluster
  let respool: Respool
  let client: RawClient

  before(async () => {
    cluster = cleanup.add(await startCluster())
    respool = cleanup.add(await startRespool({ upstream: cluster.url }))
    client = cleanup.client(await RawClient.connect(respool.port))
  })
  after(() => cleanup.run())

  it('go to the node of their key, and a pipeline to all of them with its replies in order', async () => {
    const sets = Array.from({ length: 1000 }, (_, i) => ['SET', `key:${i}`, `value ${i}`])
    assert.deepEqual(new Set(await pipeline(client, sets)), new Set(['+OK\r\n']))
    const mixed = Array.from({ length: 2000 }, (_, i) =>
      i % 2 === 0 ? ['GET', `key:${i / 2}`] : ['ECHO', `echo ${i}`],
    )
    const expected = mixed.map(([name, arg], i) => {
      const text = name === 'GET' ? `value ${i / 2}` : arg
      return `$${text.length}\r\n${text}\r\n`
    })
    assert.deepEqual(await pipeline(client, mixed), expected)
    const sizes = await Promise.all(cluster.primaries.map(async (node) => Number((await node.call('DBSIZE')).slice(1))))
    assert.ok(
      sizes.every((size) => size > 200),
      `the keys are on all nodes: ${sizes.join(' ')}`,
    )
  })

  it('are taken apart by slot and their replies put together', async () => {
    const keys = Array.from({ length: 50 }, (_, i) => `many:${i}`)
    assert.equal(await ask(client, 'MSET', ...keys.flatMap((key) => [key, `of ${key}`])), '+OK\r\n')
    const values = await ask(client, 'MGET', ...keys, 'absent')
    assert.equal(values, `*51\r\n${keys.map((key) => `$${key.length + 3}\r\nof ${key}\r\n`).join('')}$-1\r\n`)
    assert.equal(await ask(client, 'EXISTS', ...keys, keys[0]), ':51\r\n')
    assert.equal(await ask(client, 'DEL', ...keys, keys[0]), ':50\r\n')
    assert.equal(await ask(client, 'MSET', 'a', '1', 'b'), "-ERR wrong number of arguments for 'mset' command\r\n")
  })

  it('with keys in several slots that cannot be taken apart are refused as by the server', async () => {
    const crossSlot = "-CROSSSLOT Keys in request don't hash to the same slot\r\n"
    assert.equal(await ask(client, 'RENAME', 'a', 'b'), crossSlot)
    assert.equal(await ask(client, 'MSETNX', 'a', '1', 'b', '2'), crossSlot)
  })

  it('without keys concern all nodes', async () => {
    await ask(client, 'FLUSHALL')
    await pipeline(
      client,
      Array.from({ length: 300 }, (_, i) => ['SET', `n:${i}`, 'x']),
    )
    assert.equal(await ask(client, 'DBSIZE'), ':300\r\n')
    const seen: string[] = []
    let cursor = '0'
    do {
      const [next, ...keys] = (await ask(client, 'SCAN', cursor, 'COUNT', '7'))
        .split('\r\n')
        .slice(2)
        .filter((line) => /^[n\d]/.test(line))
      cursor = next
      seen.push(...keys)
    } while (cursor !== '0')
    assert.equal(seen.length, 300)
    assert.equal(new Set(seen).size, 300)
    assert.match(await ask(client, 'RANDOMKEY'), /^\$\d+\r\nn:\d+\r\n$/)
  })

  it('in a transaction go to the node of its first key, wherever that comes', async () => {
    assert.deepEqual(await pipeline(client, [['MULTI'], ['SET', '{t}a', '1'], ['GET', '{t}a'], ['EXEC']]), [
      '+OK\r\n',
      '+QUEUED\r\n',
      '+QUEUED\r\n',
      '*2\r\n+OK\r\n$1\r\n1\r\n',
    ])
    for (const key of ['one', 'two', 'three', 'four']) {
      assert.equal(await ask(client, 'MULTI'), '+OK\r\n')
      assert.equal(await ask(client, 'PING'), '+QUEUED\r\n')
      assert.equal(await ask(client, 'INCR', key), '+QUEUED\r\n')
      assert.equal(await ask(client, 'EXEC'), '*2\r\n+PONG\r\n:1\r\n')
    }
    assert.equal(await ask(client, 'MULTI'), '+OK\r\n')
    assert.equal(await ask(client, 'EXEC'), '*0\r\n')
    assert.equal(await ask(client, 'MULTI'), '+OK\r\n')
    assert.equal(await ask(client, 'INCR', 'one'), '+QUEUED\r\n')
    assert.match(await ask(client, 'INCR', 'two'), /^-CROSSSLOT/)
    assert.match(await ask(client, 'EXEC'), /^-EXECABORT/)
    assert.equal(await ask(client, 'GET', 'one'), '$1\r\n1\r\n')
  })

  it('watch keys of one slot, and may do anything else meanwhile', async () => {
    assert.equal(await ask(client, 'WATCH', 'w'), '+OK\r\n')
    assert.equal(await ask(client, 'SET', 'elsewhere', '1'), '+OK\r\n')
    assert.match(await ask(client, 'WATCH', 'other slot'), /^-CROSSSLOT/)
    assert.equal(await ask(client, 'MULTI'), '+OK\r\n')
    assert.equal(await ask(client, 'SET', 'w', '2'), '+QUEUED\r\n')
    assert.equal(await ask(client, 'EXEC'), '*1\r\n+OK\r\n')
    const other = cleanup.client(await RawClient.connect(respool.port))
    assert.equal(await ask(client, 'WATCH', 'w'), '+OK\r\n')
    assert.equal(await ask(other, 'SET', 'w', '3'), '+OK\r\n')
    assert.equal(await ask(client, 'MULTI'), '+OK\r\n')
    assert.equal(await ask(client, 'SET', 'w', '4'), '+QUEUED\r\n')
    assert.equal(await ask(client, 'EXEC'), '*-1\r\n')
  })

  it('block on whatever node, and what comes behind them waits', async () => {
    const pusher = cleanup.client(await RawClient.connect(respool.port))
    for (const list of ['list a', 'list b', 'list c']) {
      const both = pipeline(client, [
        ['BLPOP', list, '5'],
        ['LLEN', 'list a'],
        ['GET', `behind ${list}`],
      ])
      await ask(pusher, 'SET', `behind ${list}`, 'seen')
      await ask(pusher, 'RPUSH', list, 'x')
      assert.deepEqual(await both, [`*2\r\n$6\r\n${list}\r\n$1\r\nx\r\n`, ':0\r\n', '$4\r\nseen\r\n'])
    }
  })

  it('call scripts on any node once one was loaded', async () => {
    const loaded = await ask(client, 'SCRIPT', 'LOAD', 'return redis.call("SET", KEYS[1], ARGV[1])')
    const [, sha] = loaded.split('\r\n')
    const calls = Array.from({ length: 30 }, (_, i) => ['EVALSHA', sha, '1', `script:${i}`, 'v'])
    assert.deepEqual(new Set(await pipeline(client, calls)), new Set(['+OK\r\n']))
    assert.equal(await ask(client, 'SCRIPT', 'EXISTS', sha), '*1\r\n:1\r\n')
  })

  it('of any size find their node, also when they come in many pieces', async () => {
    const big = Buffer.alloc(20_000_000, 'b')
    const values = Array.from({ length: 60 }, (_, i) => [`big:${i}`, Buffer.alloc(10_000, 97 + (i % 26))]).flat()
    assert.equal(await ask(client, 'MSET', ...values), '+OK\r\n')
    for (const key of ['huge a', 'huge b', 'huge c']) assert.equal(await ask(client, 'SET', key, big), '+OK\r\n')
    const answers = pipeline(client, [
      ['SET', 'large', Buffer.alloc(300_000, 'l')],
      ['STRLEN', 'large'],
      ['RPUSH', 'large list', ...Array.from({ length: 20_000 }, (_, i) => `element ${i}`)],
      ['STRLEN', 'huge b'],
      ['MGET', 'big:1', 'big:59', 'absent'],
    ])
    const [set, length, pushed, huge, got] = await answers
    assert.deepEqual([set, length, pushed, huge], ['+OK\r\n', ':300000\r\n', ':20000\r\n', ':20000000\r\n'])
    const [one, other] = [1, 59].map((i) => String.fromCharCode(97 + (i % 26)).repeat(10_000))
    assert.equal(got, `*3\r\n$10000\r\n${one}\r\n$10000\r\n${other}\r\n$-1\r\n`)
    assert.equal(await ask(client, 'DEL', 'huge a', 'huge b', 'huge c', 'large list'), ':4\r\n')
  })

  it('follow a slot that moves, whatever is under way in it', async () => {
    const slot = Number((await cluster.primaries[0].call('CLUSTER', 'KEYSLOT', '{mv}')).slice(1))
    const source = await cluster.ownerOf(slot)
    const target = cluster.primaries.find((node) => node !== source)!
    await pipeline(client, [
      ['SET', '{mv}a', 'A'],
      ['SET', '{mv}b', 'B'],
    ])
    await target.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', source.id)
    await source.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', target.id)
    assert.deepEqual(
      await pipeline(client, [
        ['GET', '{mv}a'],
        ['SET', '{mv}new', 'N'],
        ['GET', '{mv}new'],
        ['GET', '{mv}b'],
      ]),
      ['$1\r\nA\r\n', '+OK\r\n', '$1\r\nN\r\n', '$1\r\nB\r\n'],
    )
    const run = [['MULTI'], ['SET', '{mv}fresh', '1'], ['INCR', '{mv}fresh'], ['EXEC']]
    const done = ['+OK\r\n', '+QUEUED\r\n', '+QUEUED\r\n', '*2\r\n+OK\r\n:2\r\n']
    assert.deepEqual(await pipeline(client, run), done)
    await source.call('MIGRATE', '127.0.0.1', target.server.port, '', 0, 5000, 'KEYS', '{mv}a')
    // The keys are on two nodes now: this has to wait until they are on one.
    const both = ask(client, 'MGET', '{mv}a', '{mv}b')
    await source.call('MIGRATE', '127.0.0.1', target.server.port, '', 0, 5000, 'KEYS', '{mv}b')
    assert.equal(await both, '*2\r\n$1\r\nA\r\n$1\r\nB\r\n')
    for (const node of cluster.primaries) await node.call('CLUSTER', 'SETSLOT', slot, 'NODE', target.id)
    assert.deepEqual(await pipeline(client, run), done)
    assert.equal(await ask(client, 'MGET', '{mv}a', '{mv}b', '{mv}new'), '*3\r\n$1\r\nA\r\n$1\r\nB\r\n$1\r\nN\r\n')
    assert.ok((await respool.metric('respool_redirects_total', { kind: 'ask' })) > 0)
    assert.ok((await respool.metric('respool_redirects_total', { kind: 'moved' })) > 0)
    assert.equal(SLOTS, 16_384)
  })
})
