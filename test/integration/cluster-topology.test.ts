/** Behind a cluster: its nodes are found from one of them, and followed through whatever happens to them. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type ClusterNode, type RedisCluster, SLOTS, startCluster } from '../helpers/cluster.ts'
import { freePort } from '../helpers/ports.ts'
import { RawClient } from '../helpers/raw.ts'
import { type Respool, startRespool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup } from './support.ts'

interface Shown {
  kind: string
  version: number
  slotsCovered: number
  endpoints: { endpoint: string; role: string; slots?: string[]; up?: boolean; breaker?: string; replicaOf?: string }[]
}

const nameOf = ({ server }: ClusterNode): string => `127.0.0.1:${server.port}`

async function topologyOf({ admin }: Respool): Promise<Shown> {
  return (await (await fetch(`${admin}/topology`)).json()) as Shown
}

/** The row of a node, if it is one that commands go to, or a replica. */
async function rowOf(respool: Respool, node: ClusterNode): Promise<Shown['endpoints'][number] | undefined> {
  return (await topologyOf(respool)).endpoints.find(({ endpoint }) => endpoint === nameOf(node))
}

describe('the nodes of a cluster', { timeout: 120_000 }, () => {
  const suite = new Cleanup()
  let cluster: RedisCluster
  let respool: Respool

  before(async () => {
    cluster = suite.add(await startCluster({ replicas: 1, nodeTimeout: 60_000 }))
    // Replicas are told of only once they have something to replicate.
    await Promise.all(cluster.primaries.map((node, nth) => node.call('SET', tagOf(nth), 'x')))
    const upstream = `redis+cluster://127.0.0.1:${await freePort()},${nameOf(cluster.primaries[1])}`
    respool = suite.add(await startRespool({ upstream, config: QUICK }))
  })
  after(() => suite.run())

  const QUICK = {
    upstream: { commandTimeout: '400ms', connectTimeout: '400ms', cluster: { refreshInterval: '200ms' } },
  }
  /** A tag in the slots that a primary serves to begin with. */
  const tagOf = (nth: number) => ['{b}', '{c}', '{a}'][nth]

  it('are learned from one of them', async () => {
    const { primaries, replicas } = cluster
    await until(async () => (await fetch(`${respool.admin}/readyz`)).status === 200, 'ready')
    await until(async () => (await topologyOf(respool)).endpoints.length === 6, 'all are known')
    await until(async () => (await topologyOf(respool)).endpoints.every(({ up }) => up !== false), 'all are up')
    const { kind, slotsCovered, endpoints } = await topologyOf(respool)
    assert.deepEqual([kind, slotsCovered], ['cluster', SLOTS])
    assert.deepEqual(
      endpoints.slice(0, 3).map(({ endpoint, role, slots, up, breaker }) => [endpoint, role, slots, up, breaker]),
      [
        [nameOf(primaries[0]), 'primary', ['0-5460'], true, 'closed'],
        [nameOf(primaries[1]), 'primary', ['5461-10921'], true, 'closed'],
        [nameOf(primaries[2]), 'primary', ['10922-16383'], true, 'closed'],
      ],
    )
    assert.deepEqual(
      endpoints.slice(3).map(({ endpoint, role, replicaOf }) => [endpoint, role, replicaOf]),
      replicas.map((node, nth) => [nameOf(node), 'replica', nameOf(primaries[nth])]),
    )
    for (const node of primaries) {
      assert.equal(await respool.metric('respool_upstream_up', { endpoint: nameOf(node), role: 'primary' }), 1)
      assert.equal(await respool.metric('respool_breaker_state', { endpoint: nameOf(node) }), 0)
    }
    assert.ok((await respool.metric('respool_topology_refreshes_total', { result: 'ok' })) > 0)
    assert.ok((await respool.metric('respool_topology_changes_total')) > 0)
  })

  it('are followed when a slot moves, and one of them is new', async () => {
    const [first, second] = cluster.primaries
    const nodes = [...cluster.primaries, ...cluster.replicas]
    const give = async (slot: number, to: ClusterNode) => {
      for (const node of new Set([to, ...nodes])) await node.call('CLUSTER', 'SETSLOT', slot, 'NODE', to.id)
    }
    await give(0, second)
    await until(async () => (await rowOf(respool, first))?.slots?.[0] === '1-5460', 'it has moved')
    assert.deepEqual((await rowOf(respool, second))?.slots, ['0', '5461-10921'])
    const added = await cluster.addNode()
    nodes.push(added)
    // A node that loses its last slot may become a replica of who gets it: not one that is elected later on.
    await added.call('CONFIG', 'SET', 'cluster-replica-no-failover', 'yes')
    await give(1, added)
    await until(async () => (await rowOf(respool, added))?.up === true, 'the new one is connected to')
    assert.deepEqual((await rowOf(respool, added))?.slots, ['1'])
    await give(1, first)
    await until(async () => (await rowOf(respool, added)) === undefined, 'it is left when it has no slots')
    await until(async () => !(await added.call('CLIENT', 'LIST')).includes('name=respool:'), 'with all connections')
  })

  it('that are stopped fail fast, while others work, and are used again when they go on', async () => {
    const [, stopped] = cluster.primaries
    const client = suite.client(await RawClient.connect(respool.port))
    const other = suite.client(await RawClient.connect(respool.port))
    for (const nth of [0, 1, 2]) assert.equal(await ask(client, 'SET', tagOf(nth), 'y'), '+OK\r\n')
    await stopped.server.kill('SIGSTOP')
    try {
      const breaker = async () => (await rowOf(respool, stopped))?.breaker
      let failed = 0
      while ((await breaker()) === 'closed') {
        assert.match(await ask(client, 'GET', tagOf(1)), /^-(TRYAGAIN|OUTCOMEUNKNOWN) /)
        for (const nth of [0, 2]) assert.equal(await ask(other, 'GET', tagOf(nth)), '$1\r\ny\r\n')
        failed++
      }
      assert.ok(failed >= 2, 'not at the first sign')
      assert.equal((await rowOf(respool, stopped))?.up, false)
      assert.match(await ask(client, 'GET', tagOf(1)), /^-TRYAGAIN respool has no connection/)
      assert.match(respool.output(), /"event":"upstream_silent"/)
    } finally {
      await stopped.server.kill('SIGCONT')
    }
    await until(async () => (await rowOf(respool, stopped))?.breaker === 'closed', 'it is back')
    assert.equal(await ask(client, 'GET', tagOf(1)), '$1\r\ny\r\n')
  })

  it('are known by their names, or by none but their ports, and are reached where the address map says', async () => {
    const nodes = [...cluster.primaries, ...cluster.replicas]
    const client = suite.client(await RawClient.connect(respool.port))
    const everywhere = (...words: string[]) => Promise.all(nodes.map((node) => node.call('CONFIG', 'SET', ...words)))
    await everywhere('cluster-announce-hostname', 'node.invalid')
    await everywhere('cluster-preferred-endpoint-type', 'hostname')
    const [first] = cluster.primaries
    const names = nodes.map(({ server }) => `localhost:${server.port}`).sort()
    const mapped = { cluster: { ...QUICK.upstream.cluster, addressMap: { 'node.invalid': 'localhost' } } }
    const outside = await startRespool({ upstream: `redis+cluster://${nameOf(first)}`, config: { upstream: mapped } })
    try {
      await until(async () => {
        const { endpoints } = await topologyOf(outside)
        const known = endpoints.map(({ endpoint }) => endpoint).sort()
        return String(known) === String(names) && endpoints.every(({ up }) => up !== false)
      }, 'all are known by name, and reached')
      const other = suite.client(await RawClient.connect(outside.port))
      for (const nth of [0, 1, 2]) assert.equal(await ask(other, 'GET', tagOf(nth)), '$1\r\ny\r\n')
    } finally {
      await outside.stop()
    }
    await everywhere('cluster-preferred-endpoint-type', 'unknown-endpoint')
    await until(async () => (await rowOf(respool, first))?.up === true, 'without hosts they are those that were asked')
    for (const nth of [0, 1, 2]) assert.equal(await ask(client, 'GET', tagOf(nth)), '$1\r\ny\r\n')
    await everywhere('cluster-preferred-endpoint-type', 'ip')
  })

  it('are replaced by their replicas when they die', async () => {
    const [first, , third] = cluster.primaries
    for (const node of [...cluster.primaries, ...cluster.replicas]) {
      await node.call('CONFIG', 'SET', 'cluster-node-timeout', 1000)
    }
    const slots = (await rowOf(respool, first))!.slots
    await first.server.kill()
    const dead = performance.now()
    await until(async () => (await rowOf(respool, first))?.up !== true, 'it is missed')
    await until(async () => (await rowOf(respool, cluster.replicas[0]))?.role === 'primary', 'its replica', 30_000)
    console.log(`# followed ${Math.round(performance.now() - dead)} ms after the death`)
    await until(async () => (await rowOf(respool, cluster.replicas[0]))?.up === true, 'it is up')
    assert.deepEqual((await rowOf(respool, cluster.replicas[0]))?.slots, slots)
    assert.notEqual((await rowOf(respool, first))?.role, 'primary')
    assert.equal((await rowOf(respool, third))?.up, true)
    const client = suite.client(await RawClient.connect(respool.port))
    assert.equal(await ask(client, 'GET', tagOf(0)), '$1\r\ny\r\n')
  })
})

describe('a cluster of which nobody can be asked', () => {
  it('makes commands wait for a while and fail then, and says what is missing', async () => {
    const upstream = `redis+cluster://127.0.0.1:${await freePort()},127.0.0.1:${await freePort()}`
    const respool = await startRespool({ upstream, config: { upstream: { holdTime: '200ms' } } })
    const client = await RawClient.connect(respool.port)
    try {
      assert.match(await ask(client, 'GET', 'k'), /^-TRYAGAIN /)
      const ready = await fetch(`${respool.admin}/readyz`)
      assert.equal(ready.status, 503)
      assert.deepEqual(await ready.json(), {
        ready: false,
        reasons: ['no node has told the slot map of the cluster yet'],
      })
      assert.deepEqual((await topologyOf(respool)).slotsCovered, 0)
    } finally {
      client.close()
      await respool.stop()
    }
  })
})
