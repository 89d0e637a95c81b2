/** An endpoint that commands do not go to any more. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { startRedis } from '../helpers/redis.ts'
import { until } from '../helpers/waiting.ts'
import { FakeRedis, Outside, Pool } from './pool-harness.ts'

async function startPool(t: TestContext) {
  const redis = await startRedis()
  t.after(() => redis.stop())
  const pool = new Pool(t, redis.port)
  await pool.up()
  return { pool, outside: await Outside.connect(t, redis.port) }
}

test('answers what it was sent, and leaves', async (t) => {
  const { pool, outside } = await startPool(t)
  const blocked = await pool.leased(pool.lane())
  const answer = pool.send(blocked, 'BLPOP', 'list', '0').answer
  const shared = pool.send(pool.lane().shared[0], 'PING').answer
  pool.endpoint.giveBack(await pool.leased(pool.lane()), 'nothing')
  pool.endpoint.retire()
  assert.equal(await shared, '+PONG\r\n')
  await until(() => pool.endpoint.members.size === 1, 'only the one that is blocked stays')
  assert.equal(pool.endpoint.isEmpty, false)
  await outside.call('RPUSH', 'list', 'x')
  assert.equal(await answer, '*2\r\n$4\r\nlist\r\n$1\r\nx\r\n')
  await until(() => pool.endpoint.isEmpty, 'nothing is left')
  pool.sweep(10_000)
  assert.ok(pool.endpoint.isEmpty, 'and nothing comes back')
})

test('ends a lease on which nothing is on its way, as what was begun on it cannot go on', async (t) => {
  const { pool } = await startPool(t)
  const watching = await pool.leased(pool.lane())
  await pool.send(watching, 'WATCH', 'k').answer
  pool.endpoint.retire()
  assert.equal(watching.state.current, 'closed')
})

test('has those who wait look again, and takes nobody any more', async (t) => {
  const fake = await FakeRedis.start(t, () => undefined)
  fake.onAccept = () => undefined
  const pool = new Pool(t, fake.port)
  const waits = [pool.wait(pool.lane()), pool.wait(pool.lane(2, 5)), pool.lease(pool.lane()), pool.lease(pool.lane(2))]
  pool.endpoint.retire()
  assert.deepEqual(
    waits.map(({ settled }) => settled),
    [null, null, null, null],
  )
  assert.equal(pool.wait(pool.lane()).settled, 'upstreamDown')
  assert.equal(pool.lease(pool.lane()).settled, 'upstreamDown')
  await until(() => pool.endpoint.isEmpty, 'what was on its way is given up')
})
