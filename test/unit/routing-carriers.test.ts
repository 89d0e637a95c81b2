/** Subscriptions that go from one server to another, with the topology in the test's hands. */
import assert from 'node:assert/strict'
import { after, before, describe, it, type TestContext } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import fc from 'fast-check'
import { slotOf } from '../../src/commands/slot.js'
import { Subscriber, WORDS } from '../../src/dispatch/subscriber.js'
import { Carriers, type SlotOwners } from '../../src/routing/carriers.js'
import { type Kind, KINDS } from '../../src/upstream/message.js'
import { type RedisServer, startRedis } from '../helpers/redis.ts'
import { until } from '../helpers/waiting.ts'
import { FakeRedis, Outside, Pool } from './pool-harness.ts'
import { check } from './property.ts'

/** Two servers, which have the home and the slots as the test tells. */
class World implements SlotOwners {
  readonly sharded = true
  readonly pools: readonly Pool[]
  readonly carriers: Carriers
  homeIs = 0
  /** 0 for slots that are not among them; null for one that no server has. */
  readonly owners = new Map<number, 0 | 1 | null>()

  constructor(t: TestContext, ports: readonly number[]) {
    this.pools = ports.map((port) => new Pool(t, port, { kind: 'cluster' }))
    this.carriers = new Carriers(this)
    for (const { endpoint } of this.pools) {
      endpoint.subscriptions.onMisplaced = (slot, error) => this.carriers.misplaced(slot, error, endpoint)
    }
  }

  get home() {
    return this.pools[this.homeIs].endpoint
  }

  get gaps() {
    return this.pools.reduce((sum, { endpoint }) => sum + endpoint.context.recorder.subscriptionGaps, 0)
  }

  primaryOf(slot: number) {
    const owner = this.owners.get(slot) ?? 0
    return this.owners.get(slot) === null ? null : this.pools[owner].endpoint
  }

  moved(slot: number, address: string) {
    this.owners.set(slot, address === this.pools[0].endpoint.name ? 0 : 1)
    return this.primaryOf(slot)
  }

  refresh() {
    // It is told by the test.
  }

  sweep(passed: number) {
    for (const pool of this.pools) pool.sweep(passed)
    this.carriers.sweep(this.pools[0].now)
  }
}

/** Somebody who is subscribed to things, as a session is. */
class Ear {
  readonly protocol = 3
  readonly heard: string[] = []
  readonly downstream = { keeping: { waits() {}, keeps: () => true } }
  readonly subscriber: Subscriber

  constructor(readonly world: World) {
    this.subscriber = new Subscriber(this, world.carriers)
  }

  deliver(part: string | Buffer): void {
    this.heard.push(String(part))
  }

  evict(): void {
    assert.fail('evicted')
  }

  subscribe(kind: Kind, ...names: string[]): Promise<string> {
    return this.#ask(kind, 0, names, 'subscribe')
  }

  /** From all of that kind if no names are given. */
  unsubscribe(kind: Kind, ...names: string[]): Promise<string> {
    return this.#ask(kind, 1, names, 'unsubscribe')
  }

  #ask(kind: Kind, nth: 0 | 1, names: string[], does: 'subscribe' | 'unsubscribe'): Promise<string> {
    const deadline = this.world.pools[0].now + 100_000
    return new Promise((resolve) =>
      this.subscriber[does](kind, WORDS[kind][nth], names, deadline, (frames) => resolve(frames)),
    )
  }
}

const SLOT = slotOf(Buffer.from('x'))
const confirmation = (word: string, name: string, count: number) =>
  `>3\r\n$${word.length}\r\n${word}\r\n$${name.length}\r\n${name}\r\n:${count}\r\n`

describe('subscriptions at several servers', { timeout: 60_000 }, () => {
  const servers: RedisServer[] = []
  before(async () => void servers.push(...(await Promise.all([startRedis(), startRedis()]))))
  after(() => Promise.all(servers.map((server) => server.stop())))

  const open = async (t: TestContext) => {
    const world = new World(
      t,
      servers.map(({ port }) => port),
    )
    await Promise.all(world.pools.map((pool) => pool.up()))
    return { world, outside: await Promise.all(servers.map(({ port }) => Outside.connect(t, port))) }
  }
  /** What anybody is subscribed to at a server. */
  const subscribed = async (outside: Outside) => {
    const [channels, patterns, shards] = [['CHANNELS'], ['NUMPAT'], ['SHARDCHANNELS']].map((question) =>
      outside.call('PUBSUB', ...question),
    )
    return (await Promise.all([channels, patterns, shards])).join('')
  }
  const NOTHING = '*0\r\n:0\r\n*0\r\n'

  it('whatever sessions do while home and slots move, each hears its own once afterwards, and nothing is left behind', async (t) => {
    const { world, outside } = await open(t)
    const names: Record<Kind, string[]> = { channel: ['p', 'q'], pattern: ['p*', '*'], shard: ['{s}1', '{s}2', 'r'] }
    const wish = fc.constantFrom(...KINDS).chain((kind) =>
      fc.record({
        ear: fc.nat(3),
        kind: fc.constant(kind),
        adds: fc.boolean(),
        // Shard channels of one slot, as one command can name them.
        some:
          kind === 'shard'
            ? fc.constantFrom(['{s}1', '{s}2'], ['{s}2'], ['r'])
            : fc.subarray(names[kind], { minLength: 1 }),
        leaves: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
      }),
    )
    const move = fc.record({
      slot: fc.constantFrom(-1, slotOf(Buffer.from('s')), slotOf(Buffer.from('r'))),
      trusting: fc.boolean(),
      turns: fc.nat(4),
    })
    const property = fc.asyncProperty(
      fc.array(wish, { maxLength: 40 }),
      fc.array(move, { maxLength: 15 }),
      async (wishes, moves) => {
        const ears = Array.from({ length: 4 }, () => new Ear(world))
        const moving = async () => {
          for (const { slot, trusting, turns } of moves) {
            if (slot === -1) world.homeIs = 1 - world.homeIs
            else world.owners.set(slot, world.owners.get(slot) === 1 ? 0 : 1)
            world.carriers.follow(trusting)
            for (let turn = 0; turn < turns; turn++) await nextTurn()
          }
        }
        const turns = ears.map(async (ear, nth) => {
          for (const { kind, adds, some, leaves } of wishes.filter((one) => one.ear === nth)) {
            const answer = adds ? ear.subscribe(kind, ...some) : ear.unsubscribe(kind, ...some)
            if (leaves) ear.subscriber.leave()
            else
              assert.match(await answer, adds ? /^>3\r\n\$\d+\r\n[ps]?subscribe/ : /^>3\r\n\$\d+\r\n[ps]?unsubscribe/)
          }
        })
        await Promise.all([...turns, moving()])
        world.carriers.follow(false)
        const carried = ears.flatMap(({ subscriber }) =>
          KINDS.flatMap((kind) =>
            [...subscriber.names[kind]].map((name) => ({ kind, name, carrier: world.carriers.of(kind, name) })),
          ),
        )
        const live = () => carried.every(({ kind, name, carrier }) => carrier.topics.find(kind, name)?.live === true)
        // What is asked for again counts as live until Redis says that it was left.
        const answered = () =>
          world.pools.every(({ endpoint }) => (endpoint.subscriptions.link.connection?.inflight.length ?? 0) === 0)
        await until(() => answered() && live(), 'all are subscribed')
        const expected = ears.map(({ subscriber }) =>
          ['p', 'q', '{s}1', '{s}2', 'r'].reduce((sum, name) => {
            const patterns = [...subscriber.names.pattern].filter((pattern) => pattern === '*' || name.startsWith('p'))
            return (
              sum +
              Number(subscriber.names.channel.has(name)) +
              patterns.length +
              Number(subscriber.names.shard.has(name))
            )
          }, 0),
        )
        for (let round = 0; round < 2; round++) {
          for (const ear of ears) ear.heard.length = 0
          for (const name of ['p', 'q', '{s}1', '{s}2', 'r']) {
            for (const redis of outside) {
              await redis.call('PUBLISH', name, 'm')
              await redis.call('SPUBLISH', name, 'm')
            }
          }
          await until(() => ears.every(({ heard }, nth) => heard.length >= expected[nth]), 'all is heard')
          assert.deepEqual(
            ears.map(({ heard }) => heard.length),
            expected,
          )
        }
        for (const ear of ears) ear.subscriber.leave()
        for (const [nth, { endpoint }] of world.pools.entries()) {
          await until(() => endpoint.subscriptions.topics.empty, 'nothing is left here')
          assert.equal(endpoint.subscriptions.topics.refs, 0)
          assert.deepEqual(endpoint.subscriptions.topics.listening, { channel: 0, pattern: 0, shard: 0 })
          assert.equal(await subscribed(outside[nth]), NOTHING)
          assert.equal(endpoint.closings['fault'], undefined)
        }
      },
    )
    await check(t, 60, property, { endOnFailure: true })
  })

  it('a home that is taken away takes its subscriptions along, and those that wait for it', async (t) => {
    const { world, outside } = await open(t)
    const [ear, late] = [new Ear(world), new Ear(world)]
    await ear.subscribe('channel', 'c')
    await ear.subscribe('pattern', 'c*')
    world.homeIs = 1
    const waiting = late.subscribe('channel', 'c')
    world.carriers.follow()
    assert.equal(await waiting, confirmation('subscribe', 'c', 1))
    assert.equal(await outside[1].call('PUBLISH', 'c', 'm'), ':2\r\n')
    await until(() => ear.heard.length === 2 && late.heard.length === 1, 'they hear it')
    await until(async () => (await subscribed(outside[0])) === NOTHING, 'the old one has none')
    assert.equal(world.gaps, 1)
    world.pools[0].endpoint.retire()
    await until(() => world.pools[0].endpoint.isEmpty, 'the old one is gone')
  })

  it('what is heard is believed to be where it is for a while, whatever the map says', async (t) => {
    const { world, outside } = await open(t)
    const ear = new Ear(world)
    await ear.subscribe('shard', 'x')
    world.owners.set(SLOT, 1)
    world.carriers.follow()
    world.sweep(100)
    world.sweep(500)
    assert.equal(await outside[0].call('SPUBLISH', 'x', 'm'), ':1\r\n')
    world.owners.set(SLOT, 0)
    world.carriers.follow()
    world.sweep(2000)
    world.sweep(2000)
    assert.equal(await outside[0].call('SPUBLISH', 'x', 'm'), ':1\r\n')
    assert.equal(world.gaps, 0)
    world.owners.set(SLOT, 1)
    world.carriers.follow()
    world.sweep(100)
    world.sweep(1100)
    await until(async () => (await outside[1].call('SPUBLISH', 'x', 'm')) === ':1\r\n', 'it has moved')
    await until(async () => (await subscribed(outside[0])) === NOTHING, 'and nowhere else')
    assert.equal(world.gaps, 1)
    assert.equal(await ear.unsubscribe('shard'), confirmation('sunsubscribe', 'x', 0))
  })

  it('one command leaves shard channels at several servers, and is answered when all are left', async (t) => {
    const { world, outside } = await open(t)
    const [ear, other] = [new Ear(world), new Ear(world)]
    world.owners.set(slotOf(Buffer.from('y')), 1)
    for (const name of ['x', 'y', '{x}2']) await ear.subscribe('shard', name)
    await other.subscribe('shard', 'y')
    const answer = ['x', 'y', '{x}2'].map((name, nth) => confirmation('sunsubscribe', name, 2 - nth)).join('')
    assert.equal(await ear.unsubscribe('shard'), answer)
    assert.deepEqual(await Promise.all(outside.map(subscribed)), [NOTHING, '*0\r\n:0\r\n*1\r\n$1\r\ny\r\n'])
  })
})

/** Stands in for a node of a cluster; what it answers the test says. */
class FakeNode {
  readonly asked: string[] = []
  answer: (text: string) => string = () => ''
  fake!: FakeRedis

  static async start(t: TestContext): Promise<FakeNode> {
    const node = new FakeNode()
    node.fake = await FakeRedis.start(t, () => undefined)
    node.fake.onAccept = (socket) =>
      socket.on('data', (chunk: Buffer) => {
        const text = chunk.toString('latin1')
        if (text.includes('SETNAME')) return void socket.write(`${NODE}+OK\r\n`)
        node.asked.push(text)
        socket.write(node.answer(text))
      })
    return node
  }

  /** To whoever came last. */
  say(text: string): void {
    this.fake.sockets.at(-1)!.write(text)
  }
}

const NODE = '%2\r\n+version\r\n+9.9.9\r\n+id\r\n:77\r\n'
const MOVED = `-MOVED ${SLOT} 127.0.0.1:1\r\n`

describe('a slot that is lost', { timeout: 60_000 }, () => {
  const open = async (t: TestContext) => {
    const nodes = [await FakeNode.start(t), await FakeNode.start(t)]
    const world = new World(
      t,
      nodes.map(({ fake }) => fake.port),
    )
    return { nodes, world, ear: new Ear(world), other: new Ear(world), pool: world.pools[0] }
  }
  const subscribe = async (node: FakeNode, ear: Ear) => {
    node.answer = () => confirmation('ssubscribe', 'x', 1)
    await ear.subscribe('shard', 'x')
  }

  for (const [what, said, expected] of [
    ['is confirmed', `${confirmation('sunsubscribe', 'x', 0)}${NODE}`, confirmation('sunsubscribe', 'x', 0)],
    ['comes too late', `${confirmation('sunsubscribe', 'x', 0)}${MOVED}${NODE}`, confirmation('sunsubscribe', 'x', 0)],
    ['is refused', `-NOPERM no\r\n${NODE}`, '-NOPERM no\r\n'],
  ]) {
    it(`the end of a subscription ${what}, and what follows is paired rightly`, async (t) => {
      const { nodes, ear, other, pool } = await open(t)
      await subscribe(nodes[0], ear)
      nodes[0].answer = () => `${said}${confirmation('subscribe', 'c', 1)}`
      const answers = [ear.unsubscribe('shard', 'x'), other.subscribe('channel', 'c')]
      assert.deepEqual(await Promise.all(answers), [expected, confirmation('subscribe', 'c', 1)])
      nodes[0].answer = () => confirmation('unsubscribe', 'c', 0)
      assert.equal(await other.unsubscribe('channel', 'c'), confirmation('unsubscribe', 'c', 0))
      assert.equal(pool.endpoint.closings['fault'], undefined)
    })
  }

  it('an end of which nobody knows any more is paired rightly too', async (t) => {
    const { nodes, ear, other, pool } = await open(t)
    await subscribe(nodes[0], ear)
    nodes[0].answer = () => ''
    const late = ear.unsubscribe('shard', 'x')
    pool.now += 60_000
    const next = other.subscribe('channel', 'c')
    await until(() => nodes[0].asked.join('').includes('subscribe\r\n$1\r\nc'), 'both are asked for')
    pool.sweep(60_000)
    assert.equal(await late, confirmation('sunsubscribe', 'x', 0))
    nodes[0].say(`${MOVED}${NODE}${confirmation('subscribe', 'c', 1)}`)
    assert.equal(await next, confirmation('subscribe', 'c', 1))
    assert.equal(pool.endpoint.closings['fault'], undefined)
  })

  it('is not what it looks like when one leaves a channel and another one comes', async (t) => {
    const { nodes, world, ear, other } = await open(t)
    await subscribe(nodes[0], ear)
    nodes[0].answer = () => ''
    const answers = [ear.unsubscribe('shard', 'x'), other.subscribe('shard', 'x')]
    await until(() => nodes[0].asked.join('').includes('HELLO'), 'both are asked for')
    nodes[0].say(confirmation('sunsubscribe', 'x', 0))
    for (let turn = 0; turn < 20; turn++) await nextTurn()
    nodes[0].say(`${NODE}${confirmation('ssubscribe', 'x', 1)}`)
    assert.deepEqual(await Promise.all(answers), [
      confirmation('sunsubscribe', 'x', 0),
      confirmation('ssubscribe', 'x', 1),
    ])
    assert.equal(
      nodes[0].asked.join('').split('SSUBSCRIBE').length + nodes[0].asked.join('').split('ssubscribe').length,
      4,
    )
    assert.equal(world.gaps, 0)
  })

  it('has its channels asked for at once, which tells where they are', async (t) => {
    const { nodes, world, ear } = await open(t)
    await subscribe(nodes[0], ear)
    nodes[0].answer = () => MOVED.replace('127.0.0.1:1', world.pools[1].endpoint.name)
    nodes[1].answer = () => confirmation('ssubscribe', 'x', 1)
    nodes[0].say(confirmation('sunsubscribe', 'x', 0))
    await until(
      () => world.pools[1].endpoint.subscriptions.topics.find('shard', 'x')?.live,
      'it is subscribed to there',
    )
    nodes[1].say('>3\r\n$8\r\nsmessage\r\n$1\r\nx\r\n$1\r\nm\r\n')
    await until(() => ear.heard.length === 1, 'it is heard')
    assert.equal(world.gaps, 1)
    assert.ok(world.pools[0].endpoint.subscriptions.topics.empty)
  })

  it('and that nobody serves is asked for again and again', async (t) => {
    const { nodes, world, ear, pool } = await open(t)
    await subscribe(nodes[0], ear)
    nodes[0].answer = () => '-CLUSTERDOWN Hash slot not served\r\n'
    world.owners.set(SLOT, null)
    world.carriers.follow()
    nodes[0].say(confirmation('sunsubscribe', 'x', 0))
    await until(() => nodes[0].asked.length === 2, 'it is asked for again')
    await nextTurn()
    nodes[0].answer = () => confirmation('ssubscribe', 'x', 1)
    await until(() => {
      world.sweep(50)
      return pool.endpoint.subscriptions.topics.find('shard', 'x')?.live
    }, 'it is back')
    assert.equal(world.gaps, 1)
  })

  it('and that two servers say the other one has is not thrown to and fro between them', async (t) => {
    const { nodes, world, ear } = await open(t)
    for (const [nth, node] of nodes.entries()) {
      node.answer = () => MOVED.replace('127.0.0.1:1', world.pools[1 - nth].endpoint.name)
    }
    const answer = ear.subscribe('shard', 'x')
    await until(() => nodes[1].asked.length === 1, 'the other one is asked')
    for (let turn = 0; turn < 50; turn++) await nextTurn()
    assert.deepEqual(
      nodes.map(({ asked }) => asked.length),
      [1, 1],
    )
    world.sweep(50)
    await until(() => nodes[1].asked.length === 2, 'it is asked again, and is believed when some time has passed')
    nodes[0].answer = () => confirmation('ssubscribe', 'x', 1)
    await until(() => {
      world.sweep(101)
      return nodes[0].asked.length > 1
    }, 'the first one is asked')
    assert.equal(await answer, confirmation('ssubscribe', 'x', 1))
  })
})
