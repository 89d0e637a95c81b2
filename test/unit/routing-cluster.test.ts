import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { Address } from '../../src/config/config.ts'
import { Recorder } from '../../src/metrics/recorder.ts'
import { ReadBuffer } from '../../src/resp/read-buffer.ts'
import { type ClusterOptions, ClusterTopology } from '../../src/routing/cluster.ts'
import { SLOTS } from '../../src/routing/slot-map.ts'
import { Endpoint } from '../../src/upstream/endpoint.ts'
import type { Waiter, WaitQueue } from '../../src/upstream/wait-queue.ts'
import { UpstreamLogin } from '../../src/upstream/login.js'
import { TurnClock } from '../../src/util/clock.ts'
import { createLogger, EventLog } from '../../src/util/log.ts'
import { TurnQueue } from '../../src/util/turn.ts'
import { until } from '../helpers/waiting.ts'
import { FakeRedis, SETTINGS } from './pool-harness.ts'

type Row = [first: number, last: number, ...nodes: unknown[]]

/** A topology whose nodes accept connections, and tell what the test says. */
class Cluster {
  readonly topology: ClusterTopology
  readonly recorder = new Recorder(1)
  readonly events: { event: string; endpoint?: string }[] = []
  /** What all nodes answer to CLUSTER SLOTS; an error is thrown. */
  rows: Row[] | Error = []
  /** Who was asked, in this order. */
  readonly asked: string[] = []
  /** While set, nodes do not answer. */
  gate: Promise<void> | null = null
  now = 1000
  #looks = 0

  private constructor(
    readonly nodes: readonly FakeRedis[],
    options: Partial<ClusterOptions>,
  ) {
    const clock = new TurnClock(() => this.now)
    const context = {
      reads: new ReadBuffer(),
      requests: new ReadBuffer().gather,
      turns: new TurnQueue(),
      recorder: this.recorder,
      clock,
      tls: null,
      login: new UpstreamLogin({ username: null, password: null }, 0, () => this.now),
    }
    const lines = { write: (line: string) => void this.events.push(JSON.parse(line) as Cluster['events'][number]) }
    const log = new EventLog(createLogger('info', lines), () => this.now, 1_000_000)
    const { reconnect } = SETTINGS.upstream
    this.topology = new ClusterTopology(
      { startNodes: [this.address(0)], addressMap: {}, interval: 10_000_000, ...reconnect, ...options },
      {
        create: (address) => new Endpoint(address, SETTINGS, context, log, 'test'),
        createReplica: (address) => new Endpoint(address, SETTINGS, context, log, 'test', 'replica'),
        askSlots: async (address) => {
          this.asked.push(nameOf(address))
          await this.gate
          if (this.rows instanceof Error) throw this.rows
          return this.rows
        },
        // Rounds need not wait for each other here.
        clock: () => this.now + (this.#looks += 200),
        log,
        recorder: this.recorder,
      },
    )
  }

  static async start(t: TestContext, count: number, options: Partial<ClusterOptions> = {}): Promise<Cluster> {
    const nodes = await Promise.all(Array.from({ length: count }, () => FakeRedis.start(t, () => undefined)))
    const cluster = new Cluster(nodes, options)
    t.after(() => cluster.topology.stop())
    return cluster
  }

  address(nth: number): Address & { kind: 'tcp' } {
    return { kind: 'tcp', host: '127.0.0.1', port: this.nodes[nth].port }
  }

  name(nth: number): string {
    return nameOf(this.address(nth))
  }

  /** A row of CLUSTER SLOTS. */
  row(first: number, last: number, ...nths: number[]): Row {
    return [first, last, ...nths.map((nth) => ['127.0.0.1', this.nodes[nth].port, `id${nth}`, []])]
  }

  async learn(rows: Row[] | Error = this.rows): Promise<void> {
    this.rows = rows
    const { topologyRefreshes } = this.recorder
    const count = () => topologyRefreshes.entries().reduce((sum, [, n]) => sum + n, 0)
    const before = count()
    this.topology.refresh()
    await until(() => count() > before, 'a round')
  }

  /** The names of the primaries of slots. */
  owners(...slots: number[]): (string | undefined)[] {
    return slots.map((slot) => this.topology.primaryOf(slot)?.name)
  }

  async allUp(): Promise<void> {
    await until(() => this.topology.primaries.every(({ downSince }) => downSince === null), 'all up')
  }
}

const nameOf = (address: Address): string => (address.kind === 'tcp' ? `${address.host}:${address.port}` : address.path)

class Wait implements Waiter {
  queue: WaitQueue | null = null
  readonly deadline = Infinity
  told: unknown = 'nothing'

  granted(lease: unknown): void {
    this.told = lease
  }

  refused(code: string): void {
    this.told = code
  }
}

/** Waits at an endpoint that has no connection, for a shared one and for a lease. */
function waitAt(endpoint: Endpoint): Wait[] {
  const [shared, lease] = [new Wait(), new Wait()]
  assert.equal(endpoint.waitShared(endpoint.lane(2, 0), shared), null)
  assert.equal(endpoint.lease(endpoint.lane(2, 0), lease, 'brief'), null)
  return [shared, lease]
}

test('until the map is known commands wait at the home, and then look again', async (t) => {
  const cluster = await Cluster.start(t, 2)
  const { topology } = cluster
  const first = topology.home
  assert.equal(topology.primaryOf(5), first)
  assert.deepEqual([topology.primaries, topology.endpoints], [[first], [first]])
  const waits = waitAt(first)
  const { version } = topology
  await cluster.learn([cluster.row(0, 99, 0), cluster.row(200, 299, 1)])
  assert.deepEqual(
    waits.map(({ told }) => told),
    [null, null],
  )
  assert.notEqual(topology.version, version)
  assert.deepEqual(cluster.owners(0, 99, 150, 200), [cluster.name(0), cluster.name(0), undefined, cluster.name(1)])
  assert.deepEqual(
    topology.primaries.map(({ name }) => name),
    [cluster.name(0), cluster.name(1)],
  )
  assert.equal(topology.home, topology.primaries[0])
  assert.ok(first.retired)
})

test('an endpoint is the same from map to map, as long as it is a primary', async (t) => {
  const cluster = await Cluster.start(t, 3)
  const { topology } = cluster
  await cluster.learn([cluster.row(0, 99, 0), cluster.row(100, 199, 1)])
  await cluster.allUp()
  const [a, b] = topology.primaries
  const { version } = topology
  await cluster.learn()
  assert.equal(topology.version, version, 'the same map is no change')
  await cluster.learn([cluster.row(0, 99, 2, 1), cluster.row(100, 199, 0)])
  assert.deepEqual([topology.primaryOf(100), topology.primaries[0].name], [a, cluster.name(2)])
  assert.deepEqual([a.retired, b.retired], [false, true])
  assert.ok(!topology.endpoints.includes(b))
  await until(() => {
    topology.sweep(cluster.now)
    return !topology.nodes.all.includes(b)
  }, 'it is dropped when its connections have gone')
  assert.equal(a.members.size, 1)
  await cluster.learn([cluster.row(0, 199, 1)])
  assert.notEqual(topology.primaries[0], b, 'what was retired stays so')
  assert.equal(topology.primaries[0].name, b.name)
})

test('those who wait at one that has lost slots look again', async (t) => {
  const cluster = await Cluster.start(t, 3)
  const { topology } = cluster
  for (const node of cluster.nodes) node.onAccept = () => undefined
  await cluster.learn([cluster.row(0, 99, 0), cluster.row(100, 199, 1), cluster.row(200, 299, 2)])
  const [loser, retired, other] = topology.primaries.map(waitAt)
  await cluster.learn([cluster.row(0, 50, 0), cluster.row(51, 299, 2)])
  const told = (waits: Wait[]) => waits.map((wait) => wait.told)
  assert.deepEqual(
    [told(loser), told(retired)],
    [
      [null, null],
      [null, null],
    ],
  )
  assert.deepEqual(told(other), ['nothing', 'nothing'])
})

test('MOVED counts for its slot at once, and has the map learned anew', async (t) => {
  const cluster = await Cluster.start(t, 3)
  const { topology } = cluster
  await cluster.learn([cluster.row(0, 199, 0), cluster.row(200, 299, 1)])
  await cluster.allUp()
  const [a, b] = topology.primaries
  let { version } = topology
  let release!: () => void
  cluster.gate = new Promise((resolve) => (release = resolve))
  const rounds = cluster.asked.length
  assert.equal(topology.moved(7, cluster.name(1), a), b)
  assert.deepEqual(cluster.owners(6, 7, 8), [a.name, b.name, a.name])
  assert.notEqual(topology.version, version)
  version = topology.version
  assert.equal(topology.moved(7, cluster.name(1), a), b)
  assert.equal(topology.version, version, 'no news')
  const third = topology.moved(8, `:${cluster.nodes[2].port}`, a)!
  assert.equal(third.name, cluster.name(2), 'without a host it is that of the node that said so')
  assert.deepEqual(
    topology.primaries.map(({ name }) => name),
    [a.name, b.name, third.name],
  )
  for (const bad of ['?:7', 'x', '', 'a:0', 'a:70000', 'a:b']) assert.equal(topology.moved(9, bad, a), null, bad)
  assert.equal(topology.moved(10, `::1:${cluster.nodes[2].port}`, a)!.name, `[::1]:${cluster.nodes[2].port}`)
  for (let i = 0; i < 100; i++) topology.moved(7, cluster.name(1), a)
  await until(() => cluster.asked.length > rounds, 'it asks')
  assert.equal(cluster.asked.length, rounds + 1, 'once for all of them')
  cluster.gate = null
  release()
  await until(() => topology.primaryOf(7) === a, 'what nodes tell counts for more')
  assert.ok(third.retired)
})

test('a node that an ASK has named is kept for a while, whoever serves what', async (t) => {
  const cluster = await Cluster.start(t, 3)
  const { topology } = cluster
  await cluster.learn([cluster.row(0, 199, 0)])
  const [a] = topology.primaries
  const { version } = topology
  const named = topology.named(cluster.name(2), a)!
  assert.equal(topology.named(cluster.name(2), a), named)
  assert.equal(topology.version, version)
  assert.deepEqual(topology.primaries, [a])
  assert.deepEqual(topology.endpoints, [a, named])
  await cluster.learn([cluster.row(0, 99, 0)])
  assert.equal(named.retired, false)
  cluster.now += 100_000
  await cluster.learn([cluster.row(0, 199, 0)])
  assert.equal(named.retired, true)
  assert.equal(topology.named('?:1', a), null)
})

test('when nobody can be asked the last map stays, and when nobody knows slots too', async (t) => {
  const cluster = await Cluster.start(t, 2)
  const { topology } = cluster
  await cluster.learn([cluster.row(0, 99, 0, 1)])
  await cluster.allUp()
  const { map } = topology
  cluster.asked.length = 0
  await cluster.learn(new Error('no answer in time'))
  assert.deepEqual(cluster.asked.slice(0, 2), [cluster.name(0), cluster.name(1)], 'replicas are asked as well')
  await cluster.learn([])
  assert.equal(topology.map, map)
  const count = (label: string) => cluster.recorder.topologyRefreshes.entries().find(([name]) => name === label)![1]
  assert.ok(count('failed') >= 2)
  assert.equal(count('ok'), 1)
  assert.ok(cluster.events.some(({ event }) => event === 'cluster_node_failed'))
})

test('start nodes are asked one after the other, until one tells', async (t) => {
  const startNodes: Address[] = ['first', 'second', 'third'].map((host) => ({ kind: 'tcp', host, port: 1 }))
  const cluster = await Cluster.start(t, 1, { startNodes })
  const { topology } = cluster
  await cluster.learn(new Error('no answer in time'))
  assert.deepEqual(cluster.asked.slice(0, 3), ['first:1', 'second:1', 'third:1'])
  await cluster.learn([cluster.row(0, 99, 0)])
  await until(() => topology.known, 'the map')
})

test('a login that nodes refuse is the fault of the login before the map is known', async (t) => {
  const cluster = await Cluster.start(t, 1)
  await cluster.learn(new Error('NOAUTH Authentication required.'))
  assert.equal(cluster.topology.home.outage, 'upstreamAuth')
})

test('the home is a primary that is up, and stays it', async (t) => {
  const cluster = await Cluster.start(t, 3)
  const { topology } = cluster
  const homes: string[] = []
  topology.onHome = ({ name }) => homes.push(name)
  await cluster.learn([cluster.row(0, 99, 0), cluster.row(100, 199, 1), cluster.row(200, 299, 2)])
  await cluster.allUp()
  const { home } = topology
  assert.deepEqual(homes, [home.name])
  await cluster.learn([cluster.row(0, 49, 2), cluster.row(50, 99, 0), cluster.row(100, 199, 1)])
  assert.equal(topology.home, home)
  const nth = cluster.nodes.findIndex(({ port }) => home.name.endsWith(`:${port}`))
  const { version } = topology
  cluster.nodes[nth].onAccept = (socket) => socket.destroy()
  for (const socket of cluster.nodes[nth].sockets) socket.destroy()
  await until(() => topology.home !== home, 'another one')
  assert.equal(topology.home.downSince, null)
  assert.equal(
    topology.home,
    topology.primaries.find(({ downSince }) => downSince === null),
  )
  assert.notEqual(topology.version, version)
  assert.deepEqual(homes, [home.name, topology.home.name])
})

test('the loss of a connection has the map learned anew, and so it goes on while a primary is missed', async (t) => {
  const cluster = await Cluster.start(t, 3)
  const { topology } = cluster
  await cluster.learn([cluster.row(0, 99, 0, 2), cluster.row(100, 199, 1)])
  await cluster.allUp()
  cluster.asked.length = 0
  cluster.nodes[0].onAccept = (socket) => socket.destroy()
  for (const socket of cluster.nodes[0].sockets) socket.destroy()
  await until(() => cluster.asked.length > 3, 'asked again and again')
  assert.ok(!cluster.asked.slice(1).includes(cluster.name(0)), 'others before the one that is missed')
  cluster.rows = [cluster.row(0, 99, 2), cluster.row(100, 199, 1)]
  await until(() => topology.primaryOf(0)!.name === cluster.name(2), 'the replica has taken over')
})

test('addresses are translated wherever they come from', async (t) => {
  const nodes = await Promise.all([1, 2, 3].map(() => FakeRedis.start(t, () => undefined)))
  const addressMap = Object.fromEntries(nodes.map(({ port }, nth) => [`inside-${nth}:7000`, `127.0.0.1:${port}`]))
  const cluster = await Cluster.start(t, 1, { addressMap })
  const { topology } = cluster
  const inside = (nth: number) => [`inside-${nth}`, 7000, 'id', []]
  await cluster.learn([[0, 99, inside(0), inside(1)]])
  const names = nodes.map(({ port }) => `127.0.0.1:${port}`)
  assert.deepEqual(topology.map.shards, [{ primary: names[0], replicas: [names[1]] }])
  const [from] = topology.primaries
  assert.equal(topology.named('inside-2:7000', from)!.name, names[2])
  assert.equal(topology.moved(7, 'inside-2:7000', from)!.name, names[2])
})

test('all slots have an answer', async (t) => {
  const cluster = await Cluster.start(t, 2)
  await cluster.learn([cluster.row(0, 8191, 0), cluster.row(8192, SLOTS - 1, 1)])
  for (let slot = 0; slot < SLOTS; slot++) {
    assert.equal(cluster.topology.primaryOf(slot), cluster.topology.primaries[slot < 8192 ? 0 : 1])
  }
})

test('replicas have endpoints from the first time on that somebody reads from their shard, and for as long as they are replicas', async (t) => {
  const cluster = await Cluster.start(t, 5)
  const { topology } = cluster
  assert.deepEqual(topology.replicasOf(5), [])
  await cluster.learn([cluster.row(0, 99, 0, 1, 2), cluster.row(100, 199, 3, 4)])
  assert.equal(topology.endpoints.length, 2)
  const [a, b] = topology.replicasOf(50)
  assert.deepEqual([a.name, b.name], [cluster.name(1), cluster.name(2)].sort())
  assert.deepEqual([a.role, b.role, topology.primaries[0].role], ['replica', 'replica', 'primary'])
  assert.deepEqual(topology.endpoints.slice(2), [a, b])
  assert.equal(topology.replicasOf(50), topology.replicasOf(0), 'asking again costs nothing')
  assert.deepEqual(topology.replicasOf(5000), [], 'a slot that nobody serves')
  const [, , c] = topology.replicasOf(-1)
  assert.equal(c.name, cluster.name(4))

  await cluster.learn([cluster.row(0, 99, 0, 1, 2), cluster.row(100, 199, 3)])
  assert.deepEqual(topology.replicasOf(150), [], 'it is not fit any more')
  assert.deepEqual([a.retired, c.retired], [false, true])
  const [promoted, stays] = a.name === cluster.name(1) ? [a, b] : [b, a]
  await cluster.learn([cluster.row(0, 99, 1, 2), cluster.row(100, 199, 3, 4)])
  assert.deepEqual(topology.replicasOf(50), [stays])
  const [back] = topology.replicasOf(150)
  assert.deepEqual([back.name, back.retired], [c.name, false])
  assert.ok(promoted.retired, 'its connections are those of a replica')
  assert.equal(topology.primaryOf(50)?.name, promoted.name)
  assert.notEqual(topology.primaryOf(50), promoted)
})
