import type { Config, Login } from '../config/config.js'
import { CredentialKeeper } from '../secrets/credential-keeper.js'
import { credentialsOf, UpstreamLogin } from '../upstream/login.js'
import type { Clock } from '../util/clock.js'
import type { EventLog } from '../util/log.js'

/** respool's own logins, kept up to date. */
export class Logins {
  readonly redis: UpstreamLogin
  readonly sentinels: UpstreamLogin
  #keepers: readonly CredentialKeeper[]
  #started = false

  constructor(
    { upstream }: Config,
    clock: Clock,
    readonly log: EventLog,
  ) {
    const { target, sentinel, passwordCommand, passwordOverlap } = upstream
    this.redis = new UpstreamLogin(passwordCommand === undefined ? credentialsOf(target) : null, passwordOverlap, clock)
    this.sentinels = new UpstreamLogin(credentialsOf(sentinel), passwordOverlap, clock)
    this.#keepers = this.#keep(upstream)
  }

  start(): void {
    this.#started = true
    for (const keeper of this.#keepers) keeper.start()
  }

  stop(): void {
    for (const keeper of this.#keepers) keeper.stop()
  }

  /** Another configuration is in force: what it says of logins, and where they are kept, counts from now on. Connections live on. */
  apply({ upstream }: Config): void {
    this.stop()
    if (upstream.passwordCommand === undefined) this.redis.take(credentialsOf(upstream.target))
    this.sentinels.take(credentialsOf(upstream.sentinel))
    this.#keepers = this.#keep(upstream)
    if (this.#started) this.start()
  }

  #keep(upstream: Config['upstream']): readonly CredentialKeeper[] {
    const { target, sentinel, passwordInterval } = upstream
    const { username, password } = target
    const keeper = (login: Login, name: string, to: UpstreamLogin) =>
      new CredentialKeeper(login, name, passwordInterval, this.log, (kept) => to.take(credentialsOf(kept)))
    return [
      keeper({ ...upstream, username, password }, 'upstream', this.redis),
      keeper(sentinel, 'upstream.sentinel', this.sentinels),
    ]
  }
}
