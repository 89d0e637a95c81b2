import type { Socket } from 'node:net'
import { hostname } from 'node:os'
import { describeAddress } from './config/address.js'
import type { Config } from './config/config.js'
import type { Part, Prepared } from './config/part.js'
import { NearCache } from './cache/near-cache.js'
import { CommandTable } from './commands/table.js'
import { Databases } from './dispatch/databases.js'
import { Learner } from './dispatch/learner.js'
import { describeSession } from './dispatch/describe.js'
import { Doors, isExposed } from './dispatch/doors.js'
import { OpenDoor } from './dispatch/login.js'
import { ScriptMemory } from './dispatch/scripts/memory.js'
import type { DispatchLimits } from './dispatch/context.js'
import type { SessionContext } from './dispatch/session.js'
import type { Spans } from './dispatch/spans.js'
import type { Arrival, DownstreamContext, DownstreamLimits } from './downstream/context.js'
import { endBlocking } from './downstream/ending.js'
import { Listeners } from './downstream/listeners.js'
import { moveAll, type Take } from './downstream/moving.js'
import { Guards } from './guard/guards.js'
import { Drain } from './life/drain.js'
import type { Snapshot } from './metrics/gauges.js'
import { Recorder } from './metrics/recorder.js'
import { MAX_LINE } from './resp/bytes.js'
import { RequestScanner } from './resp/request-scanner.js'
import { ReadBuffer } from './resp/read-buffer.js'
import { Logins } from './routing/logins.js'
import { Upstreams } from './routing/upstreams.js'
import type { EntranceAt } from './sockets/entrance.js'
import type { Endpoint } from './upstream/endpoint.js'
import { TurnClock } from './util/clock.js'
import type { EventLog } from './util/log.js'
import { Registry } from './util/registry.js'
import { TurnQueue } from './util/turn.js'

/** How often time limits are looked at upstream and downstream, ms. */
const UPSTREAM_SWEEP = 50
const DOWNSTREAM_SWEEP = 200
/** A sweep that comes so late says that the process itself stood still: it was stopped, or had no CPU. */
const STOOD_STILL = 250
/** Replies on their way to one session may be so many times what it may leave unread. */
const REPLY_FACTOR = 4

/** The name that sentinels have for their primary in the sample configuration of Redis. */
const USUAL_SERVICE = 'mymaster'

const EXPOSED = 'anybody who reaches it can use Redis: give it an auth, which is none if that is meant to be so'

/** Commands that go to Redis after all. */
function withdrawn({ cluster, sentinel }: Config['standIn']): string[] {
  return [...(cluster ? [] : ['cluster']), ...(sentinel ? [] : ['sentinel'])]
}

function standInOf({ standIn, upstream: { target } }: Config): SessionContext['standIn'] {
  return { ...standIn, service: target.service ?? USUAL_SERVICE, places: { primary: null, replica: null } }
}

function downstreamLimits({ limits }: Config): DownstreamLimits {
  return { ...limits, inlineBytes: Math.min(limits.inlineBytes, MAX_LINE) }
}

function dispatchLimits({ upstream, limits, pool }: Config): DispatchLimits {
  return {
    commandTimeout: upstream.commandTimeout,
    blockTime: limits.blockTime,
    leaseWait: pool.leases.waitTimeout,
    outstanding: limits.outstanding,
    subscriberBytes: limits.subscriberBytes,
    mergedBytes: limits.mergedBytes,
    replyBytes: limits.outputBytes * REPLY_FACTOR,
    database: upstream.target.database,
  }
}

/** Where applications come from. */
export interface Surroundings {
  readonly entranceAt: EntranceAt
  /** The id of the first session. */
  readonly firstId: number
  /** Hears of commands, if they are traced. */
  readonly spans: Spans | null
}

/** Everything put together: what main starts and stops, and what the admin server shows. */
export class Proxy {
  /** What takes over a changed configuration, besides the listeners. */
  readonly parts: Part[]
  readonly recorder: Recorder
  readonly table: CommandTable
  readonly guards: Guards
  readonly #clock = new TurnClock()
  readonly #upstreams: Upstreams
  readonly #logins: Logins
  readonly #doors: Doors
  readonly #cache: NearCache | null
  readonly #dispatch: SessionContext
  readonly #listeners: Listeners
  readonly #buffered = { bytes: 0 }
  readonly #timers: NodeJS.Timeout[] = []
  #sweptAt = Infinity
  #stoodStill = false
  #started = false
  #stopping = false

  constructor(
    public config: Config,
    readonly log: EventLog,
    { entranceAt, firstId, spans }: Surroundings,
  ) {
    this.table = new CommandTable(config.commands.allow, withdrawn(config.standIn), config.commands.split)
    this.recorder = new Recorder(this.table.size)
    const { capacity } = this.table
    const knows = (name: string) => this.table.get(name) !== undefined
    this.guards = new Guards(config, this.recorder, this.#clock, log, capacity, knows)
    const turns = new TurnQueue()
    const requests = new ReadBuffer()
    const replies = new ReadBuffer()
    const upstream = { reads: replies, requests: requests.gather, turns, recorder: this.recorder, clock: this.#clock }
    const { target, clientName } = config.upstream
    const name = `${clientName}:${hostname()}`
    const logins = (this.#logins = new Logins(config, () => this.#clock.tick(), log))
    const own = { ...upstream, login: logins.redis }
    this.#upstreams = new Upstreams(config, own, logins, log, name, (home) => void this.#discover(home))
    this.#cache = this.#makeCache(name)
    const near = this.#cache?.another() ?? null
    const limits = downstreamLimits(config)
    this.#dispatch = {
      table: this.table,
      recorder: this.recorder,
      clock: this.#clock,
      topology: this.#upstreams.topology,
      carriers: this.#upstreams.carriers,
      registry: new Registry(firstId),
      learner: new Learner(this.table, (names) => this.#askCommands(names)),
      databases: new Databases((index) => this.#askDatabase(index), this.#upstreams.topology.sharded ? 1 : null),
      door: new OpenDoor(logins.redis),
      permissions: null,
      scripts: new ScriptMemory(config.scripts.cacheCount, config.scripts.cacheBytes),
      standIn: standInOf(config),
      requests,
      lookahead: new RequestScanner(limits),
      keeps: target.kind !== 'standalone',
      near,
      attends: near !== null || target.kind !== 'standalone',
      retrying: { count: 0, most: config.upstream.maxHeld },
      log,
      spans,
      limits: dispatchLimits(config),
    }
    const world = { config, upstream, logins, own: this.#upstreams, shared: this.#dispatch, log, clientName: name }
    const doors = (this.#doors = new Doors(world))
    const downstream: DownstreamContext = {
      dispatch: this.#dispatch,
      lobby: (auth) => doors.contextFor(auth),
      reads: requests,
      replies: replies.gather,
      turns,
      limits,
      buffered: this.#buffered,
      guards: this.guards,
    }
    this.#listeners = new Listeners(config, downstream, log, entranceAt)
    this.parts = [this.#upstreams, this.guards, this.#sessions(limits), logins, doors]
  }

  #makeCache(clientName: string): NearCache | null {
    const { config, log, table } = this
    const { topology: servers, context } = this.#upstreams
    if (config.cache.prefixes.length === 0) return null
    return new NearCache(config, { context, servers, log, clientName, capacity: table.capacity })
  }

  /** What sessions go by: the same objects for as long as it runs, as everybody holds them. */
  #sessions(limits: DownstreamLimits): Part {
    return {
      apply: (next) => {
        Object.assign(limits, downstreamLimits(next))
        Object.assign(this.#dispatch.limits, dispatchLimits(next))
        this.#dispatch.retrying.most = next.upstream.maxHeld
        this.#cache?.apply(next)
      },
    }
  }

  /** Gets everything that can fail about another configuration over with; nothing has changed until that is committed. */
  async prepare(config: Config): Promise<Prepared> {
    if (!this.#started) throw new Error('it has not started yet: try again')
    if (this.#stopping) throw new Error('it is about to end')
    const listeners = await this.#listeners.prepare(config)
    return {
      cancel: () => listeners.cancel(),
      commit: () => {
        listeners.commit()
        for (const part of this.parts) part.apply(config)
        this.config = config
        this.#warnOfExposed()
      },
    }
  }

  /** Listens, at once or, with `start: eager`, when Redis has been reached. */
  async start(): Promise<void> {
    this.#logins.start()
    this.#doors.start()
    this.#upstreams.start()
    this.#timers.push(
      setInterval(() => this.#sweepUpstream(), UPSTREAM_SWEEP),
      setInterval(() => this.#sweepDownstream(), DOWNSTREAM_SWEEP),
    )
    if (this.config.upstream.start === 'eager') await this.#upstreams.whenUp()
    await this.#listeners.listen()
    this.#warnOfExposed()
    this.#started = true
    const { home } = this.#upstreams.topology
    this.log.event('info', 'started', { listening: this.#listeners.listening, upstream: home.name })
  }

  /** Ends in such a way that no application need see an error; `notice` as configured unless it is given, ms. */
  async stop(notice = this.config.drain.notice): Promise<void> {
    this.#stopping = true
    const { connections } = this.#listeners
    const recorder = this.recorder
    recorder.draining = 1
    const subject = {
      connections,
      get accepted() {
        return recorder.connectionsAccepted
      },
      close: () => this.#listeners.close(),
      endBlocking: () => connections.forEach(({ session }) => endBlocking(session)),
      cut: () => this.#upstreams.stop(),
    }
    const times = { notice: this.#started ? notice : 0, timeout: this.config.drain.timeout }
    await new Drain(subject, times, this.log).run()
    for (const timer of this.#timers) clearInterval(timer)
    this.#logins.stop()
    this.#doors.stop()
    this.#cache?.stop()
    this.#upstreams.stop()
    this.log.event('info', 'stopped', {})
  }

  /** Takes in an application that another process has let in (null), or that was elsewhere before. */
  arrive(at: string, socket: Socket, arrival: Arrival | null): void {
    this.#listeners.arrive(at, socket, arrival)
  }

  /** Stops accepting, and has another process go on for those applications that nothing connects with this one. */
  async leave(take: Take | null): Promise<void> {
    this.#stopping = true
    this.#listeners.close()
    if (take !== null) await moveAll(this.#listeners.connections, take)
    await this.stop(0)
  }

  // What the admin server shows.

  started(): boolean {
    return this.#started
  }

  /** Connections of applications, also those that TLS is not agreed upon yet. */
  get applications(): number {
    return this.#listeners.size
  }

  /** The id that the next session gets. */
  get nextId(): number {
    return this.#dispatch.registry.nextId
  }

  ready(): { ready: boolean; reasons: string[] } {
    const reasons: string[] = []
    if (!this.#started) reasons.push('not listening yet')
    if (this.#stopping) reasons.push('told to stop')
    const { missing } = this.#upstreams
    if (missing !== null) reasons.push(missing)
    return { ready: reasons.length === 0, reasons }
  }

  snapshot(): Snapshot {
    const downstreamConnections = this.#listeners.connections.size
    const { identities } = this.#doors
    const endpoints = this.#doors.stats(this.#upstreams.stats())
    const cache = this.#cache?.figures() ?? null
    return { endpoints, downstreamConnections, identities, bufferedBytes: this.#buffered.bytes, cache }
  }

  stats(): object {
    const { bytesIn, bytesOut, connectionsAccepted, connectionsRefused } = this.recorder
    return { ...this.snapshot(), bytesIn, bytesOut, connectionsAccepted, connectionsRefused }
  }

  topology(): object {
    return this.#upstreams.describe()
  }

  /** @param most if given, only so many: those that were active last */
  clients(most = Infinity): object[] {
    const sessions = this.#dispatch.registry.all()
    if (sessions.length <= most) return sessions.map(describeSession)
    const oldest = Float64Array.from(sessions, ({ lastActive }) => lastActive).sort()[sessions.length - most]
    return sessions
      .filter(({ lastActive }) => lastActive >= oldest)
      .sort((a, b) => b.lastActive - a.lastActive)
      .slice(0, most)
      .map(describeSession)
  }

  #warnOfExposed(): void {
    for (const { address } of this.config.listen.filter(isExposed))
      this.log.event('warn', 'listener_open', { listener: describeAddress(address), advice: EXPOSED })
  }

  #sweepUpstream(): void {
    const now = this.#clock.tick()
    // What came meanwhile is still to be read: nothing is called late before. Once, lest a process that always lags never sweeps.
    this.#stoodStill = !this.#stoodStill && now - this.#sweptAt > STOOD_STILL
    this.#sweptAt = now
    if (this.#stoodStill) return
    this.#upstreams.sweep(now)
    this.#doors.sweep(now)
    this.#cache?.sweep(now)
  }

  #sweepDownstream(): void {
    const now = this.#clock.tick()
    for (const connection of this.#listeners.connections) connection.sweep(now)
    this.guards.sweep(now)
  }

  /** What is to be known of a Redis that has just been reached: its commands, and how many databases it has. */
  async #discover({ name }: Endpoint): Promise<void> {
    const { databases, topology } = this.#dispatch
    if (!topology.sharded) databases.forget()
    try {
      const rows = await this.#upstreams.ask('COMMAND')
      const learned = Array.isArray(rows) ? this.table.learn(rows) : 0
      if (learned > 0) this.log.event('info', 'commands_learned', { endpoint: name, commands: learned })
      if (databases.count !== null) return
      const setting = await this.#upstreams.ask('CONFIG', 'GET', 'databases')
      if (Array.isArray(setting)) databases.count = Number(setting[1]) || null
    } catch (error) {
      // Managed servers refuse CONFIG, and an ACL may refuse either: names and databases are then asked about one by one.
      this.log.event('debug', 'discovery_failed', { endpoint: name, error: String(error) })
    }
  }

  async #askDatabase(index: number): Promise<boolean> {
    try {
      await this.#upstreams.ask('SELECT', String(index))
      return true
    } catch (error) {
      if (String(error).includes('out of range')) return false
      throw error
    }
  }

  async #askCommands(names: string[]): Promise<unknown[]> {
    const rows = await this.#upstreams.ask('COMMAND', 'INFO', ...names)
    return Array.isArray(rows) ? (rows as unknown[]) : []
  }
}
