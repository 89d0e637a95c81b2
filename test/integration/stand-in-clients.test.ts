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
import { SCENARIOS } from './client-programs.ts'
import { STAND_IN_PROGRAMS, type StandIn } from './stand-in-programs.ts'
import { bulkText, Cleanup } from './support.ts'

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

    for (const { client, prepare, extra = [], cannot, differs } of STAND_IN_PROGRAMS) {
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
async function startReal(topology: StandIn, suite: Cleanup): Promise<number> {
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
