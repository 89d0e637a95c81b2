import type { Address } from '../config/config.js'
import { decode } from '../resp/decode.js'
import { command } from '../resp/encode.js'
import type { UpstreamContext } from '../upstream/connection.js'
import type { CloseReason } from '../upstream/close-reason.js'
import type { UpstreamSettings } from '../upstream/endpoint.js'
import { type HandshakeFailure, StepReply } from '../upstream/handshake.js'
import { type LinkOwner, type LinkUser, SubscriptionLink } from '../upstream/subscription-link.js'
import { Backoff } from '../util/backoff.js'
import type { EventLog } from '../util/log.js'

/** What all trackers go by. */
export interface TrackerWorld {
  settings: UpstreamSettings
  readonly context: UpstreamContext
  readonly log: EventLog
  readonly clientName: string
  /** No one of them is the beginning of another. */
  readonly prefixes: readonly string[]
}

/** Who wants to know what changes. Keys are latin1, one character a byte. */
export interface TrackerOwner {
  changed(key: string): void
  /** Any key may have changed, and Redis says so. */
  flushed(): void
  /** What has changed since cannot be known. */
  lost(): void
}

/** How often the connection is tested, ms: one that is dead is noticed when the time of a command is over after that. */
const TEST_INTERVAL = 1000
/** After a refusal Redis is asked again so often, ms: permissions may have changed. */
const ASK_INTERVAL = 30_000

/** Longest list of changed keys, bytes: a longer one costs all that is kept, instead of as much memory again and again. */
const LARGEST_PUSH = 16 * 1024 * 1024

const PING = command('PING')

/**
 * Hears from one server which keys have changed.
 *
 *     dial ──► CLIENT TRACKING ON BCAST PREFIX … ──► OK: ready ──► invalidate [ keys ] | all
 *       ▲             └─ refused: asked again later      │ └─ PING, every second
 *       └───────── closed, or silent ◄───────────────────┘
 *
 * Invariant: while it is ready Redis has been told to say what changes, on this connection, which has answered lately: what it said until it
 * answered has been heard. With the connection all is lost that was said, so the owner hears of that at once.
 */
export class Tracker implements LinkOwner, LinkUser {
  ready = false
  readonly mostPushBytes = LARGEST_PUSH
  readonly link = new SubscriptionLink(this, this, 'invalidations')
  readonly #backoff: Backoff
  #dialAt = -Infinity
  #dueAt = Infinity
  #stopped = false
  /** True once it was said why nothing is kept of this server. */
  #told = false

  constructor(
    readonly name: string,
    readonly address: Address,
    readonly world: TrackerWorld,
    readonly owner: TrackerOwner,
  ) {
    const { minDelay, maxDelay } = world.settings.upstream.reconnect
    this.#backoff = new Backoff(minDelay, maxDelay)
  }

  /** To be called every 50 to 100 ms. */
  sweep(now: number): void {
    this.link.open()
    this.link.sweep(now)
    if (now < this.#dueAt || this.link.current === null) return
    this.#dueAt = Infinity
    if (this.ready) this.#test(now)
    else this.#ask(now)
  }

  stop(): void {
    this.#stopped = true
    this.link.connection?.close('moved', '')
  }

  // LinkOwner

  get settings(): UpstreamSettings {
    return this.world.settings
  }

  get context(): UpstreamContext {
    return this.world.context
  }

  get log(): EventLog {
    return this.world.log
  }

  get clientName(): string {
    return this.world.clientName
  }

  mayDial(): boolean {
    const { login, clock } = this.context
    return !this.#stopped && login.current !== null && clock.now >= this.#dialAt
  }

  shaken(): void {
    this.#backoff.reset()
  }

  unshaken({ text }: HandshakeFailure): void {
    this.#tell(text)
  }

  ended(reason: CloseReason, detail: string): void {
    this.#dialAt = this.context.clock.now + this.#backoff.next()
    if (!this.#stopped) this.#tell(detail === '' ? reason : detail)
  }

  // LinkUser

  linked(): void {
    this.#ask(this.context.clock.now)
  }

  unlinked(): void {
    this.#dueAt = Infinity
    if (!this.ready) return
    this.ready = false
    this.owner.lost()
  }

  push(buf: Buffer, start: number, end: number): boolean {
    const push = decode(buf.subarray(start, end), 0)
    if (!Array.isArray(push) || push[0] !== 'invalidate') return false
    const keys = push[1]
    if (!Array.isArray(keys)) this.owner.flushed()
    else for (const key of keys) if (typeof key === 'string') this.owner.changed(key)
    return false
  }

  #ask(now: number): void {
    const prefixes = this.world.prefixes.flatMap((prefix) => ['PREFIX', prefix])
    const answered = (answer: unknown) => {
      this.#dueAt = this.context.clock.now + (answer === 'OK' ? TEST_INTERVAL : ASK_INTERVAL)
      if (answer !== 'OK') return this.#tell(answer instanceof Error ? answer.message : 'an answer of unknown form')
      this.ready = true
      this.#told = false
      this.log.event('info', 'cache_ready', { endpoint: this.name })
    }
    this.#send(now, command('CLIENT', 'TRACKING', 'ON', 'BCAST', ...prefixes), answered)
  }

  #test(now: number): void {
    this.#send(now, PING, () => (this.#dueAt = this.context.clock.now + TEST_INTERVAL))
  }

  #send(now: number, request: string, answered: (answer: unknown) => void): void {
    const deadline = now + this.settings.upstream.commandTimeout
    this.link.current!.sendText(new StepReply(now, deadline, answered), request)
  }

  #tell(error: string): void {
    if (this.#told) return
    this.#told = true
    this.log.event('warn', 'cache_off', { endpoint: this.name, error })
  }
}
