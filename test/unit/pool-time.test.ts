/** Limits of time, on a clock that stands still unless a test moves it. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type RedisServer, startRedis } from '../helpers/redis.ts'
import { until } from '../helpers/waiting.ts'
import { FakeRedis, Outside, Pool } from './pool-harness.ts'

let redis: RedisServer
before(async () => (redis = await startRedis()))
after(() => redis.stop())

test('a connection that is not used retires, down to the minimum', async (t) => {
  const pool = new Pool(t, redis.port, { pool: { idleTimeout: 1000, min: 1 } })
  const lanes = [pool.lane(3, 0), pool.lane(2, 0), pool.lane(2, 1)]
  for (const lane of lanes) await pool.run(lane, 'PING')
  pool.sweep()
  pool.sweep(600)
  await pool.run(lanes[1], 'PING')
  pool.sweep(0)
  pool.sweep(401)
  const sizes = () => lanes.map((lane) => lane.shared.length).join(' ')
  await until(() => sizes() === '1 1 0', 'the minimum and the used one stay, the idle one goes')
  pool.sweep(600)
  await until(() => sizes() === '1 0 0', 'the minimum stays')
  assert.equal(pool.endpoint.closings['idle'], 2)
  assert.equal(pool.endpoint.counts.stale, 2)
})

test('an idle lease retires, one that is held does not', async (t) => {
  const pool = new Pool(t, redis.port, { pool: { idleTimeout: 1000 } })
  const [held, idle] = [await pool.leased(pool.lane()), await pool.leased(pool.lane())]
  pool.endpoint.giveBack(idle, 'nothing')
  pool.sweep()
  pool.sweep(1001)
  assert.equal(held.state.current, 'ready')
  await until(() => idle.state.current === 'closed', 'the idle one is closed')
})

test('a connection retires at the end of its life, when it has answered, and is replaced', async (t) => {
  const pool = new Pool(t, redis.port, { pool: { maxLifetime: 1000, jitter: 0 } })
  const outside = await Outside.connect(t, redis.port)
  await pool.run(pool.lane(), 'PING')
  const [old] = pool.lane().shared
  const blocked = pool.send(old, 'BLPOP', 'life', '0')
  pool.sweep(999)
  assert.equal(old.state.current, 'ready')
  pool.sweep(1)
  assert.notEqual(old.state.current, 'closed', 'it owes an answer')
  await outside.call('RPUSH', 'life', 'x')
  assert.match(await blocked.answer, /life/)
  pool.sweep()
  await until(() => old.state.current === 'closed', 'it is closed')
  assert.equal(pool.endpoint.closings['lifetime'], 1)
  await until(() => pool.lane().shared.length === 1, 'another one')
  assert.notEqual(pool.lane().shared[0], old)
})

test('lives differ by the jitter', async (t) => {
  const pool = new Pool(t, redis.port, { pool: { maxLifetime: 1000, jitter: 0.5, min: 4 } })
  pool.endpoint.ensureMinimum()
  await until(() => pool.lane().shared.length === 4, 'four connections')
  const ends = pool.lane().shared.map((connection) => connection.retireAt - connection.openedAt)
  assert.ok(
    ends.every((life) => life >= 500 && life <= 1500),
    String(ends),
  )
  assert.ok(new Set(ends).size > 1, String(ends))
})

test('a connection that has been silent is tested with PING, and no other', async (t) => {
  const pool = new Pool(t, redis.port, { pool: { healthCheckInterval: 1000 } })
  const outside = await Outside.connect(t, redis.port)
  await pool.run(pool.lane(), 'ECHO', 'x')
  const idle = await pool.leased(pool.lane())
  const held = await pool.leased(pool.lane())
  pool.endpoint.giveBack(idle, 'nothing')
  await outside.call('CONFIG', 'RESETSTAT')
  pool.sweep(1000)
  pool.sweep(1)
  assert.equal(pool.lane().shared[0].inflight.length, 1)
  assert.equal(idle.inflight.length, 1)
  assert.equal(held.inflight.length, 0, 'a lease that is held is not ours to talk on')
  await until(() => pool.lane().shared[0].inflight.length + idle.inflight.length === 0, 'answered')
  assert.equal(await outside.runs('ping'), 2)
  pool.sweep(500)
  assert.equal(await outside.runs('ping'), 2, 'not again so soon')
})

test('whoever takes a lease while idle ones are tested gets the answers to its own commands', async (t) => {
  const pool = new Pool(t, redis.port, { pool: { healthCheckInterval: 1000 } })
  const idle = await pool.leased(pool.lane())
  pool.endpoint.giveBack(idle, 'nothing')
  pool.sweep(1001)
  assert.ok(idle.inflight.length > 0, 'it is being tested')
  const lease = await pool.leased(pool.lane())
  assert.equal(await pool.send(lease, 'CLIENT', 'ID').answer, `:${pool.endpoint.clientIdOf(lease)}\r\n`)
  pool.endpoint.giveBack(lease, 'nothing')
  await until(() => idle.inflight.length === 0, 'tested')
  assert.equal(idle.state.current, 'ready')
})

test('a test that is not answered closes the connection', async (t) => {
  const fake = await FakeRedis.start(t, () => undefined)
  const pool = new Pool(t, fake.port, { pool: { healthCheckInterval: 1000 }, upstream: { commandTimeout: 500 } })
  await pool.up()
  const [connection] = pool.lane().shared
  pool.sweep(1001)
  pool.sweep(499)
  assert.equal(connection.state.current, 'ready')
  pool.sweep(1)
  assert.equal(connection.state.current, 'closed')
  assert.equal(pool.endpoint.closings['timeout'], 1)
})

test('a command that is not answered in time is lost, and its connection takes no more', async (t) => {
  const pool = new Pool(t, redis.port)
  const outside = await Outside.connect(t, redis.port)
  await pool.run(pool.lane(), 'PING')
  const [connection] = pool.lane().shared
  const late = pool.send(connection, 'BLPOP', 'late', '0')
  pool.now += 50_000
  const behind = pool.send(connection, 'ECHO', 'behind')
  pool.sweep(50_000)
  assert.equal(late.loss, 'timedOut')
  assert.equal(behind.loss, undefined, 'its time is not over')
  assert.equal(connection.state.current, 'draining')
  assert.equal(await pool.run(pool.lane(), 'PING'), '+PONG\r\n', 'on another one')
  await outside.call('RPUSH', 'late', 'x')
  assert.equal(await behind.answer, '$6\r\nbehind\r\n', 'the late answer went to nobody')
  await until(() => connection.state.current === 'closed', 'it is closed')
  assert.equal(pool.endpoint.closings['timeout'], 1)
})

test('a connection that nobody waits for any more is closed without its answers', async (t) => {
  const pool = new Pool(t, redis.port)
  const outside = await Outside.connect(t, redis.port)
  await pool.run(pool.lane(), 'PING')
  const [connection] = pool.lane().shared
  const calls = [pool.send(connection, 'BLPOP', 'never', '0'), pool.send(connection, 'PING')]
  await until(async () => (await outside.call('INFO', 'clients')).includes('blocked_clients:1'), 'it blocks')
  pool.sweep(100_000)
  assert.deepEqual(
    calls.map((call) => call.loss),
    ['timedOut', 'timedOut'],
  )
  assert.equal(connection.state.current, 'closed')
})

test('a handshake that takes too long is given up', async (t) => {
  const fake = await FakeRedis.start(t, () => undefined, '')
  const pool = new Pool(t, fake.port, {
    upstream: { connectTimeout: 1000, reconnect: { minDelay: 60_000, maxDelay: 60_000 } },
  })
  pool.endpoint.ensureMinimum()
  await until(() => [...pool.endpoint.members.keys()].some((one) => one.state.current === 'handshaking'), 'connected')
  pool.sweep(1000)
  assert.equal(pool.endpoint.members.size, 1)
  pool.sweep(1)
  assert.equal(pool.endpoint.members.size, 0)
  assert.deepEqual(pool.endpoint.closings, { dial: 1 })
})

test('a connection that was told to leave and is not closed by Redis is closed all the same', async (t) => {
  const pool = new Pool(t, redis.port, { pool: { idleTimeout: 1000, min: 0 } })
  await pool.run(pool.lane(2, 1), 'PING')
  const [connection] = pool.lane(2, 1).shared
  pool.sweep()
  await redis.kill('SIGSTOP')
  try {
    pool.sweep(1001)
    assert.equal(connection.state.current, 'draining')
    pool.sweep(60_000)
    assert.equal(connection.state.current, 'closed')
  } finally {
    await redis.kill('SIGCONT')
  }
})
