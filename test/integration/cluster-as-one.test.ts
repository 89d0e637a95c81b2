/** What applications do with all keys of a Redis, or with many at once, when it is a cluster of three primaries with 100,000 keys. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import slotOf from 'cluster-key-slot'
import { Redis } from 'ioredis'
import { type ClusterNode, type RedisCluster, startCluster } from '../helpers/cluster.ts'
import { run, succeeds } from '../helpers/commands.ts'
import { failuresOf, play } from '../helpers/programs.ts'
import { RawClient } from '../helpers/raw.ts'
import { type Respool, startRespool } from '../helpers/respool.ts'
import { pythonWith } from '../helpers/toolchain.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup, pipeline } from './support.ts'

const KEYS = 100_000
const BATCH = 1000
/** Each hundredth key is a list. */
const LISTS = KEYS / 100
const COMMANDS = 10_000
const MOVED_SLOTS = 60

/** One key in each slot that has any. */
const KEY_IN = new Map(Array.from({ length: KEYS }, (_, i) => [slotOf(`key:${i}`), `key:${i}`]))
const KEY_IN_ORDER = [...KEY_IN].sort(([one], [other]) => one - other).map(([, key]) => key)
/** A hundred of them all over the cluster. */
const SPREAD = Array.from({ length: 100 }, (_, i) => KEY_IN_ORDER[Math.floor((i * KEY_IN_ORDER.length) / 100)])

describe('a cluster as one Redis', () => {
  const cleanup = new Cleanup()
  let cluster: RedisCluster
  let respool: Respool
  let client: RawClient

  before(async () => {
    cluster = cleanup.add(await startCluster())
    respool = cleanup.add(await startRespool({ upstream: cluster.url }))
    client = cleanup.client(await RawClient.connect(respool.port))
    for (let first = 0; first < KEYS; first += BATCH) {
      const keys = Array.from({ length: BATCH }, (_, i) => `key:${first + i}`)
      await pipeline(
        client,
        keys.map((key, i) => (i % 100 === 0 ? ['RPUSH', key, 'a'] : ['SET', key, 'v'])),
      )
    }
  })
  after(() => cleanup.run())

  const cli = (...args: string[]) => run('redis-cli', ['-p', `${respool.port}`, ...args])

  it('shows redis-py each key once', async () => {
    const program = [
      await pythonWith('redis', '8.1.0'),
      fileURLToPath(new URL('../clients/scan_all.py', import.meta.url)),
    ]
    const played = await play(program, respool.port)
    assert.deepEqual(failuresOf(played), [], played.stderr)
    assert.equal(played.results.length, 5, played.stderr)
  })

  it('shows redis-cli each key once', async () => {
    const keys = (await cli('--scan')).trim().split('\n')
    assert.equal(keys.length, KEYS)
    assert.equal(new Set(keys).size, KEYS)
    const bigkeys = await cli('--bigkeys')
    assert.match(bigkeys, new RegExp(`Sampled ${KEYS} keys in the keyspace`))
    assert.match(bigkeys, new RegExp(`\\n${LISTS} lists with ${LISTS} items`))
    assert.match(bigkeys, new RegExp(`\\n${KEYS - LISTS} strings with ${KEYS - LISTS} bytes`))
  })

  it('answers a pipeline of 10,000 commands of ioredis in its order', async () => {
    const redis = new Redis(respool.port)
    try {
      const writing = redis.pipeline()
      for (let i = 0; i < COMMANDS; i += 2) writing.set(`order:${i}`, `value ${i}`)
      assert.ok((await writing.exec())?.every(([error, reply]) => error === null && reply === 'OK'))
      const reading = redis.pipeline()
      for (let i = 0; i < COMMANDS; i++) {
        if (i % 2 === 0) reading.get(`order:${i}`)
        else reading.echo(`echo ${i}`)
      }
      const expected = Array.from({ length: COMMANDS }, (_, i) => [null, `${i % 2 === 0 ? 'value' : 'echo'} ${i}`])
      assert.deepEqual(await reading.exec(), expected)
    } finally {
      redis.disconnect()
    }
  })

  it('reaches primaries that a session has no connection to yet, and those it has', async () => {
    const fresh = cleanup.add(await startRespool({ upstream: cluster.url }))
    const session = cleanup.client(await RawClient.connect(fresh.port))
    // The first waits for the map of slots, and the others for connections to some of the nodes.
    assert.equal(await ask(session, 'DBSIZE'), await ask(client, 'DBSIZE'))
    const other = cleanup.add(await startRespool({ upstream: cluster.url }))
    const second = cleanup.client(await RawClient.connect(other.port))
    assert.deepEqual(
      await pipeline(second, [
        ['GET', 'key:1'],
        ['SCRIPT', 'FLUSH'],
        ['FUNCTION', 'FLUSH'],
      ]),
      ['$1\r\nv\r\n', '+OK\r\n', '+OK\r\n'],
    )
  })

  it('calls a script in all slots, also at a node that came later', async () => {
    const [, sha] = (await ask(client, 'SCRIPT', 'LOAD', "return redis.call('EXISTS', KEYS[1])")).split('\r\n')
    const call = (keys: string[]) =>
      pipeline(
        client,
        keys.map((key) => ['EVALSHA', sha, '1', key]),
      )
    assert.deepEqual(await call(SPREAD), Array(100).fill(':1\r\n'))

    const late = await cluster.addNode()
    await reshard(cluster.primaries[0], late)
    const slots = await slotsOf(late)
    assert.equal(slots.length, MOVED_SLOTS)
    const moved = slots.flatMap((slot) => KEY_IN.get(slot) ?? []).slice(0, 30)
    assert.equal(moved.length, 30)
    assert.deepEqual(await call([...moved, ...SPREAD.slice(30)]), Array(100).fill(':1\r\n'))
    const calls = /cmdstat_evalsha:calls=(\d+)/.exec(await late.call('INFO', 'commandstats'))
    assert.ok(Number(calls?.[1]) >= 30, 'the node was not called')
    // Of the second only one node has heard.
    const body = 'return ARGV[1]'
    await ask(client, 'EVAL', body, '1', 'some key', 'x')
    const digests = [sha, createHash('sha1').update(body).digest('hex'), '0'.repeat(40)]
    assert.equal(await ask(client, 'SCRIPT', 'EXISTS', ...digests), '*3\r\n:1\r\n:1\r\n:0\r\n')
    assert.equal(await ask(client, 'DBSIZE'), `:${KEYS + COMMANDS / 2}\r\n`)
  })
})

async function reshard(from: ClusterNode, to: ClusterNode): Promise<void> {
  const check = ['--cluster', 'check', `127.0.0.1:${from.server.port}`]
  await until(() => succeeds('redis-cli', check), 'the nodes agree', 30_000)
  const ids = ['--cluster-from', from.id, '--cluster-to', to.id, '--cluster-slots', `${MOVED_SLOTS}`]
  await run('redis-cli', ['--cluster', 'reshard', `127.0.0.1:${from.server.port}`, ...ids, '--cluster-yes'])
}

async function slotsOf(node: ClusterNode): Promise<number[]> {
  const own = (await node.call('CLUSTER', 'NODES')).split('\n').find((line) => line.includes('myself'))!
  return own
    .trim()
    .split(' ')
    .slice(8)
    .flatMap((range) => {
      const [first, last = first] = range.split('-').map(Number)
      return Array.from({ length: last - first + 1 }, (_, i) => first + i)
    })
}
