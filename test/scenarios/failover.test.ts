/** Primaries of a cluster are demoted, restarted and killed under load. */
import assert from 'node:assert/strict'
import { after, before, describe, it, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ClusterNode, type RedisCluster, SLOTS, startCluster } from '../helpers/cluster.ts'
import { encode, RawClient } from '../helpers/raw.ts'
import { type Respool, startRespool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup } from '../integration/support.ts'
import { Counting } from './counting.ts'
import { keyIn, ShardLoad } from './shard-load.ts'

const SHARDS = 3
const owner = (slot: number) => Math.floor((slot * SHARDS) / SLOTS)

describe('failover of a cluster under load', { timeout: 180_000 }, () => {
  const suite = new Cleanup()
  let cluster: RedisCluster
  /** With patience for a failover, and with the usual times. */
  let patient: Respool
  let usual: Respool

  before(async () => {
    const args = ['--cluster-require-full-coverage', 'no', '--repl-diskless-sync-delay', '0']
    cluster = suite.add(await startCluster({ replicas: 1, nodeTimeout: 2000, args }))
    const config = { upstream: { clientName: 'patient', commandTimeout: '10s', holdTime: '10s' } }
    patient = suite.add(await startRespool({ upstream: cluster.url, config }))
    usual = suite.add(await startRespool({ upstream: cluster.url }))
  })
  after(() => suite.run())

  const replicaOf = (shard: number) => cluster.replicas[shard]

  it('demoting each primary by hand, and restarting it, brings no error', async (context) => {
    const counting = await Counting.start(patient, 2)
    suite.also(() => counting.kill())
    for (let shard = 0; shard < SHARDS; shard++) {
      const [primary, replica] = [cluster.primaries[shard], replicaOf(shard)]
      await promote(replica)
      await isLeft(primary)
      await primary.server.restart()
      await replicates(primary)
    }
    for (let shard = 0; shard < SHARDS; shard++) await promote(cluster.primaries[shard])
    await counting.stop()
    context.diagnostic(`6 failovers by hand, 3 restarts: ${counting.summary()}`)
    assert.deepEqual(counting.wrong, [])
    assert.deepEqual([...counting.errors], [])
    assert.equal(counting.reconnected, 0)
    assert.deepEqual(await counting.differences(patient.port), [])
  })

  it('the death of a primary concerns no other shard, and what can wait goes on with the next one', async (context) => {
    const loads = await Promise.all(
      Array.from({ length: SHARDS }, (_, shard) =>
        ShardLoad.start(patient.port, `shard ${shard}`, (slot) => owner(slot) === shard, 8),
      ),
    )
    const hasty = await ShardLoad.start(usual.port, 'hasty', (slot) => owner(slot) === 0, 4)
    await sleep(2000)
    const killed = performance.now()
    await cluster.primaries[0].server.kill()
    const key = keyIn('probe', (slot) => owner(slot) === 0)
    const probe = suite.client(await RawClient.connect(patient.port))
    probe.send(encode(['GET', key]))
    assert.equal(String(await probe.frame(20_000)), '$-1\r\n')
    const promoted = performance.now()
    await sleep(1000)
    for (const load of [...loads, hasty]) await load.stop()
    report(context, loads, hasty, killed, promoted)

    const [dead, ...others] = loads
    for (const load of [...loads, hasty]) assert.deepEqual(load.wrong, [])
    for (const load of others) assert.deepEqual(load.errors, [])
    // What was on its way to the dead one; whatever came later has waited.
    for (const error of dead.errors) assert.match(error, /^-OUTCOMEUNKNOWN /)
    assert.ok(dead.errors.length <= 8, `${dead.errors.length} errors of 8 sessions`)
    for (const error of hasty.errors) assert.match(error, /^-(OUTCOMEUNKNOWN|TRYAGAIN|CLUSTERDOWN) /)
    const slowest = Math.max(...hasty.answers.map(({ took }) => took))
    assert.ok(slowest < 5000, `the usual limit was 2.5 s, and the slowest took ${slowest} ms`)
    const missing = await Promise.all([...loads, hasty].map((load) => load.missing(patient.port)))
    context.diagnostic(`counts that Redis lost with its primary: ${missing.join(', ')}`)
    assert.deepEqual(missing.slice(1, SHARDS), [0, 0])
  })

  it('slots that nobody serves fail with an error in time, and the others do not feel it', async (context) => {
    const [first, second] = await Promise.all(
      [1, 2].map((shard) => ShardLoad.start(usual.port, `still ${shard}`, (slot) => owner(slot) === shard, 4)),
    )
    await sleep(500)
    const killed = performance.now()
    await replicaOf(0).server.kill()
    const client = suite.client(await RawClient.connect(usual.port))
    const key = keyIn('lost', (slot) => owner(slot) === 0)
    const errors = new Map<string, number>()
    for (let tries = 0; tries < 40; tries++) {
      const began = performance.now()
      const reply = await ask(client, 'GET', key)
      const took = performance.now() - began
      assert.match(reply, /^-(TRYAGAIN|CLUSTERDOWN) /)
      assert.ok(took < 5000, `${took} ms`)
      errors.set(reply.trim(), (errors.get(reply.trim()) ?? 0) + 1)
      await sleep(50)
    }
    for (const load of [first, second]) {
      await load.stop()
      assert.deepEqual(load.wrong, [])
      assert.deepEqual(load.errors, [])
    }
    const p99 = [first, second].map((load) => `${load.p99(0, killed).toFixed(1)} and ${load.p99(killed).toFixed(1)} ms`)
    context.diagnostic(`errors of the lost slots: ${JSON.stringify([...errors])}; p99 of others: ${p99.join('; ')}`)
  })
})

function report(context: TestContext, loads: ShardLoad[], hasty: ShardLoad, killed: number, promoted: number): void {
  const [dead, ...others] = loads
  const held = dead.answers.filter(({ at, took }) => took > 100 && at > killed).length
  const figures = others.map((load) => {
    const [before, during] = [load.p99(killed - 1500, killed), load.p99(killed, promoted)]
    return `${load.answers.length} answers, p99 ${before.toFixed(1)} ms before and ${during.toFixed(1)} ms during`
  })
  const kinds = (load: ShardLoad) => JSON.stringify([...new Set(load.errors)])
  context.diagnostic(
    `promoted after ${((promoted - killed) / 1000).toFixed(1)} s; others: ${figures.join('; ')}; the dead one's: ` +
      `${dead.answers.length} answers, ${held} waited, ${dead.errors.length} errors ${kinds(dead)}; ` +
      `with the usual times: ${hasty.answers.length} answers, ${hasty.errors.length} errors ${kinds(hasty)}`,
  )
}

async function replicates(node: ClusterNode): Promise<void> {
  await until(
    async () => (await node.call('INFO', 'replication')).includes('master_link_status:up'),
    'it replicates',
    30_000,
  )
}

/** Waits until no command of an application goes there any more. */
async function isLeft(node: ClusterNode): Promise<void> {
  const busy = /name=patient:(?!\S*:control )/
  await until(async () => !busy.test(await node.call('CLIENT', 'LIST')), 'it is left')
}

/** CLUSTER FAILOVER: nothing is lost. */
async function promote(replica: ClusterNode): Promise<void> {
  await until(async () => (await replica.call('CLUSTER', 'FAILOVER')) === '+OK\r\n', 'it begins')
  await until(async () => (await replica.call('ROLE')).includes('master'), 'it is the primary', 30_000)
}
