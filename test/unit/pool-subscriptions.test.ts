import assert from 'node:assert/strict'
import { after, before, describe, it, type TestContext } from 'node:test'
import fc from 'fast-check'
import { ERROR_FRAMES } from '../../src/errors.js'
import type { Kind, Message } from '../../src/upstream/message.js'
import type { Order } from '../../src/upstream/subscription-order.js'
import type { Listener } from '../../src/upstream/topics.js'
import { startRedis, type RedisServer } from '../helpers/redis.ts'
import { freePort } from '../helpers/ports.ts'
import { until } from '../helpers/waiting.ts'
import { FakeRedis, Outside, Pool, SETTINGS } from './pool-harness.ts'
import { check } from './property.ts'

/** Somebody who listens, as a session does: one wish at a time. */
class Ear implements Listener {
  readonly heard: string[] = []
  readonly names: Record<Kind, Set<string>> = { channel: new Set(), pattern: new Set(), shard: new Set() }
  evictions = 0
  order: Order | null = null

  constructor(readonly pool: Pool) {}

  message(message: Message): void {
    this.heard.push(String(message.as(3)))
  }

  evicted(): void {
    this.evictions++
    this.leave()
  }

  leave(): void {
    this.pool.endpoint.subscriptions.leave(this, this.names, this.order)
    for (const names of Object.values(this.names)) names.clear()
    this.order = null
  }

  /** Resolves with the error frame, or with nothing when it is confirmed. */
  subscribe(kind: Kind, ...names: string[]): Promise<string> {
    return this.#wish(kind, names, true)
  }

  unsubscribe(kind: Kind, ...names: string[]): Promise<string> {
    return this.#wish(kind, names, false)
  }

  #wish(kind: Kind, names: string[], adds: boolean): Promise<string> {
    const { subscriptions } = this.pool.endpoint
    const word = `${{ channel: '', pattern: 'P', shard: 'S' }[kind]}${adds ? '' : 'UN'}SUBSCRIBE`
    return new Promise((resolve) => {
      let ended = false
      const end = (text: string) => {
        ended = true
        this.order = null
        if (text === '') for (const name of names) this.names[kind][adds ? 'add' : 'delete'](name)
        resolve(text)
      }
      const deadline = this.pool.now + SETTINGS.upstream.commandTimeout
      const wish = { listener: this, kind, names, word, deadline, confirmed: () => end(''), refused: end }
      const order = adds ? subscriptions.subscribe(wish) : subscriptions.unsubscribe(wish)
      if (!ended) this.order = order
    })
  }
}

describe('subscriptions of an endpoint', { timeout: 60_000 }, () => {
  let redis: RedisServer
  before(async () => (redis = await startRedis()))
  after(() => redis.stop())

  const open = async (t: TestContext) => {
    const pool = new Pool(t, redis.port)
    await pool.up()
    return { pool, outside: await Outside.connect(t, redis.port) }
  }
  const counts = async (outside: Outside, ...channels: string[]) =>
    [...(await outside.call('PUBSUB', 'NUMSUB', ...channels)).matchAll(/:(\d+)/g)].map(([, count]) => Number(count))

  it('Redis has a channel exactly as long as somebody listens', async (t) => {
    const { pool, outside } = await open(t)
    const [one, other] = [new Ear(pool), new Ear(pool)]
    assert.deepEqual(await Promise.all([one.subscribe('channel', 'a', 'b'), other.subscribe('channel', 'a')]), ['', ''])
    assert.deepEqual(await counts(outside, 'a', 'b'), [1, 1])
    assert.deepEqual(await Promise.all([one.unsubscribe('channel', 'a', 'b'), other.subscribe('channel', 'b')]), [
      '',
      '',
    ])
    assert.deepEqual(await counts(outside, 'a', 'b'), [1, 1])
    // Both leave at once: whoever is told last is told when Redis has heard of it.
    await other.unsubscribe('channel', 'b')
    await Promise.all([other.unsubscribe('channel', 'a'), one.subscribe('channel', 'a')])
    await Promise.all([one.unsubscribe('channel', 'a'), other.subscribe('channel', 'c')])
    assert.deepEqual(await counts(outside, 'a', 'b', 'c'), [0, 0, 1])
    assert.deepEqual(pool.endpoint.subscriptions.topics.listening, { channel: 1, pattern: 0, shard: 0 })
    other.leave()
    await until(async () => (await counts(outside, 'c'))[0] === 0, 'nobody is subscribed')
    assert.ok(pool.endpoint.subscriptions.topics.empty)
  })

  it('whatever a number of listeners do at the same time, each hears its own afterwards, and Redis has no more', async (t) => {
    const { pool, outside } = await open(t)
    const names = ['p', 'q', 'r']
    const kinds: Kind[] = ['channel', 'pattern', 'shard']
    const step = fc.record({
      ear: fc.nat(3),
      kind: fc.constantFrom(...kinds),
      adds: fc.boolean(),
      some: fc.subarray(names, { minLength: 1 }),
      leaves: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
    })
    const property = fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const ears = Array.from({ length: 4 }, () => new Ear(pool))
      const turns = ears.map(async (ear, nth) => {
        for (const { kind, adds, some, leaves } of steps.filter((one) => one.ear === nth)) {
          const held = some.filter((name) => ear.names[kind].has(name))
          if (!adds && held.length === 0) continue
          const wish = adds ? ear.subscribe(kind, ...some) : ear.unsubscribe(kind, ...held)
          if (leaves) ear.leave()
          else assert.equal(await wish, '')
        }
      })
      await Promise.all(turns)
      const listener = new Ear(pool)
      // Its confirmation comes behind everything that was sent before.
      await listener.subscribe('channel', 'last')
      for (const name of names) {
        await outside.call('PUBLISH', name, 'm')
        await outside.call('SPUBLISH', name, 'm')
      }
      await outside.call('PUBLISH', 'last', 'm')
      await until(() => listener.heard.length > 0, 'the last message has come')
      for (const ear of ears) {
        const own = kinds.reduce((sum, kind) => sum + ear.names[kind].size, 0)
        assert.equal(ear.heard.length, own)
      }
      for (const ear of [...ears, listener]) ear.leave()
      await until(() => pool.endpoint.subscriptions.topics.empty, 'Redis has nothing left')
      assert.deepEqual(pool.endpoint.subscriptions.topics.listening, { channel: 0, pattern: 0, shard: 0 })
      assert.equal(pool.endpoint.subscriptions.topics.refs, 0)
      assert.equal(await outside.call('PUBSUB', 'CHANNELS'), '*0\r\n')
      assert.equal(await outside.call('PUBSUB', 'NUMPAT'), ':0\r\n')
      assert.equal(await outside.call('PUBSUB', 'SHARDCHANNELS'), '*0\r\n')
    })
    await check(t, 60, property)
    assert.equal(pool.endpoint.context.recorder.subscriptionGaps, 0)
  })

  it('a lost connection is replaced, with everything that was subscribed to and was about to be', async (t) => {
    const { pool, outside } = await open(t)
    const [ear, late] = [new Ear(pool), new Ear(pool)]
    const names = Array.from({ length: 2500 }, (_, nth) => `many-${nth}`)
    await ear.subscribe('channel', ...names)
    await ear.subscribe('pattern', 'x*')
    await ear.subscribe('shard', 's')
    await ear.unsubscribe('channel', 'many-7')
    assert.equal(pool.endpoint.stats().connections.shared, pool.shared + 1)
    const killed = outside.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
    const wish = late.subscribe('channel', 'many-7')
    assert.equal(await killed, ':1\r\n')
    assert.equal(await wish, '')
    await until(async () => (await outside.call('PUBSUB', 'NUMPAT')) === ':1\r\n', 'the pattern is back')
    assert.deepEqual(await counts(outside, 'many-0', 'many-7', 'many-2499'), [1, 1, 1])
    await outside.call('PUBLISH', 'many-7', 'm')
    await outside.call('PUBLISH', 'many-2499', 'm')
    await outside.call('SPUBLISH', 's', 'm')
    await until(() => ear.heard.length === 2 && late.heard.length === 1, 'they hear again')
    assert.equal(pool.endpoint.context.recorder.subscriptionGaps, 1)
    for (const one of [ear, late]) one.leave()
  })

  it('stays open while it is used, and closes some time after', async (t) => {
    const { pool, outside } = await open(t)
    const ear = new Ear(pool)
    await ear.subscribe('channel', 'linger')
    pool.sweep(3_600_000)
    assert.deepEqual(await counts(outside, 'linger'), [1])
    await ear.unsubscribe('channel', 'linger')
    pool.sweep(4000)
    assert.equal(pool.endpoint.subscriptions.link.established, true)
    pool.sweep(4000)
    await until(() => pool.endpoint.subscriptions.link.connection === null, 'it has closed')
    assert.equal(pool.endpoint.closings['idle'], 1)
    assert.equal(await ear.subscribe('channel', 'linger'), '')
    assert.equal(pool.endpoint.context.recorder.subscriptionGaps, 0)
    ear.leave()
  })

  it('who may not subscribe again after a loss is told so, and others are not', async (t) => {
    const { pool, outside } = await open(t)
    const [one, other] = [new Ear(pool), new Ear(pool)]
    await one.subscribe('channel', 'fine', 'secret')
    await other.subscribe('channel', 'fine')
    await outside.call('ACL', 'SETUSER', 'default', 'resetchannels', '&fine')
    // Redis ends the connection by itself: it may not have one of the channels any more.
    await until(() => one.evictions === 1, 'it is told')
    await until(async () => (await counts(outside, 'fine'))[0] === 1, 'the other channel is back')
    assert.equal(other.evictions, 0)
    assert.match(await other.subscribe('channel', 'secret'), /^-NOPERM/)
    await outside.call('PUBLISH', 'fine', 'm')
    await until(() => other.heard.length === 1, 'it hears')
    await outside.call('ACL', 'SETUSER', 'default', 'allchannels')
    other.leave()
  })

  it('while Redis is away subscriptions wait in a bounded queue, and fail with the error of the outage', async (t) => {
    const pool = new Pool(t, await freePort(), { upstream: { maxHeld: 2, holdTime: 500 } })
    const ears = Array.from({ length: 3 }, () => new Ear(pool))
    const wishes = ears.map((ear) => ear.subscribe('channel', 'a'))
    assert.equal(await wishes[2], ERROR_FRAMES.heldExceeded)
    pool.sweep(100)
    pool.sweep(1000)
    assert.deepEqual(await Promise.all(wishes.slice(0, 2)), [ERROR_FRAMES.upstreamDown, ERROR_FRAMES.upstreamDown])
    assert.equal(await ears[0].subscribe('channel', 'a'), ERROR_FRAMES.upstreamDown)
    assert.ok(pool.endpoint.subscriptions.topics.empty)
    assert.equal(pool.endpoint.subscriptions.topics.refs, 0)
  })

  it('a confirmation that does not come in time fails the wish and ends the connection', async (t) => {
    const fake = await FakeRedis.start(t, (socket, text) => {
      if (!text.includes('SUBSCRIBE')) socket.write('+PONG\r\n')
    })
    const pool = new Pool(t, fake.port)
    const ear = new Ear(pool)
    const wish = ear.subscribe('channel', 'a')
    await until(() => pool.endpoint.subscriptions.link.current?.inflight.length === 1, 'it has been sent')
    pool.sweep(SETTINGS.upstream.commandTimeout + 1)
    assert.equal(await wish, ERROR_FRAMES.timedOut)
    await until(() => pool.endpoint.subscriptions.link.connection === null, 'the connection has gone')
    assert.ok(pool.endpoint.subscriptions.topics.empty)
  })

  for (const [what, frame] of [
    ['a confirmation that nobody asked for', '>3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n'],
    ['a push of unknown form', '>1\r\n:1\r\n'],
  ]) {
    it(`${what} ends the connection`, async (t) => {
      const fake = await FakeRedis.start(t, (socket, text) => {
        if (text.includes('SUBSCRIBE')) socket.write('>3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:1\r\n')
      })
      const pool = new Pool(t, fake.port)
      const ear = new Ear(pool)
      assert.equal(await ear.subscribe('channel', 'b'), '')
      fake.sockets.at(-1)!.write(frame)
      await until(() => pool.endpoint.closings['fault'] === 1, 'it is closed')
      await until(
        () => pool.endpoint.subscriptions.topics.find('channel', 'b')?.live === true,
        'it is subscribed again',
      )
    })
  }
})
