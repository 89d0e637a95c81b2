import assert from 'node:assert/strict'
import { createServer, type Server, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import type { ErrorCode } from '../../src/errors.js'
import { Recorder } from '../../src/metrics/recorder.js'
import { command } from '../../src/resp/encode.js'
import { ReadBuffer } from '../../src/resp/read-buffer.js'
import type { UpstreamConnection } from '../../src/upstream/connection.js'
import { Endpoint, type UpstreamSettings } from '../../src/upstream/endpoint.js'
import type { Lane } from '../../src/upstream/lane.js'
import type { Use } from '../../src/upstream/lease-use.js'
import type { Waiter, WaitQueue } from '../../src/upstream/wait-queue.js'
import { credentialsOf, UpstreamLogin } from '../../src/upstream/login.js'
import { sweep } from '../../src/upstream/maintenance.js'
import type { Loss, Pending } from '../../src/upstream/pending.js'
import type { UpstreamTls } from '../../src/config/config.js'
import { ClientTls } from '../../src/tls/client.js'
import { TurnClock } from '../../src/util/clock.js'
import { createLogger, EventLog } from '../../src/util/log.js'
import { TurnQueue } from '../../src/util/turn.js'
import { freePort } from '../helpers/ports.ts'
import { RawClient } from '../helpers/raw.ts'
import { until } from '../helpers/waiting.ts'

export const SETTINGS: UpstreamSettings = {
  upstream: {
    target: {
      kind: 'standalone',
      endpoints: [],
      service: null,
      database: 0,
      tls: false,
      username: null,
      password: null,
    },
    tls: { verify: 'full', minVersion: '1.2' },
    passwordInterval: 60_000,
    passwordOverlap: 60_000,
    sentinel: { username: null, password: null, tls: { enabled: 'auto' } },
    cluster: { refreshInterval: 30_000, addressMap: {} },
    start: 'lazy',
    clientName: 'pooltest',
    connectTimeout: 10_000,
    commandTimeout: 100_000,
    holdTime: 1000,
    maxHeld: 100,
    reconnect: { minDelay: 1, maxDelay: 5 },
    keepAlive: 0,
  },
  pool: {
    max: 4,
    min: 1,
    idleTimeout: 0,
    maxLifetime: 0,
    jitter: 0,
    healthCheckInterval: 0,
    leases: { max: 3, waitTimeout: 4000, maxWaiters: 10, reserve: 1, maxBlocking: 0 },
  },
}

/** How long a login that was replaced may be tried, ms. */
export const OVERLAP = 5000

interface Changes {
  upstream?: Partial<UpstreamSettings['upstream']>
  pool?: Partial<Omit<UpstreamSettings['pool'], 'leases'>>
  leases?: Partial<UpstreamSettings['pool']['leases']>
  password?: string
  host?: string
  /** With TLS. */
  tls?: Partial<UpstreamTls>
  kind?: UpstreamSettings['upstream']['target']['kind']
}

/** An endpoint on its own, as the proxy puts it together, with a clock that the test turns. */
export class Pool {
  /** ms; stands still unless the test moves it. */
  now = 1000
  readonly clock = new TurnClock(() => this.now)
  readonly endpoint: Endpoint
  readonly turns = new TurnQueue()
  readonly recorder = new Recorder(1)
  readonly login: UpstreamLogin
  /** Everything the log was told, as parsed lines. */
  readonly events: { event: string; reason?: string; detail?: string; error?: string }[] = []
  readonly #requests = new ReadBuffer()

  constructor(t: TestContext, port: number, changes: Changes = {}) {
    const { upstream, pool, leases, password, host = '127.0.0.1', kind = 'standalone' } = changes
    const settings: UpstreamSettings = {
      upstream: {
        ...SETTINGS.upstream,
        ...upstream,
        target: { ...SETTINGS.upstream.target, kind },
      },
      pool: { ...SETTINGS.pool, ...pool, leases: { ...SETTINGS.pool.leases, ...leases } },
    }
    const { username } = settings.upstream.target
    const credentials = credentialsOf({ username, password: password ?? null })
    this.login = new UpstreamLogin(credentials, OVERLAP, () => this.now)
    const log = createLogger('info', { write: (line) => this.events.push(JSON.parse(line) as Pool['events'][number]) })
    const events = new EventLog(log, () => this.now, 1_000_000)
    const tls =
      changes.tls && new ClientTls({ ...SETTINGS.upstream.tls, ...changes.tls }, 'upstream.tls', this.recorder, events)
    t.after(() => tls?.stop())
    const context = {
      reads: new ReadBuffer(),
      requests: this.#requests.gather,
      turns: this.turns,
      recorder: this.recorder,
      clock: this.clock,
      tls: tls ?? null,
      login: this.login,
    }
    this.endpoint = new Endpoint({ kind: 'tcp', host, port }, settings, context, events, 'pooltest')
    t.after(() => this.endpoint.stop())
  }

  lane(protocol: 2 | 3 = 3, database = 0): Lane {
    return this.endpoint.lane(protocol, database)
  }

  /** Lets time pass and looks at everything that has a limit. */
  sweep(passed = 0): void {
    this.now += passed
    sweep(this.endpoint, this.clock.tick())
  }

  /** Sends a command on a connection that the test has. */
  send(connection: UpstreamConnection, ...args: string[]): Call {
    const call = new Call(this.now, this.now + this.endpoint.settings.upstream.commandTimeout)
    const bytes = Buffer.from(command(...args), 'latin1')
    connection.send(call, bytes, 0, bytes.length)
    this.#requests.gather.close()
    return call
  }

  /** Runs a command on a shared connection of the lane, waiting as sessions do: woken in the turn after. */
  async run(lane: Lane, ...args: string[]): Promise<string> {
    for (;;) {
      const connection = lane.pick()
      if (connection !== null) return this.send(connection, ...args).answer
      const wait = this.wait(lane)
      assert.equal(await wait.outcome, null)
    }
  }

  /** Waits for a shared connection. */
  wait(lane: Lane, time = SETTINGS.upstream.commandTimeout): Wait {
    const wait = new Wait(this, this.now + time)
    const refusal = this.endpoint.waitShared(lane, wait)
    if (refusal !== null) wait.refused(refusal)
    return wait
  }

  lease(lane: Lane, time = this.endpoint.settings.pool.leases.waitTimeout, use: Use = 'brief'): Wait {
    const wait = new Wait(this, this.now + time)
    const got = this.endpoint.lease(lane, wait, use)
    if (typeof got === 'string') wait.refused(got)
    else if (got !== null) wait.granted(got)
    return wait
  }

  /** Gets a lease that there must be. */
  async leased(lane: Lane): Promise<UpstreamConnection> {
    const got = await this.lease(lane).outcome
    assert.ok(got !== null && typeof got === 'object')
    return got
  }

  /** Waits until it is up. */
  async up(): Promise<void> {
    this.endpoint.ensureMinimum()
    await until(() => this.endpoint.downSince === null && this.endpoint.stats().connections.connecting === 0, 'up')
  }

  get shared(): number {
    return [...this.endpoint.lanes.values()].reduce((sum, lane) => sum + lane.shared.length, 0)
  }

  eventsOf(event: string): Pool['events'] {
    return this.events.filter((line) => line.event === event)
  }
}

/** Somebody who waits; wakes up as sessions do, in the resume phase of the loop turn and not at once. */
export class Wait implements Waiter {
  queue: WaitQueue | null = null
  /** Undefined while it waits. */
  settled: UpstreamConnection | ErrorCode | null | undefined
  readonly outcome: Promise<UpstreamConnection | ErrorCode | null>
  #resolve!: (outcome: UpstreamConnection | ErrorCode | null) => void

  constructor(
    readonly pool: Pool,
    readonly deadline: number,
  ) {
    this.outcome = new Promise((resolve) => (this.#resolve = resolve))
  }

  granted(lease: UpstreamConnection | null): void {
    this.#settle(lease)
  }

  refused(code: ErrorCode): void {
    this.#settle(code)
  }

  #settle(outcome: UpstreamConnection | ErrorCode | null): void {
    assert.equal(this.settled, undefined, 'told twice')
    this.settled = outcome
    this.pool.turns.add('resume', { queued: false, run: () => this.#resolve(outcome) })
  }
}

/** A command on its way, and the latin1 text of its answer. */
export class Call implements Pending {
  lost = false
  loss: Loss | undefined
  /** Rejects with the loss. */
  readonly answer: Promise<string>
  #text = ''
  #resolve!: (text: string) => void
  #reject!: (error: Error) => void

  constructor(
    readonly since: number,
    readonly deadline: number,
  ) {
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    // Not every test asks for every answer.
    this.answer.catch(() => undefined)
  }

  reply(buf: Buffer, start: number, end: number, last: boolean): void {
    assert.equal(this.lost, false, 'answered although it was lost')
    this.#text += buf.toString('latin1', start, end)
    if (last) this.#resolve(this.#text)
  }

  lose(loss: Loss): void {
    assert.equal(this.lost, false, 'lost twice')
    this.lost = true
    this.loss = loss
    this.#reject(new Error(loss))
  }
}

/** A look at Redis from outside. */
export class Outside {
  private constructor(readonly client: RawClient) {}

  static async connect(t: TestContext, port: number): Promise<Outside> {
    const client = await RawClient.connect(port)
    t.after(() => client.close())
    return new Outside(client)
  }

  async call(...args: string[]): Promise<string> {
    return (await this.client.call(...args)).toString('latin1')
  }

  /** The lines of CLIENT LIST that the pool's connections have. */
  async poolClients(): Promise<string[]> {
    const list = await this.call('CLIENT', 'LIST')
    return list.split('\n').filter((line) => line.includes(' name=pooltest '))
  }

  /** How often a command has run since the last CONFIG RESETSTAT. */
  async runs(name: string): Promise<number> {
    const stats = await this.call('INFO', 'commandstats')
    return Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats)?.[1] ?? 0)
  }
}

const HELLO = '%2\r\n+version\r\n+9.9.9\r\n+id\r\n:77\r\n'

/** For answers that no real Redis gives: logs every connection in, then leaves it to `serve`. */
export class FakeRedis {
  readonly sockets: Socket[] = []
  /** What to do with a connection instead of serving it. */
  onAccept: ((socket: Socket) => void) | null = null
  readonly #server: Server

  private constructor(
    readonly port: number,
    serve: (socket: Socket, text: string) => void,
    hello: string,
  ) {
    this.#server = createServer((socket) => {
      this.sockets.push(socket)
      socket.on('error', () => undefined)
      if (this.onAccept !== null) return this.onAccept(socket)
      socket.on('data', (chunk: Buffer) => {
        const text = chunk.toString('latin1')
        if (text.includes('HELLO')) socket.write(`${hello}+OK\r\n`)
        else serve(socket, text)
      })
    })
  }

  static async start(t: TestContext, serve: (socket: Socket, text: string) => void, hello = HELLO): Promise<FakeRedis> {
    const fake = new FakeRedis(await freePort(), serve, hello)
    await new Promise<void>((resolve) => fake.#server.listen(fake.port, '127.0.0.1', resolve))
    t.after(() => {
      for (const socket of fake.sockets) socket.destroy()
      fake.#server.close()
    })
    return fake
  }
}
