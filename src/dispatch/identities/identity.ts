import type { Config } from '../../config/config.js'
import { Upstreams } from '../../routing/upstreams.js'
import type { Logins } from '../../routing/logins.js'
import type { UpstreamContext } from '../../upstream/connection.js'
import { ControlClient } from '../../upstream/control.js'
import { type Credentials, UpstreamLogin } from '../../upstream/login.js'
import type { EventLog } from '../../util/log.js'
import { Permissions } from '../permissions.js'
import type { SessionContext } from '../session.js'

/** What identities are made of. */
export interface IdentityWorld {
  /** That in force. */
  config: Config
  readonly upstream: Omit<UpstreamContext, 'tls' | 'login'>
  readonly logins: Logins
  /** respool's own servers. */
  readonly own: Upstreams
  /** What sessions share whoever they are. */
  readonly shared: SessionContext
  readonly log: EventLog
  readonly clientName: string
}

/**
 * One login of applications, and all its connections to Redis: none of them is anybody else's, since everything that leads to servers is
 * its own.
 *
 *     sessions that gave this user and password ──► context ──► topology ──► endpoints ──► connections logged in with them
 */
export class Identity {
  readonly login: UpstreamLogin
  readonly upstreams: Upstreams
  readonly context: SessionContext
  /** When Redis was asked last whether the login is good, and when it was used last, ms. */
  checkedAt: number
  usedAt: number
  checking = false
  stopped = false
  readonly #asker: { client: ControlClient | null; name: string } = { client: null, name: '' }
  #isUp = false
  #arrived: () => void = () => {}
  readonly #arrival = new Promise<void>((resolve) => (this.#arrived = resolve))

  /** @param door where its sessions log in */
  constructor(
    readonly world: IdentityWorld,
    readonly credentials: Credentials,
    door: SessionContext['door'],
  ) {
    const { upstream, logins, log, clientName, config, shared } = world
    const { clock } = upstream
    this.checkedAt = this.usedAt = clock.tick()
    this.login = new UpstreamLogin(credentials, 0, () => clock.tick())
    const context = { ...upstream, login: this.login }
    this.upstreams = new Upstreams(limited(config), context, logins, log, clientName, () => {
      this.#isUp = true
      this.#arrived()
    })
    const { topology, carriers } = this.upstreams
    const asker = { call: (...args: string[]) => this.#ask(args) }
    const permissions = new Permissions(asker, () => clock.tick(), config.passthrough.recheckInterval)
    const near = shared.near?.cache.another() ?? null
    this.context = { ...shared, topology, carriers, permissions, door, near }
    this.upstreams.start()
  }

  get user(): string {
    return this.credentials.username ?? 'default'
  }

  apply(config: Config): void {
    this.upstreams.apply(limited(config))
  }

  /** Resolves when commands can be sent, or after the time to connect. */
  async up(): Promise<void> {
    if (this.#isUp) return
    const { connectTimeout } = this.world.config.upstream
    const late = new Promise((resolve) => setTimeout(resolve, connectTimeout).unref())
    await Promise.race([this.#arrival, late])
  }

  stop(): void {
    this.stopped = true
    this.#asker.client?.close()
    this.upstreams.stop()
  }

  /** Asks the home as the user, and not at all if that is refused. */
  async #ask(args: string[]): Promise<unknown> {
    const { name } = this.upstreams.topology.home
    const { username, password } = this.credentials
    if (this.#asker.name !== name || this.#asker.client === null) {
      this.#asker.client?.close()
      this.#asker.client = clientFor(this.world, this.upstreams, this.login)
      this.#asker.name = name
    }
    const { client } = this.#asker
    if (client === null) throw new Error('no server is known yet')
    if (password !== null) await client.call('AUTH', username ?? 'default', password)
    return client.call(...args)
  }
}

/** A client of the server that commands without keys go to; null as long as none is known. */
export function clientFor(world: IdentityWorld, upstreams: Upstreams, login: UpstreamLogin): ControlClient | null {
  const { address } = upstreams.topology.home
  const { config, clientName } = world
  const { tls } = upstreams.context
  const timeout = config.upstream.connectTimeout
  return address === null ? null : new ControlClient({ address, tls, clientName, login, timeout })
}

/** The configuration with the limits that count for one login. */
function limited(config: Config): Config {
  const { connections, leases } = config.passthrough
  const { pool } = config
  return { ...config, pool: { ...pool, max: connections, min: 0, leases: { ...pool.leases, max: leases } } }
}
