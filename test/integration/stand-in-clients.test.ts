/**
 * The cluster and sentinel clients of stock libraries, told only respool's address as the one node or the one sentinel, do everyday
 * work in front of a plain Redis. First they do it with a real cluster or sentinel: what fails there these clients cannot do at all.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { startCluster } from '../helpers/cluster.ts'
import { failuresOf, namesOf, play } from '../helpers/programs.ts'
import { RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { startSentinels } from '../helpers/sentinels.ts'
import { go, node, python, SCENARIOS } from './client-programs.ts'
import { bulkText, Cleanup } from './support.ts'

type Topology = 'cluster' | 'sentinel'
type Reasons = Readonly<Record<string, string>>

interface Program {
  client: string
  prepare: () => Promise<string[]>
  extra?: string[]
  /** Scenarios that fail with real servers too, and why. */
  cannot: Record<Topology, Reasons>
  /** Scenarios that need not fail with real servers but do through respool, and why. */
  differs?: Partial<Record<Topology, Reasons>>
}

const KEYLESS = 'sends a command to the node of its key, and this one has none'
const NO_DATABASES = 'a cluster has one database'

const REDIS_PY_CLUSTER: Reasons = {
  'connect and ping': KEYLESS,
  'scan loops': 'SCAN gives a cursor for each node',
  'error inside a pipeline': 'takes no command that COMMAND does not list',
  transaction: 'no transactions (5), or with replies as they came (8)',
  'transaction refused': KEYLESS,
  'watch conflict': 'watches in pipelines that are declared to be transactions, or not at all',
  'watch success': 'watches in pipelines that are declared to be transactions, or not at all',
  databases: NO_DATABASES,
  'wrong type error': KEYLESS,
  'quit and close': KEYLESS,
}
const IOREDIS_CLUSTER: Reasons = {
  'scan loops': 'has no scanStream over all nodes',
  'transaction refused': KEYLESS,
  databases: NO_DATABASES,
  'wrong type error': KEYLESS,
  'quit and close': 'says so in other words once it is closed',
}
/** Of clients that are a pool of connections. */
const NODE_REDIS_POOL: Reasons = {
  'scan loops': 'has no iterators, or not all of them',
  'error inside a pipeline': 'sendCommand wants to know which node is meant',
  'transaction refused': 'addCommand wants to know which node is meant',
  'watch conflict': 'watches on a connection that is acquired first, or not at all',
  'watch success': 'watches on a connection that is acquired first, or not at all',
  databases: 'no SELECT on a pool',
  'wrong type error': 'sendCommand wants to know which node is meant',
  'quit and close': 'cannot be used after QUIT, or says so in other words',
}
const GO_REDIS_CLUSTER: Reasons = {
  'transaction refused': KEYLESS,
  databases: NO_DATABASES,
  'client names': 'gives no single connection',
}

const PROGRAMS: Program[] = [
  {
    client: 'redis-py 8.1.0',
    prepare: python('8.1.0'),
    cannot: { cluster: REDIS_PY_CLUSTER, sentinel: {} },
  },
  {
    client: 'redis-py 5.2.1',
    prepare: python('5.2.1'),
    cannot: { cluster: REDIS_PY_CLUSTER, sentinel: {} },
  },
  {
    client: 'ioredis 6',
    prepare: node('ioredis.ts'),
    extra: ['ioredis'],
    cannot: { cluster: IOREDIS_CLUSTER, sentinel: {} },
  },
  {
    client: 'ioredis 5',
    prepare: node('ioredis.ts'),
    extra: ['ioredis5'],
    cannot: { cluster: IOREDIS_CLUSTER, sentinel: {} },
  },
  {
    client: 'node-redis 6',
    prepare: node('node_redis.ts'),
    extra: [''],
    cannot: { cluster: NODE_REDIS_POOL, sentinel: NODE_REDIS_POOL },
  },
  {
    client: 'go-redis 9',
    prepare: go,
    cannot: { cluster: GO_REDIS_CLUSTER, sentinel: {} },
    differs: {
      sentinel: { 'client list and id': 'names its connections to the sentinel too, and here all end at one server' },
    },
  },
]

const PASSWORD = 'known to respool alone'

for (const topology of ['cluster', 'sentinel'] as const) {
  describe(`${topology} clients`, { concurrency: 2, timeout: 300_000 }, () => {
    const suite = new Cleanup()
    let realPort: number
    let redis: RedisServer
    let respool: Respool

    before(async () => {
      redis = suite.add(await startRedis({ password: PASSWORD }))
      respool = suite.add(await startRespool({ upstream: redis.url }))
      realPort = await startReal(topology, suite)
    })

    after(async () => {
      // Whoever had come to Redis by itself would have been asked for the password.
      assert.equal(await strangers(redis), 0)
      const stranger = await RawClient.connect(redis.port)
      await stranger.call('PING')
      stranger.close()
      assert.equal(await strangers(redis), 1, 'strangers are not noticed')
      await suite.run()
    })

    for (const { client, prepare, extra = [], cannot, differs } of PROGRAMS) {
      it(client, async () => {
        const command = await prepare()
        const real = await play(command, realPort, 'default', ...extra, topology)
        assert.deepEqual(namesOf(real), SCENARIOS, real.stderr)
        const impossible = Object.keys(cannot[topology])
        assert.deepEqual(
          failuresOf(real).filter(({ name }) => !impossible.includes(name)),
          [],
          'fails with real servers',
        )
        assert.deepEqual(
          failuresOf(real).map(({ name }) => name),
          impossible,
          'left out without need',
        )

        const proxied = await play(command, respool.port, 'default', ...extra, topology)
        assert.deepEqual(namesOf(proxied), SCENARIOS, proxied.stderr)
        const excused = [...impossible, ...Object.keys(differs?.[topology] ?? {})]
        assert.deepEqual(
          failuresOf(proxied).filter(({ name }) => !excused.includes(name)),
          [],
        )
      })
    }
  })
}

/** Starts real servers of one primary, and gives the port that clients are told. */
async function startReal(topology: Topology, suite: Cleanup): Promise<number> {
  if (topology === 'sentinel') {
    return suite.add(await startSentinels({ service: 'mymaster', sentinels: 1, replicas: 0 })).ports[0]
  }
  const cluster = suite.add(await startCluster({ primaries: 1, args: ['--cluster-announce-ip', '127.0.0.1'] }))
  return cluster.primaries[0].server.port
}

/** How often Redis has asked for a password in vain. */
async function strangers({ port }: RedisServer): Promise<number> {
  const client = await RawClient.connect(port)
  await client.call('AUTH', PASSWORD)
  const text = bulkText(String(await client.call('INFO', 'errorstats')))
  client.close()
  return Number(/^errorstat_NOAUTH:count=(\d+)/m.exec(text)?.[1] ?? 0)
}
