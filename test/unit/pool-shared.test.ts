import assert from 'node:assert/strict'
import { cancelWait } from '../../src/upstream/wait-queue.js'
import { after, before, test } from 'node:test'
import type { Lane } from '../../src/upstream/lane.js'
import { type RedisServer, startRedis } from '../helpers/redis.ts'
import { until } from '../helpers/waiting.ts'
import { Outside, Pool } from './pool-harness.ts'

let redis: RedisServer
before(async () => (redis = await startRedis()))
after(() => redis.stop())

test('the minimum is opened ahead of need, and replaced when Redis ends a connection', async (t) => {
  const pool = new Pool(t, redis.port, { pool: { min: 3 } })
  const outside = await Outside.connect(t, redis.port)
  pool.endpoint.ensureMinimum()
  await until(() => pool.lane().shared.length === 3, 'three connections')
  const clients = await outside.poolClients()
  assert.equal(clients.length, 3)
  const ids = [...pool.endpoint.members.keys()].map((connection) => pool.endpoint.clientIdOf(connection))
  assert.deepEqual(
    ids.toSorted(),
    clients.map((line) => Number(/^.*?id=(\d+)/.exec(line)?.[1])).toSorted(),
    'ids as Redis gave them',
  )
  await outside.call('CLIENT', 'KILL', 'ID', String(ids[0]))
  await until(() => pool.endpoint.closings['remote'] === 1 && pool.lane().shared.length === 3, 'three again')
  assert.equal(pool.endpoint.downSince, null, 'one lost connection is no outage')
})

test('a minimum of none opens nothing once it is up', async (t) => {
  const pool = new Pool(t, redis.port, { pool: { min: 0, idleTimeout: 100 } })
  await pool.up()
  assert.equal(pool.shared, 1, 'one to find out that it is up')
  pool.sweep()
  pool.sweep(101)
  await until(() => pool.endpoint.members.size === 0, 'Redis has closed it too')
  pool.sweep()
  assert.equal(pool.endpoint.members.size, 0)
})

test('lanes have a protocol and a database of their own', async (t) => {
  const pool = new Pool(t, redis.port)
  await pool.run(pool.lane(3, 0), 'SET', 'where', 'zero')
  await pool.run(pool.lane(2, 1), 'SET', 'where', 'one')
  assert.equal(await pool.run(pool.lane(2, 0), 'GET', 'where'), '$4\r\nzero\r\n')
  assert.equal(await pool.run(pool.lane(3, 1), 'GET', 'where'), '$3\r\none\r\n')
  assert.equal(await pool.run(pool.lane(2, 0), 'GET', 'none'), '$-1\r\n')
  assert.equal(await pool.run(pool.lane(3, 0), 'GET', 'none'), '_\r\n')
  assert.equal(pool.endpoint.lane(3, 0), pool.lane(3, 0))
})

test('idle neighbours share one connection; a blocked one is avoided while the maximum allows', async (t) => {
  const pool = new Pool(t, redis.port, { pool: { max: 2 } })
  const outside = await Outside.connect(t, redis.port)
  const lane = pool.lane()
  await pool.run(lane, 'PING')
  const [first] = lane.shared
  const blocked = pool.send(first, 'BLPOP', 'avoided', '0')
  assert.equal(lane.pick(), first, 'a command in flight is no reason to avoid it')
  pool.sweep(150)
  assert.equal(first.slow, true)
  assert.equal(await pool.run(lane, 'PING'), '+PONG\r\n', 'on a new one')
  assert.equal(lane.shared.length, 2)
  assert.notEqual(lane.pick(), first)
  const [, second] = lane.shared
  const blockedToo = pool.send(second, 'BLPOP', 'avoided', '0')
  pool.send(second, 'PING')
  pool.sweep(150)
  assert.equal(lane.pick(), first, 'the one with least in flight, since there may be no more')
  await outside.call('RPUSH', 'avoided', 'a', 'b')
  await Promise.all([blocked.answer, blockedToo.answer])
  await until(() => !first.slow, 'it is quick again')
  assert.equal((await outside.poolClients()).length, 2)
})

test('a lane that is full makes room: an idle connection of another lane ends at once', async (t) => {
  const pool = new Pool(t, redis.port, { pool: { max: 1 } })
  const outside = await Outside.connect(t, redis.port)
  await pool.run(pool.lane(3, 0), 'PING')
  for (let round = 0; round < 5; round++) {
    assert.equal(await pool.run(pool.lane(2, round), 'PING'), '+PONG\r\n')
    assert.equal(pool.lane(2, round).shared.length, 1)
  }
  assert.equal(pool.endpoint.closings['room'], 5)
  await until(async () => (await outside.poolClients()).length === 1, 'one connection')
})

test('a busy connection of another lane makes room when it has answered', async (t) => {
  const pool = new Pool(t, redis.port, { pool: { max: 1 } })
  const outside = await Outside.connect(t, redis.port)
  await pool.run(pool.lane(3, 0), 'PING')
  const [first] = pool.lane(3, 0).shared
  const blocked = pool.send(first, 'BLPOP', 'room', '0')
  const other = pool.run(pool.lane(2, 0), 'PING')
  assert.equal(first.state.current, 'draining')
  assert.equal(pool.endpoint.members.size, 1, 'nothing is opened yet')
  await outside.call('RPUSH', 'room', 'x')
  assert.match(await blocked.answer, /room/)
  assert.equal(await other, '+PONG\r\n')
  assert.equal(first.state.current, 'closed')
})

test('what is kept ahead of need does not push out what is needed', async (t) => {
  const pool = new Pool(t, redis.port, { pool: { max: 2, min: 2 } })
  await pool.up()
  await until(() => pool.lane().shared.length === 2, 'the minimum')
  assert.equal(await pool.run(pool.lane(2, 1), 'PING'), '+PONG\r\n')
  const [needed] = pool.lane(2, 1).shared
  const outside = await Outside.connect(t, redis.port)
  for (let i = 0; i < 30; i++) {
    pool.sweep(50)
    await outside.call('PING')
  }
  assert.equal(needed.state.current, 'ready')
})

test('never more than the maximum, and everybody gets served, however many lanes there are', async (t) => {
  const max = 3
  const pool = new Pool(t, redis.port, { pool: { max, min: 1 } })
  const outside = await Outside.connect(t, redis.port)
  let most = 0
  let unused: string | null = null
  const check = () => {
    most = Math.max(most, pool.endpoint.members.size)
    const { connections } = pool.endpoint.stats()
    if (connections.shared + connections.connecting > max) unused = JSON.stringify(connections)
  }
  const client = async (lane: Lane, name: string) => {
    for (let i = 0; i < 20; i++) {
      assert.equal(
        await pool.run(lane, 'ECHO', `${name}-${i}`),
        `$${name.length + 1 + String(i).length}\r\n${name}-${i}\r\n`,
      )
      check()
    }
  }
  const lanes = [0, 1, 2, 3, 4].flatMap((database) => [pool.lane(2, database), pool.lane(3, database)])
  const done = Promise.all(lanes.flatMap((lane, i) => [client(lane, `a${i}`), client(lane, `b${i}`)])).then(() => true)
  let finished = false
  done.then(
    () => (finished = true),
    () => (finished = true),
  )
  await until(async () => {
    pool.sweep(50)
    assert.ok((await outside.poolClients()).length <= max + 1, 'as Redis sees it, which hears of an end a little later')
    return finished
  }, 'everybody is served')
  assert.equal(await done, true)
  assert.equal(unused, null)
  assert.ok(most <= max)
})

test('waiters are limited', async (t) => {
  const pool = new Pool(t, redis.port, { upstream: { maxHeld: 3 } })
  const waits = [1, 2, 3].map(() => pool.wait(pool.lane()))
  assert.equal(await pool.wait(pool.lane()).outcome, 'heldExceeded')
  assert.equal(pool.endpoint.stats().waiters, 3)
  assert.deepEqual(await Promise.all(waits.map((wait) => wait.outcome)), [null, null, null])
  assert.equal(pool.endpoint.stats().waiters, 0)
})

test('those who wait are woken in order, without those who have left', async (t) => {
  const pool = new Pool(t, redis.port)
  const woken: number[] = []
  const waits = [0, 1, 2, 3].map((i) => {
    const wait = pool.wait(pool.lane())
    wait.outcome.then(() => woken.push(i))
    return wait
  })
  cancelWait(waits[1])
  await waits[3].outcome
  assert.deepEqual(woken, [0, 2, 3])
  assert.equal(waits[1].settled, undefined)
})

test('a wait for a shared connection ends with its time', async (t) => {
  const pool = new Pool(t, redis.port, { pool: { max: 1 } })
  const outside = await Outside.connect(t, redis.port)
  await pool.run(pool.lane(3, 0), 'PING')
  const blocked = pool.send(pool.lane(3, 0).shared[0], 'BLPOP', 'long', '0')
  const wait = pool.wait(pool.lane(2, 0), 300)
  const later = pool.wait(pool.lane(2, 0), 500)
  pool.sweep(299)
  assert.equal(wait.settled, undefined)
  pool.sweep(1)
  assert.equal(wait.settled, 'holdExpired')
  assert.equal(later.settled, undefined)
  assert.equal(pool.endpoint.counts.timeouts, 1)
  await outside.call('RPUSH', 'long', 'x')
  await blocked.answer
  assert.equal(await later.outcome, null)
})

test('commands sent in one turn leave in one write, and their answers come in order', async (t) => {
  const pool = new Pool(t, redis.port)
  await pool.run(pool.lane(), 'PING')
  const [connection] = pool.lane().shared
  const calls = Array.from({ length: 1000 }, (_, i) => pool.send(connection, 'ECHO', `n${i}`))
  assert.equal(connection.inflight.length, 1000)
  const answers = await Promise.all(calls.map((call) => call.answer))
  assert.deepEqual(
    answers,
    calls.map((_, i) => `$${`n${i}`.length}\r\nn${i}\r\n`),
  )
  assert.equal(connection.inflight.length, 0)
})

test('a reply of many megabytes comes whole, while a neighbour goes elsewhere', async (t) => {
  const pool = new Pool(t, redis.port)
  const outside = await Outside.connect(t, redis.port)
  const value = 'v'.repeat(5_000_000)
  await outside.call('SET', 'big', value)
  await pool.run(pool.lane(), 'PING')
  const big = pool.send(pool.lane().shared[0], 'GET', 'big')
  const [connection] = pool.lane().shared
  await until(() => connection.streaming || connection.inflight.length === 0, 'the reply has begun')
  assert.equal(await pool.run(pool.lane(), 'PING'), '+PONG\r\n')
  assert.equal(await big.answer, `$${value.length}\r\n${value}\r\n`)
  assert.equal(connection.streaming, false)
})
