/** Redis dies, is not there yet, or says nothing: applications keep their connections and are told the truth. */
import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ERRORS } from '../../src/errors.ts'
import { freePort } from '../helpers/ports.ts'
import { encode, RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, bulkText, Cleanup, connectAll, pipeline } from './support.ts'

const CLIENTS = 100
/** What an application may be told while Redis is away: that its command was not sent, or that nobody knows. */
const OUTAGE_WORDS = [
  'upstreamDown',
  'holdExpired',
  'heldExceeded',
  'notSent',
  'readLost',
  'outcomeUnknown',
  'timedOut',
  'leaseTimeout',
] as const
const OUTAGE_REPLIES = new Set(OUTAGE_WORDS.map((code) => `-${ERRORS[code].text}\r\n`))

describe('outage', { timeout: 60_000 }, () => {
  const test = new Cleanup()
  let redis: RedisServer

  before(async () => {
    redis = await startRedis()
  })
  afterEach(async () => {
    await test.run()
    await redis.restart()
  })
  after(() => redis.stop())

  const proxy = async (config: object = {}): Promise<Respool> =>
    test.add(await startRespool({ upstream: redis.url, config }))

  it('killing and restarting Redis under load drops no application connection, and work resumes', async (context) => {
    const respool = await proxy()
    const clients = await connectAll(respool.port, CLIENTS)
    let stopping = false
    const workers = clients.map((client, nth) => workThrough(client, nth, () => stopping))
    await until(() => workers.every(({ good }) => good() > 5), 'everybody works')
    for (let round = 0; round < 2; round++) {
      const goodBefore = workers.map(({ good }) => good())
      await redis.kill()
      await until(() => workers.every(({ errors }) => errors() > round), 'everybody was told of the outage')
      await redis.restart()
      const back = performance.now()
      await until(() => workers.every(({ good }, nth) => good() > goodBefore[nth] + 1), 'everybody works again')
      context.diagnostic(`all resumed ${Math.round(performance.now() - back)} ms after Redis answered again`)
    }
    stopping = true
    for (const { done } of workers) await done
    assert.equal(await respool.metric('respool_downstream_connections'), CLIENTS)
    for (const client of clients) {
      assert.equal(await ask(client, 'PING'), '+PONG\r\n')
      client.close()
    }
  })

  it('starts before Redis and serves as soon as it is there', async (context) => {
    const port = await freePort()
    const respool = test.add(await startRespool({ upstream: `redis://127.0.0.1:${port}` }))
    const client = test.client(await RawClient.connect(respool.port))
    assert.equal(await ask(client, 'GET', 'k'), `-${ERRORS.upstreamDown.text}\r\n`)
    assert.equal((await fetch(`${respool.admin}/readyz`)).status, 503)
    const late = test.add(await startRedis({ port }))
    const back = performance.now()
    await until(async () => (await ask(client, 'SET', 'k', 'v')) === '+OK\r\n', 'Redis serves')
    context.diagnostic(`served ${Math.round(performance.now() - back)} ms after Redis answered`)
    assert.equal((await fetch(`${respool.admin}/readyz`)).status, 200)
    assert.equal(late.port, port)
  })

  it('holds commands for a Redis that comes back at once', async () => {
    const respool = await proxy({ upstream: { holdTime: '8s', commandTimeout: '8s' } })
    const clients = await connectAll(respool.port, 30)
    for (const client of clients) await ask(client, 'SET', 'k', 'v')
    await redis.kill()
    await until(async () => (await respool.metric('respool_upstream_up')) === 0, 'the loss is noticed')
    for (const client of clients) client.send(Buffer.concat([encode(['INCR', 'n']), encode(['INCR', 'n'])]))
    await until(async () => (await respool.metric('respool_pool_waiters')) === clients.length, 'everybody waits')
    await redis.restart()
    const replies: number[] = []
    for (const client of clients)
      for (let nth = 0; nth < 2; nth++) replies.push(Number(String(await client.frame()).slice(1)))
    assert.deepEqual(
      replies.sort((a, b) => a - b),
      Array.from({ length: 60 }, (_, nth) => nth + 1),
    )
    for (const client of clients) client.close()
  })

  it('refuses more waiting commands than upstream.maxHeld at once', async () => {
    const respool = await proxy({ upstream: { holdTime: '20s', commandTimeout: '20s', maxHeld: 5 } })
    const clients = await connectAll(respool.port, 12)
    for (const client of clients) await ask(client, 'GET', 'k')
    await redis.kill()
    await until(async () => (await respool.metric('respool_upstream_up')) === 0, 'the loss is noticed')
    const replies = clients.map(async (client) => ask(client, 'GET', 'k'))
    const refused = `-${ERRORS.heldExceeded.text}\r\n`
    await until(
      async () => (await respool.metric('respool_errors_total', { code: 'heldExceeded' })) === 7,
      'seven are refused',
    )
    await redis.restart()
    const all = await Promise.all(replies)
    assert.deepEqual(
      [all.filter((reply) => reply === refused).length, all.filter((reply) => reply === '$-1\r\n').length],
      [7, 5],
    )
    for (const client of clients) client.close()
  })

  it('introduces itself and answers for itself while Redis is down', async () => {
    const respool = await proxy()
    await redis.kill()
    await until(async () => (await respool.metric('respool_upstream_up')) === 0, 'the loss is noticed')
    const client = test.client(await RawClient.connect(respool.port))
    assert.match(await ask(client, 'HELLO', 3, 'SETNAME', 'app'), /^%7\r\n\$6\r\nserver\r\n/)
    assert.equal(await ask(client, 'AUTH', 'default', 'anything'), '+OK\r\n')
    assert.equal(await ask(client, 'CLIENT', 'SETNAME', 'me'), '+OK\r\n')
    assert.equal(await ask(client, 'CLIENT', 'GETNAME'), '$2\r\nme\r\n')
    assert.match(await ask(client, 'CLIENT', 'ID'), /^:\d+\r\n$/)
    assert.equal(await ask(client, 'SELECT', 2), '+OK\r\n')
    assert.equal(await ask(client, 'PING'), '+PONG\r\n')
    assert.equal(await ask(client, 'ECHO', 'hello'), '$5\r\nhello\r\n')
    assert.equal(await ask(client, 'RESET'), '+RESET\r\n')
    assert.equal(await ask(client, 'QUIT'), '+OK\r\n')
    await client.closed
  })

  it('answers INFO itself soon, so that a ready check keeps its connection', async () => {
    const respool = await proxy()
    const client = test.client(await RawClient.connect(respool.port))
    await redis.kill()
    await until(async () => (await respool.metric('respool_upstream_up')) === 0, 'the loss is noticed')
    const reply = await ask(client, 'INFO')
    for (const line of ['redis_version:7', 'loading:0', 'role:master']) assert.ok(reply.includes(line), reply)
    assert.ok(!reply.includes('connected_clients'))
    await redis.restart()
    await until(async () => (await ask(client, 'INFO')).includes('connected_clients'), 'INFO is answered by Redis')
  })

  it('a Redis that says nothing: errors at the limit, and no late reply ever reaches another request', async () => {
    const respool = await proxy({ upstream: { commandTimeout: '400ms', holdTime: '200ms' }, pool: { max: 2 } })
    const clients = await connectAll(respool.port, 60)
    await Promise.all(clients.map((client, nth) => ask(client, 'SET', `frozen:${nth}`, `first ${nth}`)))
    for (let round = 0; round < 3; round++) {
      await redis.kill('SIGSTOP')
      const unanswered = await Promise.all(
        clients.map((client, nth) =>
          pipeline(client, [
            ['GETSET', `frozen:${nth}`, `round ${round} of ${nth}`],
            ['ECHO', `local ${nth}`],
            ['GET', `frozen:${nth}`],
          ]),
        ),
      )
      for (const [nth, [written, local, read]] of unanswered.entries()) {
        assert.ok(OUTAGE_REPLIES.has(written), written)
        assert.equal(bulkText(local), `local ${nth}`)
        assert.ok(OUTAGE_REPLIES.has(read), read)
      }
      const unknown = unanswered.filter(([written]) => written === `-${ERRORS.timedOut.text}\r\n`)
      assert.ok(
        round > 0 || unknown.length === clients.length,
        `${unknown.length} were told that the outcome is unknown`,
      )
      // Now the late answers come, while everybody asks something new.
      await redis.kill('SIGCONT')
      await Promise.all(
        clients.map(async (client, nth) => {
          for (let turn = 0; turn < 20; turn++) {
            const reply = await ask(client, 'ECHO', `turn ${turn}`).then(() => ask(client, 'GET', `frozen:${nth}`))
            const own = new RegExp(`^(first|round \\d of) ${nth}$`)
            assert.ok(OUTAGE_REPLIES.has(reply) || own.test(bulkText(reply)), `client ${nth} got ${reply}`)
          }
        }),
      )
      await until(async () => (await ask(clients[0], 'GET', 'frozen:0')).startsWith('$'), 'Redis is back')
    }
    assert.equal(await respool.metric('respool_downstream_connections'), clients.length)
    for (const client of clients) client.close()
  })

  it('sessions with state lose it visibly, not silently', async () => {
    const respool = await proxy()
    const [watching, queueing, blocked, fresh] = await connectAll(respool.port, 4)
    await ask(watching, 'WATCH', 'w')
    await pipeline(queueing, [['MULTI'], ['INCR', 'q']])
    blocked.send(encode(['BLPOP', 'nothing', 0]))
    await until(
      async () => (await respool.metric('respool_pool_connections', { state: 'pinned' })) === 3,
      'all are leased',
    )
    await redis.kill()
    assert.equal(String(await blocked.frame()), `-${ERRORS.outcomeUnknown.text}\r\n`)
    await redis.restart()
    await until(async () => (await ask(fresh, 'SET', 'q', '1')) === '+OK\r\n', 'Redis is back')
    assert.deepEqual(await pipeline(queueing, [['INCR', 'q'], ['EXEC']]), [
      '+QUEUED\r\n',
      `-${ERRORS.execAborted.text}\r\n`,
    ])
    const watched = await pipeline(watching, [['GET', 'w'], ['MULTI'], ['INCR', 'q'], ['EXEC']])
    assert.deepEqual(watched, ['$-1\r\n', '+OK\r\n', '+QUEUED\r\n', `-${ERRORS.execAborted.text}\r\n`])
    assert.equal(await ask(fresh, 'GET', 'q'), '$1\r\n1\r\n')
    assert.deepEqual(await pipeline(queueing, [['MULTI'], ['INCR', 'q'], ['EXEC']]), [
      '+OK\r\n',
      '+QUEUED\r\n',
      '*1\r\n:2\r\n',
    ])
    for (const client of [watching, queueing, blocked, fresh]) client.close()
  })
})

interface Worker {
  good: () => number
  errors: () => number
  done: Promise<void>
}

/** Counts up a key of its own; what is acknowledged must be there, in order, unless Redis started empty. */
function workThrough(client: RawClient, nth: number, stopped: () => boolean): Worker {
  let good = 0
  let errors = 0
  const done = (async () => {
    let last = 0
    while (!stopped()) {
      const reply = await ask(client, 'INCR', `work:${nth}`)
      if (reply.startsWith(':')) {
        const now = Number(reply.slice(1))
        assert.ok(now > last || now === 1, `${now} after ${last}`)
        last = now
        good++
        continue
      }
      assert.ok(OUTAGE_REPLIES.has(reply), reply)
      // The server starts empty, and a command may have been executed without our hearing of it.
      last = 0
      errors++
      await sleep(5)
    }
  })()
  done.catch(() => undefined)
  return { good: () => good, errors: () => errors, done }
}
