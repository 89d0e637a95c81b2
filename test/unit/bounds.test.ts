/** Tables that grow with what comes have a size at which they stop. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { once } from 'node:events'
import { type AddressInfo, createServer, Socket } from 'node:net'
import type { Address, Config } from '../../src/config/config.ts'
import { load } from '../../src/config/load.ts'
import { Store } from '../../src/cache/store.ts'
import { CommandTable } from '../../src/commands/table.ts'
import { Databases } from '../../src/dispatch/databases.ts'
import { departed } from '../../src/dispatch/identities/figures.ts'
import { Learner } from '../../src/dispatch/learner.ts'
import { Permissions } from '../../src/dispatch/permissions.ts'
import { RecentWrites } from '../../src/dispatch/reads/recent.ts'
import { Allowance } from '../../src/downstream/allowance.ts'
import { LabelCounter } from '../../src/metrics/label-counter.ts'
import { Crew } from '../../src/process/crew.ts'
import { ClusterNodes } from '../../src/routing/cluster-nodes.ts'
import { SentinelWatch } from '../../src/routing/sentinel.ts'
import type { Endpoint } from '../../src/upstream/endpoint.ts'
import { UpstreamLogin } from '../../src/upstream/login.ts'
import { cancelWait, WaitQueue, type Waiter } from '../../src/upstream/wait-queue.ts'
import { BoundedMap } from '../../src/util/bounded-map.ts'
import { TurnClock } from '../../src/util/clock.ts'
import { createLogger, EventLog } from '../../src/util/log.ts'
import { until } from '../helpers/waiting.ts'

const many = (count: number) => Array.from({ length: count }, (_, nth) => nth)

describe('what is remembered of Redis', () => {
  it('names that are no commands: asked about again once there were too many', async () => {
    const asked: string[] = []
    const learner = new Learner(new CommandTable(), (names) => {
      asked.push(...names)
      return Promise.resolve(names.map(() => null))
    })
    const learn = (names: readonly string[]) =>
      Promise.all(names.map((name) => new Promise<void>((done) => void (learner.learn(name, done) || done()))))
    await learn(['first'])
    await learn(many(1023).map((nth) => `made-up-${nth}`))
    await learn(['first'])
    assert.equal(asked.filter((name) => name === 'first').length, 1)
    await learn(['one-more'])
    await learn(['first'])
    assert.equal(asked.filter((name) => name === 'first').length, 2)
    assert.equal(
      learner.learn('x'.repeat(65), () => assert.fail('nobody is asked about it')),
      false,
    )
  })

  it('databases: asked about again once there were too many', async () => {
    let asked = 0
    const databases = new Databases(() => Promise.resolve(++asked > 0))
    for (const nth of many(1024)) await databases.ask(nth + 1, () => undefined)
    assert.deepEqual([databases.has(1), databases.has(1024), asked], [true, true, 1024])
    await databases.ask(1025, () => undefined)
    assert.deepEqual([databases.has(1), databases.has(1025)], [null, true])
  })

  it('what users may do: asked about again once there was too much', async () => {
    let asked = 0
    const permissions = new Permissions({ call: () => Promise.resolve(asked++) }, () => 0, 1000)
    const may = (nth: number) =>
      new Promise<void>((done) => {
        if (permissions.refusalOf('select', ['SELECT', `${nth}`], done) !== undefined) done()
      })
    for (const nth of many(1024)) await may(nth)
    await may(0)
    assert.equal(asked, 1024)
    await may(1024)
    await may(0)
    assert.equal(asked, 1026)
  })

  it('slots that were written to: the oldest counts for all of them once there are too many', () => {
    const writes = new RecentWrites(1000)
    for (const slot of many(256)) writes.note(slot, 0)
    assert.equal(writes.concern(9999, 1), false)
    writes.note(256, 0)
    assert.deepEqual([writes.concern(9999, 1), writes.concern(9999, 1000)], [true, false])
  })

  it('nodes that redirects name: no more than that, and not for ever', () => {
    const retired: string[] = []
    const create = (address: Address) => {
      const name = (address as { host: string }).host
      return { name, isEmpty: true, ensureMinimum() {}, retire: () => retired.push(name) } as unknown as Endpoint
    }
    const nodes = new ClusterNodes(create)
    const at = (host: string): Address => ({ kind: 'tcp', host, port: 1 })
    const primary = nodes.at(at('primary'))
    nodes.keep([primary], 0)
    for (const nth of many(64)) assert.ok(nodes.named(at(`named-${nth}`), 0) !== null)
    assert.equal(nodes.named(at('one-more'), 0), null)
    // Those that are known may be named as often as one likes.
    assert.equal(nodes.named(at('primary'), 0), primary)
    assert.equal(nodes.named(at('named-5'), 0)?.name, 'named-5')
    nodes.forget(30_000)
    assert.equal(retired.length, 64)
    assert.deepEqual(nodes.inUse, [primary])
    assert.ok(nodes.named(at('one-more'), 30_000) !== null)
  })
})

it('replies on their way to the near cache: further ones are not kept', () => {
  const store = new Store({ maxBytes: 2 ** 20, maxEntries: 2000, maxEntryBytes: 100 }, new LabelCounter())
  const reserved = many(1000).map((nth) => store.reserve(`GET k${nth}`, `k${nth}`))
  assert.ok(reserved.every((one) => one !== null))
  assert.equal(store.reserve('GET more', 'more'), null)
  store.release(reserved[0])
  assert.ok(store.reserve('GET more', 'more') !== null)
})

describe('what is remembered of servers', () => {
  it('sessions of many servers: forgotten once there are too many', () => {
    const sessions = new BoundedMap<string, number>(256)
    for (const nth of many(256)) sessions.set(`${nth}`, nth)
    sessions.set('0', -1)
    assert.deepEqual([sessions.get('0'), sessions.get('255')], [-1, 255])
    sessions.set('one-more', 1)
    assert.deepEqual([sessions.get('0'), sessions.get('one-more')], [undefined, 1])
  })

  it('figures of servers are forgotten once there are too many', () => {
    const row = (nth: number) =>
      ({ endpoint: `server-${nth}`, role: 'primary', hits: 1, connections: {}, subscriptions: {}, closed: {} }) as never
    const hits = (all: readonly { endpoint: string; hits: number }[]) => all.map((one) => [one.endpoint, one.hits])
    let all = departed([], many(1024).map(row))
    assert.equal(all.length, 1024)
    all = departed(all, [row(1023), row(2000)])
    assert.equal(all.length, 1024)
    assert.deepEqual(hits(all.slice(0, 2)), [
      ['server-1023', 2],
      ['server-2000', 1],
    ])
  })

  it('sentinels that come and go: no more than that are remembered', async (t) => {
    let generation = 0
    const bulks = (...texts: string[]) =>
      `*${texts.length}\r\n${texts.map((one) => `$${one.length}\r\n${one}\r\n`).join('')}`
    const sentinels = () => {
      generation++
      const rows = many(30).map((nth) => bulks('ip', `10.${generation}.0.${nth}`, 'port', '26379'))
      return `*${rows.length}\r\n${rows.join('')}`
    }
    const server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.on('data', (bytes) => {
        for (const [command] of String(bytes).matchAll(/CLIENT|GET-MASTER-ADDR-BY-NAME|\$9\r\nSENTINELS|SUBSCRIBE/g)) {
          if (command.endsWith('SENTINELS')) socket.write(sentinels())
          else socket.write(command.startsWith('GET') ? bulks('127.0.0.1', '6379') : '+OK\r\n')
        }
      })
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const log = new EventLog(createLogger('silent'))
    const login = new UpstreamLogin({ username: null, password: null }, 0, () => 0)
    const configured: Address[] = [{ kind: 'tcp', host: '127.0.0.1', port }]
    const options = {
      sentinels: configured,
      service: 'main',
      clientName: 'test',
      tls: null,
      login,
      minDelay: 1,
      maxDelay: 1,
    }
    const watch = new SentinelWatch(options, log, () => undefined)
    t.after(() => {
      watch.stop()
      server.close()
    })
    for (const round of many(6)) {
      watch.refresh()
      await until(() => generation > round && watch.sentinels.length > 30, 'it has learned')
      await until(() => watch.sentinels.length <= 64, 'and not too much')
    }
    assert.deepEqual(watch.sentinels[0], configured[0])
    assert.ok(watch.sentinels.some((one) => one.kind === 'tcp' && one.host.startsWith('10.6.')))
  })
})

describe('who waits and goes', () => {
  it('for a connection: leaves no trace, also behind one who stays', () => {
    const queue = new WaitQueue()
    const waiter = (): Waiter => ({ deadline: 1, queue: null, granted() {}, refused() {} })
    queue.push(waiter())
    for (let i = 0; i < 10_000; i++) {
      const gone = waiter()
      queue.push(gone)
      cancelWait(gone)
    }
    assert.equal(queue.length, 1)
    assert.ok(queue.size <= 100, `${queue.size} are kept`)
  })

  it('as many wait as may while there is no worker, and the others are ended', () => {
    const { config } = load({
      argv: ['--upstream', 'redis://127.0.0.1:1', '--workers', '2'],
      env: {},
      readFile: () => '',
    }) as {
      config: Config
    }
    const crew = new Crew(config, new EventLog(createLogger('silent')), {} as never, 1, () => 'info')
    let ended = 0
    const sockets = many(1030).map(() => Object.assign(new Socket(), { destroy: () => ended++ }))
    for (const socket of sockets) crew.arrive('127.0.0.1:6379', socket, null)
    assert.equal(ended, 1030 - 1024)
  })

  it('for the allowance of a listener: is forgotten', () => {
    const limits = { connections: 0, commandsPerSecond: 1, bufferedBytes: 0 }
    const allowance = new Allowance(limits, new TurnClock(() => 0))
    const released: number[] = []
    const sessions = many(3).map((nth) => ({ held: 'paced', unhold: () => void released.push(nth) }))
    for (const session of sessions) allowance.wait(session)
    allowance.forget(sessions[1])
    assert.equal(allowance.waiting, 2)
    allowance.apply({ ...limits, commandsPerSecond: 0 })
    assert.deepEqual([released, allowance.waiting], [[0, 2], 0])
  })
})

it('labels of a metric: further ones count as other', () => {
  const counter = new LabelCounter()
  for (const nth of many(1000)) counter.add(`label-${nth}`)
  const entries = counter.entries()
  assert.ok(entries.length <= 65)
  assert.equal(Object.fromEntries(entries)['other'], 1000 - 64)
})
