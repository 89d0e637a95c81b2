/** CLIENT TRACKING: a connection of its own for as long as it lasts, and every invalidation to the session that has to hear it. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { type Argument, encode, RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, bulkText, Cleanup, connectAll, MEGABYTE, Observer, pipeline } from './support.ts'

const OK = '+OK\r\n'
const CHANNEL = '__redis__:invalidate'

const bulk = (text: string) => `$${Buffer.byteLength(text)}\r\n${text}\r\n`
const invalidate = (...keys: string[]) => `>2\r\n${bulk('invalidate')}*${keys.length}\r\n${keys.map(bulk).join('')}`
const message = (...keys: string[]) =>
  `*3\r\n${bulk('message')}${bulk(CHANNEL)}*${keys.length}\r\n${keys.map(bulk).join('')}`

describe('tracking', { timeout: 120_000 }, () => {
  const suite = new Cleanup()
  let redis: RedisServer
  let respool: Respool
  let observer: Observer
  let direct: RawClient

  before(async () => {
    redis = suite.add(await startRedis())
    respool = suite.add(await startRespool({ upstream: redis.url }))
    observer = suite.add(await Observer.connect(redis.port))
    direct = suite.client(await RawClient.connect(redis.port))
    // So that it is left out of what the observer sees.
    await ask(direct, 'CLIENT', 'SETNAME', 'observer')
  })
  beforeEach(async () => void (await direct.call('FLUSHALL')))
  after(() => suite.run())

  const next = async (client: RawClient) => String(await client.frame())
  const connect = async (protocol = 3, port = respool.port) => {
    const client = await RawClient.connect(port)
    await ask(client, 'HELLO', protocol)
    return client
  }
  const tracking = async (...options: Argument[]) => {
    const client = await connect()
    assert.equal(await ask(client, 'CLIENT', 'TRACKING', 'ON', ...options), OK)
    return client
  }
  const idOf = async (client: RawClient) => Number((await ask(client, 'CLIENT', 'ID')).slice(1))
  const pinned = () => respool.metric('respool_pool_connections', { state: 'pinned' })
  /** Nobody holds a connection, and those that are kept are as new. */
  const allFresh = () =>
    until(async () => {
      if ((await pinned()) > 0) return false
      const rows = await observer.clients()
      return rows.every(
        ({ flags, redir, db, name, sub, psub, ssub }) =>
          flags === 'N' &&
          redir === '-1' &&
          db === '0' &&
          name.startsWith('respool:') &&
          [sub, psub, ssub].every((count) => count === '0'),
      )
    }, 'all connections are as new')
  const lineOf = async (client: RawClient) => bulkText(await ask(client, 'CLIENT', 'INFO'))

  it('takes one connection, on which commands are counted as any others, and which nobody gets after it', async () => {
    const client = await tracking()
    const reads = () => respool.metric('redis_cmd_duration_seconds_count', { cmd: 'getrange' })
    const pins = () => respool.metric('respool_pins_total', { reason: 'tracking' })
    const [readsBefore, pinsBefore] = [await reads(), await pins()]
    for (let nth = 0; nth < 10; nth++) assert.equal(await ask(client, 'GETRANGE', 'k', 0, 1), '$0\r\n\r\n')
    await pipeline(client, [['MULTI'], ['GETRANGE', 'k', 0, 1], ['EXEC'], ['WATCH', 'k'], ['UNWATCH']])
    assert.equal((await reads()) - readsBefore, 11)
    assert.equal((await pins()) - pinsBefore, 0)
    assert.equal(await pinned(), 1)
    const clients = (await (await fetch(`${respool.admin}/clients`)).json()) as { lease: { reason: string } | null }[]
    assert.deepEqual(
      clients.flatMap(({ lease }) => (lease === null ? [] : [lease.reason])),
      ['tracking'],
    )
    const opened = await respool.metric('respool_upstream_opened_total')
    assert.equal(await ask(client, 'CLIENT', 'TRACKING', 'OFF'), OK)
    await allFresh()
    assert.equal(await ask(client, 'CLIENT', 'TRACKING', 'ON'), OK)
    assert.equal(await respool.metric('respool_upstream_opened_total'), opened + 1)
    client.close()
    await allFresh()
  })

  for (const end of ['TRACKING OFF', 'RESET', 'a closed socket']) {
    it(`after ${end} the next one who tracks hears nothing of what was read before`, async () => {
      const before = await tracking()
      await ask(before, 'GET', 'theirs')
      if (end === 'TRACKING OFF') await ask(before, 'CLIENT', 'TRACKING', 'OFF')
      else if (end === 'RESET') await ask(before, 'RESET')
      else before.close()
      await allFresh()
      const next = await tracking()
      await ask(direct, 'SET', 'theirs', 'x')
      await ask(next, 'GET', 'mine')
      await ask(direct, 'SET', 'mine', 'x')
      assert.equal(String(await next.frame()), invalidate('mine'))
      for (const client of [before, next]) client.close()
      await allFresh()
    })
  }

  for (const end of [
    'QUIT',
    'SELECT and OFF',
    'RESET',
    'a closed socket',
    'a socket closed in a transaction',
    'an error',
  ]) {
    it(`leaves nothing behind after ${end}`, async () => {
      const client = await connect()
      if (end === 'an error') {
        assert.match(await ask(client, 'CLIENT', 'TRACKING', 'ON', 'OPTIN', 'OPTOUT'), /^-ERR /)
        await allFresh()
        assert.equal(await ask(client, 'CLIENT', 'GETREDIR'), ':-1\r\n')
      } else {
        assert.equal(await ask(client, 'CLIENT', 'TRACKING', 'ON', 'BCAST'), OK)
      }
      if (end.startsWith('SELECT')) {
        assert.deepEqual(
          await pipeline(client, [
            ['SELECT', 5],
            ['SET', 'k', 'five'],
          ]),
          [OK, OK],
        )
        assert.equal(await next(client), invalidate('k'))
        assert.equal(await ask(client, 'CLIENT', 'TRACKING', 'OFF'), OK)
        assert.deepEqual(
          await pipeline(client, [
            ['SELECT', 0],
            ['GET', 'k'],
          ]),
          [OK, '_\r\n'],
        )
      }
      if (end === 'QUIT') assert.equal(await ask(client, 'QUIT'), OK)
      if (end === 'RESET') assert.equal(await ask(client, 'RESET'), '+RESET\r\n')
      if (end.includes('transaction')) await pipeline(client, [['MULTI'], ['SET', 'k', 'v']])
      if (end.includes('socket')) client.close()
      await allFresh()
      // Whoever gets the connection next hears nothing of it.
      const [other] = await connectAll(respool.port, 1)
      await ask(other, 'HELLO', 3)
      assert.deepEqual(await pipeline(other, [['WATCH', 'k'], ['MULTI'], ['SET', 'k', 'v'], ['EXEC'], ['PING']]), [
        OK,
        OK,
        '+QUEUED\r\n',
        '*1\r\n+OK\r\n',
        '+PONG\r\n',
      ])
      for (const one of [client, other]) one.close()
    })
  }

  it('many sessions at once hear of what they have read, and of nothing else', async () => {
    const trackers = await Promise.all(Array.from({ length: 20 }, () => tracking()))
    const writers = await connectAll(respool.port, 10)
    for (let round = 0; round < 5; round++) {
      await Promise.all(trackers.map((client, nth) => ask(client, 'MGET', `own:${nth}`, 'all')))
      await Promise.all(trackers.map((_client, nth) => ask(writers[nth % writers.length], 'SET', `own:${nth}`, round)))
      await ask(writers[round], 'SET', 'all', round)
      for (const [nth, client] of trackers.entries()) {
        assert.equal(await next(client), invalidate(`own:${nth}`))
        assert.equal(await next(client), invalidate('all'))
      }
    }
    for (const client of trackers) assert.equal(await ask(client, 'PING'), '+PONG\r\n')
    for (const client of [...trackers, ...writers]) client.close()
    await allFresh()
  })

  it('an invalidation never comes in the middle of a reply, nor is one too large to be passed on', async () => {
    const client = await tracking('BCAST')
    const [writer] = await connectAll(respool.port, 1)
    const large = 'x'.repeat(20 * MEGABYTE)
    const key = 'k'.repeat(300_000)
    await ask(direct, 'SET', 'large', large)
    assert.equal(await next(client), invalidate('large'))
    client.socket.pause()
    client.send(
      Buffer.concat(
        [
          ['GET', 'large'],
          ['GET', 'small'],
        ].map(encode),
      ),
    )
    for (let nth = 0; nth < 100; nth++) await ask(writer, 'SET', `k:${nth}`, 'v')
    await ask(writer, 'SET', key, 'v')
    client.socket.resume()
    const frames: string[] = []
    while (frames.at(-1) !== invalidate(key)) frames.push(await next(client))
    if (!frames.includes('_\r\n')) frames.push(await next(client))
    assert.equal(frames.filter((frame) => frame === bulk(large)).length, 1)
    const pushes = frames.filter((frame) => frame.startsWith('>') && frame.length < 100)
    const keys = pushes.flatMap((frame) => [...frame.matchAll(/k:\d+/g)].map(([name]) => name))
    assert.deepEqual(
      keys,
      Array.from({ length: 100 }, (_, nth) => `k:${nth}`),
    )
    for (const one of [client, writer]) one.close()
  })

  it('the application is disconnected when invalidations may have been lost', async () => {
    const [client, other] = [await tracking(), await connect()]
    await ask(client, 'GET', 'k')
    const [row] = (await observer.clients()).filter(({ flags }) => flags.includes('t'))
    await ask(direct, 'CLIENT', 'KILL', 'ID', row.id)
    await client.closed
    assert.equal(await ask(other, 'GET', 'k'), '_\r\n')
    other.close()
    await allFresh()
  })

  it('also when a command was not answered in time, behind its error', async () => {
    const own = suite.add(
      await startRespool({ upstream: redis.url, config: { upstream: { commandTimeout: '200ms' } } }),
    )
    const client = await connect(3, own.port)
    await ask(client, 'CLIENT', 'TRACKING', 'ON')
    await ask(direct, 'CLIENT', 'PAUSE', 1000, 'WRITE')
    assert.match(await ask(client, 'SET', 'k', 'v'), /^-OUTCOMEUNKNOWN /)
    await client.closed
    await ask(direct, 'CLIENT', 'UNPAUSE')
  })

  it('a blocked application that goes away loses nothing', async () => {
    const client = await tracking()
    client.send(encode(['BLPOP', 'queue', 0]))
    await until(async () => (await observer.info('clients', 'blocked_clients')) === 1, 'it is blocked')
    client.socket.end()
    await until(async () => (await observer.info('clients', 'blocked_clients')) === 0, 'it is no more')
    assert.equal(await ask(direct, 'RPUSH', 'queue', 'x'), ':1\r\n')
    assert.equal(await ask(direct, 'LLEN', 'queue'), ':1\r\n')
    client.close()
  })

  it('shows in CLIENT LIST and INFO as Redis shows it', async () => {
    const [client, target] = [await connect(), await connect()]
    const shown = async () => / flags=(\S+) .* redir=(-?\d+) /.exec(await lineOf(client))!.slice(1)
    assert.deepEqual(await shown(), ['N', '-1'])
    await ask(client, 'CLIENT', 'TRACKING', 'ON', 'BCAST')
    assert.deepEqual(await shown(), ['tB', '0'])
    await ask(client, 'CLIENT', 'TRACKING', 'OFF')
    const id = await idOf(target)
    await ask(client, 'CLIENT', 'TRACKING', 'ON', 'REDIRECT', id)
    assert.deepEqual(await shown(), ['t', String(id)])
    target.close()
    await until(async () => (await shown())[0] === 'tR', 'its target is gone')
    client.close()
  })

  describe('redirected', () => {
    const redirect = async (client: RawClient, target: RawClient) =>
      ask(client, 'CLIENT', 'TRACKING', 'ON', 'REDIRECT', await idOf(target))

    for (const protocol of [2, 3]) {
      it(`to a session that has subscribed to it in RESP2, from RESP${protocol}`, async () => {
        const [target, client] = [await connect(2), await connect(protocol)]
        const id = await idOf(target)
        assert.match(await ask(target, 'SUBSCRIBE', CHANNEL), /subscribe/)
        assert.equal(await ask(client, 'CLIENT', 'TRACKING', 'ON', 'REDIRECT', id), OK)
        assert.equal(await ask(client, 'CLIENT', 'GETREDIR'), `:${id}\r\n`)
        assert.ok((await ask(client, 'CLIENT', 'TRACKINGINFO')).includes(`redirect\r\n:${id}\r\n`))
        await ask(client, 'GET', 'k')
        await ask(direct, 'SET', 'k', 'v')
        assert.equal(await next(target), message('k'))
        await ask(direct, 'FLUSHALL')
        // Redis has the null of the protocol of whoever tracks.
        const nil = protocol === 3 ? '_\r\n' : '$-1\r\n'
        assert.equal(await next(target), `*3\r\n${bulk('message')}${bulk(CHANNEL)}${nil}`)
        for (const one of [target, client]) one.close()
        await allFresh()
      })

      it(`to a session that subscribes to it later, from RESP${protocol}`, async () => {
        const [target, client] = [await connect(2), await connect(protocol)]
        assert.equal(await redirect(client, target), OK)
        await ask(client, 'GET', 'early')
        await ask(direct, 'SET', 'early', 'v')
        // It has not subscribed yet, so it does not hear of it; its commands go on as before.
        assert.equal(await ask(target, 'GET', 'early'), '$1\r\nv\r\n')
        assert.match(await ask(target, 'SUBSCRIBE', CHANNEL), /subscribe/)
        await ask(client, 'GET', 'k')
        await ask(direct, 'SET', 'k', 'v')
        assert.equal(await next(target), message('k'))
        for (const one of [target, client]) one.close()
        await allFresh()
      })
    }

    it('to a session in RESP3, which goes on with whatever it does', async () => {
      const [target, client, other] = [await connect(3), await connect(2), await connect(3)]
      assert.equal(await redirect(client, target), OK)
      const heard = async (key: string) => {
        await ask(client, 'GET', key)
        await ask(other, 'SET', key, 'v')
        assert.equal(await next(target), invalidate(key))
      }
      await heard('a')
      assert.equal(await ask(target, 'SET', 'k', 'v'), OK)
      await pipeline(target, [
        ['MULTI'],
        ['GET', 'k'],
        ['EXEC'],
        ['WATCH', 'k'],
        ['BLPOP', 'missing', '0.01'],
        ['UNWATCH'],
      ])
      await heard('b')
      assert.equal(await ask(target, 'CLIENT', 'TRACKING', 'ON'), OK)
      await heard('c')
      assert.equal(await ask(target, 'CLIENT', 'TRACKING', 'OFF'), OK)
      await heard('d')
      assert.equal(await ask(target, 'SELECT', 3), OK)
      await heard('e')
      assert.equal(await ask(target, 'GET', 'k'), '_\r\n')
      for (const one of [target, client, other]) one.close()
      await allFresh()
    })

    it('to a session that tracks itself, is blocked, or watches', async () => {
      const [self, blocked, watching] = [await tracking(), await connect(), await connect()]
      blocked.send(encode(['BLPOP', 'queue', 0]))
      await until(async () => (await observer.info('clients', 'blocked_clients')) === 1, 'it is blocked')
      await ask(watching, 'WATCH', 'w')
      const ids = [await idOf(self), await blockedId(), await idOf(watching)]
      for (const [nth, target] of [self, blocked, watching].entries()) {
        const client = await connect(2)
        assert.equal(await ask(client, 'CLIENT', 'TRACKING', 'ON', 'REDIRECT', ids[nth]), OK)
        await ask(client, 'GET', `k:${nth}`)
        await ask(direct, 'SET', `k:${nth}`, 'v')
        assert.equal(await next(target), invalidate(`k:${nth}`))
        client.close()
      }
      await ask(direct, 'RPUSH', 'queue', 'x')
      assert.equal(await next(blocked), `*2\r\n${bulk('queue')}${bulk('x')}`)
      await ask(direct, 'SET', 'w', 'changed')
      assert.deepEqual(await pipeline(watching, [['MULTI'], ['GET', 'w'], ['EXEC']]), [OK, '+QUEUED\r\n', '_\r\n'])
      for (const one of [self, blocked, watching]) one.close()
      await allFresh()
    })

    it('to itself', async () => {
      const client = await connect()
      assert.equal(await redirect(client, client), OK)
      await ask(client, 'GET', 'k')
      await ask(direct, 'SET', 'k', 'v')
      assert.equal(await next(client), invalidate('k'))
      client.close()
      await allFresh()
    })

    it('to one that goes away: the session is told, as by Redis', async () => {
      const [client, target] = [await connect(), await connect()]
      const id = await idOf(target)
      assert.equal(await redirect(client, target), OK)
      await ask(client, 'GET', 'k')
      target.close()
      await until(
        async () => !(await observer.clients()).some(({ flags, name }) => flags === 'N' && name === ''),
        'gone',
      )
      await until(async () => (await pinned()) === 1, 'its connection is closed')
      await ask(direct, 'SET', 'k', 'v')
      assert.equal(await next(client), `>2\r\n${bulk('tracking-redir-broken')}:${id}\r\n`)
      assert.match(await ask(client, 'CLIENT', 'TRACKINGINFO'), /broken_redirect/)
      client.close()
      await allFresh()
    })

    it('the target is disconnected when its connection is lost', async () => {
      const [client, target] = [await connect(), await connect()]
      assert.equal(await redirect(client, target), OK)
      const rows = await observer.clients()
      const { redir } = rows.find(({ flags }) => flags.includes('t'))!
      await ask(direct, 'CLIENT', 'KILL', 'ID', redir)
      await target.closed
      client.close()
      await allFresh()
    })

    it('to nobody: the words of Redis', async () => {
      const [client, model] = [await connect(), await connect(3, redis.port)]
      for (const id of [999_999, 0, -1, 'x', '9223372036854775807', '01']) {
        const command = ['CLIENT', 'TRACKING', 'ON', 'REDIRECT', id]
        assert.equal(await ask(client, ...command), await ask(model, ...command), String(id))
      }
      for (const one of [client, model]) one.close()
      await allFresh()
    })

    it('with no connection left for the target: an error that says so', async () => {
      const config = { pool: { leases: { max: 1, waitTimeout: '100ms' } } }
      const own = suite.add(await startRespool({ upstream: redis.url, config }))
      const [client, target] = [await connect(3, own.port), await connect(3, own.port)]
      await ask(client, 'CLIENT', 'TRACKING', 'ON')
      assert.match(await redirect(client, target), /^-TRYAGAIN no dedicated connection .* raise pool\.leases\.max/)
      assert.equal(await ask(client, 'CLIENT', 'GETREDIR'), ':0\r\n')
      await ask(client, 'GET', 'k')
      await ask(direct, 'SET', 'k', 'v')
      assert.equal(await next(client), invalidate('k'))
      for (const one of [client, target]) one.close()
    })

    const blockedId = async () => {
      const [asker] = await connectAll(respool.port, 1)
      const lines = bulkText(await ask(asker, 'CLIENT', 'LIST')).split('\n')
      asker.close()
      return Number(/^id=(\d+)/.exec(lines.find((line) => line.includes(' flags=b '))!)![1])
    }
  })
})
