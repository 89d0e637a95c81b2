import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type RedisServer, startRedis } from '../helpers/redis.ts'
import { until } from '../helpers/waiting.ts'
import { cancelWait } from '../../src/upstream/wait-queue.js'
import { Outside, Pool } from './pool-harness.ts'

let redis: RedisServer
before(async () => (redis = await startRedis()))
after(() => redis.stop())

test('a lease given back clean is the next one, without a new TCP connection', async (t) => {
  const pool = new Pool(t, redis.port)
  const outside = await Outside.connect(t, redis.port)
  await pool.up()
  const connection = await pool.leased(pool.lane())
  const id = pool.endpoint.clientIdOf(connection)
  assert.equal(pool.endpoint.stats().connections.pinned, 1)
  assert.equal(pool.endpoint.isFree(connection), false)
  assert.equal(await pool.send(connection, 'CLIENT', 'ID').answer, `:${id}\r\n`)
  pool.endpoint.giveBack(connection, 'nothing')
  assert.equal(pool.endpoint.stats().connections.idle, 1)
  assert.equal(pool.endpoint.isFree(connection), true)
  await outside.call('CONFIG', 'RESETSTAT')
  assert.equal(await pool.leased(pool.lane()), connection)
  assert.equal(await pool.send(connection, 'CLIENT', 'ID').answer, `:${id}\r\n`)
  assert.match(await outside.call('INFO', 'stats'), /total_connections_received:0\r/)
})

test('a lease given back dirty is discarded', async (t) => {
  const pool = new Pool(t, redis.port)
  const outside = await Outside.connect(t, redis.port)
  await pool.up()
  const connection = await pool.leased(pool.lane())
  await pool.send(connection, 'WATCH', 'k').answer
  pool.endpoint.giveBack(connection, 'unknown')
  assert.equal(connection.state.current, 'closed')
  assert.deepEqual(pool.endpoint.closings, { discarded: 1 })
  assert.notEqual(await pool.leased(pool.lane()), connection)
  await until(async () => (await outside.poolClients()).length === 2, 'Redis sees it gone')
})

test('a lease that owes an answer is not used again, however clean', async (t) => {
  const pool = new Pool(t, redis.port)
  const outside = await Outside.connect(t, redis.port)
  const connection = await pool.leased(pool.lane())
  const call = pool.send(connection, 'BLPOP', 'owed', '0')
  await until(async () => (await outside.call('INFO', 'clients')).includes('blocked_clients:1'), 'it blocks')
  pool.endpoint.giveBack(connection, 'nothing')
  assert.equal(connection.state.current, 'closed')
  assert.equal(call.loss, 'outcomeUnknown')
  await until(async () => (await outside.call('INFO', 'clients')).includes('blocked_clients:0'), 'Redis sees it gone')
  await outside.call('RPUSH', 'owed', 'x')
  assert.equal(await outside.call('LLEN', 'owed'), ':1\r\n', 'nothing was popped for nobody')
})

test('a lease that is past its life is discarded when it comes back', async (t) => {
  const pool = new Pool(t, redis.port, { pool: { maxLifetime: 1000 } })
  const connection = await pool.leased(pool.lane())
  pool.sweep(2000)
  assert.equal(connection.state.current, 'ready', 'not while it is held')
  pool.endpoint.giveBack(connection, 'nothing')
  assert.equal(connection.state.current, 'closed')
})

test('a lease that Redis ended while it was held comes back without harm', async (t) => {
  const pool = new Pool(t, redis.port)
  const outside = await Outside.connect(t, redis.port)
  const connection = await pool.leased(pool.lane())
  await outside.call('CLIENT', 'KILL', 'ID', String(pool.endpoint.clientIdOf(connection)))
  await until(() => connection.state.current === 'closed', 'closed')
  pool.endpoint.giveBack(connection, 'nothing')
  assert.equal(pool.endpoint.stats().connections.idle, 0)
  assert.notEqual(await pool.leased(pool.lane()), connection)
})

test('never more leases than the maximum; the next comes when one goes back, first come first served', async (t) => {
  const pool = new Pool(t, redis.port, { leases: { max: 2 } })
  const outside = await Outside.connect(t, redis.port)
  const lane = pool.lane()
  const held = [await pool.leased(lane), await pool.leased(lane)]
  const waits = [pool.lease(lane), pool.lease(lane), pool.lease(lane)]
  pool.sweep(10)
  assert.equal(pool.endpoint.stats().connections.pinned, 2)
  assert.equal(pool.endpoint.stats().waiters, 3)
  assert.equal((await outside.poolClients()).length, 2 + pool.shared)
  pool.endpoint.giveBack(held[0], 'nothing')
  assert.equal(await waits[0].outcome, held[0])
  assert.equal(waits[1].settled, undefined)
  pool.endpoint.giveBack(held[1], 'unknown')
  const fresh = await waits[1].outcome
  assert.ok(fresh !== null && typeof fresh === 'object' && !held.includes(fresh), 'a new one for one that was dirty')
  assert.equal(waits[2].settled, undefined)
  pool.endpoint.giveBack(held[0], 'nothing')
  assert.equal(await waits[2].outcome, held[0])
})

test('those who wait for a lease are limited in number', async (t) => {
  const pool = new Pool(t, redis.port, { leases: { max: 1, maxWaiters: 2 } })
  await pool.leased(pool.lane())
  const waits = [pool.lease(pool.lane()), pool.lease(pool.lane())]
  assert.equal(pool.lease(pool.lane()).settled, 'leaseWaitersExceeded')
  assert.deepEqual(
    waits.map((wait) => wait.settled),
    [undefined, undefined],
  )
  cancelWait(waits[0])
  assert.equal(pool.lease(pool.lane()).settled, undefined, 'one has left')
})

test('waiting for a lease ends with its time, and that is counted', async (t) => {
  const pool = new Pool(t, redis.port, { leases: { max: 1 } })
  await pool.up()
  const held = await pool.leased(pool.lane())
  const first = pool.lease(pool.lane(), 100)
  const second = pool.lease(pool.lane(), 200)
  pool.sweep(99)
  assert.equal(first.settled, undefined)
  pool.sweep(1)
  assert.equal(first.settled, 'leaseTimeout')
  pool.endpoint.giveBack(held, 'nothing')
  assert.equal(await second.outcome, held)
  assert.equal(pool.endpoint.counts.timeouts, 1)
})

test('who stops waiting gets no lease, and holds up nobody', async (t) => {
  const pool = new Pool(t, redis.port, { leases: { max: 1 } })
  const held = await pool.leased(pool.lane())
  const gone = pool.lease(pool.lane())
  const next = pool.lease(pool.lane())
  cancelWait(gone)
  pool.endpoint.giveBack(held, 'nothing')
  assert.equal(await next.outcome, held)
  assert.equal(gone.settled, undefined)
})

test('a lease opened for somebody who has left stays for the next', async (t) => {
  const pool = new Pool(t, redis.port)
  await pool.up()
  const gone = pool.lease(pool.lane())
  cancelWait(gone)
  await until(() => pool.endpoint.stats().connections.idle === 1, 'it is there')
  const next = pool.lease(pool.lane())
  assert.ok(next.settled !== null && typeof next.settled === 'object')
})

test('an idle lease of another lane makes room', async (t) => {
  const pool = new Pool(t, redis.port, { leases: { max: 1 } })
  const held = await pool.leased(pool.lane(3, 0))
  const other = pool.lease(pool.lane(2, 1))
  pool.endpoint.giveBack(held, 'nothing')
  const got = await other.outcome
  assert.ok(got !== null && typeof got === 'object' && got !== held)
  assert.equal(pool.endpoint.closings['room'], 1)
  assert.equal(await pool.send(got, 'GET', 'none').answer, '$-1\r\n')
  pool.endpoint.giveBack(got, 'nothing')
  await pool.leased(pool.lane(3, 0))
  assert.equal(pool.endpoint.closings['room'], 2)
})

test('leases are no part of the shared maximum', async (t) => {
  const pool = new Pool(t, redis.port, { pool: { max: 1 }, leases: { max: 3 } })
  const leases = [await pool.leased(pool.lane()), await pool.leased(pool.lane()), await pool.leased(pool.lane())]
  assert.equal(new Set(leases).size, 3)
  assert.equal(await pool.run(pool.lane(), 'PING'), '+PONG\r\n')
  assert.equal(pool.endpoint.members.size, 4)
})

test('many sessions over many lanes all get their lease in turn, never more than the maximum at once', async (t) => {
  const max = 2
  const pool = new Pool(t, redis.port, { leases: { max, maxWaiters: 1000 } })
  let atOnce = 0
  let most = 0
  const session = async (i: number) => {
    const lane = pool.lane(i % 2 === 0 ? 3 : 2, i % 3)
    for (let round = 0; round < 8; round++) {
      const connection = await pool.leased(lane)
      most = Math.max(most, ++atOnce)
      assert.match(
        await pool.send(connection, 'CLIENT', 'INFO').answer,
        new RegExp(`db=${lane.database} .*resp=${lane.protocol}`),
      )
      atOnce--
      pool.endpoint.giveBack(connection, (i + round) % 5 === 0 ? 'unknown' : 'nothing')
    }
  }
  await Promise.all(Array.from({ length: 12 }, (_, i) => session(i)))
  assert.equal(most, max)
  assert.equal(pool.endpoint.stats().waiters, 0)
  assert.equal(pool.endpoint.stats().connections.pinned, 0)
})

const LEFT: { left: 'watch' | 'transaction' | 'anything'; commands: string[][] }[] = [
  { left: 'watch', commands: [['WATCH', 'k']] },
  { left: 'transaction', commands: [['MULTI'], ['SET', 'k', 'v']] },
  { left: 'transaction', commands: [['WATCH', 'k'], ['MULTI']] },
  { left: 'anything', commands: [['WATCH', 'k'], ['MULTI'], ['NOSUCH']] },
  {
    left: 'anything',
    commands: [
      ['SELECT', '3'],
      ['CLIENT', 'SETNAME', 'x'],
      ['CLIENT', 'TRACKING', 'ON'],
    ],
  },
]
for (const { left, commands } of LEFT)
  test(`what ${commands.map((command) => command[0]).join(' ')} left (${left}) is undone, and the connection used again`, async (t) => {
    const pool = new Pool(t, redis.port, { leases: { max: 1 } })
    const outside = await Outside.connect(t, redis.port)
    await pool.up()
    const connection = await pool.leased(pool.lane(3, 1))
    const id = pool.endpoint.clientIdOf(connection)
    const state = async () => {
      const line = (await outside.poolClients()).find(
        (one) => one.startsWith(`id=${id} `) || one.includes(`\nid=${id} `),
      )
      const fields = ['name', 'flags', 'db', 'sub', 'psub', 'multi', 'watch', 'redir', 'resp', 'user']
      return fields.map((field) => new RegExp(` ${field}=\\S*`).exec(line ?? '')?.[0])
    }
    const fresh = await state()
    for (const command of commands.slice(0, -1)) await pool.send(connection, ...command).answer
    const last = pool.send(connection, ...commands.at(-1)!)
    if (left !== 'anything') await last.answer
    pool.endpoint.giveBack(connection, left)
    assert.equal(await pool.leased(pool.lane(3, 1)), connection)
    await last.answer
    assert.deepEqual(await state(), fresh)
    assert.equal(pool.endpoint.clientIdOf(connection), id)
  })

test('a connection on which nothing can be undone is closed', async (t) => {
  const pool = new Pool(t, redis.port)
  const connection = await pool.leased(pool.lane())
  pool.endpoint.giveBack(connection, 'transaction')
  assert.notEqual(await pool.leased(pool.lane()), connection)
  await until(() => connection.state.current === 'closed', 'it is closed, since DISCARD without MULTI is an error')
})

test('lasting uses leave the reserve to brief ones, and are served when one of theirs comes back', async (t) => {
  const pool = new Pool(t, redis.port, { leases: { max: 3, reserve: 1 } })
  const [first, second] = [pool.lease(pool.lane(), 100, 'blocking'), pool.lease(pool.lane(), 100, 'lasting')]
  const held = await first.outcome
  await second.outcome
  const third = pool.lease(pool.lane(), 100, 'blocking')
  const fourth = pool.lease(pool.lane(2), 100, 'lasting')
  const brief = await pool.leased(pool.lane())
  assert.deepEqual([third.settled, fourth.settled], [undefined, undefined])
  pool.endpoint.giveBack(brief, 'nothing')
  assert.equal(third.settled, undefined, 'an idle one is there, but it is in reserve')
  assert.ok(typeof held === 'object' && held !== null)
  pool.endpoint.giveBack(held, 'nothing')
  await until(() => (third.settled === undefined) !== (fourth.settled === undefined), 'one of them has it')
})

test('blocking calls have a limit of their own', async (t) => {
  const pool = new Pool(t, redis.port, { leases: { max: 5, reserve: 1, maxBlocking: 2 } })
  const blocking = Array.from({ length: 4 }, () => pool.lease(pool.lane(), 100, 'blocking'))
  await Promise.all([blocking[0].outcome, blocking[1].outcome])
  assert.ok(await pool.lease(pool.lane(), 100, 'lasting').outcome)
  assert.ok(await pool.lease(pool.lane(), 100, 'brief').outcome)
  assert.deepEqual([blocking[2].settled, blocking[3].settled], [undefined, undefined])
  assert.equal(pool.endpoint.members.size, 4 + pool.shared, 'none was opened for those who may not have it')
})
