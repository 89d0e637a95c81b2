/**
 * After every kind of lease, whatever connection is kept is as new in Redis's own eyes; and most are used again without a new one
 * being opened.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Argument, encode, RawClient } from '../helpers/raw.ts'
import { freePort } from '../helpers/ports.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, Cleanup, connectAll, Observer, pipeline } from '../integration/support.ts'
import { settledAndFresh } from './freshness.ts'

const LARGE = Buffer.alloc(300_000, 'x')
/** Keeps Redis busy for some 50 ms. In a script the clock stands still. */
const SLOW: Argument[] = ['EVAL', 'local x = 0 for i = 1, 5e6 do x = x + i end', 0]

interface Use {
  /** What a session says, in one write or in several, a pause between them. */
  says: (Argument[][] | Buffer)[]
  /** How many frames it hears before it goes on. */
  hears?: number
  /** The session leaves at once, without waiting for what it is owed. */
  leaves?: boolean
  /** Whether the next session that does the same gets the same connection. */
  reused: boolean
  protocols?: number[]
  /** What another client does when the session is blocked. */
  push?: Argument[]
  /** Over the listener with session pooling. */
  pooled?: boolean
}

const one = (...commands: string[]): Argument[][] => commands.map((command) => command.split(' '))

const USES: Record<string, Use> = {
  'WATCH, UNWATCH': { says: [one('WATCH k'), one('UNWATCH')], reused: true },
  'WATCH, EXEC': { says: [one('WATCH k', 'MULTI', 'SET k 1', 'EXEC')], reused: true },
  'WATCH, EXEC one by one': { says: [one('WATCH k'), one('MULTI'), one('SET k 1'), one('EXEC')], reused: true },
  'WATCH, DISCARD': { says: [one('WATCH k'), one('MULTI', 'SET k 1', 'DISCARD')], reused: true },
  'WATCH, own change, null EXEC': { says: [one('WATCH k', 'SET k 2', 'MULTI', 'GET k', 'EXEC')], reused: true },
  'WATCH, and gone': { says: [one('WATCH k', 'GET k')], reused: true },
  'WATCH and a name, and gone': { says: [one('CLIENT SETNAME mine', 'WATCH k'), one('MULTI')], reused: true },
  'MULTI, and gone': { says: [one('MULTI', 'SET k 1')], reused: true },
  'WATCH, MULTI, and gone': { says: [one('WATCH k', 'MULTI', 'SET k 1')], reused: true },
  'WATCH, RESET': { says: [one('WATCH k'), one('RESET')], reused: true },
  'MULTI, RESET': { says: [one('MULTI', 'SET k 1'), one('RESET')], reused: true },
  EXECABORT: { says: [one('MULTI', 'SET k'), one('EXEC')], reused: true },
  'MULTI, and gone while it is carried out': {
    says: [one('WATCH k'), [['MULTI'], SLOW, ['SET', 'k', '1'], ['EXEC']]],
    leaves: true,
    reused: true,
  },
  'a transaction cut over several packets': {
    says: [0, 7, 20, 33].map((from, nth, all) =>
      Buffer.concat(one('MULTI', 'SET k 1', 'GET k', 'EXEC').map(encode)).subarray(from, all[nth + 1]),
    ),
    hears: 4,
    reused: true,
  },
  'a transaction cut in the middle, and gone': {
    says: [Buffer.concat(one('MULTI', 'SET k 1', 'EXEC').map(encode)).subarray(0, -4)],
    hears: 2,
    reused: true,
  },
  'in another database': { says: [one('SELECT 3', 'WATCH k'), one('MULTI', 'GET k')], reused: true },
  'SELECT inside MULTI': { says: [one('MULTI', 'SELECT 5'), one('EXEC')], reused: false },
  'HELLO 3 inside WATCH': { says: [one('WATCH k'), one('HELLO 3')], protocols: [2], reused: false },
  'HELLO 2 inside WATCH': { says: [one('WATCH k'), one('HELLO 2')], protocols: [3], reused: false },
  'a blocking call that is answered': { says: [one('BLPOP q 10')], push: ['RPUSH', 'q', 'x'], reused: true },
  'a blocking call that times out': { says: [one('BLPOP q 0.01')], reused: true },
  'XREAD BLOCK that times out': { says: [one('XREAD BLOCK 10 STREAMS s $')], reused: true },
  WAIT: { says: [one('SET k 1', 'WAIT 0 10')], reused: true },
  'a blocking call, and gone': { says: [one('BLPOP q 10')], leaves: true, reused: false },
  'a large value': { says: [[['SET', 'k', LARGE]]], reused: true },
  'half a large value, and gone': { says: [encode(['SET', 'k', LARGE]).subarray(0, 200_000)], hears: 0, reused: false },
  'a large answer inside a transaction': {
    says: [[['SET', 'k', LARGE]], one('WATCH k'), one('MULTI', 'GET k', 'EXEC')],
    reused: true,
  },
  'tracking on and off': { says: [one('CLIENT TRACKING ON', 'GET k', 'CLIENT TRACKING OFF')], reused: false },
  'tracking, and gone': { says: [one('CLIENT TRACKING ON BCAST PREFIX a')], reused: false },
  'NO-TOUCH and NO-EVICT, and gone': { says: [one('CLIENT NO-EVICT ON', 'CLIENT NO-TOUCH ON', 'GET k')], reused: true },
  'SUBSCRIBE inside MULTI': { says: [one('MULTI', 'SUBSCRIBE c'), one('EXEC')], reused: false },
  'SUBSCRIBE inside WATCH, RESP2': { says: [one('WATCH k'), one('SUBSCRIBE c')], protocols: [2], reused: false },
  MONITOR: { says: [one('MONITOR')], reused: false },
  'CLIENT REPLY OFF, MULTI, and gone': {
    says: [one('CLIENT REPLY OFF', 'WATCH k', 'MULTI', 'SET k 1')],
    hears: 0,
    reused: true,
  },
  'session pooling': { says: [one('SET k 1', 'GET k')], pooled: true, reused: true },
  'session pooling, WATCH, MULTI, and gone': { says: [one('WATCH k', 'MULTI')], pooled: true, reused: true },
  'session pooling, SELECT': { says: [one('SELECT 2', 'GET k')], pooled: true, reused: true },
}

describe('leases that are given back', { timeout: 120_000 }, () => {
  const suite = new Cleanup()
  let redis: RedisServer
  let respool: Respool
  let observer: Observer
  let pacer: RawClient
  let pooledPort: number

  before(async () => {
    redis = suite.add(await startRedis({ args: ['--hz', '100'] }))
    pooledPort = await freePort()
    const listen = [{ address: `127.0.0.1:${pooledPort}`, pooling: 'session' }]
    respool = suite.add(await startRespool({ upstream: redis.url, config: { listen } }))
    observer = suite.add(await Observer.connect(redis.port))
    pacer = suite.client(await RawClient.connect(respool.port))
  })
  after(() => suite.run())

  for (const protocol of [2, 3]) {
    describe(`RESP${protocol}`, () => {
      for (const [name, use] of Object.entries(USES)) {
        if (use.protocols?.includes(protocol) === false) continue
        it(name, async (context) => {
          await ask(observer.client, 'FLUSHALL')
          await play(use, protocol)
          const kept = await settledAndFresh(respool, observer)
          const opened = await respool.metric('respool_upstream_opened_total')
          const leases = await respool.metric('respool_pins_total')
          await play(use, protocol)
          const rows = await settledAndFresh(respool, observer)
          const more = (await respool.metric('respool_upstream_opened_total')) - opened
          assert.ok((await respool.metric('respool_pins_total')) > leases, 'a lease was taken')
          const closed = kept.length + more - rows.length
          assert.ok(use.reused ? more + closed === 0 : closed > 0, `${more} connections opened, ${closed} closed`)
          context.diagnostic(`${use.reused ? 'used again' : 'closed'}; ${rows.length} connections kept`)
        })
      }
    })
  }

  it('those that are kept do for whoever comes next what new ones would', async () => {
    for (const database of [0, 3]) {
      for (const protocol of [2, 3]) {
        const clients = await connectAll(respool.port, 10)
        const says = [
          ['HELLO', protocol],
          ['SELECT', database],
          ['WATCH', 'w'],
          ['HGETALL', 'none'],
          ['ECHO', database],
        ]
        for (const client of clients) {
          const replies = await pipeline(client, says)
          assert.deepEqual(replies.slice(1), [
            '+OK\r\n',
            '+OK\r\n',
            protocol === 3 ? '%0\r\n' : '*0\r\n',
            `$1\r\n${database}\r\n`,
          ])
        }
        const transactions = clients.map((client) =>
          pipeline(client, [['MULTI'], ['SET', `d${database}`, '1'], ['EXEC']]),
        )
        for (const replies of await Promise.all(transactions)) {
          assert.deepEqual(replies, ['+OK\r\n', '+QUEUED\r\n', '*1\r\n+OK\r\n'])
        }
        const rows = await observer.clients()
        assert.ok(rows.filter((row) => row['resp'] === `${protocol}` && row['db'] === `${database}`).length >= 1)
        for (const client of clients) client.close()
        await settledAndFresh(respool, observer)
      }
    }
    await ask(observer.client, 'SELECT', 0)
    assert.equal(await ask(observer.client, 'EXISTS', 'd0', 'd3'), ':1\r\n')
  })

  async function play(use: Use, protocol: number): Promise<void> {
    const client = await RawClient.connect(use.pooled === true ? pooledPort : respool.port)
    await ask(client, 'HELLO', protocol)
    for (const part of use.says) {
      client.send(Buffer.isBuffer(part) ? part : Buffer.concat(part.map(encode)))
      // Whoever has answered this has read the part in a read of its own.
      if (Buffer.isBuffer(part)) await ask(pacer, 'PING')
      else if (use.push || use.leaves === true) await until(() => taken(), 'a lease is taken')
      if (use.push) {
        await until(async () => (await observer.info('clients', 'blocked_clients')) === 1, 'it is blocked')
        await ask(observer.client, ...use.push)
      }
      const count = Buffer.isBuffer(part) ? 0 : (use.hears ?? (use.leaves === true ? 0 : part.length))
      for (let left = count; left > 0; left--) await client.frame()
    }
    if (use.says.every((part) => Buffer.isBuffer(part)))
      for (let left = use.hears!; left > 0; left--) await client.frame()
    if (use.hears === 0) await until(() => taken(), 'a lease is taken')
    client.close()
  }

  async function taken(): Promise<boolean> {
    return (await respool.metric('respool_pool_connections', { state: 'pinned' })) === 1
  }
})
