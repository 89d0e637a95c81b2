/** Thousands of slots move from one node of a cluster to another while four client libraries count: none of them notices. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type RedisCluster, startCluster } from '../helpers/cluster.ts'
import { run } from '../helpers/commands.ts'
import { type Respool, startRespool } from '../helpers/respool.ts'
import { Cleanup } from '../integration/support.ts'
import { Counting } from './counting.ts'

const SLOTS_MOVED = 5000
const SESSIONS = 4
/** How often the slots of all keys move on, and how many of these are moved at a time. */
const ROUNDS = 3
const KEYS_AT_ONCE = 10

describe('resharding under load', { timeout: 180_000 }, () => {
  const suite = new Cleanup()
  let cluster: RedisCluster
  let respool: Respool

  before(async () => {
    cluster = suite.add(await startCluster())
    respool = suite.add(await startRespool({ upstream: cluster.url, config: { upstream: { commandTimeout: '10s' } } }))
  })
  after(() => suite.run())

  it('brings no error, and loses or doubles nothing', async (context) => {
    const counting = await Counting.start(respool, SESSIONS)
    suite.also(() => counting.kill())
    const [source, target] = cluster.primaries
    const started = Date.now()
    await run('redis-cli', [
      ...['--cluster', 'reshard', `127.0.0.1:${source.server.port}`, '--cluster-yes'],
      ...['--cluster-from', source.id, '--cluster-to', target.id, '--cluster-slots', `${SLOTS_MOVED}`],
    ])
    const seconds = (Date.now() - started) / 1000
    await counting.stop()
    context.diagnostic(
      `${SLOTS_MOVED} slots moved in ${seconds.toFixed(1)} s: ${counting.summary()}; ${await redirected(respool)}`,
    )
    check(counting)
    assert.deepEqual(await counting.differences(respool.port), [])
  })

  it('of slots that hold all keys, some here and some there, brings none either', async (context) => {
    const counting = await Counting.start(respool, 2, '{hot}')
    suite.also(() => counting.kill())
    const slots = await Promise.all(
      // Counters have the first tag, and texts the other.
      ['{hot}', '{{hot}'].map(async (key) =>
        Number((await cluster.primaries[0].call('CLUSTER', 'KEYSLOT', key)).slice(1)),
      ),
    )
    let moved = 0
    for (let round = 0; round < ROUNDS; round++) for (const slot of slots) moved += await moveSlot(cluster, slot, round)
    await counting.stop()
    context.diagnostic(`${moved} keys moved: ${counting.summary()}; ${await redirected(respool)}`)
    check(counting)
    assert.deepEqual(await counting.differences(respool.port), [])
  })
})

const redirected = async (respool: Respool) => {
  const redirects = (kind: string) => respool.metric('respool_redirects_total', { kind })
  const retries = await respool.metric('respool_retries_total', { reason: 'tryagain' })
  return `${await redirects('moved')} MOVED and ${await redirects('ask')} ASK followed, ${retries} TRYAGAIN`
}

function check(counting: Counting): void {
  assert.deepEqual(counting.wrong, [])
  assert.deepEqual([...counting.errors], [])
  assert.equal(counting.reconnected, 0)
}

/** Moves a slot to another primary, a few keys at a time; answers how many. */
async function moveSlot(cluster: RedisCluster, slot: number, round: number): Promise<number> {
  const { primaries } = cluster
  const source = await cluster.ownerOf(slot)
  const target = primaries[(primaries.indexOf(source) + 1 + (round % 2)) % primaries.length]
  await target.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', source.id)
  await source.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', target.id)
  let moved = 0
  for (;;) {
    const reply = await source.call('CLUSTER', 'GETKEYSINSLOT', slot, KEYS_AT_ONCE)
    const keys = reply.split('\r\n').filter((line) => /^[a-z]/.test(line))
    if (keys.length === 0) break
    const done = await source.call('MIGRATE', '127.0.0.1', target.server.port, '', 0, 5000, 'KEYS', ...keys)
    assert.equal(done, '+OK\r\n')
    moved += keys.length
  }
  for (const node of [target, source, ...primaries]) await node.call('CLUSTER', 'SETSLOT', slot, 'NODE', target.id)
  return moved
}
