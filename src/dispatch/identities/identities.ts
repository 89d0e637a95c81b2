import type { Config } from '../../config/config.js'
import { hashOf } from '../../config/users.js'
import type { ErrorCode } from '../../errors.js'
import type { EndpointStats } from '../../metrics/gauges.js'
import type { Credentials } from '../../upstream/login.js'
import { type Door, DRAIN_FIRST, IN, LATER, out, type Verdict } from '../door.js'
import { enter } from '../entry.js'
import type { Session } from '../session.js'
import { departed, summed } from './figures.js'
import { Identity, type IdentityWorld } from './identity.js'
import { Judge } from './judge.js'

/** How often unused identities are looked for, ms. */
const LOOK_INTERVAL = 1000

/** A login that Redis is asked about. */
interface Attempt {
  readonly key: string
  /** Null as long as Redis has not answered. */
  outcome: Identity | Verdict | null
}

/** For an application that has not logged in: the default user, if that needs no password. */
const ANONYMOUS: Credentials = { username: null, password: null }

/**
 * Lets in whom Redis lets in, and has their commands go to Redis as that user.
 *
 *     AUTH, HELLO … AUTH ──► judged by Redis ──► identity of this user and password ──► its own connections
 *     nothing of the kind ─► may the default user do without a password? ─► the same, without a login
 *
 * Invariants: a session is in the context of the identity that it has proved to be, or in the lobby, from where nothing leads to Redis.
 * There are `passthrough.maxLogins` identities at the most. Every `passthrough.recheckInterval` Redis is asked again about each, and at
 * once if it refuses a connection; whose login is no longer good is disconnected, with all its connections to Redis.
 */
export class Identities implements Door<Session> {
  readonly open = false
  readonly #identities = new Map<string, Identity>()
  readonly #attempts = new WeakMap<Session, Attempt>()
  readonly #judge: Judge
  #anonymous: { allowed: boolean; until: number } | null = null
  /** Figures of the identities that are no more. */
  #departed: EndpointStats[] = []
  #lookedAt = 0

  constructor(readonly world: IdentityWorld) {
    this.#judge = new Judge(world)
  }

  get size(): number {
    return this.#identities.size
  }

  // Door

  arrive(session: Session): void {
    const known = this.#anonymous
    if (known !== null && this.#now < known.until && !known.allowed) return
    session.hold('learning')
    void this.#letInUnknown(session).then(() => session.held === 'learning' && session.unhold())
  }

  admit(session: Session, user: string | null, password: string): Verdict {
    if (session.inflight > 0) return DRAIN_FIRST
    const key = keyOf({ username: user, password })
    const attempt = this.#attempts.get(session)
    if (attempt?.key === key) {
      if (attempt.outcome === null) return LATER
      this.#attempts.delete(session)
      return attempt.outcome instanceof Identity ? this.#enter(session, attempt.outcome) : attempt.outcome
    }
    const fresh: Attempt = { key, outcome: null }
    this.#attempts.set(session, fresh)
    void this.#judged(user, password).then((outcome) => {
      fresh.outcome = outcome
      if (session.held === 'learning') session.unhold()
    })
    return LATER
  }

  knock(session: Session): ErrorCode {
    if (this.#anonymous?.allowed === false) return 'noAuth'
    // Perhaps it is known now.
    this.arrive(session)
    return this.#anonymous === null ? 'upstreamDown' : 'noAuth'
  }

  // Life

  /** To be called every 50 to 100 ms. */
  sweep(now: number): void {
    for (const identity of this.#identities.values()) {
      identity.upstreams.sweep(now)
      if (now - identity.checkedAt > this.world.config.passthrough.recheckInterval) void this.#recheck(identity)
    }
    if (now - this.#lookedAt < LOOK_INTERVAL) return
    this.#lookedAt = now
    this.#endUnused(now)
  }

  /** Another configuration is in force. */
  apply(config: Config): void {
    this.world.config = config
    for (const identity of this.#identities.values()) identity.apply(config)
  }

  stop(): void {
    this.#judge.stop()
    for (const identity of this.#identities.values()) identity.stop()
  }

  /** Figures of all of them together, one row for each server. */
  stats(): EndpointStats[] {
    return summed([...this.#departed, ...[...this.#identities.values()].flatMap(({ upstreams }) => upstreams.stats())])
  }

  get #now(): number {
    return this.world.upstream.clock.now
  }

  async #judged(user: string | null, password: string): Promise<Identity | Verdict> {
    const judgement = await this.#judge.login(user, password)
    if (judgement === 'unknown') return out('upstreamDown')
    if (judgement.refusal !== null) return { kind: 'refused', text: judgement.refusal }
    return this.#identify({ username: user ?? 'default', password })
  }

  /** The identity of credentials that Redis has just found good, once it has connections. */
  async #identify(credentials: Credentials): Promise<Identity | Verdict> {
    const key = keyOf(credentials)
    let identity = this.#identities.get(key)
    if (identity === undefined) {
      if (!this.#hasRoom()) return out('loginsExceeded')
      identity = this.#create(credentials)
      this.#identities.set(key, identity)
    }
    identity.usedAt = identity.checkedAt = this.world.upstream.clock.tick()
    await identity.up()
    return identity
  }

  #create(credentials: Credentials): Identity {
    const identity = new Identity(this.world, credentials, this)
    identity.login.onRefused = () => void this.#recheck(identity)
    return identity
  }

  #enter(session: Session, identity: Identity): Verdict {
    // It was given up in the meantime: another attempt tells.
    if (identity.stopped) return out('upstreamDown')
    const moves = session.context !== identity.context
    if (moves && session.mode.current !== 'locked' && !isPlain(session)) return out('userBound')
    enter(session, identity.context, identity.user)
    identity.usedAt = this.#now
    return IN
  }

  async #letInUnknown(session: Session): Promise<void> {
    if (this.#anonymous === null || this.#now >= this.#anonymous.until) await this.#askAboutAnonymous()
    if (this.#anonymous?.allowed !== true) return
    const identity = await this.#identify(ANONYMOUS)
    if (identity instanceof Identity && !session.closed && session.mode.current === 'locked')
      this.#enter(session, identity)
  }

  async #askAboutAnonymous(): Promise<void> {
    const judgement = await this.#judge.anonymous()
    const until = this.world.upstream.clock.tick() + this.world.config.passthrough.recheckInterval
    this.#anonymous = judgement === 'unknown' ? null : { allowed: judgement.refusal === null, until }
  }

  /** True if there may be another identity; one that nobody uses gives way. */
  #hasRoom(): boolean {
    const { maxLogins } = this.world.config.passthrough
    if (this.#identities.size < maxLogins) return true
    const used = this.#used()
    const unused = [...this.#identities.values()].filter(({ context }) => !used.has(context))
    const oldest = unused.sort((a, b) => a.usedAt - b.usedAt)[0]
    if (oldest !== undefined) this.#end(oldest)
    return oldest !== undefined
  }

  /** The contexts that sessions are in. */
  #used(): Set<unknown> {
    return new Set(this.world.shared.registry.all().map(({ context }) => context))
  }

  #endUnused(now: number): void {
    if (this.#identities.size === 0) return
    const { passthrough, upstream } = this.world.config
    const used = this.#used()
    for (const identity of this.#identities.values()) {
      if (used.has(identity.context)) identity.usedAt = now
      // Somebody may be about to enter.
      else if (now - identity.usedAt > passthrough.idleTimeout + upstream.connectTimeout) this.#end(identity)
    }
  }

  async #recheck(identity: Identity): Promise<void> {
    if (identity.checking || identity.stopped) return
    identity.checking = true
    const good = await this.#judge.stillGood(identity.credentials)
    identity.checking = false
    identity.checkedAt = this.world.upstream.clock.tick()
    if (!good && !identity.stopped) this.#revoke(identity)
  }

  #revoke(identity: Identity): void {
    const { log, shared } = this.world
    if (identity.credentials === ANONYMOUS) this.#anonymous = null
    let sessions = 0
    for (const session of shared.registry.all()) {
      if (session.context !== identity.context) continue
      session.downstream.destroy('login revoked')
      sessions++
    }
    this.#end(identity)
    log.event('warn', 'login_revoked', { connections: sessions })
  }

  #end(identity: Identity): void {
    this.#departed = departed(this.#departed, identity.upstreams.stats())
    this.#identities.delete(keyOf(identity.credentials))
    identity.stop()
  }
}

/** The user's name has no NUL in it. */
const keyOf = ({ username, password }: Credentials): string =>
  `${username ?? ''}\0${password === null ? '' : hashOf(password)}`

/** True if a session leaves nothing behind when its commands go elsewhere. */
function isPlain({ mode, subscribed, anchor, lease, pooling }: Session): boolean {
  return mode.current === 'open' && !subscribed && !anchor.exists && (lease === null || pooling === 'session')
}
