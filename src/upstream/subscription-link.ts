import type { Address, Config } from '../config/config.js'
import { command } from '../resp/encode.js'
import type { CloseReason } from './close-reason.js'
import { type ConnectionOwner, UpstreamConnection, type UpstreamContext } from './connection.js'
import { type HandshakeFailure, type HandshakeOutcome, identityOf, shakeHands, StepReply } from './handshake.js'
import type { PushReader } from './pending.js'
import { relogIn, type ReloginOwner } from './relogin.js'

/** What the link needs of its endpoint. */
export interface LinkOwner extends ReloginOwner {
  readonly address: Address | null
  readonly settings: Pick<Config, 'upstream' | 'pool'>
  readonly context: UpstreamContext
  readonly clientName: string
  /** True unless an attempt to connect would be one too many. */
  mayDial(): boolean
  /** A handshake has succeeded, or failed for a reason that concerns every connection. */
  shaken(outcome: HandshakeOutcome): void
  unshaken(failure: HandshakeFailure): void
  /** A connection has ended; `ready` if it had been of use. */
  ended(reason: CloseReason, detail: string, ready: boolean): void
}

/** Whom the link serves. */
export interface LinkUser extends PushReader {
  /** A fresh connection takes commands. */
  linked(): void
  /** It has gone, with everything that was subscribed to on it. */
  unlinked(): void
}

const PING = command('PING')

/**
 * A connection on which Redis says things unasked: the one of an endpoint that carries subscriptions, or the one that carries
 * invalidations. It speaks RESP3 whatever applications speak, so that messages can be told from answers, has no place in the pool, and
 * neither idles nor grows old: its loss is a gap in what is heard.
 */
export class SubscriptionLink implements ConnectionOwner {
  connection: UpstreamConnection | null = null
  /** True from the end of the handshake on. */
  established = false

  constructor(
    readonly endpoint: LinkOwner,
    readonly user: LinkUser,
    /** What it is for, as its name in CLIENT LIST says. */
    readonly purpose = 'subscriptions',
  ) {}

  /** The connection, if it takes commands. Even while it is congested: nobody has more than one on it. */
  get current(): UpstreamConnection | null {
    return this.connection?.state.current === 'ready' ? this.connection : null
  }

  /** Dials, unless that is done or has to wait. */
  open(): void {
    const { address, settings, context } = this.endpoint
    if (this.connection !== null || address === null || !this.endpoint.mayDial()) return
    this.connection = new UpstreamConnection({ address, keepAlive: settings.upstream.keepAlive }, context, this)
    this.connection.pushes = this.user
  }

  opened(connection: UpstreamConnection): void {
    const { settings, context, clientName } = this.endpoint
    const now = context.clock.tick()
    shakeHands(
      connection,
      identityOf(settings.upstream.target, context.login, 3, 0, `${clientName}:${this.purpose}`),
      now,
      now + settings.upstream.connectTimeout,
      (outcome) => {
        this.endpoint.shaken(outcome)
        connection.markReady()
      },
      (failure) => {
        this.endpoint.unshaken(failure)
        connection.close('handshake', failure.text)
      },
    )
  }

  ready(): void {
    this.established = true
    this.user.linked()
  }

  idle(): void {}

  uncongested(): void {}

  closed(_connection: UpstreamConnection, reason: CloseReason, detail: string): void {
    const { established } = this
    this.connection = null
    this.established = false
    if (established) this.user.unlinked()
    this.endpoint.ended(reason, detail, established)
  }

  /** Tests a silent connection, and gives up on one that does not answer. */
  sweep(now: number): void {
    const { connection, endpoint } = this
    if (connection === null) return
    const { connectTimeout, commandTimeout } = endpoint.settings.upstream
    const { healthCheckInterval } = endpoint.settings.pool
    if (!this.established) {
      if (now - connection.openedAt > connectTimeout) connection.giveUp()
      return
    }
    if (connection.leaving) {
      if (now - connection.lastHeard > connectTimeout) connection.close('timeout', 'did not close')
      return
    }
    connection.expire(now)
    if (connection.usable) relogIn(endpoint, connection)
    const silent = now - connection.lastHeard > healthCheckInterval && healthCheckInterval > 0
    if (silent && connection.usable && connection.inflight.length === 0)
      connection.sendText(new StepReply(now, now + commandTimeout, () => {}), PING)
  }
}
