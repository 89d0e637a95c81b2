import type { AuthMode, Config } from '../config/config.js'
import { hashOf, parseUsers, type User } from '../config/users.js'
import type { EndpointStats } from '../metrics/gauges.js'
import { CredentialKeeper } from '../secrets/credential-keeper.js'
import { credentialsOf } from '../upstream/login.js'
import { readText, WatchedFiles } from '../util/watched-files.js'
import type { Door } from './door.js'
import { summed } from './identities/figures.js'
import { Identities } from './identities/identities.js'
import type { IdentityWorld } from './identities/identity.js'
import { UsersDoor } from './login.js'
import type { Session, SessionContext } from './session.js'

/**
 * The doors of all listeners, one for each way of letting applications in. Password and users come from the configuration and from
 * files, which are read again when they change; what cannot be read changes nothing.
 */
export class Doors {
  readonly #password: UsersDoor
  readonly #users: UsersDoor
  readonly #identities: Identities
  #auth: Config['auth']
  readonly #usersFile = new WatchedFiles(() => this.#readUsers())
  #keeper: CredentialKeeper | null = null

  /** @throws Error if the file of users cannot be read */
  constructor(readonly world: IdentityWorld) {
    const { config, shared } = world
    this.#auth = config.auth
    this.#password = new UsersDoor(onlyDefault(config.auth.password), shared)
    this.#users = new UsersDoor(usersOf(config.auth), shared)
    this.#identities = new Identities(world)
  }

  /** Where the sessions of a listener begin. */
  contextFor(mode: AuthMode): SessionContext {
    const { shared } = this.world
    const door = this.#doorOf(mode)
    // Who has not logged in sends nothing that would have to be kept.
    return door === null ? shared : { ...shared, door, keeps: false, near: null, attends: false }
  }

  start(): void {
    const { usersFile } = this.#auth
    this.#usersFile.watch(usersFile === undefined ? [] : [usersFile])
    const take = ({ password }: { password: string | null }) => this.#password.take(onlyDefault(password))
    this.#keeper = new CredentialKeeper(this.#auth, 'auth', 0, this.world.log, take)
    this.#keeper.start()
  }

  stop(): void {
    this.#usersFile.stop()
    this.#keeper?.stop()
    this.#identities.stop()
  }

  /** To be called every 50 to 100 ms. */
  sweep(now: number): void {
    this.#identities.sweep(now)
  }

  /** Another configuration is in force: the password and the users in it count from now on. */
  apply(config: Config): void {
    this.#keeper?.stop()
    this.#auth = config.auth
    this.#password.take(onlyDefault(config.auth.password))
    this.#readUsers()
    this.start()
    this.#identities.apply(config)
  }

  /** Logins that have connections of their own. */
  get identities(): number {
    return this.#identities.size
  }

  /** The figures of servers, with those of the connections that logins have of their own. */
  stats(own: EndpointStats[]): EndpointStats[] {
    return summed([...own, ...this.#identities.stats()])
  }

  #doorOf(mode: AuthMode): Door<Session> | null {
    switch (mode) {
      case 'none':
        return null
      case 'password':
        return this.#password
      case 'users':
        return this.#users
      case 'passthrough':
        return this.#identities
    }
  }

  #readUsers(): void {
    const { log } = this.world
    try {
      this.#users.take(usersOf(this.#auth))
      log.event('info', 'users_read', {})
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      log.event('error', 'users_unreadable', {
        error: code ?? message,
        advice: 'the users that were read before count on',
      })
    }
  }
}

/** Those of the configuration, and then those of the file. @throws Mistake, or Error */
function usersOf({ users, usersFile }: Config['auth']): User[] {
  return [...users, ...(usersFile === undefined ? [] : parseUsers(readText(usersFile)))]
}

function onlyDefault(given: string | null): User[] {
  const { password } = credentialsOf({ username: null, password: given })
  return password === null ? [] : [{ name: 'default', enabled: true, nopass: false, hashes: [hashOf(password)] }]
}

/** True if others than those on this host can reach a listener, and need to prove nothing, though nobody has said that they may. */
export function isExposed({ address, auth, tls }: Config['listen'][number]): boolean {
  if (auth !== undefined || address.kind === 'unix' || tls?.clientAuth === 'require') return false
  return !/^(localhost|127\..*|::1)$/.test(address.host)
}
