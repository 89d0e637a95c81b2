/**
 * Stock client libraries do everyday work with respool's address alone, while what is behind it is a cluster of three primaries: as
 * clients of one Redis, of a cluster, and of a sentinel. What they cannot do with real servers is told in stand-in-programs.ts.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type RedisCluster, startCluster } from '../helpers/cluster.ts'
import { failuresOf, namesOf, play } from '../helpers/programs.ts'
import { RawClient } from '../helpers/raw.ts'
import { type Respool, startRespool } from '../helpers/respool.ts'
import { SCENARIOS } from './client-programs.ts'
import { type Reasons, STAND_IN_PROGRAMS } from './stand-in-programs.ts'
import { bulkText, Cleanup } from './support.ts'

const PASSWORD = 'known to respool alone'
/** The newest version of each library; others are tested with one Redis. */
const CLIENTS = ['redis-py 8.1.0', 'ioredis 6', 'node-redis 6', 'go-redis 9']
/** Scenarios that a cluster cannot carry out, whoever asks. */
const ON_CLUSTER: Reasons = { databases: 'a cluster has one database' }

describe('unmodified clients on a cluster', { concurrency: 2, timeout: 300_000 }, () => {
  const suite = new Cleanup()
  let cluster: RedisCluster
  let respool: Respool

  before(async () => {
    cluster = suite.add(await startCluster())
    for (const node of cluster.primaries) await node.call('CONFIG', 'SET', 'requirepass', PASSWORD)
    const url = cluster.url.replace('//', `//:${encodeURIComponent(PASSWORD)}@`)
    respool = suite.add(await startRespool({ upstream: url }))
  })

  after(async () => {
    const seen = await strangers(cluster)
    for (const node of cluster.primaries) await node.call('PING')
    const noticed = await strangers(cluster)
    await suite.run()
    // Whoever had come to a node by itself would have been asked for the password.
    assert.deepEqual(seen, [0, 0, 0])
    assert.deepEqual(noticed, [1, 1, 1], 'strangers are not noticed')
  })

  for (const { client, prepare, extra = [], cannot, differs } of STAND_IN_PROGRAMS) {
    if (!CLIENTS.includes(client)) continue
    for (const topology of ['one', 'cluster', 'sentinel'] as const) {
      it(`${client}, ${topology}`, async () => {
        const run = await play(await prepare(), respool.port, 'default', ...extra, topology)
        assert.deepEqual(namesOf(run), SCENARIOS, run.stderr)
        const own = topology === 'one' ? {} : { ...cannot[topology], ...differs?.[topology] }
        const excused = Object.keys({ ...ON_CLUSTER, ...own })
        assert.deepEqual(
          failuresOf(run).filter(({ name }) => !excused.includes(name)),
          [],
        )
        if (topology !== 'one') return
        const databases = run.results.find(({ name }) => name === 'databases')
        // With a database that is not there node-redis dials again, for ever.
        assert.match(databases?.detail ?? '', client.startsWith('node-redis') ? /^no end/ : /SELECT is not allowed/)
      })
    }
  }
})

/** How often each node has asked for a password in vain. */
function strangers({ primaries }: RedisCluster): Promise<number[]> {
  return Promise.all(
    primaries.map(async ({ server }) => {
      const client = await RawClient.connect(server.port)
      await client.call('AUTH', PASSWORD)
      const text = bulkText(String(await client.call('INFO', 'errorstats')))
      client.close()
      return Number(/^errorstat_NOAUTH:count=(\d+)/m.exec(text)?.[1] ?? 0)
    }),
  )
}
