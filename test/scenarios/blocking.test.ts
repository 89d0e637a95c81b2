/**
 * Consumers that die while they wait take nothing with them; many more that wait than there are leases neither harm others
 * nor fill the memory. BLOCKING_SEED=n repeats the choice of commands and deaths.
 */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { ERRORS } from '../../src/errors.ts'
import { Random } from '../conformance/garble.ts'
import { type Argument, encode, type RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup, connectAll, extraMemory, MEGABYTE, Observer, pipeline } from '../integration/support.ts'
import { settledAndFresh } from './freshness.ts'

/** How many may block at the same time, and how many leases are kept for transactions. */
const LEASES = 20
const RESERVE = 4
const ROUNDS = 1000
const BLOCKED = 500

const leases = { max: LEASES + RESERVE, reserve: RESERVE }

/** Commands that wait for an element of a list. */
const WAITS: ((queue: string) => Argument[])[] = [
  (queue) => ['BLPOP', queue, 0],
  (queue) => ['BRPOP', 'never', queue, 30],
  (queue) => ['BLMPOP', 0, 2, 'never', queue, 'LEFT'],
  (queue) => ['BLMOVE', queue, 'taken', 'LEFT', 'RIGHT', 0],
  (queue) => ['BRPOPLPUSH', queue, 'taken', 0],
]

/** How an application dies. */
const DEATHS: ((client: RawClient) => void)[] = [
  (client) => client.socket.destroy(),
  (client) => client.socket.resetAndDestroy(),
  (client) => client.socket.end(),
]

describe('consumers that die while they wait', { timeout: 120_000 }, () => {
  const seed = Number(process.env['BLOCKING_SEED'] ?? randomInt(2 ** 31))
  const random = new Random(seed)
  const suite = new Cleanup()
  let redis: RedisServer
  let respool: Respool
  let observer: Observer

  before(async () => {
    redis = suite.add(await startRedis())
    respool = suite.add(
      await startRespool({ upstream: redis.url, config: { pool: { leases: { ...leases, waitTimeout: '30s' } } } }),
    )
    observer = suite.add(await Observer.connect(redis.port))
  })
  after(() => suite.run())

  const blocked = (count: number) =>
    until(async () => (await observer.info('clients', 'blocked_clients')) === count, `${count} are blocked`)
  const present = (count: number) =>
    until(async () => (await respool.metric('respool_downstream_connections')) === count, `${count} are connected`)

  it(`${ROUNDS} that died before the push: each element is still there`, async (context) => {
    context.diagnostic(`BLOCKING_SEED=${seed}`)
    for (let round = 0; round < ROUNDS; round += LEASES) {
      const clients = await connectAll(respool.port, LEASES)
      for (const [nth, client] of clients.entries()) client.send(encode(random.pick(WAITS)(`queue:${nth}`)))
      await blocked(LEASES)
      for (const client of clients) random.pick(DEATHS)(client)
      await blocked(0)
      const pushes = clients.map((_, nth) => ['RPUSH', `queue:${nth}`, 'element'])
      assert.deepEqual(await pipeline(observer.client, pushes), Array<string>(LEASES).fill(':1\r\n'))
      const lengths = await pipeline(
        observer.client,
        clients.map((_, nth) => ['LLEN', `queue:${nth}`]),
      )
      assert.deepEqual(lengths, Array<string>(LEASES).fill(':1\r\n'))
      await ask(observer.client, 'FLUSHALL')
    }
    await settledAndFresh(respool, observer)
  })

  it('those that died in the queue for a lease: the living get everything, in the order in which they came', async () => {
    const living = await connectAll(respool.port, LEASES)
    for (const [nth, client] of living.entries()) client.send(encode(['BLPOP', `first:${nth}`, 0]))
    await blocked(LEASES)
    const waiting = await connectAll(respool.port, 3 * LEASES)
    for (const client of waiting) {
      client.send(encode(['BLPOP', 'later', 0]))
      // One after the other, so that they queue in this order.
      await ask(observer.client, 'PING')
    }
    await until(async () => (await respool.metric('respool_pool_waiters')) === waiting.length, 'the rest wait')
    const dead = waiting.filter(() => random.below(3) === 0)
    const heirs = waiting.filter((client) => !dead.includes(client))
    for (const client of dead) random.pick(DEATHS)(client)
    await present(living.length + heirs.length)
    for (const [nth, client] of living.entries()) {
      await ask(observer.client, 'RPUSH', `first:${nth}`, 'x')
      assert.equal(String(await client.frame()), `*2\r\n$${`first:${nth}`.length}\r\nfirst:${nth}\r\n$1\r\nx\r\n`)
    }
    for (let nth = 0; nth < heirs.length; nth++) await ask(observer.client, 'RPUSH', 'later', nth)
    const answers = await Promise.all(heirs.map(async (client) => String(await client.frame())))
    const taken = answers.map((answer) => Number(answer.split('\r\n')[4]))
    assert.deepEqual(
      taken.sort((a, b) => a - b),
      heirs.map((_, nth) => nth),
    )
    assert.equal(await ask(observer.client, 'EXISTS', 'later'), ':0\r\n')
    for (const client of [...living, ...heirs]) client.close()
    await present(0)
    await settledAndFresh(respool, observer)
  })

  it('those that die at the very moment of the push: a move leaves each element on one list or the other', async () => {
    for (let round = 0; round < 10; round++) {
      const clients = await connectAll(respool.port, LEASES)
      for (const [nth, client] of clients.entries()) {
        client.send(encode(['BLMOVE', `queue:${nth}`, `taken:${nth}`, 'LEFT', 'RIGHT', 0]))
      }
      await blocked(LEASES)
      const pushes = clients.map((client, nth) => {
        const push = () => ask(observer.client, 'RPUSH', `queue:${nth}`, 'element')
        const die = () => random.pick(DEATHS)(client)
        if (random.below(2) === 0) {
          die()
          return push()
        }
        const pushed = push()
        die()
        return pushed
      })
      await Promise.all(pushes)
      await present(0)
      for (const nth of clients.keys()) {
        const [queued, taken] = await pipeline(observer.client, [
          ['LLEN', `queue:${nth}`],
          ['LLEN', `taken:${nth}`],
        ])
        assert.deepEqual([queued, taken].sort(), [':0\r\n', ':1\r\n'])
      }
      await ask(observer.client, 'FLUSHALL')
    }
    await settledAndFresh(respool, observer)
  })
})

describe(`${BLOCKED} applications that block on ${LEASES} leases`, { timeout: 120_000 }, () => {
  const suite = new Cleanup()
  let redis: RedisServer
  let respool: Respool
  let observer: Observer

  before(async () => {
    redis = suite.add(await startRedis())
    const config = { pool: { leases: { ...leases, waitTimeout: '2s' } } }
    respool = suite.add(await startRespool({ upstream: redis.url, config }))
    observer = suite.add(await Observer.connect(redis.port))
  })
  after(() => suite.run())

  it(`${LEASES} are served, the rest get a clear error, others go on, and memory is flat`, async (context) => {
    const clients = await connectAll(respool.port, BLOCKED)
    const others = await connectAll(respool.port, 10)
    await ask(others[0], 'SET', 'k', 'value')
    const alone = await timesOfGets(others, 500)
    const memory = extraMemory(respool)
    const waiting = clients.map((client, nth) => {
      client.send(encode(['BLPOP', `queue:${nth}`, 0]))
      return client.frame(60_000).then(String)
    })
    await until(async () => (await observer.info('clients', 'blocked_clients')) === LEASES, 'leases are blocked')

    let refused = 0
    for (const answer of waiting) {
      void answer.then((text) => {
        if (text === `-${ERRORS.leaseTimeout.text}\r\n`) refused++
      })
    }
    const beside: number[] = []
    let transactions = 0
    while (refused < BLOCKED - LEASES) {
      beside.push(...(await timesOfGets(others, 50)))
      // More at a time than there are leases in reserve.
      transactions += (await Promise.all(others.map(transaction))).length
    }
    assert.equal(await respool.metric('respool_errors_total', { code: 'leaseTimeout' }), BLOCKED - LEASES)
    const extra = await memory.stop()
    context.diagnostic(
      `p99 of GET: ${percentile99(alone)} ms alone, ${percentile99(beside)} ms beside ${BLOCKED} that block; ` +
        `${transactions} transactions under WATCH beside them; ${(extra / MEGABYTE).toFixed(1)} MB more memory`,
    )
    assert.ok(extra < 30 * MEGABYTE, `${extra} bytes more`)
    for (let nth = 0; nth < BLOCKED; nth++) await ask(observer.client, 'RPUSH', `queue:${nth}`, 'x')
    const served = (await Promise.all(waiting)).filter((answer) => answer.startsWith('*2\r\n'))
    assert.equal(served.length, LEASES)
    // What was refused was not popped.
    assert.equal(await ask(observer.client, 'DBSIZE'), `:${BLOCKED - LEASES + 1 + others.length}\r\n`)
    for (const client of clients) {
      assert.equal(await ask(client, 'GET', 'k'), '$5\r\nvalue\r\n')
      client.close()
    }
    for (const client of others) client.close()
    await settledAndFresh(respool, observer)
  })
})

async function transaction(client: RawClient, nth: number): Promise<void> {
  assert.equal(await ask(client, 'WATCH', `own:${nth}`), '+OK\r\n')
  const replies = await pipeline(client, [['MULTI'], ['INCR', `own:${nth}`], ['EXEC']])
  assert.match(replies[2], /^\*1\r\n:\d+\r\n$/)
}

/** How long GETs take, a few at a time, in ms. */
async function timesOfGets(clients: RawClient[], rounds: number): Promise<number[]> {
  const times: number[] = []
  for (let round = 0; round < rounds; round++) {
    await Promise.all(
      clients.map(async (client) => {
        const start = performance.now()
        assert.equal(await ask(client, 'GET', 'k'), '$5\r\nvalue\r\n')
        times.push(performance.now() - start)
      }),
    )
  }
  return times
}

function percentile99(times: number[]): string {
  return times.sort((a, b) => a - b)[Math.floor(times.length * 0.99)].toFixed(2)
}
