/** Everybody's subscriptions share one connection to Redis, and nobody can tell: each case is held against a direct connection. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { ERRORS } from '../../src/errors.ts'
import { type Argument, encode, pieces, RawClient } from '../helpers/raw.ts'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { startRespool, type Respool } from '../helpers/respool.ts'
import { until } from '../helpers/waiting.ts'
import { ask, bulkText, Cleanup, connectAll, Observer, pipeline } from './support.ts'

describe('shared subscriptions', { timeout: 60_000 }, () => {
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
  })
  after(() => suite.run())

  const connect = async (protocol: number, port = respool.port) => {
    const client = suite.client(await RawClient.connect(port))
    if (protocol === 3) await ask(client, 'HELLO', 3)
    return client
  }
  const next = async (client: RawClient) => String(await client.frame())
  const frames = async (client: RawClient, count: number) => {
    const seen: string[] = []
    while (seen.length < count) seen.push(await next(client))
    return seen
  }
  const subscribers = async (to = observer) => (await to.clients()).filter(({ flags }) => flags.includes('P'))
  const number = async (client: RawClient, ...args: Argument[]) => Number((await ask(client, ...args)).slice(1))

  it('one connection carries channels, patterns and shard channels of all sessions, and closes when none is left', async () => {
    const clients = await connectAll(respool.port, 30)
    for (const [nth, client] of clients.entries()) {
      if (nth % 2 === 1) await ask(client, 'HELLO', 3)
      await ask(client, 'SUBSCRIBE', `one-${nth % 5}`)
      await ask(client, 'PSUBSCRIBE', `one-${nth % 3}*`)
      await ask(client, 'SSUBSCRIBE', `one-${nth % 4}`)
    }
    const [carrier, ...others] = await subscribers()
    assert.deepEqual(others, [])
    assert.match(carrier.name, /:subscriptions$/)
    assert.deepEqual([carrier.sub, carrier.psub, carrier.ssub, carrier.resp], ['5', '3', '4', '3'])
    assert.equal(await respool.metric('respool_pubsub_subscriptions', { kind: 'channel' }), 30)
    assert.equal(await respool.metric('respool_pubsub_subscriptions', { kind: 'pattern' }), 30)
    assert.equal(await respool.metric('respool_pubsub_subscriptions', { kind: 'shard' }), 30)
    assert.equal(await respool.metric('respool_pool_connections', { state: 'pinned' }), 0)
    for (const client of clients) client.close()
    await until(async () => (await subscribers()).length === 0, 'nobody is subscribed')
    assert.equal(await respool.metric('respool_pubsub_subscriptions'), 0)
    const idle = async () => (await observer.clients()).every(({ name }) => !name.endsWith(':subscriptions'))
    await until(idle, 'the connection is closed', 15_000)
    assert.equal(await respool.metric('respool_pubsub_gaps_total'), 0)
  })

  it('whoever has been confirmed hears what is published from then on, and nothing from before', async () => {
    const [early, late] = [await connect(2), await connect(3)]
    await ask(early, 'SUBSCRIBE', 'order')
    for (let nth = 0; nth < 100; nth++) {
      await ask(direct, 'PUBLISH', 'order', `before ${nth}`)
      assert.match(await ask(late, 'SUBSCRIBE', 'order'), /^>3\r\n\$9\r\nsubscribe/)
      await ask(direct, 'PUBLISH', 'order', `after ${nth}`)
      assert.equal(
        await next(late),
        `>3\r\n$7\r\nmessage\r\n$5\r\norder\r\n$${`after ${nth}`.length}\r\nafter ${nth}\r\n`,
      )
      assert.match(await ask(late, 'UNSUBSCRIBE', 'order'), /^>3\r\n\$11\r\nunsubscribe/)
    }
    assert.equal((await frames(early, 200)).length, 200)
  })

  it('sessions that come and go on the same channel never take it from each other', async () => {
    const stayer = await connect(2)
    await ask(stayer, 'SUBSCRIBE', 'churn')
    const clients = await connectAll(respool.port, 20)
    await Promise.all(
      clients.map(async (client, nth) => {
        for (let round = 0; round < 30; round++) {
          assert.match(await ask(client, 'SUBSCRIBE', 'churn', `churn-${nth % 3}`), /\$5\r\nchurn\r\n:1/)
          await next(client)
          assert.match(await ask(client, 'UNSUBSCRIBE', 'churn'), /:1\r\n$/)
          assert.match(await ask(client, 'UNSUBSCRIBE', `churn-${nth % 3}`), /:0\r\n$/)
        }
        client.close()
      }),
    )
    const counts = (count: number) => [0, 1, 2].map((nth) => `$7\r\nchurn-${nth}\r\n:${count}\r\n`).join('')
    assert.equal(await ask(direct, 'PUBSUB', 'NUMSUB', 'churn-0', 'churn-1', 'churn-2'), `*6\r\n${counts(0)}`)
    assert.equal(await ask(direct, 'PUBLISH', 'churn', 'still here'), ':1\r\n')
    assert.match(await next(stayer), /still here/)
  })

  it('a large subscription is carried too, whatever came before and after it', async () => {
    for (const protocol of [2, 3]) {
      const names = Array.from({ length: 8000 }, (_, nth) => `large-channel-${nth}`)
      const client = await connect(protocol)
      client.send(Buffer.concat([['SUBSCRIBE', 'small'], ['SUBSCRIBE', ...names], ['PING']].map(encode)))
      const seen = await frames(client, 8002)
      assert.match(seen[8000], /large-channel-7999\r\n:8001\r\n$/)
      assert.equal(seen[8001], protocol === 3 ? '+PONG\r\n' : '*2\r\n$4\r\npong\r\n$0\r\n\r\n')
      assert.equal(await ask(direct, 'PUBLISH', 'large-channel-5000', 'x'), ':1\r\n')
      assert.match(await next(client), /message\r\n\$18\r\nlarge-channel-5000/)
      client.send(encode(['UNSUBSCRIBE', ...names]))
      assert.match((await frames(client, 8000))[7999], /large-channel-7999\r\n:1\r\n$/)
      client.send(Buffer.concat([encode(['SUBSCRIBE', 'x'.repeat(9_000_000)]), encode(['PING'])]))
      assert.equal(await next(client), `-${ERRORS.largeLocal.text}\r\n`)
      assert.match(await next(client), /PONG|pong/)
      assert.equal((await subscribers()).length, 1)
    }
  })

  for (const protocol of [2, 3]) {
    const sides = async () => Promise.all([connect(protocol), connect(protocol, redis.port)])

    describe(`RESP${protocol}`, () => {
      it('a stream cut at every byte gives the same bytes as a direct connection', async () => {
        const commands = [
          ['SUBSCRIBE', 'cut-a', 'cut-b'],
          ['PING'],
          ['GET', 'nothing'],
          ['PSUBSCRIBE', 'cut-*'],
          ['UNSUBSCRIBE', 'cut-a'],
          ['UNSUBSCRIBE', 'cut-b', 'cut-b'],
          ['PUNSUBSCRIBE'],
          ['SUNSUBSCRIBE'],
          ['PING'],
        ]
        const replies = await Promise.all(
          (await sides()).map(async (client) => {
            await client.sendPieces(pieces(Buffer.concat(commands.map(encode)), 1))
            return frames(client, 11)
          }),
        )
        assert.deepEqual(replies[0], replies[1])
      })

      it('messages of any kind and size are the same bytes', async () => {
        const [proxied, beside] = await sides()
        for (const one of [proxied, beside]) {
          await ask(one, 'SUBSCRIBE', 'same')
          await ask(one, 'PSUBSCRIBE', 's?me')
          await ask(one, 'SSUBSCRIBE', 'same')
        }
        for (const size of [0, 1, 8000, 8192, 9000, 65_000, 70_000, 1_000_000]) {
          const text = Buffer.alloc(size, '\r\n\0\xff*>', 'latin1')
          assert.equal(await ask(direct, 'PUBLISH', 'same', text), ':4\r\n')
          assert.equal(await ask(direct, 'SPUBLISH', 'same', text), ':2\r\n')
          assert.deepEqual(await frames(proxied, 3), await frames(beside, 3))
        }
        for (const one of [proxied, beside]) one.close()
      })

      it('a connection that only listens is not idle, and half closed it ends', async () => {
        const quick = suite.add(await startRespool({ upstream: redis.url, config: { limits: { idleTimeout: '2s' } } }))
        const [listening, silent] = await Promise.all([connect(protocol, quick.port), connect(protocol, quick.port)])
        await ask(listening, 'SUBSCRIBE', 'idle')
        await silent.closed
        await ask(direct, 'PUBLISH', 'idle', 'x')
        assert.match(await next(listening), /message/)
        listening.socket.end()
        await listening.closed
        await until(async () => (await number(direct, 'PUBLISH', 'idle', 'x')) === 0, 'it is not subscribed any more')
      })
    })
  }

  it('the numbers of PUBLISH, SPUBLISH and PUBSUB are those of as many direct connections', async () => {
    const plan = [
      [
        ['SUBSCRIBE', 'n1'],
        ['PSUBSCRIBE', 'n*'],
      ],
      [
        ['SUBSCRIBE', 'n1', 'n2'],
        ['PSUBSCRIBE', 'n?'],
      ],
      [['PSUBSCRIBE', 'n[12]', 'n*', 'other*']],
      [['SSUBSCRIBE', 'n1', 'n3']],
      [['SSUBSCRIBE', 'n1']],
    ]
    const questions = [
      ['PUBLISH', 'n1', 'x'],
      ['PUBLISH', 'n2', 'x'],
      ['publish', 'n33', 'x'],
      ['PUBLISH', 'nobody hears', 'x'],
      ['PUBLISH', 'somebody', 'x'],
      ['PUBLISH', 'n1', 'x'.repeat(200_000)],
      ['PUBLISH', 'n1'],
      ['SPUBLISH', 'n1', 'x'],
      ['SPUBLISH', 'n2', 'x'],
      ['PUBSUB', 'NUMSUB', 'n1', 'n2', 'n3', 'n1'],
      ['pubsub', 'numsub'],
      ['PUBSUB', 'SHARDNUMSUB', 'n1', 'n2', 'n3'],
      ['PUBSUB', 'NUMPAT'],
      ['EVAL', 'return redis.call("PING")', '0'],
    ]
    const model = suite.add(await startRedis())
    for (const port of [model.port, respool.port]) {
      for (const [nth, commands] of plan.entries()) {
        const client = await connect(nth % 2 === 0 ? 2 : 3, port)
        for (const command of commands) client.send(encode(command))
        await frames(
          client,
          commands.reduce((sum, { length }) => sum + length - 1, 0),
        )
      }
    }
    for (const protocol of [2, 3]) {
      const [proxied, beside] = [await connect(protocol), await connect(protocol, model.port)]
      for (const question of questions) {
        const [got, expected] = [await ask(proxied, ...question), await ask(beside, ...question)]
        assert.equal(got, expected, question.join(' ').slice(0, 80))
      }
      assert.deepEqual(await pipeline(proxied, questions.slice(0, 5)), await pipeline(beside, questions.slice(0, 5)))
      for (const one of [proxied, beside]) await ask(one, 'WATCH', 'k')
      for (const question of questions) assert.equal(await ask(proxied, ...question), await ask(beside, ...question))
    }
  })

  it('what an ACL refuses is refused whole, to each as to a direct connection, and takes nothing from others', async () => {
    const guarded = suite.add(await startRedis())
    const admin = suite.client(await RawClient.connect(guarded.port))
    const rules = ['on', '>secret', '+@all', '~*', 'resetchannels', '&ok*']
    await ask(admin, 'ACL', 'SETUSER', 'app', ...rules)
    const upstream = `redis://app:secret@127.0.0.1:${guarded.port}`
    const proxy = suite.add(await startRespool({ upstream }))
    const [proxied, beside] = [await connect(3, proxy.port), await connect(3, guarded.port)]
    await ask(beside, 'AUTH', 'app', 'secret')
    const other = await connect(2, proxy.port)
    assert.match(await ask(other, 'SUBSCRIBE', 'ok1'), /subscribe/)
    for (const command of [
      ['SUBSCRIBE', 'ok1', 'bad'],
      ['SUBSCRIBE', 'bad'],
      ['SUBSCRIBE', 'ok2'],
      ['PSUBSCRIBE', 'ok*'],
      ['PSUBSCRIBE', 'b*'],
      ['SSUBSCRIBE', 'bad'],
      ['UNSUBSCRIBE', 'bad'],
      ['UNSUBSCRIBE'],
      ['PUBSUB', 'NUMPAT'],
    ]) {
      assert.equal(await ask(proxied, ...command), await ask(beside, ...command), command.join(' '))
    }
    assert.equal(await ask(admin, 'PUBLISH', 'ok1', 'x'), ':3\r\n')
    assert.match(await next(other), /message\r\n\$3\r\nok1/)
    assert.match(await next(proxied), /pmessage\r\n\$3\r\nok\*\r\n\$3\r\nok1/)
  })

  it('a session is shown with what it is subscribed to', async () => {
    const client = await connect(2)
    await ask(client, 'CLIENT', 'SETNAME', 'listener')
    client.send(
      Buffer.concat(
        [
          ['SUBSCRIBE', 'c1', 'c2'],
          ['PSUBSCRIBE', 'p*'],
          ['SSUBSCRIBE', 's'],
        ].map(encode),
      ),
    )
    await frames(client, 4)
    const asking = await connect(2)
    const rows = bulkText(await ask(asking, 'CLIENT', 'LIST', 'TYPE', 'pubsub')).split('\n')
    assert.match(String(rows.find((row) => row.includes('name=listener'))), / flags=P .* sub=2 psub=1 ssub=1 /)
    assert.ok(rows.every((row) => row === '' || row.includes(' flags=P ')))
    const shown = (await (await fetch(`${respool.admin}/clients`)).json()) as { name: string; subscriptions: object }[]
    const own = shown.find(({ name }) => name === 'listener')
    assert.deepEqual(own?.subscriptions, { channels: 2, patterns: 1, shardChannels: 1 })
    assert.ok((await number(asking, 'CLIENT', 'KILL', 'TYPE', 'pubsub')) > 0)
    await client.closed
    await until(async () => (await number(direct, 'PUBSUB', 'NUMPAT')) === 0, 'nobody is subscribed')
  })

  it('keyspace notifications come through', async () => {
    await ask(direct, 'CONFIG', 'SET', 'notify-keyspace-events', 'KEA')
    const [client, writer] = [await connect(2), await connect(3)]
    assert.match(await ask(client, 'PSUBSCRIBE', '__keyspace@3__:*'), /psubscribe/)
    await ask(writer, 'SELECT', 3)
    await ask(writer, 'SET', 'watched', 'v')
    assert.match(await next(client), /__keyspace@3__:watched\r\n\$3\r\nset\r\n$/)
    await ask(direct, 'CONFIG', 'SET', 'notify-keyspace-events', '')
  })

  for (const [what, commands] of [
    [
      'a transaction sent bit by bit',
      [['MULTI'], ['CLIENT', 'GETNAME'], ['SELECT', '3'], ['UNSUBSCRIBE', 'own-b'], ['EXEC'], ['GET', 'k']],
    ],
    ['a transaction with a watched key', [['WATCH', 'k'], ['MULTI'], ['SUBSCRIBE', 'own-c'], ['EXEC']]],
    ['another database while a key is watched', [['WATCH', 'k'], ['SELECT', '2'], ['MULTI'], ['GET', 'k'], ['EXEC']]],
    [
      'a subscription to invalidations',
      [
        ['SUBSCRIBE', '__redis__:invalidate'],
        ['CLIENT', 'GETNAME'],
      ],
    ],
  ] as const) {
    it(`a RESP3 session takes its subscriptions along to a connection of its own: ${what}`, async () => {
      const sides = [await connect(3), await connect(3, redis.port)]
      const replies: string[][] = []
      for (const side of sides) {
        const seen: string[] = []
        for (const command of [
          ['SUBSCRIBE', 'own-a'],
          ['SUBSCRIBE', 'own-b'],
          ['PSUBSCRIBE', 'own-*'],
          ['SSUBSCRIBE', 'own-s'],
        ]) {
          seen.push(await ask(side, ...command))
        }
        for (const command of commands) seen.push(await ask(side, ...command))
        for (const publication of [
          ['PUBLISH', 'own-a', 'x'],
          ['SPUBLISH', 'own-s', 'x'],
        ])
          await ask(direct, ...publication)
        seen.push(...(await frames(side, 3)))
        seen.push(await ask(side, 'UNSUBSCRIBE', 'own-a'), await ask(side, 'PUNSUBSCRIBE'))
        seen.push(await ask(side, 'SUNSUBSCRIBE', 'own-s'))
        replies.push(seen)
        side.close()
      }
      assert.deepEqual(replies[0], replies[1])
      await until(async () => (await number(direct, 'PUBLISH', 'own-a', 'x')) === 0, 'nobody is subscribed')
    })
  }

  it('a RESP2 session can subscribe to invalidations before anything else only', async () => {
    const [first, later] = [await connect(2), await connect(2)]
    const confirmed = '*3\r\n$9\r\nsubscribe\r\n$20\r\n__redis__:invalidate\r\n:1\r\n'
    assert.equal(await ask(first, 'SUBSCRIBE', '__redis__:invalidate'), confirmed)
    assert.match(await ask(first, 'SUBSCRIBE', 'own'), /:2\r\n$/)
    assert.match(await ask(later, 'SUBSCRIBE', 'own'), /:1\r\n$/)
    assert.equal(await ask(later, 'SUBSCRIBE', '__redis__:invalidate'), `-${ERRORS.subscribedElsewhere.text}\r\n`)
    assert.equal(await ask(direct, 'PUBLISH', 'own', 'x'), ':2\r\n')
    for (const one of [first, later]) assert.match(await next(one), /message/)
  })

  it('messages come between replies and never inside one', async () => {
    const client = await connect(3)
    await ask(client, 'SUBSCRIBE', 'between')
    const value = 'v'.repeat(3_000_000)
    await ask(direct, 'SET', 'big', value)
    let publishing = true
    const publisher = (async () => {
      let sent = 0
      for (; publishing; sent++) await ask(direct, 'PUBLISH', 'between', `m${sent}`)
      return sent
    })()
    let [heard, replies] = [0, 0]
    for (let nth = 0; nth < 10; nth++) client.send(encode(['GET', 'big']))
    while (replies < 10) {
      const frame = await client.frame()
      if (frame[0] === 36) {
        assert.equal(frame.length, value.length + 12)
        replies++
      } else assert.match(frame.toString(), new RegExp(`\\r\\nm${heard++}\\r\\n$`))
    }
    publishing = false
    const sent = await publisher
    for (; heard < sent; heard++) assert.match(await next(client), new RegExp(`\\r\\nm${heard}\\r\\n$`))
  })
})
