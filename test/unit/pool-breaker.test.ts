/** A server that accepts connections, or leaves them open, and says nothing. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { type RedisOptions, startRedis } from '../helpers/redis.ts'
import { until } from '../helpers/waiting.ts'
import { Pool } from './pool-harness.ts'

const TIMES = { commandTimeout: 1000, connectTimeout: 500, holdTime: 100_000 }

async function ownRedis(t: TestContext, options: RedisOptions = {}) {
  const redis = await startRedis(options)
  t.after(() => redis.stop())
  return redis
}

/** A pool of a server that has answered, and then was stopped. */
async function stopped(t: TestContext) {
  const redis = await ownRedis(t)
  const pool = new Pool(t, redis.port, { upstream: TIMES })
  await pool.up()
  await pool.run(pool.lane(), 'PING')
  pool.sweep()
  await redis.kill('SIGSTOP')
  return { redis, pool }
}

const breaker = (pool: Pool) => pool.endpoint.stats().breaker

test('several commands without an answer and a long silence open the breaker: commands fail at once', async (t) => {
  const { pool } = await stopped(t)
  let troubles = 0
  pool.endpoint.onUnreachable = () => troubles++
  const idle = pool.lane().shared[0]
  const calls = [1, 2, 3].map(() => pool.send(idle, 'PING'))
  pool.sweep(1001)
  assert.deepEqual(
    calls.map(({ loss }) => loss),
    ['timedOut', 'timedOut', 'timedOut'],
  )
  assert.equal(breaker(pool), 'closed', 'one command may well take that long')
  const waits = [pool.wait(pool.lane()), pool.lease(pool.lane(2))]
  pool.sweep(500)
  assert.notEqual(breaker(pool), 'closed')
  assert.deepEqual(
    waits.map(({ settled }) => settled),
    ['upstreamDown', 'upstreamDown'],
  )
  assert.equal(pool.wait(pool.lane()).settled, 'upstreamDown')
  assert.equal(pool.lease(pool.lane()).settled, 'upstreamDown')
  assert.equal(pool.endpoint.stats().up, false)
  assert.equal(pool.eventsOf('upstream_silent').length, 1)
  assert.ok(troubles > 0)
})

test('it is half open while a connection is tried, and closes when the server answers one', async (t) => {
  const { redis, pool } = await stopped(t)
  for (let i = 0; i < 3; i++) pool.send(pool.lane().shared[0], 'PING')
  pool.sweep(1001)
  pool.sweep(500)
  await until(() => breaker(pool) === 'half-open', 'a connection is on its way')
  pool.sweep(501)
  assert.equal(breaker(pool), 'open', 'it was given up')
  await until(() => breaker(pool) === 'half-open', 'another one')
  await redis.kill('SIGCONT')
  await until(() => breaker(pool) === 'closed', 'it has answered')
  assert.equal(await pool.run(pool.lane(), 'PING'), '+PONG\r\n')
  pool.sweep()
  assert.equal(pool.endpoint.stats().up, true)
})

test('idle leases of a silent server are not given to anybody', async (t) => {
  const redis = await ownRedis(t)
  const pool = new Pool(t, redis.port, { upstream: TIMES })
  await pool.up()
  pool.endpoint.giveBack(await pool.leased(pool.lane()), 'nothing')
  assert.equal(pool.endpoint.stats().connections.idle, 1)
  await redis.kill('SIGSTOP')
  const [connection] = pool.lane().shared
  for (let i = 0; i < 3; i++) pool.send(connection, 'PING')
  pool.sweep(1001)
  pool.sweep(500)
  assert.notEqual(breaker(pool), 'closed')
  assert.equal(pool.lease(pool.lane()).settled, 'upstreamDown')
})

test('one slow command is no silence, however long it takes', async (t) => {
  const redis = await ownRedis(t)
  const pool = new Pool(t, redis.port, { upstream: TIMES })
  await pool.run(pool.lane(), 'PING')
  pool.sweep()
  const lease = await pool.leased(pool.lane())
  const slow = pool.send(lease, 'BLPOP', 'nothing', '0')
  pool.sweep(1001)
  assert.equal(slow.loss, 'timedOut')
  pool.sweep(60_000)
  assert.equal(breaker(pool), 'closed')
})

test('commands that run out of time while others are answered do not count', async (t) => {
  const redis = await ownRedis(t)
  const pool = new Pool(t, redis.port, { upstream: TIMES })
  await pool.run(pool.lane(), 'PING')
  const leases = [await pool.leased(pool.lane()), await pool.leased(pool.lane()), await pool.leased(pool.lane())]
  const slow = leases.map((lease) => pool.send(lease, 'BLPOP', 'nothing', '0'))
  pool.now += 900
  assert.equal(await pool.run(pool.lane(), 'PING'), '+PONG\r\n')
  pool.sweep(101)
  assert.deepEqual(
    slow.map(({ loss }) => loss),
    ['timedOut', 'timedOut', 'timedOut'],
  )
  assert.equal(breaker(pool), 'closed')
})

test('from the first command without an answer on idle connections are tested', async (t) => {
  const redis = await ownRedis(t)
  const pool = new Pool(t, redis.port, { upstream: TIMES })
  await pool.up()
  const [idle] = pool.lane().shared
  const lease = await pool.leased(pool.lane(2))
  pool.sweep()
  const slow = pool.send(lease, 'BLPOP', 'nothing', '0')
  pool.sweep(1000)
  assert.equal(idle.inflight.length, 0)
  pool.sweep(1)
  assert.equal(slow.loss, 'timedOut')
  pool.sweep()
  assert.equal(idle.inflight.length, 1)
  await until(() => idle.inflight.length === 0, 'it answers')
  pool.sweep()
  await until(() => idle.inflight.length === 0, 'one that was sent before the answer was noticed')
  pool.sweep()
  assert.equal(idle.inflight.length, 0, 'and that is all there is to ask')
})

test('unanswered handshakes count, and so do tests: one application is enough to find out', async (t) => {
  const { pool } = await stopped(t)
  const [idle] = pool.lane().shared
  const lane = pool.lane(2)
  const wait = pool.wait(lane)
  pool.sweep(501)
  assert.equal(pool.endpoint.closings['dial'], 1, 'a connection that was never answered')
  pool.sweep()
  assert.equal(idle.inflight.length, 1)
  assert.equal(breaker(pool), 'closed')
  await until(() => pool.endpoint.stats().connections.connecting > 0, 'another one is tried')
  pool.sweep(1001)
  pool.sweep()
  assert.notEqual(breaker(pool), 'closed')
  assert.equal(wait.settled, 'upstreamDown')
})
