import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { freePort } from '../helpers/ports.ts'
import { type RedisOptions, startRedis } from '../helpers/redis.ts'
import { until } from '../helpers/waiting.ts'
import type { TestContext } from 'node:test'
import { FakeRedis, Outside, Pool } from './pool-harness.ts'

async function ownRedis(t: TestContext, options: RedisOptions = {}) {
  const redis = await startRedis(options)
  t.after(() => redis.stop())
  return redis
}

test('after a restart it connects again by itself', async (t) => {
  const redis = await ownRedis(t)
  const pool = new Pool(t, redis.port, { pool: { min: 2 } })
  let ups = 0
  pool.endpoint.onUp = () => ups++
  await pool.up()
  await until(() => pool.shared === 2, 'the minimum')
  const held = await pool.leased(pool.lane())
  await redis.kill()
  await until(() => pool.endpoint.downSince !== null, 'down')
  assert.equal(held.state.current, 'closed')
  assert.equal(pool.endpoint.stats().up, false)
  await redis.restart()
  await until(() => pool.shared === 2, 'the minimum again')
  assert.equal(await pool.run(pool.lane(), 'PING'), '+PONG\r\n')
  assert.equal(ups, 2)
  assert.equal(pool.eventsOf('upstream_up').length, 2)
  assert.match(pool.endpoint.info?.version ?? '', /^\d+\.\d+/)
})

test('what comes while it is down for a short time waits, and is served when it is back', async (t) => {
  const port = await freePort()
  const pool = new Pool(t, port)
  const answers = [pool.run(pool.lane(), 'ECHO', 'a'), pool.run(pool.lane(2, 3), 'ECHO', 'b')]
  const lease = pool.lease(pool.lane())
  await until(() => pool.eventsOf('upstream_down').length > 2, 'it has tried')
  pool.sweep(1000)
  assert.equal(lease.settled, undefined)
  await ownRedis(t, { port })
  assert.deepEqual(await Promise.all(answers), ['$1\r\na\r\n', '$1\r\nb\r\n'])
  const got = await lease.outcome
  assert.ok(got !== null && typeof got === 'object')
})

test('when it has been down for the hold time, everybody is refused, and who comes then at once', async (t) => {
  const port = await freePort()
  const pool = new Pool(t, port, { upstream: { holdTime: 500 } })
  const waits = [pool.wait(pool.lane()), pool.lease(pool.lane()), pool.wait(pool.lane(2, 0))]
  pool.sweep(500)
  assert.deepEqual(
    waits.map((wait) => wait.settled),
    [undefined, undefined, undefined],
  )
  pool.sweep(1)
  assert.deepEqual(
    waits.map((wait) => wait.settled),
    ['upstreamDown', 'upstreamDown', 'upstreamDown'],
  )
  assert.equal(pool.wait(pool.lane()).settled, 'upstreamDown')
  assert.equal(pool.lease(pool.lane()).settled, 'upstreamDown')
  assert.equal(pool.endpoint.stats().waiters, 0)
  await ownRedis(t, { port })
  await until(() => pool.endpoint.downSince === null, 'up')
  assert.equal(await pool.run(pool.lane(), 'PING'), '+PONG\r\n', 'and all is well again')
})

test('a hold time of nothing refuses at once', async (t) => {
  const pool = new Pool(t, await freePort(), { upstream: { holdTime: 0 } })
  pool.now += 1
  assert.equal(pool.wait(pool.lane()).settled, 'upstreamDown')
  assert.equal(pool.lease(pool.lane()).settled, 'upstreamDown')
})

test('a wait that ends while it is down is told that it waited in vain', async (t) => {
  const pool = new Pool(t, await freePort(), { upstream: { holdTime: 5000 } })
  const waits = [pool.wait(pool.lane(), 100), pool.lease(pool.lane(), 100)]
  pool.sweep(100)
  assert.deepEqual(
    waits.map((wait) => wait.settled),
    ['holdExpired', 'holdExpired'],
  )
})

test('while it is down one connection at a time is tried, however many wait in however many lanes', async (t) => {
  const pool = new Pool(t, await freePort())
  for (let database = 0; database < 5; database++) {
    for (let i = 0; i < 5; i++) {
      pool.wait(pool.lane(2, database))
      pool.lease(pool.lane(3, database))
    }
  }
  while (pool.eventsOf('upstream_down').length < 5) {
    assert.ok(pool.endpoint.members.size <= 1)
    pool.sweep()
    await nextTurn()
  }
})

test('commands under way when it ends have an unknown outcome; those not yet written were not sent', async (t) => {
  const redis = await ownRedis(t)
  const pool = new Pool(t, redis.port)
  const outside = await Outside.connect(t, redis.port)
  await pool.run(pool.lane(), 'PING')
  const [connection] = pool.lane().shared
  const sent = pool.send(connection, 'BLPOP', 'k', '0')
  await until(async () => (await outside.call('INFO', 'clients')).includes('blocked_clients:1'), 'it is there')
  const unsent = [pool.send(connection, 'PING'), pool.send(connection, 'PING')]
  connection.close('remote', 'as when the socket ends')
  assert.equal(sent.loss, 'outcomeUnknown')
  assert.deepEqual(
    unsent.map((call) => call.loss),
    ['notSent', 'notSent'],
  )
})

test('a wrong password is told at once to all, and dialling goes on', async (t) => {
  const redis = await ownRedis(t, { password: 'right' })
  const pool = new Pool(t, redis.port, { password: 'wrong' })
  const waits = [pool.wait(pool.lane()), pool.lease(pool.lane(2, 1))]
  await until(() => pool.eventsOf('upstream_down').length > 0, 'refused')
  pool.sweep()
  assert.deepEqual(
    waits.map((wait) => wait.settled),
    ['upstreamAuth', 'upstreamAuth'],
  )
  assert.equal(pool.wait(pool.lane()).settled, 'upstreamAuth', 'without waiting for the hold time')
  assert.match(pool.eventsOf('upstream_closed')[0].detail ?? '', /^WRONGPASS/)
  const outside = await Outside.connect(t, redis.port)
  await outside.call('AUTH', 'right')
  await outside.call('CONFIG', 'SET', 'requirepass', 'wrong')
  await until(() => pool.endpoint.downSince === null, 'up')
  assert.equal(await pool.run(pool.lane(), 'PING'), '+PONG\r\n')
})

test('a password that is missing is a login refused, too', async (t) => {
  const redis = await ownRedis(t, { password: 'needed' })
  const missing = new Pool(t, redis.port)
  const wait = missing.wait(missing.lane())
  await until(() => missing.eventsOf('upstream_down').length > 0, 'refused')
  missing.sweep()
  assert.equal(wait.settled, 'upstreamAuth')
})

test('passwords beyond ASCII are sent as UTF-8', async (t) => {
  const redis = await ownRedis(t, { password: 'pässwörd €' })
  const pool = new Pool(t, redis.port, { password: 'pässwörd €' })
  assert.equal(await pool.run(pool.lane(), 'PING'), '+PONG\r\n')
})

test('a Redis that has no place for another client is down, and no fault of the login', async (t) => {
  const redis = await ownRedis(t, { args: ['--maxclients', '1'] })
  const outside = await Outside.connect(t, redis.port)
  await outside.call('PING')
  const pool = new Pool(t, redis.port)
  const wait = pool.wait(pool.lane())
  await until(() => pool.eventsOf('upstream_down').length > 1, 'it has tried')
  pool.sweep()
  assert.equal(wait.settled, undefined)
  outside.client.close()
  assert.equal(await wait.outcome, null)
})

test('a Redis that is still loading is down, and no fault of the login', async (t) => {
  const fake = await FakeRedis.start(t, () => undefined, '-LOADING Redis is loading the dataset in memory\r\n')
  const pool = new Pool(t, fake.port)
  const wait = pool.wait(pool.lane())
  await until(() => (pool.endpoint.closings['handshake'] ?? 0) > 1, 'it has tried again')
  pool.sweep()
  assert.equal(wait.settled, undefined)
  pool.sweep(1001)
  assert.equal(wait.settled, 'upstreamDown')
})

test('a database that does not exist concerns its lane alone', async (t) => {
  const redis = await ownRedis(t, { args: ['--databases', '4'] })
  const pool = new Pool(t, redis.port)
  await pool.run(pool.lane(), 'PING')
  const waits = [pool.wait(pool.lane(3, 4)), pool.wait(pool.lane(3, 4)), pool.lease(pool.lane(3, 4))]
  assert.deepEqual(await Promise.all(waits.map((wait) => wait.outcome)), [
    'dbOutOfRange',
    'dbOutOfRange',
    'dbOutOfRange',
  ])
  assert.equal(pool.wait(pool.lane(3, 4)).settled, 'dbOutOfRange')
  assert.equal(pool.lease(pool.lane(3, 4)).settled, 'dbOutOfRange')
  assert.equal(pool.endpoint.downSince, null)
  assert.equal(pool.eventsOf('upstream_down').length, 0)
  assert.equal(await pool.run(pool.lane(3, 3), 'PING'), '+PONG\r\n')
  assert.equal(await pool.run(pool.lane(), 'PING'), '+PONG\r\n')
})

test('once stopped it opens nothing and owes nothing', async (t) => {
  const redis = await ownRedis(t)
  const pool = new Pool(t, redis.port)
  await pool.run(pool.lane(), 'PING')
  const call = pool.send(pool.lane().shared[0], 'PING')
  pool.endpoint.stop()
  assert.equal(call.loss, 'notSent')
  pool.sweep()
  pool.wait(pool.lane())
  assert.equal(pool.endpoint.members.size, 0)
  assert.deepEqual(pool.endpoint.closings, { shutdown: 1 })
})
